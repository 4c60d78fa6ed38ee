"""The story of one release: look, send, wait, prove."""

from __future__ import annotations

from poetry_publish_verified.core import preflight
from poetry_publish_verified.core.events import ProblemFound
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.proving import prove_everywhere
from poetry_publish_verified.sending import reconcile
from poetry_publish_verified.sending import send_missing
from poetry_publish_verified.world import Outside
from poetry_publish_verified.world import Plan
from poetry_publish_verified.world import Release


async def publish(release: Release, plan: Plan, outside: Outside) -> Verdict:
    """Send a release and prove that it is there.

    Returns VERIFIED, KEPT_REMOTE or DRY_RUN; raises ReleaseError for every other end.
    """
    _refuse_faults(release, plan, outside)
    remote = await reconcile(release, plan, outside)
    if plan.dry_run:
        return Verdict.DRY_RUN
    expected = await send_missing(release, plan, outside, remote)
    await prove_everywhere(release, plan, outside, expected)
    kept = any(file.sha256 != file.distribution.sha256 for file in expected)
    return Verdict.KEPT_REMOTE if kept else Verdict.VERIFIED


def _refuse_faults(release: Release, plan: Plan, outside: Outside) -> None:
    problems = preflight.check(
        release.identity,
        release.distributions,
        local_versions=plan.local_versions,
        place=release.place,
    )
    errors = [problem for problem in problems if problem.severity == "error"]
    for problem in problems:
        if problem.severity == "warning":
            outside.report(ProblemFound(problem))
    if errors:
        raise ReleaseError(Verdict.PREFLIGHT_REFUSED, *errors)
