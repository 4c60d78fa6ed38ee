"""Puts adapters behind the interfaces of a release and runs it."""

from __future__ import annotations

import logging
import os
import platform
import random
import shutil
import tempfile
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Coroutine
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from contextlib import AsyncExitStack
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
from poetry.__version__ import __version__ as poetry_version

from poetry_publish_verified.adapters.clients.pip import Pip
from poetry_publish_verified.adapters.clients.poetry import PoetryClient
from poetry_publish_verified.adapters.clients.uv import Uv
from poetry_publish_verified.adapters.clock import SystemClock
from poetry_publish_verified.adapters.decoding import ZSTD_IS_KNOWN
from poetry_publish_verified.adapters.http import Http
from poetry_publish_verified.adapters.index import SimpleIndex
from poetry_publish_verified.adapters.pace import Pace
from poetry_publish_verified.adapters.repository import HttpRepository
from poetry_publish_verified.adapters.tls import tls_context
from poetry_publish_verified.cli.release_source import DistDirRelease
from poetry_publish_verified.core.events import Event
from poetry_publish_verified.core.problems.machine import client_unavailable
from poetry_publish_verified.core.problems.repository import bad_certificate
from poetry_publish_verified.core.receipt import TOOL
from poetry_publish_verified.core.release_order import WorkspaceMember
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.urls import Access
from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.core.variants import Encodings
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.poetry_api.repositories import accept_encoding
from poetry_publish_verified.poetry_api.repositories import proxy_for
from poetry_publish_verified.poetry_api.repositories import pypi_index
from poetry_publish_verified.release.interfaces import Client
from poetry_publish_verified.release.interfaces import ExpectedRelease
from poetry_publish_verified.release.interfaces import Plan
from poetry_publish_verified.release.interfaces import PublishContext
from poetry_publish_verified.release.interfaces import VerifyContext
from poetry_publish_verified.release.publish import publish
from poetry_publish_verified.release.wait import wait_for
from poetry_publish_verified.release.workspace import PlannedRelease
from poetry_publish_verified.release.workspace import publish_all

# An index may think for long before it has stored a large file; Poetry's 15 s are too short.
_READ_TIMEOUT = 60.0

Report = Callable[[Event], None]
Ticking = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Awaited:
    """A release that somebody else publishes, the indexes that must show it, and who is told.

    The first of `indexes` is the repository's own: the others are asked once it is complete.
    """

    expected: ExpectedRelease
    indexes: tuple[IndexTarget, ...]
    report: Report


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """One of several releases that are to be sent."""

    member: WorkspaceMember
    source: DistDirRelease
    plan: Plan


async def run_release(
    source: DistDirRelease, plan: Plan, needed: Sequence[WorkspaceMember], ticking: Ticking
) -> Verdict:
    """`publish` against the real world; `ticking` keeps up to date what a person watches."""
    async with AsyncExitStack() as stack:
        world = await _World.open(stack, _everyone(source), plan, proxies=source.targets.proxies)
        slots = anyio.CapacityLimiter(plan.jobs)
        context = world.context(source, slots)
        return await _shown(publish(source, plan, context, needed), ticking)


async def run_workspace(
    requests: Sequence[ReleaseRequest], report: Report, ticking: Ticking, *, fail_fast: bool
) -> Verdict:
    """`publish_all` against the real world; `report` is told what is of no single release."""
    targets = [target for each in requests for target in _everyone(each.source)]
    plan, proxies = requests[0].plan, requests[0].source.targets.proxies
    async with AsyncExitStack() as stack:
        world = await _World.open(stack, targets, plan, proxies=proxies)
        slots = anyio.CapacityLimiter(plan.jobs)
        releases = [
            PlannedRelease(
                each.member,
                each.source,
                each.plan,
                world.context(each.source, slots),
            )
            for each in requests
        ]
        return await _shown(publish_all(releases, report, fail_fast=fail_fast), ticking)


def _everyone(source: DistDirRelease) -> list[IndexTarget]:
    _check_certificates(source.targets.repository.access)
    return [source.targets.indexes.own, *source.targets.indexes.shown_by]


