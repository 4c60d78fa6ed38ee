"""Every attribute of Poetry's that is replaced while a command runs, so that it can be locked.

What is not as it was read stays as it is, without a lock, and is named in what is yielded.

`EnvManager.get`, `create_venv`, `build_venv`, `remove_venv`, `activate`, `deactivate`, `remove`
    While a command runs that has to do with environments: no event announces that one is being
    created, and which one it will be is known only inside.
`SelfCommand.generate_system_pyproject`
    While a `self` command runs: each rewrites Poetry's system project, even one that only shows
    something.
`FileConfigSource.secure`
    While `config` runs: it reads, changes and writes one setting. Poetry may ask a question before
    that, but not inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poetry_publish_verified.guard.seams.replacement import Seam, replaced

if TYPE_CHECKING:
    from typing import TypeVar

    from poetry_publish_verified.guard.locks.environments import EnvironmentLocks

    T = TypeVar("T")
    _Around = Callable[[Path], AbstractContextManager[T]]

# As often as somebody may remove an environment again.
_CREATE_ATTEMPTS = 3


def _get(stock: Any, locks: EnvironmentLocks, manager: Any, reload: bool = False) -> Any:
    env = stock(manager, reload)
    return stock(manager, True) if locks.wait_until_created(env.path) else env


def _create_venv(
    stock: Any, locks: EnvironmentLocks, manager: Any, *args: Any, **kwargs: Any
) -> Any:
    # The third in all versions, after name and python or executable.
    forced = bool(kwargs.get("force", args[2:] and args[2]))
    with locks.creating(forced=forced) as creation:
        env = stock(manager, *args, **kwargs)
        if creation.found_incomplete:
            env = stock(manager, *args[:2], **{**kwargs, "force": True})
        for _ in range(_CREATE_ATTEMPTS):
            if locks.is_settled(env.path):
                break
            env = stock(manager, *args, **kwargs)
    return env


def _build_venv(
    stock: Any, locks: EnvironmentLocks, cls: Any, path: Path, *args: Any, **kwargs: Any
) -> Any:
    return stock(cls, path, *args, **kwargs) if locks.may_create(Path(path)) else None


def _remove_venv(stock: Any, locks: EnvironmentLocks, cls: Any, path: Path) -> None:
    if locks.may_remove(Path(path)):
        stock(cls, path)


def _change_list(
    stock: Any, locks: EnvironmentLocks, manager: Any, *args: Any, **kwargs: Any
) -> Any:
    with locks.changing_list(manager.envs_file.path):
        return stock(manager, *args, **kwargs)


def _generate_system_pyproject(stock: Any, around: _Around[bool], command: Any) -> None:
    with around(command.system_pyproject) as may_write:
        if may_write:
            stock(command)


@contextmanager
def _secure(stock: Any, around: _Around[None], source: Any) -> Iterator[Any]:
    with around(source.file.path), stock(source) as settings:
        yield settings


_MANAGER = ("poetry.utils.env.env_manager", "EnvManager")
_MANAGER_SEAMS = (
    Seam(*_MANAGER, "get", _get),
    Seam(*_MANAGER, "create_venv", _create_venv),
    Seam(*_MANAGER, "build_venv", _build_venv),
    Seam(*_MANAGER, "remove_venv", _remove_venv),
    Seam(*_MANAGER, "activate", _change_list),
    Seam(*_MANAGER, "deactivate", _change_list),
    Seam(*_MANAGER, "remove", _change_list),
)
_SYSTEM_PROJECT_SEAM = Seam(
    "poetry.console.commands.self.self_command",
    "SelfCommand",
    "generate_system_pyproject",
    _generate_system_pyproject,
)
_SETTINGS_SEAM = Seam("poetry.config.file_config_source", "FileConfigSource", "secure", _secure)


def environments_locked(locks: EnvironmentLocks) -> AbstractContextManager[list[str]]:
    """Let `locks` decide what Poetry's environment manager may do."""
    import poetry.utils.env  # noqa: F401 - no command has loaded it yet

    return replaced(_MANAGER_SEAMS, locks)


def system_project_locked(around: _Around[bool]) -> AbstractContextManager[list[str]]:
    """Write Poetry's system project inside `around(file)`, and only if that yields True."""
    return replaced([_SYSTEM_PROJECT_SEAM], around)


def settings_locked(around: _Around[None]) -> AbstractContextManager[list[str]]:
    """Read, change and write each setting inside `around(file)`."""
    return replaced([_SETTINGS_SEAM], around)
