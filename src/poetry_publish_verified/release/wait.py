"""Wait for what somebody else publishes: for users of it, or before what depends on it is sent."""

from collections.abc import Iterable
from dataclasses import replace

import anyio

from poetry_publish_verified.core.events import ProblemFound, ReleaseEnded, ReleaseWaiting
from poetry_publish_verified.core.expectation import AnyFiles
from poetry_publish_verified.core.problems.verification import completeness_unknown
from poetry_publish_verified.core.problems.workspace import dependency_not_there
from poetry_publish_verified.core.release_order import WorkspaceMember
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.errors import ReleaseError, Verdict, gravest
from poetry_publish_verified.release.collect import collecting, report_problems
from poetry_publish_verified.release.interfaces import ExpectedRelease, VerifyContext
from poetry_publish_verified.release.prove import prove_everywhere


async def wait_for(cases: Iterable[tuple[ExpectedRelease, VerifyContext]]) -> Verdict:
    """Prove releases concurrently, each with its own context; returns the overall verdict.

    Every problem is reported with its release.
    """
    cases, verdicts = tuple(cases), list[Verdict]()
    for _, context in cases[:1]:  # all have the same clients
        await context.clients()

    async def wait(expected: ExpectedRelease, context: VerifyContext) -> None:
        if isinstance(expected.expectation, AnyFiles):
            context.report(ProblemFound(completeness_unknown()))
        verdict = Verdict.VERIFIED
        try:
            await prove_everywhere(expected, context)
        except ReleaseError as error:
            verdict = error.verdict
            report_problems(error, context.report)
        context.report(ReleaseEnded(verdict))
        verdicts.append(verdict)

    async with anyio.create_task_group() as group:
        for expected, context in cases:
            group.start_soon(wait, expected, context)
    return gravest(verdicts)


async def wait_for_needed(needed: Iterable[WorkspaceMember], context: VerifyContext) -> None:
    """Return once every index lists each of these at its version, as every client sees it.

    Their files are not known here. Raises ReleaseError with all that did not appear.
    """
    needed = tuple(needed)
    if not needed:
        return
    context.report(ReleaseWaiting(tuple(str(member) for member in needed)))
    listed = replace(context.plan, until=Until.LISTED)
    # Other jobs may publish them, with attestations or without.
    quiet = replace(context, plan=listed, report=lambda _: None, provenance=None)

    async def wait(member: WorkspaceMember) -> None:
        expected = ExpectedRelease(
            member.name, member.version, AnyFiles(member.name, member.version), uploaded=False
        )
        try:
            await prove_everywhere(expected, quiet)
        except ReleaseError as error:
            faults = (
                dependency_not_there(str(member), member.directory, problem)
                for problem in error.problems
            )
            raise ReleaseError(Verdict.PREFLIGHT_REFUSED, *faults) from error

    async with collecting() as start:
        for member in needed:
            start(wait, member)
