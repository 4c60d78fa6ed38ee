"""What releasing one project and releasing many have in common."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from poetry.config.config import Config

from poetry_publish_verified.adapters.rehearsal import KEPT
from poetry_publish_verified.adapters.rehearsal import throwaway_index
from poetry_publish_verified.core import settings as core_settings
from poetry_publish_verified.core.events import DistributionsRead
from poetry_publish_verified.core.events import ReleaseStarted
from poetry_publish_verified.core.events import SendingStarted
from poetry_publish_verified.core.events import TargetsFound
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.urls import Access
from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.core.urls import RepositoryTarget
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.guard.locks.lock import held
from poetry_publish_verified.guard.locks.places import Places
from poetry_publish_verified.guard.locks.places import personal_directory
from poetry_publish_verified.guard.locks.resources import LockRefusedError
from poetry_publish_verified.guard.plugin_sets.activation import missing_plugins
from poetry_publish_verified.poetry_api import project as poetry_project
from poetry_publish_verified.poetry_api.indexes import Indexes
from poetry_publish_verified.poetry_api.indexes import Targets
from poetry_publish_verified.poetry_api.indexes import indexes
from poetry_publish_verified.release.interfaces import Plan
from poetry_publish_verified.sanitize import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping

    from poetry.console.commands.command import Command
    from poetry.poetry import Poetry

    from poetry_publish_verified.cli.build import ReleaseBuild
    from poetry_publish_verified.core.events import Event
    from poetry_publish_verified.core.settings import Settings
    from poetry_publish_verified.poetry_api.project import Project

_OWN_OPTIONS = {
    "index",
    "until",
    "timeout",
    "format",
    "receipt",
    "clients",
    "strict",
    "jobs",
    "retries",
    "projects",
}


@dataclass(frozen=True, slots=True)
class Choices:
    """What the command line says of each release, whatever project it is of."""

    repository: str | None
    credentials: poetry_project.Credentials
    dist_dir: str
    build: bool
    dry_run: bool
    skip_existing: bool
    rehearsal: bool

    @classmethod
    def of(cls, command: Command) -> Choices:
        """As `poetry publish` has them."""
        cert, client_cert = (
            Path(value) if (value := command.option(key)) else None
            for key in ("cert", "client-cert")
        )
        return cls(
            command.option("repository"),
            poetry_project.Credentials(
                command.option("username"), command.option("password"), cert, client_cert
            ),
            command.option("dist-dir"),
            build=bool(command.option("build")),
            dry_run=bool(command.option("dry-run")),
            skip_existing=bool(command.option("skip-existing")),
            rehearsal=bool(command.option("rehearse")),
        )

    @property
    def for_users(self) -> bool:
        """Whether something is to be sent to where users look."""
        return not (self.rehearsal or self.dry_run)

    def plan(self, settings: Settings, targets: Targets) -> Plan:
        """What is asked of one release."""
        return Plan(
            self.until(settings),
            settings.timeout,
            clients=settings.clients,
            strict=settings.strict,
            dry_run=self.dry_run,
            skip_existing=self.skip_existing,
            jobs=settings.jobs,
            retries=settings.retries,
            public=not self.rehearsal and poetry_project.is_public(targets.repository.url),
        )

    def until(self, settings: Settings) -> Until:
        """How far to follow a release."""
        return Until.INSTALLABLE if self.rehearsal else settings.until

    def targets(self, poetry: Poetry, named: tuple[str, ...]) -> Targets:
        """Where the release goes and which indexes must show it; not of rehearsals."""
        repository = poetry_project.repository(poetry, self.repository, self.credentials)
        return Targets(repository, indexes(poetry, repository, named))

    def repository_name(self) -> str:
        """The repository as people call it."""
        return "rehearsal" if self.rehearsal else poetry_project.repository_name(self.repository)


def release_started(project: Project, choices: Choices) -> ReleaseStarted:
    """What is told of a release at first; ReleaseError for a repository that is none."""
    identity = project.identity
    return ReleaseStarted(identity.name, str(identity.version), choices.repository_name())


def targets_found(targets: Targets) -> TargetsFound:
    """What is told once it is known where a release goes."""
    shown_by = tuple(index.url for index in targets.indexes.shown_by)
    return TargetsFound(targets.repository.url, shown_by)


def settings_of(command: Command, config: Config, table: Mapping[str, object]) -> Settings:
    """All settings, checked; ReleaseError with every fault of them."""
    return core_settings.resolve(
        {key: command.option(key) or None for key in _OWN_OPTIONS},
        poetry_project.environment_settings(config),
        table,
    )


def read_project(get: Callable[[], Poetry]) -> tuple[Poetry, Project]:
    """A project that can be published; ReleaseError where there is none."""
    try:
        poetry = get()
    except Exception as error:
        # Poetry raises RuntimeError and its own errors, tomlkit and the schema theirs.
        raise ReleaseError(
            Verdict.PREFLIGHT_REFUSED,
            Problem(
                Code.NO_PROJECT,
                f"There is no project to publish: {printable(str(error))}",
                "Run this in a folder with a valid pyproject.toml, or name one with -C;"
                " poetry check tells what is wrong with it.",
            ),
        ) from error
    project = poetry_project.read(poetry)
    refuse_missing_plugins(poetry)
    return poetry, project


def refuse_missing_plugins(poetry: Poetry) -> None:
    """Raises ReleaseError where plugins that the project requires are not active."""
    if missing := missing_plugins(poetry.pyproject_path):
        raise ReleaseError(
            Verdict.PREFLIGHT_REFUSED,
            Problem(
                Code.PLUGINS_NOT_ACTIVE,
                "The project requires Poetry plugins that are not active:"
                f" {printable(', '.join(missing))}. A version that one of them sets would be"
                " silently wrong.",
                "Run poetry install, or poetry self add with the plugin's name.",
            ),
        )


def hold_project(
    project: Project,
    targets: Targets,
    timeout: float,
    stack: ExitStack,
    say: Callable[[str], None],
    *,
    to_send: bool,
    among_many: bool = False,
) -> ExitStack:
    """Hold what others in this checkout must not do meanwhile; who is second waits `timeout`.

    One release of a project to a repository at a time; and until the returned stack is closed,
    nobody builds into, or reads, what may be built for another repository.
    """
    building_alone = stack.enter_context(ExitStack())
    places = Places(personal_directory())
    wanted = [(places.build(project.root), building_alone)]
    if to_send:
        wanted.insert(0, (places.release(project.root, targets.repository.url), stack))
    for resource, until in wanted:
        try:
            lock = held(resource, say, needed=True, usual=timeout, shown=not among_many)
            until.enter_context(lock)
        except LockRefusedError as error:
            raise ReleaseError(Verdict.LOCK_TIMEOUT, error.problem) from error
    return building_alone


def recording_build(
    report: Callable[[Event], None], built: ReleaseBuild | None, building_alone: ExitStack
) -> Callable[[Event], None]:
    """Report, and once the sending starts, note what was built and let others build."""
    files: dict[str, str] = {}

    def tell(event: Event) -> None:
        report(event)
        if isinstance(event, DistributionsRead):
            files.update((each.filename, str(each.sha256)) for each in event.distributions)
        elif isinstance(event, SendingStarted):
            if built is not None:
                built.keep_record(files)
            building_alone.close()

    return tell


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for a while."""
    return tempfile.TemporaryDirectory(prefix="publish-verified-", ignore_cleanup_errors=True)


def rehearsal_targets(stack: ExitStack) -> Targets:
    """An index on this machine, to the end of `stack`."""
    kept_in = Path(Config.create().get("cache-dir")).expanduser().absolute() / KEPT
    url = stack.enter_context(
        throwaway_index(Path(stack.enter_context(temporary_folder())), kept_in)
    )
    index = IndexTarget(f"{url}simple/", Access())
    return Targets(
        RepositoryTarget("rehearsal", url, Access()),
        Indexes(index, (index,)),
        proxies=False,
    )


def receipt_named(
    command: Command, table: Mapping[str, object], root: Callable[[], Path]
) -> Path | None:
    """The receipt asked for; one set in pyproject.toml is relative to the project."""
    variable = core_settings.ENVIRONMENT_PREFIX + "RECEIPT"
    if named := command.option("receipt") or os.environ.get(variable):
        return Path(named)
    named = table.get("receipt")
    return root() / named if named and isinstance(named, str) else None
