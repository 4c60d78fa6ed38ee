"""Breaking the lock of a release whose holder nobody can ask, because its host has gone.

The lock file is renamed: a release that lives after all finds that out (`lock_file`), and whoever
breaks the lock then acquires a new file like everybody else. Poetry's own commands break locks only
where the environment asks for it: they go on without a lock after their time-out anyway.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from poetry_publish_verified import durations
from poetry_publish_verified.guard.layout import BREAKING_SUFFIX, BROKEN
from poetry_publish_verified.guard.locks import holders, problems
from poetry_publish_verified.guard.locks.attempt import LockAttempt, LockState, try_lock

if TYPE_CHECKING:
    from pathlib import Path

    from poetry_publish_verified.errors import Problem
    from poetry_publish_verified.guard.locks.resource import Resource

# Seconds for a rename by somebody else.
_PATIENCE = 10.0
# Seconds of silence; `publish-verified` refuses a setting below that.
_LEAST = 60.0


class Breaking(NamedTuple):
    """When to break a lock that others hold, and where to report whose lock it was."""

    report: Callable[[Problem], None]
    at_once: bool = False
    silent_for: float | None = None
    """Seconds without a heartbeat after which it is broken; None for never."""


def from_environment(report: Callable[[str], None]) -> Breaking:
    """How Poetry's own commands break locks: never, where the variable is no duration."""
    silent_for = None
    with suppress(ValueError):
        silent_for = max(_LEAST, durations.parse(os.environ[problems.STALE_VARIABLE]))
    return Breaking(lambda problem: report(problem.message), silent_for=silent_for)


class Silence:
    """Watches the heartbeats of a holder, from one call of `lasts` to the next."""

    def __init__(self, limit: float | None) -> None:
        """`limit` is in seconds; None for a silence that never lasts long enough."""
        self._limit = limit
        self._before: int | None = None
        self.has_lasted = False
        """What `lasts` said last."""

    def lasts(self, lock: Path) -> bool:
        """Whether the last heartbeat is older than the limit, and none came since the last call.

        The second, because a host may give files the time of its own clock.
        """
        if self._limit is None:
            return False
        found = holders.last_heartbeat(lock)
        before, self._before = self._before, found.moment if found else None
        self.has_lasted = found is not None and found.moment == before and found.age >= self._limit
        return self.has_lasted


def break_lock(attempt: LockAttempt, resource: Resource) -> Problem | None:
    """Rename the lock file that others hold; what to say of it.

    None where it is not the one any more that `attempt` did not get: somebody else was quicker.
    Raises OSError where that is impossible.
    """
    path, file = attempt.path, attempt.file
    if file is None:
        return None
    # Beside it, or two at once would rename each other's new file.
    beside = path.with_name(path.name + BREAKING_SUFFIX)
    is_personal = path != resource.path
    own = resource._replace(path=beside, fallback=beside if is_personal else None)
    with try_lock(own, _PATIENCE, _PATIENCE) as outcome:
        if outcome.state is not LockState.HELD:
            raise OSError(problems.lock_busy(str(beside), holders.describe(beside), _PATIENCE))
        if not file.is_in_place():
            return None
        holder, last = holders.describe(path), holders.last_heartbeat(path)
        aside = path.with_name(f"{path.name}{BROKEN}{secrets.token_hex(4)}")
        path.rename(aside)
    return problems.lock_broken(resource.name, holder, last.age if last else None, aside)
