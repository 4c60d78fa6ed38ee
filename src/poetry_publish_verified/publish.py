"""The story of one release: look, send, wait, prove."""

from __future__ import annotations

from collections.abc import Mapping

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
    verdicts = [Verdict.PREFLIGHT_REFUSED] * bool(faults)
    found = Found()
    for check in (reconcile, refuse_unreachable):
        # Somebody waits for what is known already: no second try then, and none without a file.
        if not release.distributions:
            break
        try:
            found = await check(release, plan, outside, patient=not faults) or found
        except ReleaseError as error:
            verdicts.append(error.verdict)
            faults += error.problems
    if faults:
        raise ReleaseError(gravest(verdicts), *faults)
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
