"""The story of one release: look, send, wait, prove."""

from __future__ import annotations

from collections.abc import Mapping

import anyio

from poetry_publish_verified.core import preflight
from poetry_publish_verified.core.events import ProblemFound
from poetry_publish_verified.core.events import SendingStarted
from poetry_publish_verified.core.expectation import ExactFiles
from poetry_publish_verified.core.expectation import ExpectedFile
from poetry_publish_verified.core.expectation import as_built
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.errors import gravest
from poetry_publish_verified.proving import prove_everywhere
from poetry_publish_verified.reconciling import Found
from poetry_publish_verified.reconciling import reconcile
from poetry_publish_verified.reconciling import refuse_unreachable
from poetry_publish_verified.sending import send_missing
from poetry_publish_verified.world import Outside
from poetry_publish_verified.world import Plan
from poetry_publish_verified.world import Release
from poetry_publish_verified.world import Subject


async def publish(release: Release, plan: Plan, outside: Outside) -> Verdict:
    """Send a release and prove that it is there.

    Returns VERIFIED, KEPT_REMOTE or DRY_RUN; raises ReleaseError for every other end.
    """
    found = await _look(release, plan, outside)
    if plan.dry_run:
        return Verdict.DRY_RUN
    outside.report(SendingStarted())
    there = await send_missing(release, plan, outside, found)
    await prove_everywhere(_subject(release, there), plan, outside)
    kept = any(there[each.filename] != each.sha256 for each in release.distributions)
    return Verdict.KEPT_REMOTE if kept else Verdict.VERIFIED


def _subject(release: Release, there: Mapping[str, str]) -> Subject:
    """What every index must show: what was built, but for what was kept of others' making."""
    files = tuple(
        as_built(each)
        if there[each.filename] == each.sha256
        else ExpectedFile(each.filename, there[each.filename])
        for each in release.distributions
    )
    return Subject(release.identity.name, release.identity.version, ExactFiles(files))


async def _look(release: Release, plan: Plan, outside: Outside) -> Found:
    """What is there already; ReleaseError with every fault of every kind, before a byte leaves."""
    faults = _faults(release, plan, outside)
    if faults and not release.distributions:
        raise ReleaseError(Verdict.PREFLIGHT_REFUSED, *faults)
    # Somebody waits for what is known already: no second try then.
    patient = not faults
    found = Found()
    refusals: dict[str, ReleaseError] = {}

    async def look_for_files() -> None:
        nonlocal found
        try:
            found = await reconcile(release, plan, outside, patient=patient)
        except ReleaseError as error:
            refusals["files"] = error

    async def look_for_servers() -> None:
        try:
            await refuse_unreachable(plan, outside, patient=patient)
        except ReleaseError as error:
            refusals["servers"] = error

    async with anyio.create_task_group() as group:
        group.start_soon(look_for_files)
        group.start_soon(look_for_servers)
    refused = [refusals[key] for key in ("files", "servers") if key in refusals]
    if faults or refused:
        verdicts = [Verdict.PREFLIGHT_REFUSED] * bool(faults) + [each.verdict for each in refused]
        raise ReleaseError(gravest(verdicts), *faults, *(p for e in refused for p in e.problems))
    return found


def _faults(release: Release, plan: Plan, outside: Outside) -> list[Problem]:
    """What preflight finds; mere warnings are told at once."""
    problems = preflight.check(
        release.identity,
        release.distributions,
        release.circumstances,
        public=plan.public,
        strict=plan.strict,
    )
    for problem in problems:
        if problem.severity == "warning":
            outside.report(ProblemFound(problem))
    return [problem for problem in problems if problem.severity == "error"]
