"""What is put around one Poetry command: the locks it needs, and files written in one step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from poetry_publish_verified.guard import problems
from poetry_publish_verified.guard.locks.environments import EnvironmentLocks
from poetry_publish_verified.guard.locks.fresh_view import look_again
from poetry_publish_verified.guard.locks.places import LockPlaces, archive_lock, user_lock_directory
from poetry_publish_verified.guard.locks.resource import Resource
from poetry_publish_verified.guard.seams import application as seams
from poetry_publish_verified.guard.seams.environments import (
    environments_locked,
    settings_locked,
    system_project_locked,
)
from poetry_publish_verified.guard.seams.storage import atomic_storage

if TYPE_CHECKING:
    from poetry_publish_verified.guard.seams.application import IO, Application, Command


class Needs(NamedTuple):
    """What one command holds from its beginning to its end."""

    poetry: bool = False
    """Poetry's configuration and Poetry's own environment."""
    project: bool = False
    """pyproject.toml and poetry.lock."""
    environment: bool = False
    """The project's virtual environment, once it is known which."""


# A command that is not named here holds nothing for its whole duration: creating a missing virtual
# environment, writing a setting and fetching an archive have locks of their own.
NEEDS = {
    "self add": Needs(poetry=True),
    "self install": Needs(poetry=True),
    "self lock": Needs(poetry=True),
    "self remove": Needs(poetry=True),
    "self sync": Needs(poetry=True),
    "self update": Needs(poetry=True),
    "add": Needs(project=True, environment=True),
    "remove": Needs(project=True, environment=True),
    "update": Needs(project=True, environment=True),
    "install": Needs(environment=True),
    "sync": Needs(environment=True),
    "lock": Needs(project=True),
    "source add": Needs(project=True),
    "source remove": Needs(project=True),
    "version": Needs(project=True),
}


def _needs_of(command: Command, io: IO) -> Needs:
    name = command.name or ""
    needs = NEEDS.get(name)
    if needs is None:
        # Another plugin's command that installs may rewrite as much as `update`.
        installs = seams.is_installer(command) and not name.startswith("self ")
        needs = NEEDS["update"] if installs else Needs()
    if needs.poetry:
        return needs
    if seams.has_option(io, "--dry-run"):
        return Needs()
    return needs._replace(environment=False) if seams.has_option(io, "--lock") else needs


class CommandGuard:
    """Guards one command of one application."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._file = seams.project_file(application)
        self._before = _identity(self._file)
        self._places = LockPlaces(user_lock_directory())
        self._notifier = seams.notifier_of(application)

    def around(self, run: Callable[[], int], command: Command, io: IO) -> int:
        """Run a command under its locks."""
        self._notifier = seams.Notifier(io)
        with ExitStack() as stack:
            try:
                self._prepare(command, io, stack)
            # A fault of the guard must never become one of Poetry.
            except Exception as error:  # noqa: BLE001
                self._notifier.warn(problems.guard_failed(error))
            return run()

    def _prepare(self, command: Command, io: IO, stack: ExitStack) -> None:
        needs, name = _needs_of(command, io), command.name or ""
        self._lock(needs, stack)
        left: list[str] = []
        if seams.uses_environment(command):
            locks = EnvironmentLocks(
                places=self._places,
                acquire=self._acquire,
                until_end=stack,
                on_filling=self._reread_if_changed,
                fills=needs.environment,
            )
            left += stack.enter_context(environments_locked(locks))
        if name.startswith("self "):
            left += stack.enter_context(system_project_locked(self._writing_system_project))
        if name == "config":
            left += stack.enter_context(settings_locked(self._writing_settings))
        left += stack.enter_context(
            atomic_storage(lambda cache, archive: self._acquire(archive_lock(cache, archive)))
        )
        for reason in left:
            self._notifier.detail(problems.left_as_stock(reason))

    def _acquire(
        self, resource: Resource, *, only_if_free: bool = False
    ) -> AbstractContextManager[bool]:
        # Most commands need no lock.
        from poetry_publish_verified.guard.locks.lock import acquire

        return acquire(resource, self._notifier.warn, only_if_free=only_if_free)

    def _lock(self, needs: Needs, stack: ExitStack) -> None:
        if needs.poetry:
            stack.enter_context(self._acquire(self._config()))
            own = self._places.poetry_environment(seams.poetry_prefix())
            stack.enter_context(self._acquire(own))
        if needs.project and self._file is not None:
            stack.enter_context(self._acquire(self._places.project(self._file.parent)))
            self._reread_if_changed()

    def _reread_if_changed(self) -> None:
        """Have Poetry read the project again if somebody has changed it since the command began.

        Poetry reads pyproject.toml before it waits for anything, and poetry.lock after that.
        """
        # Through sshfs, what another host has replaced is cut at its former length for 20 s.
        for file in _files(self._file):
            look_again(file)
        now = _identity(self._file)
        if now != self._before:
            self._before = now
            self._application.reset_poetry()

    def _config(self) -> Resource:
        return self._places.config(seams.config_directory())

    @contextmanager
    def _writing_system_project(self, file: Path) -> Iterator[bool]:
        """Around the writing of Poetry's system project, which every `self` command does.

        One that only shows something leaves it to whoever is changing it now.
        """
        with self._acquire(self._config(), only_if_free=True) as is_held:
            from poetry_publish_verified.guard.locks.holders import read_record

            holder = None if is_held else read_record(self._config().path)
            yield is_held or holder is None or holder.is_gone or not file.exists()

    @contextmanager
    def _writing_settings(self, file: Path) -> Iterator[None]:
        is_global = file.parent == seams.config_directory()
        resource = self._config() if is_global else self._places.project(file.parent)
        with self._acquire(resource):
            yield


def _files(file: Path | None) -> tuple[Path, ...]:
    return (file, file.with_name("poetry.lock")) if file is not None else ()


def _identity(file: Path | None) -> tuple[object, ...]:
    """Tells pyproject.toml and the poetry.lock beside it from changed ones."""
    found: list[object] = []
    for one in _files(file):
        try:
            if one.is_file():
                # NFS then asks the server how it is now (nfs(5), "Close-to-open").
                one.open("rb").close()
            stat = one.stat()
            found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        except OSError:
            found.append(None)
    return tuple(found)
