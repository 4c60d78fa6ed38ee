"""The composition root: gives the use cases their adapters, and runs them."""

from __future__ import annotations

import platform
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from poetry.__version__ import __version__ as poetry_version

from poetry_publish_verified.adapters.decoding import ZSTD_IS_KNOWN
from poetry_publish_verified.adapters.http import Http
from poetry_publish_verified.adapters.index import SimpleIndex
from poetry_publish_verified.adapters.pace import Pace, SystemClock
from poetry_publish_verified.adapters.provenance import SigstoreVerifier, extra_is_installed
from poetry_publish_verified.adapters.repository import HttpRepository
from poetry_publish_verified.adapters.tls import tls_context
from poetry_publish_verified.adapters.trusted_publishing import IndexTokenExchange, ambient_provider
from poetry_publish_verified.cli.documentation import own_version
from poetry_publish_verified.cli.release_source import DistDirRelease
from poetry_publish_verified.cli.started_release import kept_in, temporary_directory
from poetry_publish_verified.core.events import Event, ProblemFound
from poetry_publish_verified.core.preflight import Identity
from poetry_publish_verified.core.problems.project import poetry_cache_not_cleared
from poetry_publish_verified.core.problems.repository import bad_certificate
from poetry_publish_verified.core.receipt import TOOL
from poetry_publish_verified.core.release_order import WorkspaceMember
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.urls import IndexTarget, RepositoryTarget
from poetry_publish_verified.core.variants import Encodings
from poetry_publish_verified.errors import ReleaseError, Verdict
from poetry_publish_verified.guard.seams.cache import forget_release
from poetry_publish_verified.poetry_api.indexes import Targets
from poetry_publish_verified.poetry_api.repositories import (
    accept_encoding,
    is_public,
    proxy_for,
    pypi_index,
)
from poetry_publish_verified.release import interfaces
from poetry_publish_verified.release.attestations import Attester
from poetry_publish_verified.release.install import Clients
from poetry_publish_verified.release.interfaces import Plan
from poetry_publish_verified.release.publish import publish
from poetry_publish_verified.release.trusted_publishing import TrustedPublisher
from poetry_publish_verified.values import Value

if TYPE_CHECKING:
    from poetry_publish_verified.adapters.clients.pip_server import PipServer
    from poetry_publish_verified.adapters.metadata_server import Found
    from poetry_publish_verified.core.status import Known, ProjectStatus, Stated

Report = Callable[[Event], None]
Ticking = Callable[[], Coroutine[Any, Any, None]]


class Awaited(Value):
    """A release that somebody else publishes, the indexes that must show it, and what reports it.

    The first of `indexes` is the repository's own: the others are asked once it is complete.
    """

    expected: interfaces.ExpectedRelease
    indexes: tuple[IndexTarget, ...]
    report: Report


class Check(Value):
    """A project to look at, its indexes (the own one first), and the URL of its metadata."""

    known: Known
    indexes: tuple[IndexTarget, ...]
    metadata: str | None = None


async def run_release(
    source: DistDirRelease, needed: Sequence[WorkspaceMember], ticking: Ticking, receipt: Any
) -> Verdict:
    """`publish` with real adapters; `ticking` keeps the terminal up to date.

    `receipt` is the JSON value of an earlier run's.
    """
    async with _to_publish([source], source.report, ticking) as adapters:
        return await publish(source, adapters.to_publish(source, receipt), needed)


async def run_workspace(
    sources: Sequence[DistDirRelease],
    report: Report,
    ticking: Ticking,
    receipt: Any,
    *,
    fail_fast: bool,
) -> Verdict:
    """`publish_all` with real adapters; `report` takes the events of the run itself."""
    from poetry_publish_verified.release.workspace import PlannedRelease, publish_all

    async with _to_publish(sources, report, ticking) as adapters:
        releases = [
            PlannedRelease(each.started.member, each, adapters.to_publish(each, receipt))
            for each in sources
            if each.started.member
        ]
        return await publish_all(releases, report, fail_fast=fail_fast)


def _to_publish(
    sources: Sequence[DistDirRelease], report: Report, ticking: Ticking
) -> AbstractAsyncContextManager[_Adapters]:
    first = sources[0].started
    places = [
        place for each in sources for place in (each.started.targets, *each.started.stage_targets)
    ]
    for place in places:
        check_certificates(place.repository)
    targets = [url for place in places for url in (place.own, *place.shown_by)]
    # Whatever is enough elsewhere, clients are asked on a stage.
    plan = replace(first.plan, until=Until.INSTALLABLE) if first.stages else first.plan
    proxies = first.targets.proxies
    return _adapters(targets, plan, report, ticking, proxies=proxies, early=first.pip)


