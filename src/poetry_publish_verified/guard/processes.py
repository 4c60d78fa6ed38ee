"""Which process made something, and whether it still runs."""

import functools
import hashlib
import os
import re
import socket
from contextlib import suppress
from pathlib import Path
from typing import Self

from poetry_publish_verified.values import Value


class ProcessId(Value):
    """One process, in a form that others can read later to find out whether it died.

    `host` is one PID namespace of one boot of one machine: process ids mean something only
    within it, and containers often share a host name, or even a checkout and a host name.
    """

    host: str
    pid: int
    started: str

    @classmethod
    def current(cls) -> Self:
        """This very process."""
        return cls(_host(), os.getpid(), _start_time(os.getpid()))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The process that `str(process_id)` named; None for any other text."""
        match = re.fullmatch(r"([0-9a-f]{12})-(\d{1,10})-(\d+)", text)
        return cls(match[1], int(match[2]), match[3]) if match else None

    def __str__(self) -> str:
        return f"{self.host}-{self.pid}-{self.started}"

    def is_dead(self) -> bool | None:
        """Whether the process is gone; None where this process cannot know (another host)."""
        # Windows has no signal 0: there os.kill would end the process.
        if self.host != _host() or os.name == "nt":
            return None
        try:
            os.kill(self.pid, 0)
        # An id beyond what the system has is nobody's.
        except (ProcessLookupError, OverflowError):
            return True
        except OSError:
            return False
        # The id may have gone to another process since.
        return _start_time(self.pid) != self.started

    def is_ancestor(self) -> bool:
        """Whether the process is alive, and this process or one that it descends from.

        Being alive is enough where the system does not say who descends from whom.
        """
        if self.host != _host() or self.is_dead() is not False:
            return False
        pid = os.getpid()
        while pid > 0:
            if pid == self.pid:
                return True
            try:
                pid = int(_process_fields(pid)[1])
            except (OSError, ValueError, IndexError):
                return not Path("/proc/self/stat").exists()
        return False


def user_id() -> int | None:
    """The user that this process acts as; None where there are no user ids."""
    return os.geteuid() if hasattr(os, "geteuid") else None


@functools.cache
def _host() -> str:
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _start_time(pid: int) -> str:
    """Clock ticks from boot to the start of `pid`; "0" where the system does not say."""
    try:
        return _process_fields(pid)[19]
    except (OSError, IndexError):
        return "0"


def _process_fields(pid: int) -> list[str]:
    """What /proc/PID/stat holds after the process's name, which may hold spaces (proc(5))."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()
