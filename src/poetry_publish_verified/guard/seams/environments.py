"""Every attribute of Poetry's that is replaced while a command runs, so that it can be locked.

Tried with Poetry 2.0, 2.1, 2.2, 2.3, 2.4 and 2.5. Each is checked on its own: what is not
Poetry's own function any more stays as it is, without a lock, and is named by what is yielded.

`EnvManager.get`, `create_venv`, `build_venv`, `remove_venv`, `activate`, `deactivate`, `remove`
    Wrapped while a command runs that has to do with environments: there is no event for their
    making, and which one it will be is known only inside.
`SelfCommand.generate_system_pyproject`, wrapped while a `self` command runs
    Every one of them rewrites Poetry's system project, those that only show something too.
`FileConfigSource.secure`, wrapped while `config` runs
    The reading, changing and writing of one setting; a question may be asked before, not in it.
"""

from __future__ import annotations

import functools
from contextlib import ExitStack
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from poetry.config.file_config_source import FileConfigSource
    from poetry.console.commands.self.self_command import SelfCommand

_ABSENT = object()
_WATCHED_OF_MANAGER = (
    "get", "create_venv", "build_venv", "remove_venv", "activate", "deactivate", "remove",
)  # fmt: skip


class CreationWatcher(Protocol):
    """One call of Poetry's `create_venv`, as it is watched."""

    @property
    def tries(self) -> int:
        """How often to let Poetry try again where the environment changed meanwhile."""

    @property
    def is_left_half(self) -> bool:
        """Whether a killed process left the environment half made: Poetry would use it."""


class EnvironmentWatcher(Protocol):
    """Hears what Poetry's environment manager is about to do, and has a say in it."""

    def making(self, *, forced: bool) -> AbstractContextManager[CreationWatcher]:
        """Around `create_venv`."""

    def waits_for(self, path: Path) -> bool:
        """Wait until nobody makes the environment; whether there was anything to wait for."""

    def may_remove(self, path: Path) -> bool:
        """Whether Poetry may remove the environment now."""

    def may_make(self, path: Path) -> bool:
        """Whether Poetry may make the environment now."""

    def settled(self, path: Path) -> bool:
        """Whether Poetry may use the environment, which has not changed meanwhile."""

    def listing(self, file: Path) -> AbstractContextManager[bool]:
        """Around changes of Poetry's list of environments."""


@contextmanager
def replaced(owner: type, name: str, make: Callable[[Any], Any]) -> Iterator[list[str]]:
    """`owner.name` is `make(stock)` for a while; yields why not, where it is not Poetry's own.

    `make` is given the plain function, of a class method too, and answers one like it.
    """
    stock = vars(owner).get(name, _ABSENT)
    function = getattr(stock, "__func__", stock)
    if not str(getattr(function, "__module__", "")).startswith("poetry."):
        yield [f"{owner.__name__}.{name} is not Poetry's"]
        return
    made = functools.wraps(function)(make(function))
    setattr(owner, name, type(stock)(made) if isinstance(stock, classmethod) else made)
    try:
        yield []
    finally:
        setattr(owner, name, stock)


class _WatchedManager:
    """What stands in for methods of Poetry's `EnvManager` while `watch` is told of them."""

    def __init__(self, watch: EnvironmentWatcher) -> None:
        self._watch = watch

    def get(self, stock: Any) -> Any:
        def watched(manager: Any, reload: bool = False) -> Any:
            env = stock(manager, reload)
            return stock(manager, True) if self._watch.waits_for(env.path) else env

        return watched

    def create_venv(self, stock: Any) -> Any:
        def watched(manager: Any, *args: Any, **kwargs: Any) -> Any:
            # The third in all versions, after name and python or executable.
            forced = bool(kwargs.get("force", args[2:] and args[2]))
            with self._watch.making(forced=forced) as making:
                env = stock(manager, *args, **kwargs)
                if making.is_left_half:
                    env = stock(manager, *args[:2], **{**kwargs, "force": True})
                # Not for ever: somebody may remove it again and again.
                for _ in range(making.tries):
                    if self._watch.settled(env.path):
                        break
                    env = stock(manager, *args, **kwargs)
            return env

        return watched

    def build_venv(self, stock: Any) -> Any:
        def watched(cls: Any, path: Path, *args: Any, **kwargs: Any) -> Any:
            may = self._watch.may_make(Path(path))
            return stock(cls, path, *args, **kwargs) if may else None

        return watched

    def remove_venv(self, stock: Any) -> Any:
        def watched(cls: Any, path: Path) -> None:
            if self._watch.may_remove(Path(path)):
                stock(cls, path)

        return watched

    def activate(self, stock: Any) -> Any:
        def watched(manager: Any, *args: Any, **kwargs: Any) -> Any:
            with self._watch.listing(manager.envs_file.path):
                return stock(manager, *args, **kwargs)

        return watched

    deactivate = remove = activate


@contextmanager
def environments_watched(watch: EnvironmentWatcher) -> Iterator[list[str]]:
    """Tell `watch` what Poetry's environment manager is about to do, and heed what it says."""
    from poetry.utils.env import EnvManager

    ours = _WatchedManager(watch)
    left = []
    with ExitStack() as stack:
        for name in _WATCHED_OF_MANAGER:
            left += stack.enter_context(replaced(EnvManager, name, getattr(ours, name)))
        yield left


@contextmanager
def system_project_watched(
    around: Callable[[Path], AbstractContextManager[bool]],
) -> Iterator[list[str]]:
    """Write Poetry's system project inside `around(file)`, and only if that yields True."""
    from poetry.console.commands.self.self_command import SelfCommand

    def generate(stock: Any) -> Any:
        def watched(self: SelfCommand) -> None:
            with around(self.system_pyproject) as may:
                if may:
                    stock(self)

        return watched

    with replaced(SelfCommand, "generate_system_pyproject", generate) as left:
        yield left


@contextmanager
def settings_watched(
    around: Callable[[Path], AbstractContextManager[None]],
) -> Iterator[list[str]]:
    """Read, change and write each setting inside `around(file)`."""
    from poetry.config.file_config_source import FileConfigSource

    def secure(stock: Any) -> Any:
        @contextmanager
        def watched(self: FileConfigSource) -> Iterator[Any]:
            with around(self.file.path), stock(self) as settings:
                yield settings

        return watched

    with replaced(FileConfigSource, "secure", secure) as left:
        yield left
