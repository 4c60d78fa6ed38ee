"""One process at a time creates, removes or fills a virtual environment; readers wait for none.

virtualenv writes `pyvenv.cfg` last: an environment of Poetry's without it is being created, or was
left by a process that was killed. Commands that install nothing wait only for that, so
`poetry run` never waits for an `install`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from poetry_publish_verified.guard.locks.fresh_view import look_again
from poetry_publish_verified.guard.locks.places import LockPlaces
from poetry_publish_verified.guard.locks.resource import Resource

_Identity = tuple[int, int] | None


class EnvironmentLocks:
    """Learns from the seams what Poetry's environment manager is about to do, and locks it."""

    def __init__(
        self,
        *,
        places: LockPlaces,
        acquire: Callable[[Resource], AbstractContextManager[bool]],
        until_end: ExitStack,
        on_filling: Callable[[], None],
        fills: bool,
    ) -> None:
        """`until_end` keeps locks until the command ends; `fills` says whether it installs.

        `on_filling` is called as soon as no other process can fill the environment.
        """
        self._places = places
        self._acquire = acquire
        self._until_end = until_end
        self._on_filling = on_filling
        self._fills = fills
        self._creation: EnvironmentCreation | None = None

    @contextmanager
    def creating(self, *, forced: bool) -> Iterator[EnvironmentCreation]:
        """Around Poetry's `create_venv`: locks acquired inside are released at its end."""
        with ExitStack() as locks:
            outer, self._creation = self._creation, EnvironmentCreation(locks, forced)
            try:
                yield self._creation
            finally:
                self._creation = outer

    def wait_until_created(self, path: Path) -> bool:
        """Wait while another process creates `path`; whether there was anything to wait for."""
        resource = self._places.environment(path) if _is_incomplete(path) else None
        if resource is not None:
            # Where another host is creating it, or has finished.
            look_again(resource.path)
            look_again(path)
        if resource is None or not _was_ever_locked(resource):
            if self._creation:
                self._creation.seen.setdefault(path, _identity(path))
            return False
        with self._acquire(resource) as is_held:
            if self._creation and is_held and _is_incomplete(path):
                self._creation.found_incomplete = True
        return True

    def may_remove(self, path: Path) -> bool:
        """Lock an environment for its removal; False where another process has repaired it."""
        if self._creation is None:
            self._lock(path, self._until_end)
            return True
        self._lock(path, self._creation.locks)
        if self._creation.is_forced or self._creation.found_incomplete:
            return True
        return _identity(path) == self._creation.seen.get(path, _identity(path))

    def may_create(self, path: Path) -> bool:
        """Lock an environment for its creation; False where another process has created it."""
        if self._creation is None:
            return True
        self._lock(path, self._creation.locks)
        return _identity(path) is None

    def is_settled(self, path: Path) -> bool:
        """Whether Poetry can use this environment: it has not changed during the wait for it."""
        if _is_incomplete(path) and self.wait_until_created(path):
            return False
        if not self._fills:
            return True
        before = _identity(path)
        self._lock(path, self._until_end)
        self._on_filling()
        return _identity(path) == before

    def changing_list(self, file: Path) -> AbstractContextManager[bool]:
        """Around changes of Poetry's list of environments."""
        return self._acquire(self._places.environments_file(file))

    def _lock(self, path: Path, locks: ExitStack) -> None:
        locks.enter_context(self._acquire(self._places.environment(path)))


class EnvironmentCreation:
    """One call of Poetry's `create_venv`."""

    def __init__(self, locks: ExitStack, forced: bool) -> None:
        self.locks = locks
        self.is_forced = forced
        self.found_incomplete = False
        """Whether a killed process left the environment, which Poetry would take for complete."""
        self.seen: dict[Path, _Identity] = {}


def _identity(path: Path) -> _Identity:
    """Tells this environment from another one in its place; None where it is not complete."""
    with suppress(OSError):
        found = (path / "pyvenv.cfg").stat()
        return found.st_ino, found.st_mtime_ns
    return None


def _was_ever_locked(resource: Resource) -> bool:
    return resource.path.exists() or (resource.fallback is not None and resource.fallback.exists())


def _is_incomplete(path: Path) -> bool:
    """Whether it is half a virtual environment, and neither conda's nor the system's."""
    return (
        path.is_dir()
        and _identity(path) is None
        and not (path / "conda-meta").is_dir()
        and os.path.realpath(path) != os.path.realpath(sys.base_prefix)
    )