async def run_wait(awaited: Sequence[Awaited], plan: Plan, ticking: Ticking) -> Verdict:
    """`wait_for` with real adapters."""
    from poetry_publish_verified.release.wait import wait_for

    targets = [target for each in awaited for target in each.indexes]
    async with _adapters(targets, plan, awaited[0].report, ticking, proxies=True) as adapters:
        return await wait_for([(each.expected, adapters.to_wait(each, plan)) for each in awaited])


async def metadata_at(url: str, timeout: float) -> Found:
    """Release metadata on a server, or the last good copy; raises NoMetadataError."""
    return await _metadata_at(url, timeout, kept_in() / "metadata")


async def _metadata_at(url: str, timeout: float, copies: Path) -> Found:
    from poetry_publish_verified.adapters.metadata_server import MetadataServer

    clock = SystemClock()
    async with Http(user_agent(), timeout, proxy_for, Pace(clock)) as http:
        server = MetadataServer(http, copies, clock)
        return await server.read(url, timeout)


async def _stated_at(url: str, known: Known, timeout: float) -> Stated:
    """What a server has now: a copy proves nothing."""
    from poetry_publish_verified.adapters.metadata_server import NoMetadataError
    from poetry_publish_verified.core.status import Stated

    with temporary_directory() as none:
        try:
            found = await _metadata_at(url, timeout, Path(none))
        except NoMetadataError as error:
            return Stated.unusable(url, error)
    return Stated.of(url, found.metadata, known.name)


async def run_status(checks: Sequence[Check], plan: Plan) -> list[ProjectStatus]:
    """`status_of` with real adapters for several projects at once, in their order."""
    from poetry_publish_verified.release.status import status_of

    found: dict[int, ProjectStatus] = {}
    targets = [target for check in checks for target in check.indexes]

    async def look(place: int, check: Check, adapters: _Adapters) -> None:
        indexes = [adapters.indexes[target.url] for target in check.indexes]
        async with adapters.slots:
            known = check.known
            if check.metadata is not None:
                stated = await _stated_at(check.metadata, known, plan.timeout)
                known = replace(known, metadata=stated)
            found[place] = await status_of(known, indexes, adapters.clock, strict=plan.strict)

    async with (
        _adapters(targets, plan, lambda _: None, anyio.sleep_forever, proxies=True) as adapters,
        anyio.create_task_group() as group,
    ):
        for place, check in enumerate(checks):
            group.start_soon(look, place, check, adapters)
    return [found[place] for place in sorted(found)]


@asynccontextmanager
async def _adapters(
    targets: Iterable[IndexTarget],
    plan: Plan,
    report: Report,
    ticking: Ticking,
    *,
    proxies: bool,
    early: PipServer | None = None,
) -> AsyncIterator[_Adapters]:
    """The adapters of a run. Meanwhile clients are set up, and the terminal is kept up to date."""
    by_url = {target.url: target for target in targets}
    for target in by_url.values():
        check_certificates(target)
    pace = Pace(SystemClock())
    failure: ReleaseError | None = None
    async with AsyncExitStack() as stack:
        asked: list[interfaces.Client] = []
        if plan.until is Until.INSTALLABLE:
            from poetry_publish_verified.cli.clients import clients_of

            asked = clients_of(stack, by_url, plan, pace, proxies=proxies, early=early)
        clients = Clients(asked, report)
        proxy = proxy_for if proxies else lambda _: None
        http = await stack.enter_async_context(Http(user_agent(), plan.timeout, proxy, pace))
        indexes = {url: SimpleIndex(http, target, plan.timeout) for url, target in by_url.items()}
        group = await stack.enter_async_context(anyio.create_task_group())
        group.start_soon(ticking)
        group.start_soon(_set_up, clients)
        try:
            publisher = cache(partial(publisher_at, http, report))
            slots = anyio.CapacityLimiter(plan.jobs)
            yield _Adapters(http, indexes, clients, slots, publisher, cache(attester_for))
        except ReleaseError as error:  # a group of tasks would wrap it
            failure = error
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _set_up(clients: Clients) -> None:
    """Begin early; why that failed is raised where they are needed."""
    with suppress(ReleaseError):
        await clients.ready()


