"""Locks that a time-out can end, that name who is in the way, and that nothing safe depends on.

A lock here orders writers or saves work. Where it cannot be had, Poetry's own commands say so
once and go on as they would without it; only whoever asks for `needed` is refused. The only
importer of filelock. Loaded by most only once they want a lock: most commands want none.
"""

from __future__ import annotations

import functools
import inspect
import math
import os
import threading
import time
from contextlib import contextmanager
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple

from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.guard.locks import holders
from poetry_publish_verified.guard.locks import nesting
from poetry_publish_verified.guard.locks.files import NeedlessError
from poetry_publish_verified.guard.locks.files import usable
from poetry_publish_verified.guard.locks.filesystems import filesystem_of
from poetry_publish_verified.guard.locks.legacy import tidy_around
from poetry_publish_verified.guard.locks.resource import LockRefusedError
from poetry_publish_verified.guard.locks.resource import Order

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from pathlib import Path

    from poetry_publish_verified.guard.locks.resource import Resource

TIMEOUT_VARIABLE = "POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT"
_DEFAULT_TIMEOUT = 300.0
_FIRST_WORD_AFTER = 1.0
_NEXT_WORD_AFTER = 30.0
_POLL_EVERY = 0.05
# Beyond the time that somebody waits. On a busy machine a thread can be without the CPU for
# seconds, and has then been refused nothing; a dead mount keeps a command no longer than this.
_PATIENCE = 10.0


def timeout_from_environment(default: float = _DEFAULT_TIMEOUT) -> float:
    """Seconds to wait for a lock; `default` where the variable is no finite number ≥ 0."""
    with suppress(ValueError):
        seconds = float(os.environ.get(TIMEOUT_VARIABLE, ""))
        if 0 <= seconds < math.inf:
            return seconds
    return default


@contextmanager
def held(
    resource: Resource,
    say: Callable[[str], None],
    *,
    needed: bool = False,
    only_if_free: bool = False,
    usual: float = _DEFAULT_TIMEOUT,
    shown: bool = True,
) -> Iterator[bool]:
    """Hold the lock of `resource`, or go on without: yields whether it is held.

    Waits as long as the environment variable says, or else `usual` seconds; after a second `say`
    gets a line that names the holder, then one every half minute, and one where the lock could
    not be had (once for each filesystem and reason). With `only_if_free` it neither waits nor
    says that it is not.

    Whoever holds it already has it again, and so has what is started meanwhile where it is `shown`
    to that: of hundreds of locks the environment of a process has no room. Where
    an ancestor holds another lock of the same place in the order nobody waits either: each
    could wait for the other.

    Raises LockRefusedError where the lock is `needed` and cannot be had; at once where an
    ancestor holds one later in the order.
    """
    holding = _of_this_process(resource)
    if holding is None:
        inherited = nesting.of_ancestors()
        if any(token.lock == str(resource.path) for token in inherited):
            yield True
            return
        latest = max((token.order for token in inherited), default=0)
        wish = _Wish(
            seconds=0
            if only_if_free or latest >= resource.order
            else timeout_from_environment(usual),
            refusal=Code.LOCK_NOT_FREE if needed else None,
            is_quiet=only_if_free,
            is_shown=shown,
        )
        if needed and latest > resource.order:
            wish = wish._replace(refusal=Code.LOCK_ORDER)
        holding = _acquire(resource, wish, say)
    if holding is None:
        yield False
        return
    holding.enter()
    try:
        yield True
    finally:
        holding.leave()


class State(Enum):
    """What has come of an attempt so far."""

    UNKNOWN = "unknown"
    BUSY = "busy"
    FAILED = "failed"
    HELD = "held"


class Answer(NamedTuple):
    """What came of an attempt."""

    state: State
    why: str
    """Why nothing came of it, where it is UNKNOWN or FAILED."""


@contextmanager
def tried(resource: Resource, seconds: float, patience: float) -> Iterator[Answer]:
    """Try for a lock without a word or a record, and hold it meanwhile if it was had.

    Waits `seconds` where it is busy, and `patience` more for any answer at all.
    """
    attempt = _Attempt(resource, seconds, patience, needed=True)
    try:
        attempt.wait(lambda _: None)
        yield Answer(attempt.state, attempt.why)
    finally:
        attempt.end()


class _Wish(NamedTuple):
    """How long somebody waits for a lock, and what comes of not having it."""

    seconds: float
    refusal: Code | None
    is_quiet: bool
    is_shown: bool = True


