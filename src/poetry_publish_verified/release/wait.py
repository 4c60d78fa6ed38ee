"""The reader's side: wait until releases that somebody else publishes are available."""

from collections.abc import Iterable

import anyio

from poetry_publish_verified.core.events import ProblemFound, ReleaseEnded
from poetry_publish_verified.core.expectation import AnyFiles
from poetry_publish_verified.core.problems.verification import completeness_unknown
from poetry_publish_verified.errors import ReleaseError, Verdict, gravest
from poetry_publish_verified.release.collect import report_problems
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
