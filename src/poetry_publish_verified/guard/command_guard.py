"""What one Poetry command holds while it runs: the locks of the table, and those of the moment."""

from __future__ import annotations

from contextlib import ExitStack
from contextlib import contextmanager
from typing import TYPE_CHECKING
from typing import NamedTuple

from poetry_publish_verified.guard.locks.environments import Environments
from poetry_publish_verified.guard.locks.places import Places
from poetry_publish_verified.guard.locks.places import archive
from poetry_publish_verified.guard.locks.places import personal_directory
from poetry_publish_verified.guard.seams import application as seams
from poetry_publish_verified.guard.seams.environments import environments_watched
from poetry_publish_verified.guard.seams.environments import settings_watched
from poetry_publish_verified.guard.seams.environments import system_project_watched
from poetry_publish_verified.guard.seams.storage import storage_made_atomic

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from poetry_publish_verified.guard.locks.resource import Resource
    from poetry_publish_verified.guard.seams.application import IO
    from poetry_publish_verified.guard.seams.application import Application
    from poetry_publish_verified.guard.seams.application import Command


class Needs(NamedTuple):
    """What one command holds from its beginning to its end."""

    poetry: bool = False
    """Poetry's configuration and Poetry's own environment."""
    project: bool = False
    """pyproject.toml and poetry.lock."""
    environment: bool = False
    """The project's virtual environment, once it is known which."""


# Whatever is not named here holds nothing for the whole of a command: a missing virtual
# environment is made, a setting written, an archive fetched under a lock of its own.
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
# Commands of other plugins that install: as `update`, since they may rewrite everything.
OF_OTHER_INSTALLERS = NEEDS["update"]


def project_identity(file: Path) -> tuple[object, ...]:
    """What tells pyproject.toml and the poetry.lock beside it from changed ones."""
    found: list[object] = []
    for one in (file, file.with_name("poetry.lock")):
        try:
            stat = one.stat()
            found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        except OSError:
            found.append(None)
    return tuple(found)


def needs_of(command: Command, io: IO) -> Needs:
    """What a command holds from beginning to end."""
    name = command.name or ""
    needs = NEEDS.get(name)
    if needs is None:
        is_installer = seams.is_installer(command) and not name.startswith("self ")
        needs = OF_OTHER_INSTALLERS if is_installer else Needs()
    if needs.poetry:
        return needs
    if seams.has_option(io, "--dry-run"):
        return Needs()
    return needs._replace(environment=False) if seams.has_option(io, "--lock") else needs


class CommandLocks:
    """The locks of one command of one application."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._file = seams.project_file(application)
        self._before = project_identity(self._file) if self._file else ()
        self._places = Places(personal_directory())
        self._voice = seams.voice(application)

    def around(self, run: Callable[[], int], command: Command, io: IO) -> int:
        """Run a command under its locks."""
        self._voice = seams.Voice(io)
        with ExitStack() as stack:
            try:
                self._prepare(command, io, stack)
            # A fault of the guard must never become one of Poetry.
            except Exception as error:  # noqa: BLE001
                self._voice.step_aside(f"{type(error).__name__}: {error}")
            return run()

    def _prepare(self, command: Command, io: IO, stack: ExitStack) -> None:
        needs, name = needs_of(command, io), command.name or ""
        self._hold(needs, stack)
        left: list[str] = []
        if seams.uses_environment(command):
            environments = Environments(
                self._places, self._held, stack, self._reread_if_changed, fills=needs.environment
            )
            left += stack.enter_context(environments_watched(environments))
        if name.startswith("self "):
            left += stack.enter_context(system_project_watched(self._may_generate))
        if name == "config":
            left += stack.enter_context(settings_watched(self._writing_settings))
        left += stack.enter_context(storage_made_atomic(self._archive_held))
        for reason in left:
            self._voice.explain(f"poetry-publish-verified leaves something to Poetry: {reason}.")

    def _held(
        self, resource: Resource, *, only_if_free: bool = False
    ) -> AbstractContextManager[bool]:
        # Loaded only now: most commands want no lock.
        from poetry_publish_verified.guard.locks.lock import held

        return held(resource, self._voice.warn, only_if_free=only_if_free)

    def _archive_held(self, cache: Path, file: Path) -> AbstractContextManager[bool]:
        return self._held(archive(cache, file))

    def _hold(self, needs: Needs, stack: ExitStack) -> None:
        if needs.poetry:
            stack.enter_context(self._held(self._config()))
            own = self._places.poetry_environment(seams.poetry_prefix())
            stack.enter_context(self._held(own))
        if needs.project and self._file is not None:
            stack.enter_context(self._held(self._places.project(self._file.parent)))
            self._reread_if_changed()

    def _reread_if_changed(self) -> None:
        """Forget the project where somebody has changed it since this command began.

        Poetry reads pyproject.toml before it waits for anything, and poetry.lock after that.
        """
        now = project_identity(self._file) if self._file else ()
        if now != self._before:
            self._before = now
            self._application.reset_poetry()

    def _config(self) -> Resource:
        return self._places.config(seams.config_directory())

    @contextmanager
    def _may_generate(self, file: Path) -> Iterator[bool]:
        """Around the writing of Poetry's system project, which every `self` command does.

        Those that only show something leave it to whoever is changing it at the moment.
        """
        with self._held(self._config(), only_if_free=True) as ours:
            from poetry_publish_verified.guard.locks import holders

            holder = None if ours else holders.read(self._config().path)
            yield ours or holder is None or holder.is_gone or not file.exists()

    @contextmanager
    def _writing_settings(self, file: Path) -> Iterator[None]:
        in_config = file.parent == seams.config_directory()
        resource = self._config() if in_config else self._places.project(file.parent)
        with self._held(resource):
            yield
