"""What a plugin set depends on, as plain values: interpreter, distributions, this process."""

from __future__ import annotations

import functools
import hashlib
import importlib.machinery
import importlib.metadata
import os
import platform
import re
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_METADATA_OF = {".dist-info": "METADATA", ".egg-info": "PKG-INFO"}


def canonical(name: str) -> str:
    """A distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def interpreter() -> dict[str, str]:
    """Whatever makes compiled code of one interpreter useless to another.

    `sys.version` names neither machine nor libc, and one checkout may be shared by images
    that differ in nothing else.
    """
    return {
        "python": sys.version,
        "extensions": importlib.machinery.EXTENSION_SUFFIXES[0],
        "machine": platform.machine(),
        "libc": " ".join(platform.libc_ver()),
    }


def distributions(path: Iterable[str]) -> dict[str, str]:
    """Canonical name → version of what is installed on `path`; the first of a name counts.

    Read from directory names: parsing sixty METADATA files would cost every command 30 ms.
    Directories that pip left behind (`~name`) and those without metadata do not count.
    """
    found: dict[str, str] = {}
    for entry in path:
        with suppress(OSError), os.scandir(entry or os.curdir) as listing:
            for item in sorted(listing, key=lambda item: item.name):
                stem, _, ending = item.name.rpartition(".")
                suffix = f".{ending}"
                if suffix not in _METADATA_OF or stem.startswith("~"):
                    continue
                named = _name_and_version(item.path, stem, suffix)
                if named is not None:
                    found.setdefault(canonical(named[0]), named[1])
    return found


def _name_and_version(directory: str, stem: str, suffix: str) -> tuple[str, str] | None:
    name, _, version = stem.rpartition("-")
    if suffix == ".dist-info" and name:
        whole = Path(directory, _METADATA_OF[suffix]).is_file()
        return (name, version) if whole else None
    metadata = importlib.metadata.PathDistribution(Path(directory)).metadata
    if "Name" not in metadata or "Version" not in metadata:
        return None
    return metadata["Name"], metadata["Version"]


@dataclass(frozen=True, slots=True)
class Builder:
    """The process that builds in a private directory, so that others can tell if it died.

    `host` is one PID namespace of one boot of one machine: process ids mean something only
    within it, and containers often share a host name, or even a checkout and a host name.
    """

    host: str
    pid: int
    started: str

    @classmethod
    def this_process(cls) -> Builder:
        """This very process."""
        return cls(_host(), os.getpid(), _start_time(os.getpid()))

    @classmethod
    def parse(cls, text: str) -> Builder | None:
        """The builder that `str(builder)` named; None for any other text."""
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
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return stat.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "0"