class _Holding:
    """A lock that this process has, how many times over, and what tells others of it."""

    def __init__(
        self, resource: Resource, path: Path, release: Callable[[], None], *, shown: bool
    ) -> None:
        self._shown = shown
        self.thread = threading.get_ident()
        self._resource = resource
        self._path = path
        self._release = release
        self._holder = holders.Holder.this_process(resource.name)
        self._times = 0

    def enter(self) -> None:
        if not self._times:
            recorded = holders.write(self._path, self._holder)
            _HELD[self._resource.path] = self
            # Whatever a download starts has no use for its lock.
            if self._shown and self._resource.order < Order.CACHE:
                nesting.show(self._token(recorded))
        self._times += 1

    def leave(self) -> None:
        self._times -= 1
        if not self._times:
            nesting.hide(self._holder.nonce)
            _HELD.pop(self._resource.path, None)
            holders.erase(self._path)
            self._release()

    def _token(self, recorded: bool) -> nesting.Token:
        return nesting.Token(
            lock=str(self._resource.path),
            order=int(self._resource.order),
            process=self._holder.process,
            nonce=self._holder.nonce,
            record=str(self._path) if recorded else "",
        )


_REMEDIES = {
    Code.LOCK_NOT_FREE: "Nothing was changed. Run this again when the other process has ended, or"
    f" wait longer by setting {TIMEOUT_VARIABLE} (in seconds).",
    Code.LOCK_UNAVAILABLE: "Nothing was changed. Run this on a filesystem that supports"
    " locks; `poetry publish-verified doctor` tests them.",
    Code.LOCK_ORDER: "Nothing was changed. Run this on its own, not from inside another Poetry"
    " command: each would wait for the other.",
}
_HELD: dict[Path, _Holding] = {}
_SAID: set[tuple[str, str]] = set()


def _of_this_process(resource: Resource) -> _Holding | None:
    """What the whole command holds, or this very thread: downloads exclude each other."""
    holding = _HELD.get(resource.path)
    threads = (threading.get_ident(), threading.main_thread().ident)
    return holding if holding is not None and holding.thread in threads else None


def _acquire(resource: Resource, wish: _Wish, say: Callable[[str], None]) -> _Holding | None:
    attempt = _Attempt(resource, wish.seconds, _PATIENCE, needed=wish.refusal is not None)
    try:
        attempt.wait(say)
    except BaseException:
        attempt.end()
        raise
    if attempt.not_believed:
        _say_once(say, attempt.path, f"{attempt.not_believed}: no lock is taken there.")
    if attempt.state is State.HELD:
        tidy_around(resource, is_free)
        return _Holding(resource, attempt.path, attempt.end, shown=wish.is_shown)
    attempt.end()
    if attempt.is_needless:
        return None
    is_busy = attempt.state is State.BUSY
    if wish.refusal is Code.LOCK_NOT_FREE or (wish.refusal and is_busy):
        code = wish.refusal if is_busy else Code.LOCK_UNAVAILABLE
        remedy = " ".join(filter(None, [_REMEDIES[code], holders.way_out(attempt.path)]))
        raise LockRefusedError(Problem(code, attempt.reason, remedy))
    if not is_busy or not wish.is_quiet:
        _say_once(say, resource.path, f"Continuing without a lock: {attempt.reason}", attempt.kind)
    return None


def _say_once(say: Callable[[str], None], path: Path, text: str, kind: str = "") -> None:
    """Say it unless it was said of this kind and filesystem before."""
    subject = (str(filesystem_of(path)), kind or text)
    if subject not in _SAID:
        _SAID.add(subject)
        say(text)


