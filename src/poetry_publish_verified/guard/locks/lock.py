"""Locks that order writers or save work, and say who holds them; nothing safe depends on one.

Where a lock is not available, Poetry's own commands say so once and run as they would without it;
only a caller that requires the lock is refused. Few commands need a lock, so few load this.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from poetry_publish_verified.guard.locks import heartbeat, holders, nesting, problems
from poetry_publish_verified.guard.locks.attempt import LockAttempt, LockState
from poetry_publish_verified.guard.locks.filesystems import filesystem_of
from poetry_publish_verified.guard.locks.resource import LockRefusedError, Order, Resource

if TYPE_CHECKING:
    from poetry_publish_verified.errors import Problem
    from poetry_publish_verified.guard.locks.breaking import Breaking, Silence

DEFAULT_TIMEOUT = 300.0
# Beyond the time-out. On a busy machine a thread can be without the CPU for seconds, and has then
# been refused nothing; a dead mount delays a command by no more than this.
_GRACE = 10.0
# Until a silent holder has been watched from one look to the next.
_WATCH = 40.0


def timeout_from_environment(default: float = DEFAULT_TIMEOUT) -> float:
    """Seconds to wait for a lock; `default` where the variable is not a finite number ≥ 0."""
    with suppress(ValueError):
        seconds = float(os.environ.get(problems.TIMEOUT_VARIABLE, ""))
        if 0 <= seconds < math.inf:
            return seconds
    return default


@contextmanager
def acquire(
    resource: Resource,
    on_wait: Callable[[str], None],
    *,
    required: bool = False,
    only_if_free: bool = False,
    default_timeout: float = DEFAULT_TIMEOUT,
    export: bool = True,
    breaking: Breaking | None = None,
) -> Iterator[bool]:
    """Hold the lock of `resource`, or go on without it: yields whether it is held.

    Waits as long as the environment variable says, or else `default_timeout` seconds. `on_wait`
    gets a line that names the holder after one second, then every half minute, and a line if the
    lock is not available (once for each filesystem and reason). With `only_if_free` it neither
    waits nor reports that others hold the lock.

    The lock is reentrant. With `export`, processes started inside have it too; an environment has
    no room for hundreds of locks. Where an ancestor holds another lock of the same place in the
    order, or a later one, this does not wait: each could wait for the other.

    Raises LockRefusedError where the lock is `required` and not available. A required lock has a
    heartbeat, and `breaking` says when that of others is broken; without it, the environment does,
    and then any lock has a heartbeat.
    """
    held = _held_here(resource)
    if held is None:
        inherited = nesting.inherited_locks()
        if any(token.lock == str(resource.path) for token in inherited):
            yield True
            return
        latest = max((token.order for token in inherited), default=0)
        may_wait = not only_if_free and latest < resource.order
        timeout = timeout_from_environment(default_timeout) if may_wait else 0
        stale = problems.STALE_VARIABLE in os.environ
        if breaking is None and stale:
            from poetry_publish_verified.guard.locks.breaking import from_environment

            breaking = from_environment(on_wait)
        if breaking is not None:
            # Nor is a holder watched then.
            breaking = breaking if may_wait else breaking._replace(silent_for=None)
            attempt = _attempt_breaking(resource, timeout, on_wait, breaking, required=required)
        else:
            attempt = _attempt(resource, timeout, on_wait, required=required)
        if attempt.state is LockState.HELD:
            held = _HeldLock(resource, attempt, export=export, beats=required or stale)
        elif required:
            raise _refusal(attempt, resource, is_nested=latest > resource.order)
        elif attempt.is_needed and not (only_if_free and attempt.state is LockState.BUSY):
            kind = type(attempt.error).__name__ if attempt.error else attempt.state.value
            message = problems.continuing_without_lock(_reason(attempt, resource))
            _report_once(on_wait, resource.path, message, kind)
    if held is None:
        yield False
        return
    held.enter()
    try:
        yield True
    finally:
        held.leave()


class _HeldLock:
    """A lock that this process holds, how many times over, and what tells others so."""

    def __init__(
        self, resource: Resource, attempt: LockAttempt, *, export: bool, beats: bool
    ) -> None:
        self.thread = threading.get_ident()
        self._resource = resource
        self._attempt = attempt
        # What a download starts has no use for its lock.
        self._export = export and resource.order < Order.CACHE
        self._beats = beats
        self._holder = holders.Holder.this_process(resource.name)
        self._depth = 0

    @property
    def lock(self) -> Path:
        """The lock file."""
        return self._attempt.path

    @property
    def is_lost(self) -> bool:
        """Whether its file is not in place any more."""
        return self._attempt.file is not None and not self._attempt.file.is_in_place()

    @property
    def successor(self) -> str:
        """Who has the lock instead, for people; empty where nobody says so."""
        found = holders.read_record(self.lock)
        return str(found) if found is not None and found.nonce != self._holder.nonce else ""

    def enter(self) -> None:
        if not self._depth:
            beating = holders.record_of(self.lock)
            if self._beats and heartbeat.begin(beating, self._holder.nonce):
                self._holder = replace(self._holder, heartbeat=heartbeat.INTERVAL)
            is_recorded = holders.write_record(self.lock, self._holder)
            _HELD[self._resource.path] = self
            if self._export:
                holder, record = self._holder, str(self.lock) if is_recorded else ""
                lock, order = str(self._resource.path), int(self._resource.order)
                nesting.export(nesting.Token(lock, order, holder.process, holder.nonce, record))
        self._depth += 1

    def leave(self) -> None:
        self._depth -= 1
        if not self._depth:
            nesting.withdraw(self._holder.nonce)
            _HELD.pop(self._resource.path, None)
            heartbeat.end(holders.record_of(self.lock))
            holders.erase_record(self.lock, self._holder.nonce)
            self._attempt.end()


_HELD: dict[Path, _HeldLock] = {}
_REPORTED: set[tuple[str, str]] = set()


def lost_lock(resource: Resource) -> Problem | None:
    """What to say if this process had the lock of `resource`, and others have broken it.

    Looks afresh: the process may have been stopped meanwhile, or cut off from the network.
    """
    held = _HELD.get(resource.path)
    if held is None or not held.is_lost:
        return None
    return problems.lock_lost(resource.name, held.lock, held.successor)


def held_file(resource: Resource) -> Path | None:
    """The lock file of `resource`, if this process itself has locked it."""
    held = _HELD.get(resource.path)
    return held.lock if held is not None else None


def _held_here(resource: Resource) -> _HeldLock | None:
    """What the whole command holds, or this very thread: downloads exclude each other."""
    held = _HELD.get(resource.path)
    threads = (threading.get_ident(), threading.main_thread().ident)
    return held if held is not None and held.thread in threads else None


def _attempt(
    resource: Resource, timeout: float, on_wait: Callable[[str], None], *, required: bool
) -> LockAttempt:
    """An attempt that has come to its end."""
    attempt = LockAttempt(resource, timeout, _GRACE, required=required)
    _wait(attempt, resource, on_wait)
    if attempt.state is not LockState.HELD:
        attempt.end()
    return attempt


def _attempt_breaking(
    resource: Resource,
    timeout: float,
    on_wait: Callable[[str], None],
    breaking: Breaking,
    *,
    required: bool,
) -> LockAttempt:
    """The same for a lock that is broken first if that is due; LockRefusedError if required."""
    from poetry_publish_verified.guard.locks.breaking import Silence, break_lock

    if required and breaking.silent_for is not None:
        timeout = max(timeout, _WATCH)
    until, at_once = time.monotonic() + timeout, breaking.at_once
    left = 0 if at_once else timeout
    while True:
        silence = Silence(breaking.silent_for)
        attempt = LockAttempt(resource, left, _GRACE, required=required, breakable=True)
        _wait(attempt, resource, on_wait, silence)
        if attempt.state is LockState.HELD:
            return attempt
        try:
            if attempt.state is not LockState.BUSY or not (at_once or silence.has_lasted):
                return attempt
            said = break_lock(attempt, resource)
        except OSError as error:
            if not required:
                return attempt
            reason = _reason(attempt, resource)
            raise LockRefusedError(problems.lock_not_broken(reason, error)) from error
        finally:
            attempt.end()
        at_once, left = False, max(0.0, round(until - time.monotonic()))
        if said is not None:
            breaking.report(said)


def _wait(
    attempt: LockAttempt,
    resource: Resource,
    on_wait: Callable[[str], None],
    silence: Silence | None = None,
) -> None:
    """Wait for the attempt's end, or for a silence that lasts; an error ends the attempt."""

    def report(seconds_left: float) -> bool:
        if seconds_left > 0:
            holder = _holder_of(attempt)
            on_wait(problems.waiting_for_lock(resource.name, holder, seconds_left))
        if silence is None or attempt.state is not LockState.BUSY:
            return False
        return silence.lasts(attempt.path)

    try:
        attempt.wait(report)
    except BaseException:
        attempt.end()
        raise
    if attempt.untrusted:
        _report_once(on_wait, attempt.path, problems.lock_place_untrusted(attempt.untrusted))


