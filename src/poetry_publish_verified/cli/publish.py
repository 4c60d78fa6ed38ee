"""Publishes one project or many (`--projects`): one run, from the build to the proof."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import anyio
from poetry.console.commands.command import Command

from poetry_publish_verified.adapters import receipt_file
from poetry_publish_verified.adapters.git import sources
from poetry_publish_verified.cli import build
from poetry_publish_verified.cli.composition import (
    forget_in_poetrys_caches,
    run_release,
    run_workspace,
)
from poetry_publish_verified.cli.confirmation import Confirmation
from poetry_publish_verified.cli.console import Reporting
from poetry_publish_verified.cli.options import PublishOptions
from poetry_publish_verified.cli.projects import Workspace, needed_by, read_project, workspace_of
from poetry_publish_verified.cli.records import Records
from poetry_publish_verified.cli.release_source import DistDirRelease
from poetry_publish_verified.cli.run import run_async
from poetry_publish_verified.cli.run_files import refuse_unwritable
from poetry_publish_verified.cli.settings import RunSettings
from poetry_publish_verified.cli.started_release import (
    StartedRelease,
    rehearsal_targets,
    start_release,
)
from poetry_publish_verified.core.events import ProjectsFound, RunStarted
from poetry_publish_verified.core.problems.workspace import not_to_be_published
from poetry_publish_verified.core.settings import Settings, Until
from poetry_publish_verified.errors import Problem, ReleaseError, Verdict
from poetry_publish_verified.poetry_api.project import Project
from poetry_publish_verified.release.collect import collecting, refuse

if TYPE_CHECKING:
    from poetry_publish_verified.adapters.clients.pip_server import PipServer

RECEIPT = "run.json"
# Files that a run opens besides two locks per release: connections, and what is uploaded.
_FILES_BESIDE = 256


def publish_one(
    command: Command, given: RunSettings, report: Reporting, stack: ExitStack
) -> Verdict:
    """Release the project at hand; locks and temporary files last to the end of `stack`."""
    options = PublishOptions.of(command)
    if given.receipt:
        report.keep_receipt(given.receipt)
    project = _project(command, given)

    def keep_receipt(project: Project) -> None:
        """Write it to its default place, unless a setting names another or nothing is sent."""
        if options.for_users and not given.receipt:
            report.keep_receipt(build.default_receipt(project.root / options.dist_dir, project))

    try:
        settings, records = given.checked(), Records.of(given)
        confirmation = Confirmation.wanted(command.io, report, options, settings)
        release = _started(given, options, settings, project, report=report, stack=stack)
        if options.for_users:
            records.refuse_unwritable([project.identity.name])
        # A rehearsal's index has no dependencies.
        asked = command.option("wait-for-dependencies") and not options.rehearsal
        needed = needed_by(command, project, given) if asked else ()
        if options.build and not options.rehearsal:
            build.confirm_build(command, [release])
    except Exception:
        keep_receipt(project)
        raise
    locks, hold = stack.enter_context(ExitStack()), partial(release.hold, command, again=True)
    if not options.rehearsal:
        # The default receipt belongs to whoever holds the lock.
        release.hold(command, locks)
    keep_receipt(project)
    release = replace(release, pip=_early_pip(options, given, stack))
    built = build.build_here(command, release) if options.build else None
    source = DistDirRelease(release, built, records.of_project(project.identity.name))
    keep_receipt(source.project)
    if confirmation:
        look = partial(run_release, source.for_a_look(), (), report.keep_ticking, report.earlier)
        if refused := confirmation.obtain([source], partial(run_async, look), hold, locks):
            return refused
    verdict = run_async(run_release, source, needed, report.keep_ticking, report.earlier)
    _forget([source])
    if options.for_users:
        records.write_metadata({source: verdict}, report)
    return verdict


def _early_pip(options: PublishOptions, given: RunSettings, stack: ExitStack) -> "PipServer | None":
    """pip, if it will be asked; it ends with `stack`.

    Begun before the project is read, it would take the CPU from what has to be done first.
    """
    found = given.resolved.found
    asked = found.stages or options.until(found) is Until.INSTALLABLE
    # A rehearsal uses no proxy.
    if options.rehearsal or not asked or "pip" not in found.clients:
        return None
    from poetry_publish_verified.cli.clients import early_pip

    return early_pip(stack)


def _started(
    given: RunSettings,
    options: PublishOptions,
    settings: Settings,
    project: Project,
    *,
    report: Reporting,
    stack: ExitStack,
) -> StartedRelease:
    stages = options.stages(settings)
    built_from = sources(project.root, project.root / options.dist_dir)
    report(RunStarted(options.until(settings), options.rehearsal, built_from))
    rehearsal = rehearsal_targets(stack) if options.rehearsal else None
    release = start_release(
        options, settings, project, report=report, stack=stack, rehearsal=rehearsal
    )
    refuse_unwritable(given, for_users=options.for_users)
    if stages:
        report(stages)
    return release


def _project(command: Command, given: RunSettings) -> Project:
    try:
        project = read_project(command)
    except ReleaseError:
        # Bad settings may be the reason: the root of many projects need not be a project.
        given.resolved.checked()
        raise
    if not given.resolved.found.publish:
        raise ReleaseError.refused(not_to_be_published(project.identity.name))
    return project


def _forget(arrived: Iterable[DistDirRelease]) -> None:
    for each in arrived:
        started = each.started
        if started.options.for_users:
            for place in (started.targets, *started.stage_targets):
                forget_in_poetrys_caches(place.shown_by, each.identity, each.report)


def publish_many(
    command: Command, given: RunSettings, report: Reporting, stack: ExitStack
) -> Verdict:
    """Release all projects of a workspace; locks and temporary files last as for one."""
    options = PublishOptions.of(command)
    if given.receipt:
        report.keep_receipt(given.receipt)
    settings, workspace = given.checked(), workspace_of(command, given)
    records = Records.of(given, several=len(workspace.checkouts) > 1)
    stages = options.stages(settings)
    confirmation = Confirmation.wanted(command.io, report, options, settings)
    dist_dir = workspace.root / options.dist_dir
    if options.for_users and not given.receipt:
        report.keep_receipt(dist_dir / receipt_file.DIRECTORY / RECEIPT)
    built_from = sources(workspace.root, dist_dir)
    report(RunStarted(options.until(settings), options.rehearsal, built_from))
    report(ProjectsFound(len(workspace.checkouts), workspace.left_out))
    refuse(workspace.warnings, report, strict=settings.strict)
    if stages:
        report(stages)
    rehearsal = rehearsal_targets(stack) if options.rehearsal else None
    start = partial(start_release, options, settings, stack=stack, rehearsal=rehearsal)
    releases = _start(start, workspace, report)
    refuse_unwritable(given, for_users=options.for_users)
    if options.for_users:
        records.refuse_unwritable(each.project.identity.name for each in releases)
    locks, hold = stack.enter_context(ExitStack()), partial(_hold, command, releases, again=True)
    if not options.rehearsal:
        if options.build:
            build.confirm_build(command, releases)
        _make_room_for_files(_FILES_BESIDE + 2 * len(releases))
        _hold(command, releases, locks)
    pip = _early_pip(options, given, stack)
    releases = [replace(each, pip=pip) for each in releases]
    built = run_async(_build, command, releases, settings.jobs) if options.build else {}
    arriving = [
        DistDirRelease(each, built.get(each), records.of_project(each.project.identity.name))
        for each in releases
    ]
    fail_fast, ticking = bool(command.option("fail-fast")), report.keep_ticking
    run = partial(run_workspace, ticking=ticking, receipt=report.earlier, fail_fast=fail_fast)
    if confirmation:
        look = partial(run, [each.for_a_look() for each in arriving], report)
        if refused := confirmation.obtain(arriving, partial(run_async, look), hold, locks):
            return refused
    verdict = run_async(run, arriving, report)
    _forget(arriving)
    if options.for_users:
        verdicts = {each["name"]: Verdict(each["verdict"]) for each in report.receipt["releases"]}
        records.write_metadata({each: verdicts[each.identity.name] for each in arriving}, report)
    return verdict


def _hold(
    command: Command, releases: Iterable[StartedRelease], locks: ExitStack, *, again: bool = False
) -> None:
    """Lock all checkouts, always in the same order, so that no two runs deadlock."""
    for release in sorted(releases, key=lambda each: str(each.project.root)):
        release.hold(command, locks, again=again)


def _start(
    start: Callable[..., StartedRelease], workspace: Workspace, report: Reporting
) -> list[StartedRelease]:
    """Start all releases; raises ReleaseError with all problems of where they go."""
    releases: list[StartedRelease] = []
    faults: list[Problem] = []
    for project, member in workspace.checkouts:
        try:
            releases.append(start(project, report=report.of(member.name), member=member))
        except ReleaseError as error:
            faults += error.problems
    if faults:
        # Most problems are the same for each.
        raise ReleaseError.refused(*dict.fromkeys(faults))
    return releases


async def _build(
    command: Command, releases: Iterable[StartedRelease], jobs: int
) -> dict[StartedRelease, build.ReleaseBuild]:
    """Build them, `jobs` at once; raises ReleaseError with all failures."""
    built: dict[StartedRelease, build.ReleaseBuild] = {}
    slots = anyio.CapacityLimiter(jobs)

    async def build_one(release: StartedRelease) -> None:
        async with slots:
            built[release] = await build.build_apart(command, release)

    async with collecting() as start:
        for release in releases:
            start(build_one, release)
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
