"""Tries the locks of a filesystem with two processes of this host."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from poetry_publish_verified import isolated_python
from poetry_publish_verified.guard import problems
from poetry_publish_verified.guard.locks.attempt import LockState, Outcome, try_lock
from poetry_publish_verified.guard.locks.filesystems import Filesystem, filesystem_of
from poetry_publish_verified.guard.locks.resource import Resource

_HOLDER = "from poetry_publish_verified.guard.doctor.lock_trial import hold; hold()"
_KEY = "lock trial"
# Seconds; only an overloaded machine, or a filesystem that hangs, needs so many.
_GRACE = 60.0
# The second process gives up before that, unless Python itself hangs.
_LONGEST = 3 * _GRACE


class Trial(NamedTuple):
    """What two processes of this host found out."""

    filesystem: Filesystem
    unknown: str | None = None
    """Why the trial failed; it says nothing about the locks then."""
    error: str | None = None
    """Why no lock is available at all."""
    excludes: bool = False
    """Whether the second process was kept out while the first one held the lock."""
    frees: bool = False
    """Whether it got the lock once the first one was killed."""

    @property
    def works_here(self) -> bool:
        """Whether everything was as it should be between processes of this host."""
        return self.excludes and self.frees

    @property
    def is_sound(self) -> bool:
        """Whether nothing is known to be wrong between hosts, either."""
        return self.works_here and not self.filesystem.why_local


def try_locks(directory: Path) -> Trial:
    """Try a lock in `directory`, or in the nearest existing one above it, and leave nothing behind.

    Raises OSError where nothing can be written there.
    """
    place = next(one for one in (directory, *directory.parents) if one.is_dir())
    filesystem = filesystem_of(place)
    with _lock_file(place) as path:
        resource = Resource("a trial", path)
        with _holder_of(resource) as process:
            first = _answer_of(process)
            if first.state is not LockState.HELD:
                return _without_lock(filesystem, first)
            with try_lock(resource, 0, _GRACE) as second:
                # A process that has ended keeps nobody out.
                has_ended = process.poll() is not None
        if has_ended:
            return Trial(filesystem, unknown=problems.TRIAL_ENDED_EARLY)
        if second.state is LockState.HELD:
            return Trial(filesystem)
        if second.state is not LockState.BUSY:
            return _without_lock(filesystem, second)
        # A server may learn of it a moment later.
        with try_lock(resource, _GRACE, _GRACE) as third:
            if third.state in {LockState.BUSY, LockState.HELD}:
                return Trial(filesystem, excludes=True, frees=third.state is LockState.HELD)
            return _without_lock(filesystem, third)


def hold() -> None:
    """Be the trial's other process: try to get the lock, answer, and keep it until killed."""
    with try_lock(Resource("a trial", Path(sys.argv[1])), 0, _GRACE) as outcome:
        line = json.dumps({_KEY: [outcome.state.value, outcome.why]})
        # A line of its own, whatever else was written there.
        os.write(1, f"\n{line}\n".encode())
        sys.stdin.read()


@contextmanager
def _lock_file(place: Path) -> Iterator[Path]:
    # A file: whoever lists that directory may take a directory in it for one of their own.
    try:
        descriptor, name = tempfile.mkstemp(prefix=".poetry-lock-trial-", dir=place)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(place)) from error
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        with suppress(OSError):
            Path(name).unlink()


@contextmanager
def _holder_of(resource: Resource) -> Iterator[subprocess.Popen[bytes]]:
    modules = ["poetry_publish_verified", "filelock"]
    process = subprocess.Popen(
        isolated_python.python(modules, _HOLDER, str(resource.path.absolute())),
        cwd=isolated_python.NEUTRAL,
        env=isolated_python.surroundings(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _answer_of(process: subprocess.Popen[bytes]) -> Outcome:
    """The first line that is an answer: what Python loads at its start may print others."""
    guard = threading.Timer(_LONGEST, process.kill)
    guard.start()
    try:
        for line in process.stdout or ():
            with suppress(ValueError, TypeError, LookupError, RecursionError):
                state, why = json.loads(line)[_KEY]
                return Outcome(LockState(state), str(why))
    finally:
        guard.cancel()
    return Outcome(LockState.UNKNOWN, problems.TRIAL_SILENT)


def _without_lock(filesystem: Filesystem, outcome: Outcome) -> Trial:
    if outcome.state is LockState.UNKNOWN:
        return Trial(filesystem, unknown=outcome.why)
    is_busy = outcome.state is LockState.BUSY
    return Trial(filesystem, error=problems.TRIAL_BUSY if is_busy else outcome.why)
