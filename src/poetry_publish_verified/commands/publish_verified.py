"""`poetry publish-verified`: options and settings in, one use case, an exit code out."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from typing import ClassVar

import anyio
from cleo.helpers import option
from poetry.console.commands.command import Command
from poetry.console.commands.publish import PublishCommand

from poetry_publish_verified import project as poetry_project
from poetry_publish_verified.adapters.git import sources
from poetry_publish_verified.adapters.rehearsal import throwaway_index
from poetry_publish_verified.commands import building
from poetry_publish_verified.commands.afterwards import forget_in_poetrys_caches
from poetry_publish_verified.commands.afterwards import mention_cool_downs
from poetry_publish_verified.commands.looking import InDistDir
from poetry_publish_verified.commands.options import RELEASE_OPTIONS
from poetry_publish_verified.commands.reporting import Reporting
from poetry_publish_verified.commands.running import run_to_its_end
from poetry_publish_verified.commands.running import setting
from poetry_publish_verified.commands.running import settings_table
from poetry_publish_verified.commands.wiring import Targets
from poetry_publish_verified.commands.wiring import run_release
from poetry_publish_verified.core import settings as core_settings
from poetry_publish_verified.core.events import DistributionsRead
from poetry_publish_verified.core.events import ReleaseStarted
from poetry_publish_verified.core.events import RunStarted
from poetry_publish_verified.core.events import SendingStarted
from poetry_publish_verified.core.events import TargetsFound
from poetry_publish_verified.core.events import VersionSet
from poetry_publish_verified.core.foreign import printable
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.urls import Access
from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.core.urls import RepositoryTarget
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.guard.locks import held
from poetry_publish_verified.guard.poetry_seams import Voice
from poetry_publish_verified.guard.poetry_seams import cache_directory
from poetry_publish_verified.guard.project_plugins import missing_plugins
from poetry_publish_verified.guard.resources import LockRefusedError
from poetry_publish_verified.guard.resources import Places
from poetry_publish_verified.project_indexes import Indexes
from poetry_publish_verified.project_indexes import indexes
from poetry_publish_verified.world import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from cleo.io.inputs.option import Option

    from poetry_publish_verified.core.events import Event
    from poetry_publish_verified.core.settings import Settings
    from poetry_publish_verified.project import Project

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
}


class PublishVerifiedCommand(Command):
    """`poetry publish-verified`."""

    name = "publish-verified"
    description = "Publishes a package and succeeds only when the release is proven to be there."

    options: ClassVar[list[Option]] = [
        *PublishCommand.options,
        *RELEASE_OPTIONS,
        option(
            "receipt",
            None,
            "Where to write the receipt. Default is"
            " \\<dist-dir>/.publish-verified/\\<name>-\\<version>.json.",
            flag=False,
        ),
        option("jobs", None, "How many files to send at once. Default is 4.", flag=False),
        option(
            "retries",
            None,
            "How often to send a file again when the index or the network fails. Default is 5.",
            flag=False,
        ),
        option(
            "rehearse",
            None,
            "Go the whole way with a throwaway index on this machine; no credentials needed.",
        ),
    ]

    help = """The publish-verified command builds (with <c1>--build</c1>) and uploads the package,
waits until the index lists every file with its sha256, downloads each and compares it.

It exits with 0 only when all that is proven, and otherwise with
  1 wrong usage, 3 nothing was uploaded, 4 the upload failed, 5 the index holds other bytes,
  6 not visible in time, 7 an index serves something else, 8 a lock was not free, 130 interrupted.

