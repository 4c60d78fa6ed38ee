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
from poetry_publish_verified.cli.release_source import InDistDir
from poetry_publish_verified.core.events import Event
from poetry_publish_verified.core.release_order import Member
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.urls import Access
from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.core.urls import RepositoryTarget
from poetry_publish_verified.core.variants import Encodings
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.poetry_api.indexes import Indexes
from poetry_publish_verified.poetry_api.project import accept_encoding
from poetry_publish_verified.poetry_api.project import proxy_for
from poetry_publish_verified.poetry_api.project import pypi_index
from poetry_publish_verified.release.interfaces import Client
from poetry_publish_verified.release.interfaces import Outside
from poetry_publish_verified.release.interfaces import Plan
from poetry_publish_verified.release.interfaces import Reading
from poetry_publish_verified.release.interfaces import Subject
from poetry_publish_verified.release.publish import publish
from poetry_publish_verified.release.wait import wait_for
from poetry_publish_verified.release.workspace import Part
from poetry_publish_verified.release.workspace import publish_all
from poetry_publish_verified.sanitize import printable

# An index may think for long before it has stored a large file; Poetry's 15 s are too short.
_READ_TIMEOUT = 60.0
TOOL = "poetry-publish-verified"

Report = Callable[[Event], None]
Ticking = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Targets:
    """Where a release goes and where it must show; `proxies`: whether by way of any."""

    repository: RepositoryTarget
    indexes: Indexes
    proxies: bool = True


@dataclass(frozen=True, slots=True)
class Awaited:
    """A release that somebody else publishes, the indexes that must show it, and who is told.

    The first of `indexes` is the repository's own: the others are asked once it is complete.
    """

    subject: Subject
    indexes: tuple[IndexTarget, ...]
    report: Report


@dataclass(frozen=True, slots=True)
class Going:
    """One of several releases that are to be sent."""

    member: Member
    arrival: InDistDir
    plan: Plan


async def run_release(
    arrival: InDistDir, plan: Plan, needed: Sequence[Member], ticking: Ticking
) -> Verdict:
    """`publish` against the real world; `ticking` keeps up to date what a person watches."""
    async with AsyncExitStack() as stack:
        world = await _World.open(stack, _everyone(arrival), plan, proxies=arrival.targets.proxies)
        slots = anyio.CapacityLimiter(plan.jobs)
        outside = world.outside(arrival, slots)
        return await _shown(publish(arrival, plan, outside, needed), ticking)


async def run_workspace(
    going: Sequence[Going], report: Report, ticking: Ticking, *, fail_fast: bool
) -> Verdict:
    """`publish_all` against the real world; `report` is told what is of no single release."""
    targets = [target for each in going for target in _everyone(each.arrival)]
    plan, proxies = going[0].plan, going[0].arrival.targets.proxies
    async with AsyncExitStack() as stack:
        world = await _World.open(stack, targets, plan, proxies=proxies)
        slots = anyio.CapacityLimiter(plan.jobs)
        parts = [
            Part(
                each.member,
                each.arrival,
                each.plan,
                world.outside(each.arrival, slots),
            )
            for each in going
        ]
        return await _shown(publish_all(parts, report, fail_fast=fail_fast), ticking)


def _everyone(arrival: InDistDir) -> list[IndexTarget]:
    _check_certificates(arrival.targets.repository.access)
    return [arrival.targets.indexes.own, *arrival.targets.indexes.shown_by]


async def run_wait(awaited: tuple[Awaited, ...], plan: Plan, ticking: Ticking) -> Verdict:
    """`wait_for` against the real world."""
    everyone = [target for each in awaited for target in each.indexes]
    async with AsyncExitStack() as stack:
        world = await _World.open(stack, everyone, plan, proxies=True)
        cases = [
            (
                each.subject,
                Reading(
                    own=world.indexes[each.indexes[0].url],
                    indexes=tuple(world.indexes[target.url] for target in each.indexes),
                    clients=world.clients,
                    clock=world.clock,
                    report=each.report,
                    encodings=world.encodings,
                    roll=world.roll,
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
    roll: Callable[[], float]

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

    def outside(self, arrival: InDistDir, slots: AbstractAsyncContextManager[object]) -> Outside:
        """The world as one release has it."""
        targets = arrival.targets
        return Outside(
            repository=HttpRepository(self.http, targets.repository, arrival.dist_dir),
            own=self.indexes[targets.indexes.own.url],
            indexes=tuple(self.indexes[target.url] for target in targets.indexes.shown_by),
            clients=self.clients,
            clock=self.clock,
            report=arrival.report,
            encodings=self.encodings,
            roll=self.roll,
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
        raise ReleaseError(
            Verdict.PREFLIGHT_REFUSED,
            Problem(
                Code.CLIENT_UNAVAILABLE,
                f"pip cannot be set up for --until installable: {fault}",
                "Make room in the folder for temporary files (TMPDIR), or use --until"
                " downloadable.",
            ),
        )
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
        raise ReleaseError(
            Verdict.PREFLIGHT_REFUSED,
            Problem(
                Code.CERTIFICATE,
                f"A certificate file cannot be used ({printable(str(path))}):"
                f" {printable(str(error))}.",
                "Name a PEM file with --cert or --client-cert, or with poetry config"
                " certificates.<repository>.cert.",
            ),
        ) from error
