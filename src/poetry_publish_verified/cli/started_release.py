"""A release that has started: where it goes, and the locks on its checkout."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from poetry.config.config import Config
from poetry.console.commands.command import Command

from poetry_publish_verified.adapters.kept_directory import KEPT
from poetry_publish_verified.adapters.rehearsal import throwaway_index
from poetry_publish_verified.adapters.trusted_publishing import ambient_provider
from poetry_publish_verified.cli.options import PublishOptions
from poetry_publish_verified.cli.release_locks import Taking, release_locks, require
from poetry_publish_verified.core import events
from poetry_publish_verified.core.problems import stages as problems
from poetry_publish_verified.core.release_order import WorkspaceMember
from poetry_publish_verified.core.settings import Settings
from poetry_publish_verified.core.trusted_publishing import trusted
from poetry_publish_verified.core.urls import Access, IndexTarget, RepositoryTarget
from poetry_publish_verified.errors import Problem, ReleaseError, Verdict
from poetry_publish_verified.guard.locks.places import LockPlaces, user_lock_directory
from poetry_publish_verified.guard.locks.resource import Resource
from poetry_publish_verified.poetry_api import indexes, repositories
from poetry_publish_verified.poetry_api.indexes import Targets
from poetry_publish_verified.poetry_api.project import Project
from poetry_publish_verified.release.interfaces import Plan

if TYPE_CHECKING:
    from poetry_publish_verified.adapters.clients.pip_server import PipServer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StartedRelease:
    """One release of a run: its project, what is asked for, where it goes, what reports its events.

    Locks of holders that were `silent_for` so many seconds are broken. `member` is the project as
    one of several. While `build_lock` is open, no other process builds the project, or reads what
    is built for another repository. `pip` may be on its way already.
    """

    project: Project
    options: PublishOptions
    plan: Plan
    targets: Targets
    stages: tuple[tuple[Targets, Plan], ...]
    dist_dir: Path
    report: Callable[[events.Event], None]
    silent_for: float | None = None
    member: WorkspaceMember | None = None
    build_lock: ExitStack = field(default_factory=ExitStack)
    pip: "PipServer | None" = None

    @property
    def stage_targets(self) -> tuple[Targets, ...]:
        return tuple(targets for targets, _ in self.stages)

    def for_a_look(self) -> Self:
        """The same, but nothing is sent; how that ends is not reported."""
        report = self.report

        def quietly(event: events.Event) -> None:
            ends = event == events.ReleaseEnded(Verdict.DRY_RUN)
            if not (ends or isinstance(event, events.ReleaseWaiting)):
                report(event)

        stages = tuple((place, replace(plan, dry_run=True)) for place, plan in self.stages)
        return replace(self, plan=replace(self.plan, dry_run=True), stages=stages, report=quietly)

    def hold(self, command: Command, stack: ExitStack, *, again: bool = False) -> None:
        """Lock the checkout, waiting no longer than for indexes; raises ReleaseError.

        To the end of `stack`, no other process releases this project to this repository. Whoever
        has taken the lock since `--break-lock` keeps it if this is called `again`.
        """
        stack.push(self.build_lock)
        take = Taking(
            command=command,
            timeout=self.plan.timeout,
            report=lambda problem: self.report(events.ProblemFound(problem)),
            at_once=self.options.break_lock and not again,
            silent_for=self.silent_for,
            export=self.member is None,
        )
        if self.options.for_users:
            take.releases(self._release_locks(), stack)
        take.all([self._build_lock], self.build_lock)

    async def require_locks(self) -> None:
        """Raise ReleaseError if another process has broken a lock that this run holds."""
        await require([*self._release_locks(), self._build_lock])

    def _release_locks(self) -> list[Resource]:
        urls = {each.repository.url for each in (self.targets, *self.stage_targets)}
        return release_locks(self.project.root, urls)

    @property
    def _build_lock(self) -> Resource:
        return LockPlaces(user_lock_directory()).build(self.project.root)


def start_release(
    options: PublishOptions,
    settings: Settings,
    project: Project,
    *,
    report: Callable[[events.Event], None],
    stack: ExitStack,
    rehearsal: Targets | None,
    member: WorkspaceMember | None = None,
) -> StartedRelease:
    """Report what is released and where it goes; raises ReleaseError where that is unknown."""
    name, version = project.identity.name, str(project.identity.version)
    named = "rehearsal" if rehearsal else repositories.repository_name(options.repository)
    report(events.ReleaseStarted(name, version, named))
    targets = rehearsal or _targets(options, settings, project)
    shown_by = tuple(index.url for index in targets.shown_by)
    page = repositories.project_page(targets.own.url, name)
    report(events.TargetsFound(targets.repository.url, shown_by, page))
    stages = () if rehearsal else _stages(settings, project, targets)
    for stage in stages:
        urls = tuple(index.url for index in stage.shown_by)
        found = events.TargetsFound(stage.repository.url, urls)
        report(events.OnStage(stage.repository.name, found))
    dist_dir = project.root / options.dist_dir
    if rehearsal and options.build:
        # A rehearsal leaves the user's dist directory alone.
        dist_dir = Path(stack.enter_context(temporary_directory()))
    return StartedRelease(
        project=project,
        options=options,
        plan=options.plan(settings, targets),
        targets=targets,
        stages=tuple((stage, options.stage_plan(settings, stage)) for stage in stages),
        dist_dir=dist_dir,
        report=report,
        silent_for=settings.lock_stale,
        member=member,
    )


def _targets(options: PublishOptions, settings: Settings, project: Project) -> Targets:
    poetry = project.poetry
    repository = repositories.repository(poetry, options.repository, options.credentials)
    repository = trusted(repository, settings.trusted_publishing, ambient_provider())
    return indexes.targets(poetry, repository, settings.indexes)


def _stages(settings: Settings, project: Project, last: Targets) -> list[Targets]:
    """Where the release goes first; the command line's credentials are for the repository alone."""
    found: list[Targets] = []
    faults: list[Problem] = []
    for name in dict.fromkeys(settings.stages):
        try:
            repository = repositories.repository(
                project.poetry,
                repositories.repository_name(name, "--stage"),
                repositories.Credentials(),
            )
            repository = trusted(repository, settings.trusted_publishing, ambient_provider())
            stage = indexes.targets(project.poetry, repository, ())
        except ReleaseError as error:
            faults += (
                problems.on_stage(each, name, last.repository.name) for each in error.problems
            )
            continue
        for other in (last, *found):
            same = {stage.repository.url, stage.own.url} & {other.repository.url, other.own.url}
            if same:
                faults.append(problems.stage_is_elsewhere(name, other.repository.name, min(same)))
        found.append(stage)
    if faults:
        raise ReleaseError.refused(*faults)
    return found


def rehearsal_targets(stack: ExitStack) -> Targets:
    """Start an index on this machine, which runs to the end of `stack`."""
    directory = Path(stack.enter_context(temporary_directory()))
    url = stack.enter_context(throwaway_index(directory, kept_in() / "rehearsal"))
    index = IndexTarget(f"{url}simple/", Access())
    repository = RepositoryTarget("rehearsal", url, Access())
    return Targets(repository, index, (index,), proxies=False)


def kept_in() -> Path:
    """The directory in Poetry's cache for what the next run needs again."""
    return Path(Config.create().get("cache-dir")).expanduser().absolute() / KEPT


def temporary_directory() -> tempfile.TemporaryDirectory[str]:
    """A directory that is removed when its context ends."""
    return tempfile.TemporaryDirectory(prefix="publish-verified-", ignore_cleanup_errors=True)