All options of <c1>poetry publish</c1> mean the same here. Running it again is always safe.
"""

    loggers: ClassVar[list[str]] = ["poetry.publishing.publisher"]

    def handle(self) -> int:
        """Run it; the exit code."""
        started = datetime.now(UTC)
        report = Reporting(
            self.io,
            "dry-run" if self.option("dry-run") else "publish",
            as_json=setting(self, "format") == "json",
            started=started,
        )
        return run_to_its_end(report, lambda stack: self._publish(report, stack))

    def _publish(self, report: Reporting, stack: ExitStack) -> Verdict:
        named = self._receipt_path()
        if named:
            report.keep_receipt(named)
        project = self._read_project()
        dist_dir = project.dist_dir(self.option("dist-dir"))

        def keep_receipt() -> None:
            """Keep it at its usual place, unless another is named or nothing is to be sent."""
            if not (named or self._rehearsal or self.option("dry-run")):
                report.keep_receipt(building.default_receipt(dist_dir, project))

        try:
            settings = self._settings(project)
            until = Until.INSTALLABLE if self._rehearsal else settings.until
            report(RunStarted(until, self._rehearsal, sources(project.root, dist_dir)))
            targets = self._start(report, project, settings, stack)
            if self.option("build") and not self._rehearsal:
                building.ask(self, project, dist_dir)
        except Exception:
            keep_receipt()
            raise
        # After the last question; the receipt at its usual place is the holder's.
        building_alone = self._alone(project, targets, settings.timeout, stack)
        keep_receipt()
        built = self._build(report, project, dist_dir, stack) if self.option("build") else None
        if built is not None:
            project, dist_dir = built.project, built.dist_dir
            keep_receipt()
        files: dict[str, str] = {}

        def tell(event: Event) -> None:
            report(event)
            if isinstance(event, DistributionsRead):
                files.update((each.filename, str(each.sha256)) for each in event.distributions)
            elif isinstance(event, SendingStarted):
                if built is not None and not self._rehearsal:
                    built.keep_record(files)
                building_alone.close()

        arrival = InDistDir(project, targets, dist_dir, built, tell)
        plan = self._plan(settings, until, targets)
        return self._send_and_prove(arrival, plan, report, tell)

    @property
    def _rehearsal(self) -> bool:
        return bool(self.option("rehearse"))

    def _plan(self, settings: Settings, until: Until, targets: Targets) -> Plan:
        return Plan(
            until,
            settings.timeout,
            clients=settings.clients,
            strict=settings.strict,
            dry_run=bool(self.option("dry-run")),
            skip_existing=bool(self.option("skip-existing")),
            jobs=settings.jobs,
            retries=settings.retries,
            public=not self._rehearsal and poetry_project.is_public(targets.repository.url),
        )

    def _build(
        self, report: Reporting, project: Project, dist_dir: Path, stack: ExitStack
    ) -> building.Built:
        if self._rehearsal:
            # A rehearsal leaves the user's own dist folder alone.
            dist_dir = Path(stack.enter_context(_folder()))
        built = building.build(self, project, dist_dir, report)
        if built.project.identity != project.identity:
            report(VersionSet(str(built.project.identity.version)))
        return built

    def _send_and_prove(
        self, arrival: InDistDir, plan: Plan, report: Reporting, tell: Callable[[Event], None]
    ) -> Verdict:
        for_users = not (self._rehearsal or plan.dry_run)
        if for_users and plan.until is Until.INSTALLABLE:
            mention_cool_downs(self.poetry.config, report)
        verdict = anyio.run(run_release, arrival, plan, tell, report.keep_ticking)
        if for_users:
            shown_by = [index.url for index in arrival.targets.indexes.shown_by]
            identity = arrival.identity
            forget_in_poetrys_caches(shown_by, identity.name, str(identity.version), report)
        return verdict

    def _settings(self, project: Project) -> Settings:
        return core_settings.resolve(
            {key: self.option(key) or None for key in _OWN_OPTIONS},
            poetry_project.environment_settings(self.poetry.config),
            project.settings,
        )

    def _start(
        self, report: Reporting, project: Project, settings: Settings, stack: ExitStack
    ) -> Targets:
        """Tell which release goes where, and find out where that is."""
        name, version = project.identity.name, str(project.identity.version)
        if self._rehearsal:
            report(ReleaseStarted(name, version, "rehearsal"))
            targets = _throwaway(stack)
        else:
            repository = poetry_project.repository_name(self.option("repository"))
            report(ReleaseStarted(name, version, repository))
            targets = self._targets(settings.indexes)
        shown_by = tuple(index.url for index in targets.indexes.shown_by)
        report(TargetsFound(targets.repository.url, shown_by))
        return targets

    def _receipt_path(self) -> Path | None:
        """The receipt asked for; one set in pyproject.toml is relative to the project."""
        variable = core_settings.ENVIRONMENT_PREFIX + "RECEIPT"
        if named := self.option("receipt") or os.environ.get(variable):
            return Path(named)
        named = settings_table(self).get("receipt")
        return self.poetry.file.path.parent / named if named and isinstance(named, str) else None

    def _read_project(self) -> Project:
        try:
            poetry = self.poetry
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
        return project

    def _targets(self, named: tuple[str, ...]) -> Targets:
        paths = {
            key: Path(value) if (value := self.option(key)) else None
            for key in ("cert", "client-cert")
        }
        given = poetry_project.Credentials(
            self.option("username"), self.option("password"), paths["cert"], paths["client-cert"]
        )
        repository = poetry_project.repository(self.poetry, self.option("repository"), given)
        return Targets(repository, indexes(self.poetry, repository, named))

    def _alone(
        self, project: Project, targets: Targets, timeout: float, stack: ExitStack
    ) -> ExitStack:
        """Hold what others in this checkout must not do meanwhile; who is second waits `timeout`.

        One release of a project to a repository at a time; and until the returned stack is
        closed, nobody builds into, or reads, what may be built for another repository.
        """
        building_alone = stack.enter_context(ExitStack())
        places = Places(cache_directory())
        wanted = [(places.build(project.root), building_alone)]
        if not self.option("dry-run"):
            wanted.insert(0, (places.release(project.root, targets.repository.url), stack))
        for resource, until in wanted if not self._rehearsal else ():
            lock = held(resource, Voice(self.io).warn, needed=True, usual=timeout)
            try:
                until.enter_context(lock)
            except LockRefusedError as error:
                raise ReleaseError(Verdict.LOCK_TIMEOUT, error.problem) from error
        return building_alone


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="publish-verified-", ignore_cleanup_errors=True)


def _throwaway(stack: ExitStack) -> Targets:
    url = stack.enter_context(throwaway_index(Path(stack.enter_context(_folder()))))
    index = IndexTarget(f"{url}simple/", Access())
    return Targets(
        RepositoryTarget("rehearsal", url, Access()),
        Indexes(index, (index,)),
        proxies=False,
    )
