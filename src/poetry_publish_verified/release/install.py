"""Installing: real clients find every wheel, and download those that fit a bound."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import anyio

from poetry_publish_verified.core.events import ClientAsked, Event, FileVerified, ProblemFound
from poetry_publish_verified.core.problems import verification as problems
from poetry_publish_verified.core.problems.project import client_not_asked, client_unavailable
from poetry_publish_verified.core.verification import (
    ClientAbstains,
    ClientFailure,
    ClientFile,
    ClientRequest,
    Published,
)
from poetry_publish_verified.errors import Problem, ReleaseError, Verdict
from poetry_publish_verified.release.interfaces import Client, VerifyContext

DOWNLOADED_AT_MOST = 200 * 1024 * 1024
"""Bytes of one release that each client downloads from one index; at least one wheel."""
_PAUSES = (1.0, 2.0, 4.0)
_TIMEOUT = 30.0


class Clients:
    """The real clients of a run, set up once, when they are first needed."""

    def __init__(self, clients: Iterable[Client], report: Callable[[Event], None]) -> None:
        self._clients = tuple(clients)
        self._report = report
        self._lock = anyio.Lock()
        self._faults: dict[str, str] | None = None

    async def ready(self) -> tuple[Client, ...]:
        """The clients that can be asked; raises ReleaseError if a required one cannot."""
        async with self._lock:
            if self._faults is None:
                self._faults = await self._set_up()
        faults = self._faults
        usable = tuple(client for client in self._clients if client.name not in faults)
        essential = [c.name for c in self._clients if c.name in faults and not c.optional]
        if essential or (faults and not usable):
            unavailable = (client_unavailable(name, faults[name]) for name in faults)
            raise ReleaseError.refused(*unavailable)
        return usable

    async def _set_up(self) -> dict[str, str]:
        faults: dict[str, str] = {}

        async def prepare(client: Client) -> None:
            if (fault := await client.prepare()) is not None:
                faults[client.name] = fault

        async with anyio.create_task_group() as group:
            for client in self._clients:
                group.start_soon(prepare, client)
        for client in self._clients:
            if client.optional and client.name in faults and len(self._clients) > 1:
                problem = client_not_asked(client.name, faults[client.name])
                self._report(ProblemFound(problem, release=False))
        return faults


async def ask_clients(
    index_url: str,
    requests: Sequence[ClientRequest],
    published: Mapping[str, Published],
    context: VerifyContext,
    deadline: float,
) -> list[ReleaseError]:
    """Ask every client for every wheel; returns the failures. `deadline` is a clock time.

    `requests` are wheels, or the sdists of a release without any; `published` has every file of
    the release by name. Of the wheels, the smallest that fit the bound are downloaded, the others
    only resolved.
    """
    downloaded = set[str]()
    left = DOWNLOADED_AT_MOST
    wheels = (request for request in requests if request.target)
    for request in sorted(wheels, key=lambda each: published[each.filename].size):
        left -= published[request.filename].size
        if downloaded and left < 0:
            break
        downloaded.add(request.filename)
    asked = [
        _Asked(client, index_url, requests, published, downloaded, context, deadline)
        for client in await context.clients()
    ]
    async with anyio.create_task_group() as group:
        for each in asked:
            group.start_soon(each.ask_for_all)
    failures = [failure for each in asked for failure in each.failures]
    if failures:
        return failures
    for request in requests:
        reasons = [why for each in asked if (why := each.why_skipped(request.filename))]
        if request.target and len(reasons) == len(asked):
            problem = problems.no_client_asked(request.filename, index_url, reasons)
            context.report(ProblemFound(problem))
    for each in asked:
        await each.warn_of_a_stale_cache()
    return []


@dataclass(slots=True)
class _Asked:
    """One client, asked for one wheel after another."""

    client: Client
    index_url: str
    requests: Sequence[ClientRequest]
    published: Mapping[str, Published]
    downloaded: Collection[str]
    context: VerifyContext
    deadline: float
    failures: list[ReleaseError] = field(default_factory=list)
    skipped: dict[str, tuple[str, ...]] = field(default_factory=dict)

    async def ask_for_all(self) -> None:
        """Ask for each wheel up to the first failure; others mostly fail for the same reason."""
        downloaded = resolved = 0
        for request in self.requests:
            got = await self._ask_patiently(request)
            if isinstance(got, ClientFailure):
                problem = problems.client_cannot_install(
                    self.client.name, request.filename, self.index_url, got.detail
                )
                self.failures.append(ReleaseError(Verdict.NOT_VISIBLE, problem))
                return
            if isinstance(got, ClientAbstains):
                files = self.skipped.get(got.reason, ())
                self.skipped[got.reason] = (*files, request.filename)
            elif isinstance(got, ClientFile):
                downloaded += 1
                self._judge(request, got)
            else:
                resolved += 1
        skipped = tuple(self.skipped.items())
        self.context.report(
            ClientAsked(self.index_url, self.client.name, downloaded, resolved, skipped)
        )

    def why_skipped(self, filename: str) -> str | None:
        """Why the client was not asked for a file; None if it was."""
        return next((why for why, files in self.skipped.items() if filename in files), None)

    async def warn_of_a_stale_cache(self) -> None:
        """Warn if the user's own client still has an older page, and say how to refresh it."""
        for request in self.requests[:1]:
            remedy = await self.client.stale_cache_remedy(request, self.index_url, _TIMEOUT)
            if remedy is not None:
                release = f"{request.name} {request.version}"
                names = (self.client.name, release, self.index_url)
                self._warn(problems.stale_client_cache(*names, remedy))

    async def _ask_patiently(
        self, request: ClientRequest
    ) -> ClientFile | ClientFailure | ClientAbstains | None:
        got = await self._ask(request)
        for pause in _PAUSES:
            if not isinstance(got, ClientFailure) or self._left() == 0.0:
                break
            await self.context.clock.sleep(min(pause, self._left()))
            got = await self._ask(request)
        return got

    async def _ask(
        self, request: ClientRequest
    ) -> ClientFile | ClientFailure | ClientAbstains | None:
        timeout = max(self._left(), _TIMEOUT)
        if request.filename in self.downloaded:
            return await self.client.download(request, self.index_url, timeout)
        return await self.client.resolve(request, self.index_url, timeout)

    def _judge(self, request: ClientRequest, got: ClientFile) -> None:
        """Compare what the client downloaded with what was published."""
        name = request.filename
        names = (self.client.name, name, self.index_url)
        published = self.published.get(got.filename)
        if published is None or published.sha256 != got.sha256:
            problem = problems.client_got_other_bytes(*names, got=got.filename, sha256=got.sha256)
            self.failures.append(ReleaseError(Verdict.VERIFICATION_FAILED, problem))
        elif got.filename != name:
            self._warn(problems.client_prefers_another(*names, got=got.filename))
        else:
            self.context.report(FileVerified(self.index_url, name, got.sha256, self.client.name))

    def _left(self) -> float:
        return max(self.deadline - self.context.clock.monotonic(), 0.0)

    def _warn(self, problem: Problem) -> None:
        self.context.report(ProblemFound(problem))
