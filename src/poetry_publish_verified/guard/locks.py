"""Locks that a time-out can end, and that nothing safe depends on.

A lock here only saves work or orders writers; where it cannot be had, the caller is told
so and goes on. The only importer of filelock, and only once a lock is asked for.
"""

from __future__ import annotations

import inspect
import os
import threading
import time
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT_VARIABLE = "POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT"
_DEFAULT_TIMEOUT = 300.0
_FIRST_WORD_AFTER = 1.0
_NEXT_WORD_AFTER = 30.0


@dataclass(frozen=True, slots=True)
class Resource:
    """What is locked: its name for people, and the lock file beside it."""

    name: str
    path: Path


def timeout_from_environment() -> float:
    """Seconds to wait for a lock; 300 where the variable is unset or no number ≥ 0."""
    with suppress(ValueError):
        seconds = float(os.environ.get(TIMEOUT_VARIABLE, ""))
        if seconds >= 0:
            return seconds
    return _DEFAULT_TIMEOUT


@contextmanager
def held(resource: Resource, say: Callable[[str], None]) -> Iterator[bool]:
    """Hold the lock of `resource`, or go on without: yields whether it is held.

    Waits as long as the environment variable says; after a second `say` gets a line, and
    one more every half minute, and one when the lock could not be had.
    """
    attempt = _Attempt(resource)
    try:
        attempt.wait(say)
        yield attempt.is_held
    finally:
        attempt.end()


class _Attempt:
    """One try to get one lock, in a thread of its own.

    On a mount whose server is dead even opening the file can hang, and no signal ends that:
    the thread is then left behind, and lets go of the lock should it ever get it.
    """

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._limit = timeout_from_environment()
        self._decision = threading.Lock()
        self._abandoned = False
        self._lock: Any = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._take, daemon=True)

    @property
    def is_held(self) -> bool:
        return self._lock is not None

    def wait(self, say: Callable[[str], None]) -> None:
        begun = time.monotonic()
        self._thread.start()
        pause = _FIRST_WORD_AFTER
        # A second more than filelock gets: it ends by itself wherever nothing hangs.
        while (left := begun + self._limit + 1 - time.monotonic()) > 0:
            self._thread.join(min(pause, left))
            if not self._thread.is_alive():
                break
            say(
                f"Waiting for {self._resource.name}, which another process uses"
                f" (at most {self._limit:g} s in all; {TIMEOUT_VARIABLE} changes this)."
            )
            pause = _NEXT_WORD_AFTER
        if not self.is_held:
            reason = self._error or f"not free within {self._limit:g} s"
            say(f"Going on without the lock on {self._resource.name}: {reason}.")

    def end(self) -> None:
        with self._decision:
            self._abandoned = True
            lock, self._lock = self._lock, None
        if lock is not None:
            with suppress(OSError):
                lock.release()

    def _take(self) -> None:
        try:
            lock = _file_lock(self._resource.path)
            lock.acquire(timeout=self._limit, poll_interval=0.05)
        except TimeoutError:
            return
        # Whatever goes wrong with a lock, work goes on without it.
        except Exception as error:  # noqa: BLE001
            self._error = error
            return
        with self._decision:
            if not self._abandoned:
                self._lock = lock
                return
        with suppress(OSError):
            lock.release()


def _file_lock(path: Path) -> Any:
    from filelock import FileLock

    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        # As open as the directory around it, whatever the umask: others lock here too.
        with suppress(OSError):
            path.parent.chmod(path.parent.parent.stat().st_mode & 0o7777)
    options: dict[str, Any] = {
        # Other users of the directory must be able to open the file too.
        "mode": 0o600 | (path.parent.stat().st_mode & 0o066),
        # Released by another thread than the one that took it.
        "thread_local": False,
    }
    # A soft lock stays behind for ever after kill -9. filelock 3.30 and newer can be told.
    if "fallback_to_soft" in inspect.signature(FileLock.__init__).parameters:
        options["fallback_to_soft"] = False
    return FileLock(path, **options)
