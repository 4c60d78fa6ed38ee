"""Problems of a release: those of concurrent tasks raised together, or reported one by one."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol, TypeVarTuple

import anyio

from poetry_publish_verified.core.events import Event, ProblemFound
from poetry_publish_verified.errors import Problem, ReleaseError

Args = TypeVarTuple("Args")


class Start(Protocol):
    """Starts a task."""

    def __call__(self, work: Callable[[*Args], Awaitable[object]], *args: *Args) -> None:
        """Call `work` with `args`."""


@asynccontextmanager
async def collecting() -> AsyncIterator[Start]:
    """A task group in which a ReleaseError ends only its own task.

    Once all tasks have ended, their errors are raised as one.
    """
    errors: list[ReleaseError] = []

    async def run(work: Callable[[*Args], Awaitable[object]], *args: *Args) -> None:
        try:
            await work(*args)
        except ReleaseError as error:
            errors.append(error)

    async with anyio.create_task_group() as group:

        def start(work: Callable[[*Args], Awaitable[object]], *args: *Args) -> None:
            group.start_soon(run, work, *args)

        yield start
    if errors:
        raise ReleaseError.combine(errors)


def report_problems(error: ReleaseError, report: Callable[[Event], None]) -> None:
    """Report each problem of a release that ends while others go on."""
    for problem in error.problems:
        report(ProblemFound(problem))


def refuse(
    problems: Iterable[Problem], report: Callable[[Event], None], *, strict: bool = False
) -> None:
    """Report warnings, and raise ReleaseError with all errors; if `strict`, everything is one."""
    errors = []
    for problem in problems:
        if strict or problem.severity == "error":
            errors.append(replace(problem, severity="error"))
        else:
            report(ProblemFound(problem))
    if errors:
        raise ReleaseError.refused(*errors)
