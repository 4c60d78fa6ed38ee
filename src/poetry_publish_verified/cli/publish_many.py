"""Publishes many projects (`--projects`): one run, from the builds to the proofs."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from functools import partial

import anyio
from poetry.console.commands.command import Command

from poetry_publish_verified.adapters import receipt_file
from poetry_publish_verified.adapters.git import sources
from poetry_publish_verified.cli.build import ReleaseBuild, build_apart, confirm_build
from poetry_publish_verified.cli.composition import forget_in_poetrys_caches, run_workspace
from poetry_publish_verified.cli.console import Reporting
from poetry_publish_verified.cli.options import PublishOptions
from poetry_publish_verified.cli.projects import Workspace
from poetry_publish_verified.cli.release_source import DistDirRelease
from poetry_publish_verified.cli.settings import RunSettings
from poetry_publish_verified.cli.started_release import (
    StartedRelease,
    rehearsal_targets,
    start_release,
)
from poetry_publish_verified.core.events import ProjectsFound, RunStarted
from poetry_publish_verified.errors import Problem, ReleaseError, Verdict
from poetry_publish_verified.release.collect import collecting

RECEIPT = "run.json"
# Files that a run opens besides two locks per release: connections, and what is uploaded.
_FILES_BESIDE = 256


class ManyProjects:
    """A run for all projects of a workspace."""

    def __init__(
        self, command: Command, workspace: Workspace, settings: RunSettings, report: Reporting
    ) -> None:
        self._command = command
        self._workspace = workspace
        self._settings = settings.checked()
        self._receipt = settings.receipt
        self._report = report
        self._options = PublishOptions.of(command)

    def run(self, stack: ExitStack) -> Verdict:
        """Release them; locks and temporary files last to the end of `stack`."""
        options, root = self._options, self._workspace.root
        dist_dir = root / options.dist_dir
        if options.for_users and not self._receipt:
            self._report.keep_receipt(dist_dir / receipt_file.DIRECTORY / RECEIPT)
        until = options.until(self._settings)
        self._report(RunStarted(until, options.rehearsal, sources(root, dist_dir)))
        count = len(self._workspace.checkouts)
        self._report(ProjectsFound(count, self._workspace.left_out))
        releases = self._start(stack)
        if options.build and not options.rehearsal:
            confirm_build(self._command, releases)
        if not options.rehearsal:
            self._hold(releases, stack)
        built = anyio.run(self._build, releases) if options.build else {}
        arriving = [DistDirRelease(each, built.get(each)) for each in releases]
        fail_fast = bool(self._command.option("fail-fast"))
        report, ticking = self._report, self._report.keep_ticking
        verdict = anyio.run(partial(run_workspace, arriving, report, ticking, fail_fast=fail_fast))
        if options.for_users:
            for each in arriving:
                shown_by = each.started.targets.shown_by
                forget_in_poetrys_caches(shown_by, each.identity, each.report)
        return verdict

    def _start(self, stack: ExitStack) -> list[StartedRelease]:
        """Start all releases; raises ReleaseError with all problems of where they go."""
        options, settings = self._options, self._settings
        rehearsal = rehearsal_targets(stack) if options.rehearsal else None
        start = partial(start_release, options, settings, stack=stack, rehearsal=rehearsal)
        releases: list[StartedRelease] = []
        faults: list[Problem] = []
        for project, member in self._workspace.checkouts:
            try:
                report = self._report.of(member.name)
                releases.append(start(project, report=report, member=member))
            except ReleaseError as error:
                faults += error.problems
        if faults:
            # Most problems are the same for each.
            raise ReleaseError.refused(*dict.fromkeys(faults))
        return releases

    def _hold(self, releases: Sequence[StartedRelease], stack: ExitStack) -> None:
        """Take all locks, always in the same order, so that no two runs deadlock."""
        _make_room_for_files(_FILES_BESIDE + 2 * len(releases))
        for release in sorted(releases, key=lambda each: str(each.project.root)):
            release.hold(self._command, stack)

    async def _build(
        self, releases: Iterable[StartedRelease]
    ) -> dict[StartedRelease, ReleaseBuild]:
        """Build them, `jobs` at once; raises ReleaseError with all failures."""
        built: dict[StartedRelease, ReleaseBuild] = {}
        slots = anyio.CapacityLimiter(self._settings.jobs)

        async def build(release: StartedRelease) -> None:
            async with slots:
                built[release] = await build_apart(self._command, release)

        async with collecting() as start:
            for release in releases:
                start(build, release)
        return built


def _make_room_for_files(wanted: int) -> None:
    """Raise the limit on open files, as far as the system allows; macOS starts with 256."""
    # Windows has neither the module nor the limit.
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
