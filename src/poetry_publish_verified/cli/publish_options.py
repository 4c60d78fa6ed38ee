"""What the command line says of each release, whatever project it is of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.poetry_api import repositories
from poetry_publish_verified.poetry_api.indexes import Targets
from poetry_publish_verified.poetry_api.indexes import indexes
from poetry_publish_verified.release.interfaces import Plan

if TYPE_CHECKING:
    from poetry.console.commands.command import Command
    from poetry.poetry import Poetry

    from poetry_publish_verified.core.settings import Settings


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """What the command line says of each release, whatever project it is of."""

    repository: str | None
    credentials: repositories.Credentials
    dist_dir: str
    build: bool
    dry_run: bool
    skip_existing: bool
    rehearsal: bool

    @classmethod
    def of(cls, command: Command) -> PublishOptions:
        """As `poetry publish` has them."""
        cert, client_cert = (
            Path(value) if (value := command.option(key)) else None
            for key in ("cert", "client-cert")
        )
        return cls(
            command.option("repository"),
            repositories.Credentials(
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
            public=not self.rehearsal and repositories.is_public(targets.repository.url),
        )

    def until(self, settings: Settings) -> Until:
        """How far to follow a release."""
        return Until.INSTALLABLE if self.rehearsal else settings.until

    def targets(self, poetry: Poetry, named: tuple[str, ...]) -> Targets:
        """Where the release goes and which indexes must show it; not of rehearsals."""
        repository = repositories.repository(poetry, self.repository, self.credentials)
        return Targets(repository, indexes(poetry, repository, named))

    def repository_name(self) -> str:
        """The repository as people call it."""
        return "rehearsal" if self.rehearsal else repositories.repository_name(self.repository)
