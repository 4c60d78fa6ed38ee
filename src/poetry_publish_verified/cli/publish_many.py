"""`--projects`: one run for many projects, from their builds to their proof."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from poetry_publish_verified.adapters import receipt_file
from poetry_publish_verified.adapters.git import sources
from poetry_publish_verified.adapters.open_files import make_room_for_files
from poetry_publish_verified.cli import build as building
from poetry_publish_verified.cli.build import recording_build
from poetry_publish_verified.cli.composition import ReleaseRequest
from poetry_publish_verified.cli.composition import run_workspace
from poetry_publish_verified.cli.locks import hold_project
from poetry_publish_verified.cli.projects import poetry_in
from poetry_publish_verified.cli.publish_options import PublishOptions
from poetry_publish_verified.cli.publish_options import release_started
from poetry_publish_verified.cli.publish_options import targets_found
from poetry_publish_verified.cli.rehearsal import rehearsal_targets
from poetry_publish_verified.cli.rehearsal import temporary_folder
from poetry_publish_verified.cli.release_source import DistDirRelease
from poetry_publish_verified.cli.settings import RunSettings
from poetry_publish_verified.cli.user_clients import forget_arrived
from poetry_publish_verified.core.events import BuildStarted
from poetry_publish_verified.core.events import Event
from poetry_publish_verified.core.events import ProjectsFound
from poetry_publish_verified.core.events import RunStarted
from poetry_publish_verified.core.events import VersionSet
from poetry_publish_verified.core.problems.project import member_build_failed
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.errors import gravest
from poetry_publish_verified.guard.seams.application import Voice
from poetry_publish_verified.output.words import escaped
from poetry_publish_verified.poetry_api import project as poetry_project
from poetry_publish_verified.poetry_api.build import BuildOutcome
from poetry_publish_verified.poetry_api.build import poetry_build
from poetry_publish_verified.sanitize import decoded
from poetry_publish_verified.sanitize import printable_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

    from poetry.console.commands.command import Command

    from poetry_publish_verified.cli.console import Reporting
    from poetry_publish_verified.cli.workspace_members import Checkout
    from poetry_publish_verified.cli.workspace_members import Workspace
    from poetry_publish_verified.poetry_api.indexes import Targets

RECEIPT = "run.json"
# What a run opens beside a lock for each release: connections, and the files that are sent.
_FILES_BESIDE = 256
# Of a failed build, so many of the last lines that it said.
_LAST_LINES = 25


@dataclass(frozen=True, slots=True)
class _Begun:
    """One project of the run: where it goes, who is told, and what others must not do meanwhile."""

    checkout: Checkout
    targets: Targets
    dist_dir: Path
    report: Callable[[Event], None]
    building_alone: ExitStack


class ManyProjects:
    """One run for all projects of a workspace."""

    def __init__(
        self, command: Command, workspace: Workspace, settings: RunSettings, report: Reporting
    ) -> None:
        self._command = command
        self._workspace = workspace
        self._settings = settings.checked()
        self._named = settings.receipt
        self._report = report
        self._options = PublishOptions.of(command)

    def run(self, stack: ExitStack) -> Verdict:
        """Release them; what is held is let go with `stack`."""
        options, root = self._options, self._workspace.root
        dist_dir = root / options.dist_dir
        if options.for_users and not self._named:
            self._report.keep_receipt(dist_dir / receipt_file.FOLDER / RECEIPT)
        until = options.until(self._settings)
        self._report(RunStarted(until, options.rehearsal, sources(root, dist_dir)))
        count = len(self._workspace.checkouts)
        self._report(ProjectsFound(count, self._workspace.left_out))
        releases = self._begin(stack)
        if options.build and not options.rehearsal:
            building.ask_for_all(
                self._command,
                [(r.checkout.poetry, r.checkout.project, r.dist_dir) for r in releases],
            )
        if not options.rehearsal:
            releases = self._all_alone(releases, stack)
        requests = anyio.run(self._ready, releases)
        fail_fast = bool(self._command.option("fail-fast"))
        verdict = anyio.run(
            partial(
                run_workspace,
                requests,
                self._report,
                self._report.keep_ticking,
                fail_fast=fail_fast,
            )
        )
        if options.for_users:
            for each in requests:
                forget_arrived(each.source)
        return verdict

    def _begin(self, stack: ExitStack) -> list[_Begun]:
        """Tell which releases go where; ReleaseError with all that is wrong with that."""
        options = self._options
        index = rehearsal_targets(stack) if options.rehearsal else None
        releases: list[_Begun] = []
        problems: list[Problem] = []
        for checkout in self._workspace.checkouts:
            tell = self._report.of(checkout.member.name)
            tell(release_started(checkout.project, options))
            try:
                targets = index or options.targets(checkout.poetry, self._settings.indexes)
            except ReleaseError as error:
                problems += error.problems
                continue
            tell(targets_found(targets, checkout.project))
            dist_dir = checkout.project.dist_dir(options.dist_dir)
            if options.rehearsal and options.build:
                # A rehearsal leaves the user's own dist folders alone.
                dist_dir = Path(stack.enter_context(temporary_folder()))
            releases.append(_Begun(checkout, targets, dist_dir, tell, ExitStack()))
        if problems:
            # Mostly the same of each.
            raise ReleaseError(Verdict.PREFLIGHT_REFUSED, *dict.fromkeys(problems))
        return releases

    def _all_alone(self, releases: Sequence[_Begun], stack: ExitStack) -> list[_Begun]:
        """Hold the locks of all, taken in an order that is the same whatever else is released."""
        make_room_for_files(_FILES_BESIDE + 2 * len(releases))
        held = {
            release.checkout.member.name: self._alone(release, stack)
            for release in sorted(releases, key=lambda each: str(each.checkout.project.root))
        }
        return [held[release.checkout.member.name] for release in releases]

    def _alone(self, release: _Begun, stack: ExitStack) -> _Begun:
        building_alone = hold_project(
            release.checkout.project,
            release.targets,
            self._settings.timeout,
            stack,
            Voice(self._command.io).warn,
            to_send=self._options.for_users,
            among_many=True,
        )
        return replace(release, building_alone=building_alone)

    async def _ready(self, releases: Sequence[_Begun]) -> list[ReleaseRequest]:
        """Build them, several at once where that is asked for; ReleaseError with all failures."""
        built: dict[str, building.ReleaseBuild] = {}
        failures: list[ReleaseError] = []
        slots = anyio.CapacityLimiter(self._settings.jobs)

        async def build(release: _Begun) -> None:
            async with slots:
                try:
                    built[release.checkout.member.name] = await self._build(release)
                except ReleaseError as error:
                    failures.append(error)

        async with anyio.create_task_group() as group:
            for release in releases if self._options.build else ():
                group.start_soon(build, release)
        if failures:
            problems = [problem for error in failures for problem in error.problems]
            raise ReleaseError(gravest([error.verdict for error in failures]), *problems)
        return [self._going(each, built.get(each.checkout.member.name)) for each in releases]

    async def _build(self, release: _Begun) -> building.ReleaseBuild:
        """Build one project, or find what an earlier run has built from the same sources."""
        checkout, dist_dir, report = release.checkout, release.dist_dir, release.report
        in_thread = partial(anyio.to_thread.run_sync, abandon_on_cancel=True)
        again = await in_thread(
            building.used_again, checkout.poetry, checkout.project, dist_dir, report
        )
        if again is not None:
            return again
        before = await in_thread(building.Before.of, checkout.project, dist_dir)
        report(BuildStarted())
        outcome = await poetry_build(checkout.project.root, dist_dir)
        if outcome.code != 0:
            raise self._not_built(checkout, outcome)
        project = poetry_project.read(poetry_in(self._command, checkout.project.root))
        if project.identity != checkout.project.identity:
            report(VersionSet(str(project.identity.version)))
        return await in_thread(before.built, project)

    def _not_built(self, checkout: Checkout, outcome: BuildOutcome) -> ReleaseError:
        lines = printable_lines(decoded(outcome.said)).splitlines()
        for line in lines[-_LAST_LINES:]:
            self._report.error_line(f"  {escaped(checkout.member.folder)}: {escaped(line)}")
        words = next((line.strip() for line in reversed(lines) if line.strip()), "")
        problem = member_build_failed(checkout.member.folder, outcome.code, words)
        return ReleaseError(Verdict.PREFLIGHT_REFUSED, problem)

    def _going(self, release: _Begun, built: building.ReleaseBuild | None) -> ReleaseRequest:
        options, checkout = self._options, release.checkout
        project = built.project if built else checkout.project
        kept = None if options.rehearsal else built
        tell = recording_build(release.report, kept, release.building_alone)
        source = DistDirRelease(project, release.targets, release.dist_dir, built, tell)
        return ReleaseRequest(
            checkout.member, source, options.plan(self._settings, release.targets)
        )