async def run_wait(awaited: tuple[Awaited, ...], plan: Plan, ticking: Ticking) -> Verdict:
    """`wait_for` against the real world."""
    everyone = [target for each in awaited for target in each.indexes]
    async with AsyncExitStack() as stack:
        world = await _World.open(stack, everyone, plan, proxies=True)
        cases = [
            (
                each.expected,
                VerifyContext(
                    own=world.indexes[each.indexes[0].url],
                    indexes=tuple(world.indexes[target.url] for target in each.indexes),
                    clients=world.clients,
                    clock=world.clock,
                    report=each.report,
                    encodings=world.encodings,
                    jitter=world.jitter,
                ),
            )
            for each in awaited
        ]
        return await _shown(wait_for(cases, plan), ticking)


async def _shown(run: Awaitable[Verdict], ticking: Ticking) -> Verdict:
    """Run it while what a person watches is kept up to date."""
    failure: ReleaseError | None = None
    verdict = Verdict.RUNNING
    async with anyio.create_task_group() as group:
        group.start_soon(ticking)
        try:
            verdict = await run
        except ReleaseError as error:  # a group of tasks would wrap it
            failure = error
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return verdict


@dataclass(frozen=True, slots=True)
class _World:
    """What every run reads with."""

    http: Http
    clock: SystemClock
    indexes: dict[str, SimpleIndex]
    clients: tuple[Client, ...]
    encodings: Encodings
    jitter: Callable[[], float]

    @classmethod
    async def open(
        cls, stack: AsyncExitStack, targets: Iterable[IndexTarget], plan: Plan, *, proxies: bool
    ) -> _World:
        everyone = {target.url: target for target in targets}
        for target in everyone.values():
            _check_certificates(target.access)
        clock = SystemClock()
        http = await stack.enter_async_context(
            Http(
                user_agent(),
                min(_READ_TIMEOUT, plan.timeout),
                proxy_for if proxies else lambda _: None,
                Pace(clock),
            )
        )
        return cls(
            http,
            clock,
            {url: SimpleIndex(http, target, plan.timeout) for url, target in everyone.items()},
            await _clients(stack, everyone.values(), plan, proxies=proxies),
            Encodings(ZSTD_IS_KNOWN, accept_encoding()),
            random.SystemRandom().random,
        )

    def context(
        self, source: DistDirRelease, slots: AbstractAsyncContextManager[object]
    ) -> PublishContext:
        """The world as one release has it."""
        targets = source.targets
        return PublishContext(
            repository=HttpRepository(self.http, targets.repository, source.dist_dir),
            own=self.indexes[targets.indexes.own.url],
            indexes=tuple(self.indexes[target.url] for target in targets.indexes.shown_by),
            clients=self.clients,
            clock=self.clock,
            report=source.report,
            encodings=self.encodings,
            jitter=self.jitter,
            slots=slots,
        )


async def _clients(
    stack: AsyncExitStack, targets: Iterable[IndexTarget], plan: Plan, *, proxies: bool
) -> tuple[Client, ...]:
    """The real clients that are to be asked at the end."""
    if plan.until is not Until.INSTALLABLE:
        return ()
    stack.enter_context(_without_poetrys_log())
    folder = stack.enter_context(
        tempfile.TemporaryDirectory(prefix="publish-verified-", ignore_cleanup_errors=True)
    )
    targets = list(targets)
    pip = Pip(Path(folder), os.environ, targets, proxies=proxies)
    if (fault := await pip.prepare()) is not None:
        raise ReleaseError(Verdict.PREFLIGHT_REFUSED, client_unavailable("pip", fault))
    clients: list[Client] = [pip]
    if (uv := shutil.which("uv")) is not None:
        clients.append(Uv(uv, Path(folder), os.environ, targets, proxies=proxies))
    clients.append(PoetryClient(Path(folder), targets, pypi_index(), proxies=proxies))
    return tuple(clients)


@contextmanager
def _without_poetrys_log() -> Iterator[None]:
    """While Poetry is asked as a client: it logs the URLs it meets, signatures and all."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def user_agent() -> str:
    """Who asks: this tool, where to find its makers, Poetry, Python and the system."""
    home = pypi_index().removesuffix("simple/") + f"project/{TOOL}/"
    return (
        f"{TOOL}/{version(TOOL)} (+{home}) Poetry/{poetry_version}"
        f" {platform.python_implementation()}/{platform.python_version()}"
        f" {platform.system()}/{platform.release()}"
    )


def _check_certificates(access: Access) -> None:
    try:
        tls_context(access)
    except OSError as error:
        path = access.client_cert if access.ca is None else access.ca
        raise ReleaseError(Verdict.PREFLIGHT_REFUSED, bad_certificate(path, error)) from error
