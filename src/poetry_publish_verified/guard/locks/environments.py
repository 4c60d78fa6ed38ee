"""One process at a time makes, removes or fills a virtual environment; readers wait for none.

virtualenv writes `pyvenv.cfg` last: an environment of Poetry's without it is being made, or
was left by a process that was killed. Only that is waited for by commands that install
nothing, so `poetry run` never waits for an `install`.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from poetry_publish_verified.guard.locks.places import Places
    from poetry_publish_verified.guard.locks.resource import Resource

_Identity = tuple[int, int] | None
_TRIES = 3


class Environments:
    """Told by Poetry's environment manager, through the seams, what it is about to do.

    `keep` holds a lock until the command ends, `on_filling` is called once the environment is
    this command's to fill, and `fills` says whether it installs at all.
    """

    def __init__(
        self,
        places: Places,
        held: Callable[[Resource], AbstractContextManager[bool]],
        keep: ExitStack,
        on_filling: Callable[[], None],
        *,
        fills: bool,
    ) -> None:
        self._places = places
        self._held = held
        self._keep = keep
        self._on_filling = on_filling
        self._fills = fills
        self._making: _Making | None = None

    @contextmanager
    def making(self, *, forced: bool) -> Iterator[_Making]:
        """Around Poetry's `create_venv`: locks taken inside are let go at its end."""
        with ExitStack() as stack:
            before, self._making = self._making, _Making(stack, forced)
            try:
                yield self._making
            finally:
                self._making = before

    def waits_for(self, path: Path) -> bool:
        """Wait until `path` is not being made any more; whether there was anything to wait for."""
        resource = self._places.environment(path) if _is_half(path) else None
        if resource is None or not _was_locked(resource):
            if self._making:
                self._making.seen.setdefault(path, _identity(path))
            return False
        with self._held(resource) as ours:
            if self._making and ours and _is_half(path):
                self._making.is_left_half = True
        return True

    def may_remove(self, path: Path) -> bool:
        """Lock an environment before it is removed; False where it was mended meanwhile."""
        if self._making is None:
            self._hold(path, self._keep)
            return True
        self._hold(path, self._making.stack)
        if self._making.is_forced or self._making.is_left_half:
            return True
        return _identity(path) == self._making.seen.get(path, _identity(path))

    def may_make(self, path: Path) -> bool:
        """Lock an environment before it is made; False where it was made meanwhile."""
        if self._making is None:
            return True
        self._hold(path, self._making.stack)
        return _identity(path) is None

    def settled(self, path: Path) -> bool:
        """Poetry will use this environment; False where it has changed under the wait for it."""
        if _is_half(path) and self.waits_for(path):
            return False
        if not self._fills:
            return True
        before = _identity(path)
        self._hold(path, self._keep)
        self._on_filling()
        return _identity(path) == before

    def listing(self, file: Path) -> AbstractContextManager[bool]:
        """Around changes of Poetry's list of environments."""
        return self._held(self._places.environments_file(file))

    def _hold(self, path: Path, stack: ExitStack) -> None:
        stack.enter_context(self._held(self._places.environment(path)))


class _Making:
    """One call of Poetry's `create_venv`."""

    tries = _TRIES

    def __init__(self, stack: ExitStack, forced: bool) -> None:
        self.stack = stack
        self.is_forced = forced
        self.is_left_half = False
        """A process that made it was killed: Poetry would take it for whole."""
        self.seen: dict[Path, _Identity] = {}


def _identity(path: Path) -> _Identity:
    """What tells this environment from one made anew at its place; None where it is not whole."""
    with suppress(OSError):
        found = (path / "pyvenv.cfg").stat()
        return found.st_ino, found.st_mtime_ns
    return None


def _was_locked(resource: Resource) -> bool:
    """Whether anybody has ever locked it."""
    return resource.path.exists() or (resource.fallback is not None and resource.fallback.exists())


def _is_half(path: Path) -> bool:
    """Whether it is no whole virtual environment, and neither conda's nor the system's."""
    return (
        path.is_dir()
        and _identity(path) is None
        and not (path / "conda-meta").is_dir()
        and os.path.realpath(path) != os.path.realpath(sys.base_prefix)
    )