class _Adapters(Value):
    """What the releases of a run share."""

    http: Http
    indexes: Mapping[str, SimpleIndex]
    clients: Clients
    slots: anyio.CapacityLimiter
    publisher: Callable[[RepositoryTarget], TrustedPublisher | None]
    attester: Callable[[TrustedPublisher | None, Plan], Attester | None]
    clock: SystemClock = field(default_factory=SystemClock)
    encodings: Encodings = field(
        default_factory=lambda: Encodings(ZSTD_IS_KNOWN, accept_encoding())
    )
    jitter: Callable[[], float] = random.SystemRandom().random
    verifier: SigstoreVerifier = field(default_factory=SigstoreVerifier)

    def to_publish(self, source: DistDirRelease, receipt: Any) -> interfaces.PublishContext:
        """What sends and proves one release, on its stages first."""
        started = source.started
        if not started.stages:
            return self._at(started.targets, started.plan, source)
        from poetry_publish_verified.release.stage import RepositoryStage

        last = started.targets.repository.name
        stages = tuple(
            RepositoryStage(at.repository, self._at(at, plan, source), last, receipt)
            for at, plan in started.stages
        )
        return replace(self._at(started.targets, started.plan, source), stages=stages)

    def _at(
        self, targets: Targets, plan: Plan, source: DistDirRelease
    ) -> interfaces.PublishContext:
        """What sends and proves a release at one repository."""
        tokens = self.publisher(targets.repository)
        return interfaces.PublishContext(
            plan=plan,
            repository=HttpRepository(self.http, targets.repository, source.started.dist_dir),
            own=self.indexes[targets.own.url],
            indexes=tuple(self.indexes[target.url] for target in targets.shown_by),
            clients=self.clients.ready,
            clock=self.clock,
            report=source.report,
            encodings=self.encodings,
            jitter=self.jitter,
            provenance=interfaces.ProvenanceCheck(self.verifier, (), plan.attest == "require")
            if extra_is_installed()
            else None,
            slots=self.slots,
            require_locks=source.started.require_locks,
            tokens=tokens,
            attester=self.attester(tokens, plan),
        )

    def to_wait(self, awaited: Awaited, plan: Plan) -> interfaces.VerifyContext:
        """What proves somebody else's release."""
        indexes = tuple(self.indexes[target.url] for target in awaited.indexes)
        return interfaces.VerifyContext(
            plan=plan,
            own=indexes[0],
            indexes=indexes,
            clients=self.clients.ready,
            clock=self.clock,
            report=awaited.report,
            encodings=self.encodings,
            jitter=self.jitter,
            provenance=interfaces.ProvenanceCheck(self.verifier, plan.provenance, required=True)
            if plan.provenance
            else None,
        )


def publisher_at(http: Http, report: Report, target: RepositoryTarget) -> TrustedPublisher | None:
    """What gets upload tokens for a repository; None if configured credentials are used."""
    provider = ambient_provider() if target.trusted else None
    if provider is None:
        return None
    exchange, public = IndexTokenExchange(http, target, provider), is_public(target.url)
    return TrustedPublisher(target, exchange, SystemClock(), report, public=public)


def attester_for(tokens: TrustedPublisher | None, plan: Plan) -> Attester | None:
    """What attests the files of a run; None if that is not wanted."""
    if plan.attest == "off":
        return None
    from poetry_publish_verified.adapters.attestations import SigstoreSigner

    required, tries = plan.attest == "require", plan.retries + 1
    return Attester(
        *(SigstoreSigner(), tokens, SystemClock()),
        required=required,
        tries=tries,
        jobs=plan.jobs,
    )


def forget_in_poetrys_caches(
    indexes: Iterable[IndexTarget], release: Identity | interfaces.ExpectedRelease, report: Report
) -> None:
    """Drop what Poetry's own caches hold of a release, so that the next `poetry lock` sees it."""
    for index in indexes:
        forgotten = forget_release(index.url, release.name, str(release.version))
        if (warning := forgotten.warning) is not None:
            report(ProblemFound(poetry_cache_not_cleared(index.url, warning)))


def user_agent() -> str:
    """The User-Agent: this tool, where to find its makers, Poetry, Python and the system."""
    home = pypi_index().removesuffix("simple/") + f"project/{TOOL}/"
    return (
        f"{TOOL}/{own_version()} (+{home}) Poetry/{poetry_version}"
        f" {platform.python_implementation()}/{platform.python_version()}"
        f" {platform.system()}/{platform.release()}"
    )


def check_certificates(target: RepositoryTarget | IndexTarget) -> None:
    """Raise ReleaseError for a certificate file that cannot be used."""
    access = target.access
    try:
        tls_context(access)
    except OSError as error:
        path = access.client_cert if access.ca is None else access.ca
        raise ReleaseError.refused(bad_certificate(path, error, target.name)) from error
