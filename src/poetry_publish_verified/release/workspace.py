"""Many releases: each is sent as soon as everything it depends on is verified."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import anyio
from packaging.utils import NormalizedName

from poetry_publish_verified.core import events, release_order
from poetry_publish_verified.core.release_order import Needs, WorkspaceMember
from poetry_publish_verified.errors import ReleaseError, Verdict, gravest
from poetry_publish_verified.release.collect import report_problems
from poetry_publish_verified.release.interfaces import PublishContext, Release, ReleaseSource
from poetry_publish_verified.release.prepare import prepare
from poetry_publish_verified.release.publish import foreseen, send_and_prove
from poetry_publish_verified.release.reconcile import Reconciled


@dataclass(frozen=True, slots=True)
class PlannedRelease:
    """One of the releases: the project as it is known so far, and its own side of the world."""

    member: WorkspaceMember
    source: ReleaseSource
    context: PublishContext


@dataclass(frozen=True, slots=True)
class _PreparedRelease:
    """A part that has been read and looked for; `member` is as its files say."""

    planned: PlannedRelease
    member: WorkspaceMember
    release: Release
    found: Reconciled


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
    for each in releases[:1]:  # all have the same clients
        await each.context.clients()
    return await _Flow(ready, fail_fast=fail_fast).run()


async def _prepare_all(
    releases: Sequence[PlannedRelease], report: Callable[[events.Event], None]
) -> Mapping[NormalizedName, _PreparedRelease] | Verdict:
    ready: dict[NormalizedName, _PreparedRelease] = {}
    refused: dict[NormalizedName, ReleaseError] = {}

    async def one(planned: PlannedRelease) -> None:
        try:
            release, found = await prepare(planned.source, planned.context)
            texts = [
                text
                for distribution in release.distributions
                for text in distribution.raw_metadata.get("requires_dist", [])
            ]
            requires, version = tuple(dict.fromkeys(texts)), release.identity.version
            member = replace(planned.member, version=version, requires=requires)
            ready[member.name] = _PreparedRelease(planned, member, release, found)
        except ReleaseError as error:
            refused[planned.member.name] = error

    async with anyio.create_task_group() as group:
        for planned in releases:
            group.start_soon(one, planned)
    members = [each.member for each in ready.values()]
    there = {name: each.found.versions for name, each in ready.items()}
    faults = [*release_order.faults(members), *release_order.unsatisfied(members, there)]
    waits = any(release_order.needs(members).values())
    files = [(each.release, each.found) for each in ready.values()]
    faults += foreseen(files, releases[0].context, waits=waits)
    for problem in faults:
        report(events.ProblemFound(problem, release=False))
    common = any(problem.severity == "error" for problem in faults)
    if not (refused or common):
        return ready
    for planned in releases:
        end = planned.context.report
        if error := refused.get(planned.member.name):
            report_problems(error, end)
        elif refused:
            end(events.ReleaseBlocked(tuple(sorted(refused))))
        end(events.ReleaseEnded(error.verdict if error else Verdict.BLOCKED))
    verdicts = [error.verdict for error in refused.values()]
    return gravest([*verdicts, *([Verdict.PREFLIGHT_REFUSED] if common else [])])


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
            return await send_and_prove(ready.release, ready.found, planned.context)
        except ReleaseError as error:
            report_problems(error, planned.context.report)
            return error.verdict
