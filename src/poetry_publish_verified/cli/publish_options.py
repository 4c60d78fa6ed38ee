"""The options that apply to every release of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from poetry.console.commands.command import Command
from poetry.poetry import Poetry

from poetry_publish_verified.core.settings import Settings, Until
from poetry_publish_verified.poetry_api import repositories
from poetry_publish_verified.poetry_api.indexes import Targets, indexes
from poetry_publish_verified.release.interfaces import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """The options that apply to every release of a run, as `poetry publish` has them."""

    repository: str | None
    credentials: repositories.Credentials
    dist_dir: str
    build: bool
    dry_run: bool
    skip_existing: bool
    rehearsal: bool

    @classmethod
    def of(cls, command: Command) -> PublishOptions:
        """The options of a command."""
        cert, client_cert = command.option("cert"), command.option("client-cert")
        return cls(
            repository=command.option("repository"),
            credentials=repositories.Credentials(
                username=command.option("username"),
                password=command.option("password"),
                cert=Path(cert) if cert else None,
                client_cert=Path(client_cert) if client_cert else None,
            ),
            dist_dir=command.option("dist-dir"),
            build=bool(command.option("build")),
            dry_run=bool(command.option("dry-run")),
            skip_existing=bool(command.option("skip-existing")),
            rehearsal=bool(command.option("rehearse")),
        )

    @property
    def for_users(self) -> bool:
        """Whether the run uploads to an index that users read."""
        return not (self.rehearsal or self.dry_run)

    def plan(self, settings: Settings, targets: Targets) -> Plan:
        """The plan for one release."""
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
        """How far to follow the release."""
        return Until.INSTALLABLE if self.rehearsal else settings.until

    def targets(self, poetry: Poetry, named: tuple[str, ...]) -> Targets:
        """Where the release goes and which indexes must show it, unless this is a rehearsal."""
        repository = repositories.repository(poetry, self.repository, self.credentials)
        return Targets(repository, indexes(poetry, repository, named))

    def repository_name(self) -> str:
        """The repository's name for people."""
        return "rehearsal" if self.rehearsal else repositories.repository_name(self.repository)
