"""One attempt to get one lock, with a time-out. The only importer of filelock."""

import functools
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from poetry_publish_verified.guard.locks import problems
from poetry_publish_verified.guard.locks.files import LockNotNeededError, prepare_lock_file
from poetry_publish_verified.guard.locks.fresh_view import look_again
from poetry_publish_verified.guard.locks.lock_file import LockFile
from poetry_publish_verified.guard.locks.resource import Resource

_FIRST_REPORT_AFTER = 1.0
_NEXT_REPORT_AFTER = 30.0
# Seconds between two tries, growing with the wait: a server of files is asked at each.
_POLL_INTERVAL = 0.05
_LONGEST_INTERVAL = 0.25
# How often a breakable lock's file may turn out to be another one than the one just opened.
_OPENINGS = 5


class LockState(Enum):
    """How far an attempt has come."""

    UNKNOWN = "unknown"
    BUSY = "busy"
    FAILED = "failed"
    HELD = "held"


class Outcome(NamedTuple):
    """How an attempt ended."""

    state: LockState
    why: str
    """Why there is no lock, where the state is UNKNOWN or FAILED."""


@contextmanager
def try_lock(resource: Resource, timeout: float, grace: float) -> Iterator[Outcome]:
    """Try to get a lock, silently and without a record; hold it inside if that succeeds.

    Waits `timeout` seconds while it is busy, and `grace` more for any answer at all.
    """
    attempt = LockAttempt(resource, timeout, grace, required=True)
    try:
        attempt.wait(lambda _: False)
        yield Outcome(attempt.state, attempt.why)
    finally:
        attempt.end()


class LockAttempt:
    """An attempt to get a lock, in a thread of its own.

    On a mount whose server is dead even opening the file can hang, and no signal ends that: the
    thread is then left behind, and releases the lock should it ever get it.
    """

    def __init__(
        self,
        resource: Resource,
        timeout: float,
        grace: float,
        *,
        required: bool,
        breakable: bool = False,
    ) -> None:
        """`timeout` and `grace` are in seconds, as for `try_lock`.

        A lock that is `required` is `breakable`, too: others may rename its file.
        """
        self.path = resource.path
        self.state = LockState.UNKNOWN
        self.untrusted = ""
        """Why the lock file's usual place is not used, though something is there."""
        self.error: Exception | None = None
        self.file: LockFile | None = None
        """The file that it got, or that others hold: of a breakable lock, if there is any."""
        self.timeout = timeout
        self._grace = grace
        self._required = required
        self._breakable = required or breakable
        self._resource = resource
        self._deciding = threading.Lock()
        self._is_abandoned = False
        self._lock: Any = None
        self._thread = threading.Thread(target=self._take, args=(timeout,), daemon=True)

    @property
    def is_needed(self) -> bool:
        """Whether this process misses anything without the lock."""
        return not isinstance(self.error, LockNotNeededError)

    @property
    def why(self) -> str:
        """Why there is no lock, unless because others hold it."""
        return str(self.error or problems.no_answer(self.timeout + self._grace))

    def wait(self, report: Callable[[float], bool]) -> None:
        """Wait until the attempt ends, or until `report` says so, once in a while.

        `report` gets the seconds left.
        """
        until = time.monotonic() + self.timeout
        try:
            self._thread.start()
        except RuntimeError:
            # No more threads, as in some containers. Nothing ends a hanging filesystem then.
            self._poll(until, report)
            return
        pause = _FIRST_REPORT_AFTER
        # The thread ends by itself unless something hangs.
        while (left := until + self._grace - time.monotonic()) > 0:
            self._thread.join(min(pause, left))
            if not self._thread.is_alive() or report(until - time.monotonic()):
                return
            pause = _NEXT_REPORT_AFTER

    def _poll(self, until: float, report: Callable[[float], bool]) -> None:
        self._acquire(min(_FIRST_REPORT_AFTER, self.timeout))
        while self.state is LockState.BUSY and (left := until - time.monotonic()) > 0:
            if report(left):
                break
            self._acquire(min(_NEXT_REPORT_AFTER, left))
        self._see_afresh()

    def end(self) -> None:
        """Release the lock, now or as soon as the thread gets it."""
        with self._deciding:
            self._is_abandoned = True
            lock, self._lock = self._lock, None
            file, self.file = self.file, None
        if lock is not None:
            with suppress(OSError):
                lock.release()
        if file is not None:
            file.close()

    def _take(self, timeout: float) -> None:
        self._acquire(timeout)
        self._see_afresh()

    def _see_afresh(self) -> None:
        """With the lock or without one, from now on this process sees what others did before."""
        look_again(self._resource.subject or self._resource.protects or self.path)

    def _acquire(self, timeout: float) -> None:
        try:
            lock = self._try(time.monotonic() + timeout)
        # Whoever asked for the lock reports what went wrong.
        except Exception as error:  # noqa: BLE001
            self.error = error
            self.state = LockState.FAILED
            return
        if lock is None:
            return
        with self._deciding:
            if not self._is_abandoned:
                self._lock = lock
                self.state = LockState.HELD
                return
        with suppress(OSError):
            lock.release()

    def _try(self, until: float) -> Any:
        """What was acquired; None if others still hold it at `until`."""
        for tries_left in range(_OPENINGS, -1, -1):
            self.path, self.untrusted = prepare_lock_file(self._resource, required=self._required)
            lock = _file_lock(self.path)
            # Where even a file that was just opened is never the one in place, nobody can tell.
            self._keep(LockFile(self.path) if self._breakable and tries_left else None)
            if not _is_acquired(lock, 0):
                self.state = LockState.BUSY
                left = until - time.monotonic()
                if left <= 0 or not _is_acquired(lock, left):
                    break
            if self.file is None or self.file.is_in_place():
                return lock
            # Somebody has broken the lock of those for whom this waited.
            lock.release()
        return None

    def _keep(self, file: LockFile | None) -> None:
        with self._deciding:
            if not self._is_abandoned:
                self.file, file = file, self.file
        if file is not None:
            file.close()


def is_free(path: Path) -> bool:
    """Whether nobody holds this lock file."""
    try:
        lock = _file_lock(path)
        if not _is_acquired(lock, 0):
            return False
        lock.release()
    except OSError:
        return False
    return True


def _is_acquired(lock: Any, timeout: float) -> bool:
    """Acquire it; False where others hold it. A server's own time-out is an error."""
    from filelock import Timeout

    until, pause = time.monotonic() + timeout, _POLL_INTERVAL
    while True:
        left = until - time.monotonic()
        try:
            lock.acquire(timeout=max(0, min(left, 10 * pause)), poll_interval=pause)
        except Timeout:
            if left <= 10 * pause:
                return False
            pause = min(2 * pause, _LONGEST_INTERVAL)
        else:
            return True


def _file_lock(path: Path) -> Any:
    from filelock import FileLock

    options: dict[str, Any] = {
        # Other users of the directory must be able to open the file too.
        "mode": path.stat().st_mode & 0o777 if path.exists() else 0o600,
        # Another thread releases it than the one that acquired it.
        "thread_local": False,
    }
    # A soft lock would survive a kill -9. filelock can be told so from 3.30 on.
    if _can_refuse_soft(FileLock):
        options["fallback_to_soft"] = False
    return FileLock(path, **options)


@functools.cache
def _can_refuse_soft(lock: type) -> bool:
    return "fallback_to_soft" in inspect.signature(lock).parameters