class _Attempt:
    """One try to get one lock, in a thread of its own.

    On a mount whose server is dead even opening the file can hang, and no signal ends that:
    the thread is then left behind, and lets go of the lock should it ever get it.
    """

    def __init__(self, resource: Resource, limit: float, patience: float, *, needed: bool) -> None:
        self.path = resource.path
        self.state = State.UNKNOWN
        self.not_believed = ""
        """Why the place of the lock file is not used, though something is there."""
        self._needed = needed
        self._error: Exception | None = None
        self._resource = resource
        self._limit = limit
        self._patience = patience
        self._decision = threading.Lock()
        self._abandoned = False
        self._lock: Any = None
        self._thread = threading.Thread(target=self._take, args=(limit,), daemon=True)

    @property
    def is_needless(self) -> bool:
        return isinstance(self._error, NeedlessError)

    @property
    def kind(self) -> str:
        return type(self._error).__name__ if self._error else self.state.value

    @property
    def why(self) -> str:
        """Why it is not held, unless because others hold it."""
        return str(self._error or f"no answer within {self._limit + self._patience:g} s")

    @property
    def reason(self) -> str:
        """Why it is not held, as a sentence that names the filesystem."""
        where = f"{self._resource.name} ({filesystem_of(self.path)})"
        if self.state is not State.BUSY:
            return f"{where} {'cannot' if self._error else 'could not'} be locked: {self.why}."
        holder = _name(self.path)
        if not self._limit:
            return f"{where} is in use by {holder}."
        return f"{where} was not free within {self._limit:g} s; in use by {holder}."

    def wait(self, say: Callable[[str], None]) -> None:
        until = time.monotonic() + self._limit
        try:
            self._thread.start()
        except RuntimeError:
            # No more threads, as in some containers. Nothing ends a filesystem that hangs, then.
            self._poll(until, say)
            return
        pause = _FIRST_WORD_AFTER
        # The thread ends by itself wherever nothing hangs.
        while (left := until + self._patience - time.monotonic()) > 0:
            self._thread.join(min(pause, left))
            if not self._thread.is_alive():
                return
            self._say_waiting(until, say)
            pause = _NEXT_WORD_AFTER

    def _poll(self, until: float, say: Callable[[str], None]) -> None:
        word = time.monotonic() + _FIRST_WORD_AFTER
        self._take(0)
        while self.state is State.BUSY and time.monotonic() < until:
            if time.monotonic() > word:
                self._say_waiting(until, say)
                word = time.monotonic() + _NEXT_WORD_AFTER
            time.sleep(_POLL_EVERY)
            self._take(0)

    def _say_waiting(self, until: float, say: Callable[[str], None]) -> None:
        left = until - time.monotonic()
        if left > 0:
            say(
                f"Waiting for {self._resource.name}, {self._obstacle()};"
                f" at most {left:.0f} s more ({TIMEOUT_VARIABLE} changes this)."
            )

    def _obstacle(self) -> str:
        """What keeps it waiting, as far as that is known."""
        if self.state is State.UNKNOWN:
            holder = holders.read(self.path)
            if holder is None or holder.is_gone:
                return "no answer yet"
        return f"in use by {_name(self.path)}"

    def end(self) -> None:
        with self._decision:
            self._abandoned = True
            lock, self._lock = self._lock, None
        if lock is not None:
            with suppress(OSError):
                lock.release()

    def _take(self, limit: float) -> None:
        try:
            self.path, self.not_believed = usable(self._resource, needed=self._needed)
            lock = _file_lock(self.path)
            if not _is_had(lock, 0):
                self.state = State.BUSY
                if not limit or not _is_had(lock, limit):
                    return
        # Whatever goes wrong with a lock is said by whoever wanted it.
        except Exception as error:  # noqa: BLE001
            self._error = error
            self.state = State.FAILED
            return
        with self._decision:
            if not self._abandoned:
                self._lock = lock
                self.state = State.HELD
                return
        with suppress(OSError):
            lock.release()


def _name(lock: Path) -> str:
    holder = holders.read(lock)
    if holder is None:
        return "a process that left no name"
    return (
        f"a process that left no name (not by {holder}: that has ended)"
        if holder.is_gone
        else str(holder)
    )


def is_free(path: Path) -> bool:
    """Whether nobody holds this lock file."""
    try:
        lock = _file_lock(path)
        if not _is_had(lock, 0):
            return False
        lock.release()
    except OSError:
        return False
    return True


def _is_had(lock: Any, seconds: float) -> bool:
    """Acquire it; False where others hold it: a server's own time-out is an error."""
    from filelock import Timeout

    try:
        lock.acquire(timeout=seconds, poll_interval=_POLL_EVERY)
    except Timeout:
        return False
    return True


def _file_lock(path: Path) -> Any:
    from filelock import FileLock

    options: dict[str, Any] = {
        # Other users of the directory must be able to open the file too.
        "mode": path.stat().st_mode & 0o777 if path.exists() else 0o600,
        # Released by another thread than the one that took it.
        "thread_local": False,
    }
    # A soft lock stays behind for ever after kill -9. filelock 3.30 and newer can be told.
    if _can_refuse_soft(FileLock):
        options["fallback_to_soft"] = False
    return FileLock(path, **options)


@functools.cache
def _can_refuse_soft(lock: type) -> bool:
    return "fallback_to_soft" in inspect.signature(lock).parameters
