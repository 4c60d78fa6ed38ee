"""Preparing: the files are read while everyone is asked, before a byte leaves."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Literal

import anyio

from poetry_publish_verified.core import preflight
from poetry_publish_verified.core.events import ProblemFound
from poetry_publish_verified.core.visibility import Observation
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.errors import gravest
from poetry_publish_verified.release.interfaces import Plan
from poetry_publish_verified.release.interfaces import PublishContext
from poetry_publish_verified.release.interfaces import Release
from poetry_publish_verified.release.interfaces import ReleaseSource
from poetry_publish_verified.release.reconcile import Reconciled
from poetry_publish_verified.release.reconcile import first_look
from poetry_publish_verified.release.reconcile import reconcile
from poetry_publish_verified.release.reconcile import refuse_unreachable


async def prepare(
    source: ReleaseSource, plan: Plan, context: PublishContext
) -> tuple[Release, Reconciled]:
    """The release, and what is there of it already; ReleaseError with every fault of every kind."""
    refusals = _Refusals()
    judged = anyio.Event()
    release: Release | None = None
    seen: Observation | None = None

    async def patient() -> bool:
        """Somebody waits for what is known already: no second try then."""
        await judged.wait()
        return not refusals.kept

    async def look() -> None:
        nonlocal seen
        with refusals.of("files"):
            seen = await first_look(source.identity, plan, context, patient)

    async def reach() -> None:
        with refusals.of("servers"):
            await refuse_unreachable(plan, context, patient)

    async with anyio.create_task_group() as group:
        group.start_soon(look)
        group.start_soon(reach)
        with refusals.of("preflight"):
            release = await source.read()
            _refuse_faults(release, plan, context)
        judged.set()
        if release is None or not release.distributions:
            group.cancel_scope.cancel()
    found = Reconciled()
    if release is not None and seen is not None:
        with refusals.of("files"):
            found = await reconcile(release, seen, plan, context)
    if refusals.kept or release is None:
        raise refusals.as_one()
    return release, found


_Kind = Literal["preflight", "files", "servers"]


@dataclass(frozen=True, slots=True)
class _Keeping:
    """A context that keeps a ReleaseError for later."""

    kind: _Kind
    kept: dict[_Kind, ReleaseError]

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _kind: object, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        if isinstance(error, ReleaseError):
            self.kept[self.kind] = error
        return isinstance(error, ReleaseError)


class _Refusals:
    """Why nothing may be sent, collected so that all of it is told at once."""

    def __init__(self) -> None:
        self.kept: dict[_Kind, ReleaseError] = {}

    def of(self, kind: _Kind) -> _Keeping:
        """What is refused in there is told later."""
        return _Keeping(kind, self.kept)

    def as_one(self) -> ReleaseError:
        """All of them, what is nearest to the user first."""
        order: tuple[_Kind, ...] = ("preflight", "files", "servers")
        errors = [self.kept[kind] for kind in order if kind in self.kept]
        problems = (problem for error in errors for problem in error.problems)
        return ReleaseError(gravest([error.verdict for error in errors]), *problems)


def _refuse_faults(release: Release, plan: Plan, context: PublishContext) -> None:
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
            context.report(ProblemFound(problem))
    if errors := [problem for problem in problems if problem.severity == "error"]:
        raise ReleaseError(Verdict.PREFLIGHT_REFUSED, *errors)
