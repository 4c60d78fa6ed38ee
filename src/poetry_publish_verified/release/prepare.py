"""Preparing: read the files while the servers are asked, before a byte leaves."""

from collections.abc import Awaitable
from typing import Literal, TypeVar

import anyio

from poetry_publish_verified.core import preflight
from poetry_publish_verified.core.visibility import Observation
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.release.collect import refuse
from poetry_publish_verified.release.interfaces import PublishContext, Release, ReleaseSource
from poetry_publish_verified.release.reconcile import (
    Reconciled,
    first_look,
    reconcile,
    refuse_unreachable,
)

_T = TypeVar("_T")
_Kind = Literal["preflight", "tokens", "attestations", "files", "servers"]
# Those closest to the user first.
_ORDER: tuple[_Kind, ...] = ("preflight", "tokens", "attestations", "files", "servers")


async def prepare(source: ReleaseSource, context: PublishContext) -> tuple[Release, Reconciled]:
    """The release, and what is there of it already; ReleaseError with every fault of every kind."""
    refusals: dict[_Kind, ReleaseError] = {}
    judged = anyio.Event()
    release: Release | None = None
    seen: Observation | None = None

    async def patient() -> bool:
        """Somebody waits for what is known already: no second try then."""
        await judged.wait()
        return not refusals

    async def of(kind: _Kind, work: Awaitable[_T]) -> _T | None:
        """The result of a step; None if it is refused, which is raised later."""
        try:
            return await work
        except ReleaseError as error:
            refusals[kind] = error
            return None

    async def look() -> None:
        nonlocal seen
        seen = await of("files", first_look(source.identity, context, patient))

    async def reach() -> None:
        await of("servers", refuse_unreachable(context, patient))

    async def sign_in() -> None:
        await of("tokens", _refuse_as_publisher(context))

    async with anyio.create_task_group() as group:
        group.start_soon(look)
        group.start_soon(reach)
        group.start_soon(sign_in)
        release = await of("preflight", source.read())
        if release is not None:
            await of("preflight", refuse_faults(release, context))
            await of("attestations", _refuse_unattested(release, context))
        judged.set()
        if release is None or not release.distributions:
            group.cancel_scope.cancel()
    found = None
    if release is not None and seen is not None:
        found = await of("files", reconcile(release, seen, context))
    if refusals or release is None:
        raise ReleaseError.combine([refusals[kind] for kind in _ORDER if kind in refusals])
    return release, found or Reconciled()


async def refuse_faults(release: Release, context: PublishContext) -> None:
    """Raise ReleaseError with what preflight finds; warnings are reported at once."""
    problems = preflight.check(
        release.identity,
        release.distributions,
        release.circumstances,
        public=context.plan.public,
    )
    refuse(problems, context.report, strict=context.plan.strict)


async def _refuse_as_publisher(context: PublishContext) -> None:
    if context.tokens is not None:
        refuse(await context.tokens.check(), context.report, strict=context.plan.strict)


async def _refuse_unattested(release: Release, context: PublishContext) -> None:
    if context.attester is not None:
        found = await context.attester.check(release.distributions, release.attestations)
        refuse(found, context.report, strict=context.plan.strict)