def _holder_of(attempt: LockAttempt) -> str:
    """Who keeps the attempt waiting; empty where the filesystem has not answered."""
    if attempt.state is LockState.UNKNOWN:
        holder = holders.read_record(attempt.path)
        if holder is None or holder.is_gone:
            return ""
    return holders.describe(attempt.path)


def _reason(attempt: LockAttempt, resource: Resource) -> str:
    where = f"{resource.name} ({filesystem_of(attempt.path)})"
    if attempt.state is LockState.BUSY:
        return problems.lock_busy(where, holders.describe(attempt.path), attempt.timeout)
    return problems.lock_failed(where, attempt.why, is_final=attempt.error is not None)


def _refusal(attempt: LockAttempt, resource: Resource, *, is_nested: bool) -> LockRefusedError:
    reason = _reason(attempt, resource)
    if attempt.state is not LockState.BUSY:
        return LockRefusedError(problems.lock_unavailable(reason))
    holder = holders.read_record(attempt.path)
    is_alive = holder is not None and not (holder.is_elsewhere or holder.is_gone)
    who = holder.host if holder is not None and holder.is_elsewhere else ""
    last = None if is_alive else holders.last_heartbeat(attempt.path)
    silent_for = last.age if last is not None else None
    if_gone = "" if is_alive else problems.break_if_gone(who, attempt.path, silent_for)
    return LockRefusedError(problems.lock_not_free(reason, if_gone, is_nested=is_nested))


def _report_once(on_wait: Callable[[str], None], path: Path, text: str, kind: str = "") -> None:
    """Report it unless something of this kind was reported of this filesystem."""
    subject = (str(filesystem_of(path)), kind or text)
    if subject not in _REPORTED:
        _REPORTED.add(subject)
        on_wait(text)
