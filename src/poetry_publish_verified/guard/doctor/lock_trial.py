"""Tries the locks of a filesystem with two processes of this host."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from poetry_publish_verified import isolated_python as children
from poetry_publish_verified.guard.locks.filesystems import Filesystem
from poetry_publish_verified.guard.locks.filesystems import filesystem_of
from poetry_publish_verified.guard.locks.lock import Answer
from poetry_publish_verified.guard.locks.lock import State
from poetry_publish_verified.guard.locks.lock import tried
from poetry_publish_verified.guard.locks.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOLDER = "from poetry_publish_verified.guard.doctor.lock_trial import hold; hold()"
_KEY = "lock trial"
# Seconds; only a machine that is far too busy, or a filesystem that hangs, needs so many.
_PATIENCE = 60.0
# The second process gives up before that, unless Python itself hangs.
_LONGEST = 3 * _PATIENCE


@dataclass(frozen=True, slots=True)
class Trial:
    """What two processes of this host found out."""

    filesystem: Filesystem
    unknown: str | None = None
    """Why the trial could not be made: it says nothing of the locks then."""
    error: str | None = None
    """Why no lock could be had at all."""
    excludes: bool = False
    """Whether the second process was kept out while the first one had the lock."""
    frees: bool = False
    """Whether it had the lock once the first one was killed."""

    @property
    def is_sound(self) -> bool:
        """Whether all was as it has to be."""
        return self.excludes and self.frees and not self.filesystem.option_without_locks


def try_locks(directory: Path) -> Trial:
    """Try a lock in `directory`, or in the nearest one above it that exists; nothing is left.

    Raises OSError where nothing can be written there.
    """
    place = next(one for one in (directory, *directory.parents) if one.is_dir())
    if not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
    filesystem = filesystem_of(place)
    with _lock_file(place) as path:
        resource = Resource("a trial", path)
        with _holder_of(resource) as process:
            first = _answer_of(process)
            if first.state is not State.HELD:
                return _without_lock(filesystem, first)
            with tried(resource, 0, _PATIENCE) as second:
                # Who has ended keeps nobody out.
                has_ended = process.poll() is not None
        if has_ended:
            return Trial(filesystem, unknown="the second process ended early")
        if second.state is State.HELD:
            return Trial(filesystem)
        if second.state is not State.BUSY:
            return _without_lock(filesystem, second)
        # A server may take a moment to hear of it.
        with tried(resource, _PATIENCE, _PATIENCE) as third:
            if third.state in {State.BUSY, State.HELD}:
                return Trial(filesystem, excludes=True, frees=third.state is State.HELD)
            return _without_lock(filesystem, third)


def hold() -> None:
    """Be the trial's other process: try for the lock, answer, and keep it until killed."""
    with tried(Resource("a trial", Path(sys.argv[1])), 0, _PATIENCE) as answer:
        line = json.dumps({_KEY: [answer.state.value, answer.why]})
        # A line of its own, whatever else was written there.
        os.write(1, f"\n{line}\n".encode())
        sys.stdin.read()


@contextmanager
def _lock_file(place: Path) -> Iterator[Path]:
    # A file: whoever lists that directory may take a directory in it for one of his own.
    descriptor, name = tempfile.mkstemp(prefix=".poetry-lock-trial-", dir=place)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        with suppress(OSError):
            Path(name).unlink()


@contextmanager
def _holder_of(resource: Resource) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        children.python(
            ["poetry_publish_verified", "filelock"], _HOLDER, str(resource.path.absolute())
        ),
        cwd=children.NEUTRAL,
        env=children.surroundings(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _answer_of(process: subprocess.Popen[bytes]) -> Answer:
    """The first line that is an answer: what is loaded at Python's start may print others."""
    guard = threading.Timer(_LONGEST, process.kill)
    guard.start()
    try:
        for line in process.stdout or ():
            with suppress(ValueError, TypeError, LookupError, RecursionError):
                state, why = json.loads(line)[_KEY]
                return Answer(State(state), str(why))
    finally:
        guard.cancel()
    return Answer(State.UNKNOWN, "the second process did not answer")


def _without_lock(filesystem: Filesystem, answer: Answer) -> Trial:
    if answer.state is State.UNKNOWN:
        return Trial(filesystem, unknown=answer.why)
    busy = "a new lock was refused as if it were in use"
    return Trial(filesystem, error=busy if answer.state is State.BUSY else answer.why)
