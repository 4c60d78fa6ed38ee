"""Who holds a lock: a record beside it, for people and for nested processes; advisory only.

The lock itself is the operating system's. A record may be missing, or be left by a process
that was killed, so nothing is decided by it but what is said, and which ancestor counts.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poetry_publish_verified.guard.ownership import Ground
from poetry_publish_verified.guard.ownership import read_regular
from poetry_publish_verified.guard.python_environment import Builder

ENDING = ".holder"
_LONGEST = 200
_LARGEST = 65536
# Beyond this there are no process ids, and until 2106 no times.
_LATEST = 2**32
# What follows these is a secret.
_SECRET = ("--password", "--username")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(?:.*@)?([^/?#@]*).*")


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a lock, as it wrote it down itself."""

    resource: str
    """What is held, by its name for people."""
    process: str
    """`str(Builder)`: host and boot, process id, start time."""
    host: str
    pid: int
    command: str
    since: float
    """Seconds since the epoch, by the holder's clock."""
    nonce: str
    """Of this one holding; a nested process shows it."""

    @classmethod
    def this_process(cls, resource: str) -> Holder:
        """This very process, from now on."""
        process = Builder.this_process()
        return cls(
            resource=resource,
            process=str(process),
            host=socket.gethostname(),
            pid=process.pid,
            command=command_line(sys.argv),
            since=time.time(),
            nonce=secrets.token_hex(8),
        )

    @property
    def is_gone(self) -> bool:
        """Whether the process has ended for certain: another host's is never said to have."""
        process = Builder.parse(self.process)
        return process is None or process.is_dead() is True

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs where this process cannot ask: another host, or another container."""
        process = Builder.parse(self.process)
        return process is None or process.host != Builder.this_process().host

    def __str__(self) -> str:
        held = max(0, round(time.time() - self.since))
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        where = f"on {self.host}" + (", another host or container" if self.is_elsewhere else "")
        return f"`{self.command}` (process {self.pid} {where}) since {began}, for {held} s now"


def write(lock: Path, holder: Holder) -> bool:
    """Leave the record beside `lock`; whether that could be done."""
    target = _record(lock)
    private = target.with_name(f"{target.name}.{holder.nonce}")
    try:
        # Whoever may lock may read who does, whatever the umask.
        Ground.of(lock.parent, lock).make_file(private, json.dumps(asdict(holder)).encode())
        private.replace(target)
    except OSError:
        with suppress(OSError):
            private.unlink()
        return False
    return True


def erase(lock: Path) -> None:
    """Remove the record, while the lock is still held."""
    with suppress(OSError):
        _record(lock).unlink()


def read(lock: Path) -> Holder | None:
    """The record beside `lock`, its text made fit for a terminal; None if there is none."""
    record = _record(lock)
    try:
        Ground.of(lock.parent, lock).believe(record)
        found = json.loads(read_regular(record, _LARGEST))
        holder = Holder(
            resource=_plain(found["resource"]),
            process=_plain(found["process"]),
            host=_plain(found["host"]),
            pid=int(found["pid"]),
            command=_plain(found["command"]),
            since=float(found["since"]),
            nonce=_plain(found["nonce"]),
        )
    # Somebody else's file: anything may stand there.
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    # Comparisons with what is no number are false.
    return holder if 0 <= holder.since < _LATEST and 0 < holder.pid < _LATEST else None


def way_out(lock: Path) -> str:
    """What to do about a lock whose holder's host may be gone; empty for one of this host's."""
    holder = read(lock)
    if holder is None or not holder.is_elsewhere:
        return ""
    return f"If {holder.host} is gone for good, delete {lock}."


def of_directory(directory: Path) -> dict[Path, Holder]:
    """By lock file, the records in a directory."""
    records = sorted(directory.glob(f"*{ENDING}"))
    locks = [record.with_name(record.name.removesuffix(ENDING)) for record in records]
    return {lock: holder for lock in locks if (holder := read(lock)) is not None}


def command_line(argv: list[str]) -> str:
    """A command line for others to read: its words, the names of options, hosts of addresses.

    Left out are values joined to options, what follows an option for a password, a setting's
    value, the rest of an address, and all that `poetry run` is to run.
    """
    program = Path(argv[0]).name if argv else ""
    shown = ["poetry" if program in {"", "__main__.py"} else program]
    words = iter(argv[1:])
    for word in words:
        if word.startswith("-"):
            option = _option(word)
            shown.append(option)
            if word == option and (word in _SECRET or (word[1] != "-" and word[-1] in "pu")):
                next(words, None)
            continue
        is_key = "config" in shown
        shown.append(_ADDRESS.sub(r"\1\2/…", word) if "://" in word else word)
        if word == "run" or is_key:
            shown.append("…")
            break
    return _plain(" ".join(shown))


def _option(word: str) -> str:
    """An option without its value, single letters up to the first that takes a secret."""
    if word.startswith("--"):
        return word.partition("=")[0]
    letters = re.match(r"-[A-Za-z]*?(?:[pu]|(?![A-Za-z]))", word + " ")
    return letters[0] if letters else word[:2]


def _record(lock: Path) -> Path:
    return lock.with_name(lock.name + ENDING)


def _plain(text: Any) -> str:
    shown = "".join(one if one.isprintable() else "?" for one in str(text))
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


def is_ancestor(process: Builder) -> bool:
    """Whether `process` is alive, and this process or one that it descends from.

    Where the system does not tell who descends from whom, being alive is enough.
    """
    if process.host != Builder.this_process().host or process.is_dead() is not False:
        return False
    pid = os.getpid()
    while pid > 0:
        if pid == process.pid:
            return True
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            pid = int(stat.rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return not Path("/proc/self/stat").exists()
    return False
