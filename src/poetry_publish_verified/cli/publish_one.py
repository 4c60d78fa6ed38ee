"""One run for the project at hand, from its build to its proof."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from poetry_publish_verified.adapters.git import sources
from poetry_publish_verified.cli import build as building
from poetry_publish_verified.cli.build import recording_build
from poetry_publish_verified.cli.composition import run_release
from poetry_publish_verified.cli.locks import hold_project
from poetry_publish_verified.cli.projects import read_project
from poetry_publish_verified.cli.publish_options import PublishOptions
from poetry_publish_verified.cli.publish_options import release_started
from poetry_publish_verified.cli.publish_options import targets_found
from poetry_publish_verified.cli.rehearsal import rehearsal_targets
from poetry_publish_verified.cli.rehearsal import temporary_folder
from poetry_publish_verified.cli.release_source import DistDirRelease
from poetry_publish_verified.cli.settings import RunSettings
from poetry_publish_verified.cli.user_clients import forget_arrived
from poetry_publish_verified.cli.workspace_members import needed_by
from poetry_publish_verified.core.events import RunStarted
from poetry_publish_verified.core.events import VersionSet
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.guard.seams.application import Voice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poetry.console.commands.command import Command

    from poetry_publish_verified.cli.console import Reporting
    from poetry_publish_verified.core.release_order import WorkspaceMember
    from poetry_publish_verified.poetry_api.project import Project
    from poetry_publish_verified.release.interfaces import Plan


class OneProject:
    """One run for one project."""

    def __init__(self, command: Command, settings: RunSettings, report: Reporting) -> None:
        self._command = command
        self._settings = settings
        self._report = report
        self._options = PublishOptions.of(command)

    def run(self, stack: ExitStack) -> Verdict:
        """Release it; what is held is let go with `stack`."""
        command, report, options = self._command, self._report, self._options
        if named := self._settings.receipt:
            report.keep_receipt(named)
        try:
            poetry, project = read_project(lambda: command.poetry)
        except ReleaseError:
            self._settings.resolved.checked()
            raise
        dist_dir = project.dist_dir(options.dist_dir)

        def keep_receipt() -> None:
            """Keep it at its usual place, unless another is named or nothing is to be sent."""
            if not named and options.for_users:
                report.keep_receipt(building.default_receipt(dist_dir, project))

        try:
            settings = self._settings.checked()
            until = options.until(settings)
            report(RunStarted(until, options.rehearsal, sources(project.root, dist_dir)))
            report(release_started(project, options))
            needed = self._needed(project)
            targets = (
                rehearsal_targets(stack)
                if options.rehearsal
                else options.targets(poetry, settings.indexes)
            )
            report(targets_found(targets, project))
            if options.build and not options.rehearsal:
                building.ask(command, project, dist_dir)
        except Exception:
            keep_receipt()
            raise
        building_alone = ExitStack()
        if not options.rehearsal:
            # After the last question; the receipt at its usual place is the holder's.
            building_alone = hold_project(
                project,
                targets,
                settings.timeout,
                stack,
                Voice(command.io).warn,
                to_send=options.for_users,
            )
        keep_receipt()
        built = self._build(project, dist_dir, stack) if options.build else None
        if built is not None:
            project, dist_dir = built.project, built.dist_dir
            keep_receipt()
        tell = recording_build(report, None if options.rehearsal else built, building_alone)
        source = DistDirRelease(project, targets, dist_dir, built, tell)
        return self._send_and_prove(source, options.plan(settings, targets), needed)

    def _needed(self, project: Project) -> Sequence[WorkspaceMember]:
        """What others release and this one needs; a rehearsal's index has nothing of that."""
        asked = self._command.option("wait-for-dependencies")
        wanted = asked and not self._options.rehearsal
        return needed_by(self._command, project, self._settings) if wanted else ()

    def _build(self, project: Project, dist_dir: Path, stack: ExitStack) -> building.ReleaseBuild:
        if self._options.rehearsal:
            # A rehearsal leaves the user's own dist folder alone.
            dist_dir = Path(stack.enter_context(temporary_folder()))
        built = building.build(self._command, project, dist_dir, self._report)
        if built.project.identity != project.identity:
            self._report(VersionSet(str(built.project.identity.version)))
        return built

    def _send_and_prove(
        self, source: DistDirRelease, plan: Plan, needed: Sequence[WorkspaceMember]
    ) -> Verdict:
        report = self._report
        for_users = self._options.for_users
        verdict = anyio.run(run_release, source, plan, needed, report.keep_ticking)
        if for_users:
            forget_arrived(source)
        return verdict
