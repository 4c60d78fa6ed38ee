"""Many releases: each is sent as soon as everything it depends on is verified."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import anyio
from packaging.utils import NormalizedName

from poetry_publish_verified.core import events, release_order
from poetry_publish_verified.core.release_order import Needs, WorkspaceMember
from poetry_publish_verified.errors import ReleaseError, Verdict, gravest
from poetry_publish_verified.release.collect import report_problems
from poetry_publish_verified.release.interfaces import PublishContext, ReleaseSource, Stage
from poetry_publish_verified.release.publish import (
    ReadyRelease,
    foreseen,
    look_again,
    prepare_everywhere,
    send_and_prove,
)
from poetry_publish_verified.values import Value


class PlannedRelease(Value):
    """One of the releases: the project as far as it is known, and what sending it needs."""

    member: WorkspaceMember
    source: ReleaseSource
    context: PublishContext


class _PreparedRelease(Value):
    """A part that has been read and looked for; `member` is as its files say."""

    planned: PlannedRelease
    member: WorkspaceMember
    ready: ReadyRelease


async def publish_all(
    releases: Sequence[PlannedRelease],
    report: Callable[[events.Event], None],
    *,
    fail_fast: bool = False,
) -> Verdict:
    """Release everything that can be; returns the overall verdict.

    Every problem is reported with the release that it is of, those of several to `report`. Where
    any is found before the first byte, nothing is sent at all.
    """
    ready = await _prepare_all(releases, report)
    if isinstance(ready, Verdict):
        return ready
    plan = releases[0].context.plan
    await releases[0].context.clients()  # all have the same
    if not plan.dry_run and (failed := await _pass_stages(ready)):
        return _end_without(releases, failed)
    if plan.stage_only:
        return _end_all(releases, Verdict.DRY_RUN if plan.dry_run else Verdict.STAGED)
    return await _Flow(ready, fail_fast=fail_fast).run()


async def _prepare_all(
    releases: Sequence[PlannedRelease], report: Callable[[events.Event], None]
) -> Mapping[NormalizedName, _PreparedRelease] | Verdict:
    ready: dict[NormalizedName, _PreparedRelease] = {}
    refused: dict[NormalizedName, ReleaseError] = {}

    async def one(planned: PlannedRelease) -> None:
        try:
            prepared = await prepare_everywhere(planned.source, planned.context)
            texts = [
                text
                for distribution in prepared.release.distributions
                for text in distribution.raw_metadata.get("requires_dist", [])
            ]
            requires, version = tuple(dict.fromkeys(texts)), prepared.release.identity.version
            member = replace(planned.member, version=version, requires=requires)
            ready[member.name] = _PreparedRelease(planned, member, prepared)
        except ReleaseError as error:
            refused[planned.member.name] = error

    async with anyio.create_task_group() as group:
        for planned in releases:
            group.start_soon(one, planned)
    members = [each.member for each in ready.values()]
    faults = release_order.faults(members)
    if not releases[0].context.plan.stage_only:
        there = {name: each.ready.found.versions for name, each in ready.items()}
        faults += release_order.unsatisfied(members, there)
    waits = any(release_order.needs(members).values())
    files = [each.ready for each in ready.values()]
    faults += foreseen(files, releases[0].context, waits=waits)
    for problem in faults:
        report(events.ProblemFound(problem, release=False))
    common = any(problem.severity == "error" for problem in faults)
    if not (refused or common):
        return ready
    verdict = _end_without(releases, refused)
    return gravest([verdict, Verdict.PREFLIGHT_REFUSED]) if common else verdict


def _end_without(
    releases: Iterable[PlannedRelease], failed: Mapping[NormalizedName, ReleaseError]
) -> Verdict:
    """End all releases because some have failed before any went to its repository."""
    for planned in releases:
        end = planned.context.report
        if error := failed.get(planned.member.name):
            report_problems(error, end)
        elif failed:
            end(events.ReleaseBlocked(tuple(sorted(failed))))
        end(events.ReleaseEnded(error.verdict if error else Verdict.BLOCKED))
    return gravest([*(error.verdict for error in failed.values()), Verdict.BLOCKED])


def _end_all(releases: Iterable[PlannedRelease], verdict: Verdict) -> Verdict:
    for planned in releases:
        planned.context.report(events.ReleaseEnded(verdict))
    return verdict


async def _pass_stages(
    ready: Mapping[NormalizedName, _PreparedRelease],
) -> Mapping[NormalizedName, ReleaseError]:
    """Prove all releases on one stage after the other, up to one where any fails; the failures."""
    failed: dict[NormalizedName, ReleaseError] = {}

    async def prove(name: NormalizedName, stage: Stage) -> None:
        try:
            await stage.prove()
        except ReleaseError as error:
            failed[name] = error

    stages = [(stage, name) for name, each in ready.items() for stage in each.ready.stages]
    for place in dict.fromkeys(stage.name for stage, _ in stages):
        async with anyio.create_task_group() as group:
            for stage, name in stages:
                if stage.name == place:
                    group.start_soon(prove, name, stage)
        if failed:
            break
    return failed


class _Flow:
    """Releases in progress; each waits only for those that it depends on."""

    def __init__(
        self, ready: Mapping[NormalizedName, _PreparedRelease], *, fail_fast: bool
    ) -> None:
        self._ready = ready
        self._fail_fast = fail_fast
        self._needs: Needs = release_order.needs(each.member for each in ready.values())
        self._ended = {name: anyio.Event() for name in ready}
        self._verdicts: dict[NormalizedName, Verdict] = {}

    async def run(self) -> Verdict:
        async with anyio.create_task_group() as group:
            for name in self._ready:
                group.start_soon(self._release, name)
        return gravest([v for v in self._verdicts.values() if v is not Verdict.BLOCKED])

    async def _release(self, name: NormalizedName) -> None:
        report = self._ready[name].planned.context.report
        if self._needs[name]:
            report(events.ReleaseWaiting(self._needs[name]))
        for other in self._needs[name]:
            await self._ended[other].wait()
        if blockers := self._blockers(name):
            report(events.ReleaseBlocked(blockers))
            verdict = Verdict.BLOCKED
        else:
            verdict = await self._publish(self._ready[name])
        self._verdicts[name] = verdict
        report(events.ReleaseEnded(verdict))
        self._ended[name].set()

    def _blockers(self, name: NormalizedName) -> tuple[str, ...]:
        """The failures among its dependencies, or among all releases with `--fail-fast`."""
        # A blocked release has no exit code, a good one has 0.
        failed = {other for other, verdict in self._verdicts.items() if verdict.exit_code}
        if not self._fail_fast:
            failed &= release_order.all_needed(name, self._needs)
        return tuple(sorted(failed))

    async def _publish(self, ready: _PreparedRelease) -> Verdict:
        planned = ready.planned
        if planned.context.plan.dry_run:
            return Verdict.DRY_RUN
        try:
            found = await look_again(ready.ready, planned.context)
            return await send_and_prove(ready.ready.release, found, planned.context)
        except ReleaseError as error:
            report_problems(error, planned.context.report)
            return error.verdict
