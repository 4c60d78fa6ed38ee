"""Publishes the project at hand: one run, from the build to the proof."""

from collections.abc import Sequence
from contextlib import ExitStack

import anyio
from poetry.console.commands.command import Command

from poetry_publish_verified.adapters.git import sources
from poetry_publish_verified.cli import build
from poetry_publish_verified.cli.composition import forget_in_poetrys_caches, run_release
from poetry_publish_verified.cli.console import Reporting
from poetry_publish_verified.cli.options import PublishOptions
from poetry_publish_verified.cli.projects import needed_by, read_project
from poetry_publish_verified.cli.release_source import DistDirRelease
from poetry_publish_verified.cli.settings import RunSettings
from poetry_publish_verified.cli.started_release import rehearsal_targets, start_release
from poetry_publish_verified.core.events import RunStarted
from poetry_publish_verified.core.release_order import WorkspaceMember
from poetry_publish_verified.errors import ReleaseError, Verdict
from poetry_publish_verified.poetry_api.project import Project


class OneProject:
    """A run for one project."""

    def __init__(self, command: Command, settings: RunSettings, report: Reporting) -> None:
        self._command = command
        self._settings = settings
        self._report = report
        self._options = PublishOptions.of(command)

    def run(self, stack: ExitStack) -> Verdict:
        """Release it; locks and temporary files last to the end of `stack`."""
        command, report, options = self._command, self._report, self._options
        project = self._project()
        try:
            settings = self._settings.checked()
            built_from = sources(project.root, project.root / options.dist_dir)
            report(RunStarted(options.until(settings), options.rehearsal, built_from))
            rehearsal = rehearsal_targets(stack) if options.rehearsal else None
            release = start_release(
                options, settings, project, report=report, stack=stack, rehearsal=rehearsal
            )
            needed = self._needed(project)
            if options.build and not options.rehearsal:
                build.confirm_build(command, [release])
        except Exception:
            self._keep_receipt(project)
            raise
        if not options.rehearsal:
            # After the last question. The default receipt belongs to whoever holds the lock.
            release.hold(command, stack)
        self._keep_receipt(project)
        built = build.build_here(command, release) if options.build else None
        if built is not None:
            self._keep_receipt(built.project)
        source = DistDirRelease(release, built)
        verdict = anyio.run(run_release, source, needed, report.keep_ticking)
        if options.for_users:
            shown_by = release.targets.shown_by
            forget_in_poetrys_caches(shown_by, source.identity, source.report)
        return verdict

    def _project(self) -> Project:
        if self._settings.receipt:
            self._report.keep_receipt(self._settings.receipt)
        try:
            return read_project(self._command)
        except ReleaseError:
            # Bad settings may be the reason: the root of many projects need not be a project.
            self._settings.resolved.checked()
            raise

    def _keep_receipt(self, project: Project) -> None:
        """Write it to its default place, unless a setting names another or nothing is sent."""
        if self._options.for_users and not self._settings.receipt:
            dist_dir = project.root / self._options.dist_dir
            self._report.keep_receipt(build.default_receipt(dist_dir, project))

    def _needed(self, project: Project) -> Sequence[WorkspaceMember]:
        """The dependencies to wait for; a rehearsal's index has none of them."""
        asked = self._command.option("wait-for-dependencies") and not self._options.rehearsal
        return needed_by(self._command, project, self._settings) if asked else ()
