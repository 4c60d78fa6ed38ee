"""Who holds a lock: a record beside it, for people and for nested processes; advisory only.

The lock itself is the operating system's. A record may be missing, or left by a process that was
killed: it decides nothing but what is said, and which ancestor counts.
"""

import json
import re
import secrets
import socket
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple, Self

from poetry_publish_verified.guard.layout import HOLDER_SUFFIX
from poetry_publish_verified.guard.locks import problems
from poetry_publish_verified.guard.locks.fresh_view import ask_server, look_again
from poetry_publish_verified.guard.ownership import SharedDirectory, read_regular_file
from poetry_publish_verified.guard.processes import ProcessId
from poetry_publish_verified.sanitize import printable
from poetry_publish_verified.values import Value

# Seconds from having a lock to its record, on a busy host and a shared filesystem.
_MOMENT = 0.5
_MAX_TEXT = 200
_MAX_RECORD = 65536
# Beyond this there are no process ids, and until 2106 no times.
_MAX_NUMBER = 2**32
# A secret follows these.
_SECRET_OPTIONS = ("--password", "--username")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)(?:.*@)?([^/?#@]*).*")


class Holder(Value, kw_only=True):
    """The process that holds a lock, as it recorded itself."""

    resource: str
    """What it holds, by its name for people."""
    process: str
    """`str(ProcessId)`: host and boot, process id, start time."""
    host: str
    pid: int
    command: str
    since: float
    """Seconds since the epoch, by the holder's clock."""
    nonce: str
    """Identifies this one holding; a nested process shows it."""
    heartbeat: float = 0.0
    """Seconds from one heartbeat to the next; 0 if there are none."""

    @classmethod
    def this_process(cls, resource: str) -> Self:
        """This very process, from now on."""
        process = ProcessId.current()
        return cls(
            resource=resource,
            process=str(process),
            host=socket.gethostname(),
            pid=process.pid,
            command=redacted_command(sys.argv),
            since=time.time(),
            nonce=secrets.token_hex(8),
        )

    @property
    def is_gone(self) -> bool:
        """Whether the process has certainly ended; never true of another host's."""
        process = ProcessId.parse(self.process)
        return process is None or process.is_dead() is True

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs where this process cannot look: on another host, in a container."""
        process = ProcessId.parse(self.process)
        return process is None or process.host != ProcessId.current().host

    def __str__(self) -> str:
        seconds = max(0, round(time.time() - self.since))
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        where = f"on {self.host}" + (", another host or container" if self.is_elsewhere else "")
        return f"`{self.command}` (process {self.pid} {where}) since {began}, for {seconds} s now"


def describe(lock: Path) -> str:
    """The holder of a lock that is busy, for people."""
    holder = read_record(lock)
    if holder is None or holder.is_gone:
        # Whoever has just got the lock is about to write its record, and this host may remember
        # that another one had not.
        time.sleep(_MOMENT)
        look_again(lock)
        holder = read_record(lock)
    if holder is None or holder.is_gone:
        return problems.unknown_holder(str(holder or ""))
    return str(holder)


class Heartbeat(NamedTuple):
    """The last sign of life of a holder: its moment on the filesystem, and its age in seconds."""

    moment: int
    age: float


def last_heartbeat(lock: Path) -> Heartbeat | None:
    """That of the holder recorded beside `lock`; None if it has none, or nobody can tell.

    Its age is the difference to a new file there: clocks of hosts differ.
    """
    holder, record = read_record(lock), record_of(lock)
    if holder is None or not holder.heartbeat:
        return None
    new = record.with_name(f"{record.name}.{secrets.token_hex(8)}")
    try:
        ask_server(record)
        moment = record.stat().st_mtime_ns
        SharedDirectory.at(lock.parent, lock).make_file(new)
        now = new.stat().st_mtime_ns
    except OSError:
        return None
    finally:
        with suppress(OSError):
            new.unlink()
    return Heartbeat(moment, max(0.0, (now - moment) / 1e9))


def write_record(lock: Path, holder: Holder) -> bool:
    """Leave a record beside `lock`; whether that succeeded."""
    record = record_of(lock)
    private = record.with_name(f"{record.name}.{holder.nonce}")
    try:
        # Whoever may lock may read who does, whatever the umask.
        directory = SharedDirectory.at(lock.parent, lock)
        directory.make_file(private, json.dumps(asdict(holder)).encode())
        private.replace(record)
    except OSError:
        with suppress(OSError):
            private.unlink()
        return False
    return True


def erase_record(lock: Path, nonce: str | None = None) -> None:
    """Remove the record, while the lock is still held; unless it has another `nonce`."""
    found = read_record(lock) if nonce else None
    if found is None or found.nonce == nonce:
        with suppress(OSError):
            record_of(lock).unlink()


def read_record(lock: Path) -> Holder | None:
    """The record beside `lock`, its text made harmless; None if there is no good one."""
    record = record_of(lock)
    try:
        SharedDirectory.at(lock.parent).require_trusted(record)
        found = json.loads(read_regular_file(record, _MAX_RECORD))
        texts = ("resource", "process", "host", "command", "nonce")
        holder = Holder(
            pid=int(found["pid"]),
            since=float(found["since"]),
            # Those of earlier versions have none.
            heartbeat=float(found.get("heartbeat", 0)),
            **{name: printable(str(found[name]), _MAX_TEXT) for name in texts},
        )
    # Somebody else's file may hold anything.
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    # NaN fails these comparisons too.
    return holder if 0 <= holder.since < _MAX_NUMBER and 0 < holder.pid < _MAX_NUMBER else None


def records_in(directory: Path) -> dict[Path, Holder]:
    """By lock file, the records in a directory; none where it cannot be read."""
    records: list[Path] = []
    with suppress(OSError):
        records = sorted(directory.glob(f"*{HOLDER_SUFFIX}"))
    locks = [record.with_name(record.name.removesuffix(HOLDER_SUFFIX)) for record in records]
    return {lock: holder for lock in locks if (holder := read_record(lock)) is not None}


def redacted_command(argv: list[str]) -> str:
    """A command line for others to read: its words, names of options, and hosts of URLs.

    Without values joined to options, what follows an option for a password, the value of a
    setting, the rest of a URL, and anything that `poetry run` is to run.
    """
    program = Path(argv[0]).name if argv else ""
    shown = ["poetry" if program in {"", "__main__.py"} else program]
    words = iter(argv[1:])
    for word in words:
        if word.startswith("-"):
            option = _option_name(word)
            shown.append(option)
            if word == option and (
                word in _SECRET_OPTIONS or (word[1] != "-" and word[-1] in "pu")
            ):
                next(words, None)
            continue
        is_key = "config" in shown
        shown.append(_URL.sub(r"\1\2/…", word) if "://" in word else word)
        if word == "run" or is_key:
            shown.append("…")
            break
    return printable(" ".join(shown), _MAX_TEXT)


def _option_name(word: str) -> str:
    """An option without its value: single letters up to the first that takes a secret."""
    if word.startswith("--"):
        return word.partition("=")[0]
    letters = re.match(r"-[A-Za-z]*?(?:[pu]|(?![A-Za-z]))", word + " ")
    return letters[0] if letters else word[:2]


def record_of(lock: Path) -> Path:
    """Where the record of a lock is."""
    return lock.with_name(lock.name + HOLDER_SUFFIX)
