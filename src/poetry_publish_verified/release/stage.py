"""A repository as a stage: it gets the very same files first, and they are proven there."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from poetry_publish_verified.core.events import (
    DistributionsRead,
    Event,
    FileFacts,
    OnStage,
    ProblemFound,
    ReleaseEnded,
    StageProvenBefore,
    StageSkipped,
)
from poetry_publish_verified.core.preflight import Identity
from poetry_publish_verified.core.problems.stages import on_stage
from poetry_publish_verified.core.staging import earlier_proof
from poetry_publish_verified.core.urls import RepositoryTarget
from poetry_publish_verified.errors import ReleaseError, Verdict
from poetry_publish_verified.release.interfaces import PublishContext, Release
from poetry_publish_verified.release.prepare import prepare
from poetry_publish_verified.release.publish import send_and_prove
from poetry_publish_verified.release.reconcile import Reconciled
from poetry_publish_verified.values import Value


class _Known(Value):
    """A release that is read already, as the source of one."""

    release: Release

    @property
    def identity(self) -> Identity:
        return self.release.identity

    async def read(self) -> Release:
        return self.release


class RepositoryStage:
    """One repository as the stage of one release; `context` is that of its publishing there.

    `receipt` is the JSON value of an earlier run's.
    """

    def __init__(
        self, target: RepositoryTarget, context: PublishContext, before: str, receipt: Any
    ) -> None:
        """`before` is the name of the repository that the release goes to afterwards."""
        self.name = target.name
        self._target = target
        self._before = before
        self._receipt = receipt
        self._context = replace(context, report=self._report)
        self._tell: Callable[[Event], None] = context.report
        self._ready: tuple[Release, Reconciled] | None = None

    async def prepare(self, release: Release, *, needed: bool) -> None:
        files = {each.filename: each.sha256 for each in release.distributions}
        proof = earlier_proof(self._receipt, release.identity, self._target.url, files)
        if proof is not None and not self._context.plan.stage_only:
            self._report(StageProvenBefore(proof))
            return
        if not needed:
            self._report(StageSkipped())
            return
        facts = tuple(FileFacts(d.filename, d.size, d.sha256) for d in release.distributions)
        self._report(DistributionsRead(facts))
        indexes = tuple(index.url for index in self._context.indexes)
        here = replace(release.circumstances, repository=self._target, indexes=indexes)
        async with self._as_stage():
            self._ready = await prepare(_Known(replace(release, circumstances=here)), self._context)

    async def prove(self) -> None:
        if self._ready is not None:
            async with self._as_stage():
                await send_and_prove(*self._ready, self._context)
            self._report(ReleaseEnded(Verdict.VERIFIED))

    @asynccontextmanager
    async def _as_stage(self) -> AsyncIterator[None]:
        """Give the advice that helps with a stage."""
        try:
            yield
        except ReleaseError as error:
            self._report(ReleaseEnded(error.verdict))
            problems = (on_stage(each, self.name, self._before) for each in error.problems)
            raise ReleaseError(error.verdict, *problems) from error

    def _report(self, event: Event) -> None:
        self._tell(event if isinstance(event, ProblemFound) else OnStage(self.name, event))
