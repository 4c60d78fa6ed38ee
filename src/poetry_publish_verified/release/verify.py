"""Verifying: what an index serves against what it shows, byte by byte and by real clients."""

from __future__ import annotations

from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping

import anyio

from poetry_publish_verified.core.events import FileListed
from poetry_publish_verified.core.events import FileVerified
from poetry_publish_verified.core.events import MetadataVerified
from poetry_publish_verified.core.events import ProblemFound
from poetry_publish_verified.core.expectation import ExpectedFile
from poetry_publish_verified.core.expectation import extra_files
from poetry_publish_verified.core.problems import verification as problems
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.simple import IndexFile
from poetry_publish_verified.core.simple import ProjectPage
from poetry_publish_verified.core.verification import ClientAbstains
from poetry_publish_verified.core.verification import ClientFailure
from poetry_publish_verified.core.verification import ClientFile
from poetry_publish_verified.core.verification import Fetched
from poetry_publish_verified.core.verification import NotFetched
from poetry_publish_verified.core.verification import WheelWanted
from poetry_publish_verified.core.verification import pip_target
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.release.interfaces import Client
from poetry_publish_verified.release.interfaces import ExpectedRelease
from poetry_publish_verified.release.interfaces import Index
from poetry_publish_verified.release.interfaces import Plan
from poetry_publish_verified.release.interfaces import VerifyContext
from poetry_publish_verified.release.poll import Failure

_CLIENT_TRIES = 4
_CLIENT_TIMEOUT = 30.0
_DOWNLOADS_AT_ONCE = 4
_MAX_METADATA = 16 * 1024 * 1024
_LAST_ANSWER = 1.0


class Downloads:
    """What was downloaded: once for all indexes that link to the same URL with the same access.

    That one index's login gets a file says nothing of who reads another index without it.
    """

    def __init__(self) -> None:
        self._done: dict[tuple[str, Hashable], Fetched] = {}
        self._locks: dict[tuple[str, Hashable], anyio.Lock] = {}

    async def fetch(
        self,
        index: Index,
        url: str,
        limit: int | None,
        algorithms: frozenset[str],
        patience: float,
    ) -> Fetched | NotFetched:
        """Download a file as `Index.fetch` does, or return what came before."""
        key = (url, index.access)
        async with self._locks.setdefault(key, anyio.Lock()):
            known = self._done.get(key)
            if known is None or not algorithms <= known.digests.keys():
                got = await index.fetch(url, limit, algorithms, patience=patience)
                if isinstance(got, NotFetched):
                    return got
                self._done[key] = got
            return self._done[key]


class Verification:
    """One index that shows the release to every client."""

    def __init__(
        self,
        index: Index,
        expected: ExpectedRelease,
        files: tuple[ExpectedFile, ...],
        plan: Plan,
        context: VerifyContext,
        deadline: float,
    ) -> None:
        """`deadline` is a moment of the world's clock."""
        self._index = index
        self._expected = expected
        self._files = files
        self._plan = plan
        self._context = context
        self._deadline = deadline
        self._limiter = anyio.CapacityLimiter(_DOWNLOADS_AT_ONCE)
        self._failures: list[Failure] = []
        # The sha256 of what came, by file name.
        self._served: dict[str, str] = {}

    async def run(self, pages: Mapping[str, ProjectPage], downloads: Downloads) -> list[Failure]:
        """What failed, nothing where all is proven. `pages` by the variant that saw them."""
        page = next(iter(pages.values()))
        for file in self._files:
            sha256 = page.files[file.filename].sha256
            self._context.report(FileListed(self._index.url, file.filename, sha256))
        self._warn_of_extra_files(pages.values())
        self._warn_of_the_status(page)
        self._judge_missing_hashes(page)
        if self._plan.until is Until.LISTED:
            return self._failures
        async with anyio.create_task_group() as group:
            for file in self._files:
                group.start_soon(self._verify_file, file, pages, downloads)
        if self._plan.until is Until.INSTALLABLE and not self._failures:
            await self._verify_clients(page)
        return self._failures

    def _fail(self, problem: Problem, verdict: Verdict = Verdict.VERIFICATION_FAILED) -> None:
        self._failures.append((verdict, problem))

    def _warn(self, problem: Problem) -> None:
        self._context.report(ProblemFound(problem))

    def _left(self) -> float:
        return max(self._deadline - self._context.clock.monotonic(), 0.0)

    def _warn_of_extra_files(self, pages: Iterable[ProjectPage]) -> None:
        name, version = self._expected.name, self._expected.version
        extra = sorted({f for p in pages for f in extra_files(p, name, version, self._files)})
        if extra and self._plan.strict:
            self._fail(problems.extra_files_refused(self._index.url, extra))
        elif extra:
            self._warn(problems.extra_files(self._index.url, extra))

    def _warn_of_the_status(self, page: ProjectPage) -> None:
        if page.status in {"archived", "deprecated"}:
            self._warn(problems.project_status(self._index.url, page.status, page.status_reason))

    def _judge_missing_hashes(self, page: ProjectPage) -> None:
        """Without a sha256 a listing proves nothing; the bytes themselves may still do so."""
        bare = [f.filename for f in self._files if page.files[f.filename].sha256 is None]
        if bare and self._plan.until is Until.LISTED:
            self._fail(problems.no_hash_proves_nothing(self._index.url, bare))
        elif bare:
            self._warn(problems.no_hash(self._index.url, bare))

    async def _verify_file(
        self, file: ExpectedFile, pages: Mapping[str, ProjectPage], downloads: Downloads
    ) -> None:
        """A file, from wherever each client is sent, and the metadata beside it."""
        places: dict[str, list[IndexFile]] = {}
        for page in pages.values():
            for entry in page.entries(file.filename):
                known = places.setdefault(entry.url, [])
                if entry not in known:
                    known.append(entry)
        for url, entries in places.items():
            algorithms = frozenset(name for entry in entries for name, _ in entry.digests)
            async with self._limiter:
                got = await self._fetch(url, file.size, downloads, algorithms)
            if isinstance(got, NotFetched):
                problem = problems.not_downloadable(self._index.url, file.filename, got.detail)
                self._fail(problem, Verdict.NOT_VISIBLE)
            elif self._same_bytes(file, got):
                self._judge_the_coding(file, got)
                for entry in entries:
                    await self._verify_entry(file, entry, got, downloads)

    async def _verify_entry(
        self, file: ExpectedFile, entry: IndexFile, got: Fetched, downloads: Downloads
    ) -> None:
        self._judge_digests(file, entry, got)
        if entry.has_metadata:
            async with self._limiter:
                await self._verify_metadata(file, entry, downloads)

    async def _fetch(
        self, url: str, size: int | None, downloads: Downloads, algorithms: frozenset[str]
    ) -> Fetched | NotFetched:
        pause = 1.0
        while True:
            got: Fetched | NotFetched = NotFetched("no complete answer in time")
            # However long a rest the server asks for, the last try is made.
            patience = max(self._left() - _LAST_ANSWER, 0.0)
            with anyio.move_on_after(max(self._left(), _LAST_ANSWER)):
                got = await downloads.fetch(self._index, url, size, algorithms, patience)
            if isinstance(got, Fetched) or got.final or self._left() == 0.0:
                return got
            await self._context.clock.sleep(min(pause, max(self._left(), 0.1)))
            pause = min(pause * 1.5, 10.0)

    def _same_bytes(self, file: ExpectedFile, got: Fetched) -> bool:
        url, name = self._index.url, file.filename
        # Where no hash is told, everywhere the same as what came first.
        wanted = file.sha256 or self._served.setdefault(name, got.sha256)
        if got.cut or got.sha256 != wanted:
            served = "" if got.cut else got.sha256
            self._fail(
                problems.other_bytes(url, name, served=served, size=got.size, expected=wanted)
            )
            return False
        self._context.report(FileVerified(url, name, got.sha256, "http"))
        return True

    def _judge_the_coding(self, file: ExpectedFile, got: Fetched) -> None:
        if got.coding:
            name = file.filename
            self._fail(problems.encoded_in_transit(self._index.url, name, got.coding))

    def _judge_digests(self, file: ExpectedFile, listed: IndexFile, got: Fetched) -> None:
        """The hashes that are listed beside the sha256, or instead of it."""
        wrong = [each for each in listed.digests if got.digests.get(each[0]) != each[1]]
        for algorithm, claimed in wrong:
            self._fail(
                problems.other_digest_listed(
                    self._index.url,
                    file.filename,
                    algorithm=algorithm,
                    listed=claimed,
                    actual=got.digests.get(algorithm),
                )
            )

    async def _verify_metadata(
        self, file: ExpectedFile, listed: IndexFile, downloads: Downloads
    ) -> None:
        """The `.metadata` beside a wheel, from which installers resolve (PEP 658)."""
        name, url = file.filename, self._index.url
        wanted = file.built.metadata_sha256 if file.built else listed.metadata_sha256
        others = listed.metadata_digests
        algorithms = frozenset(algorithm for algorithm, _ in others)
        got = await self._fetch(f"{listed.url}.metadata", _MAX_METADATA, downloads, algorithms)
        if isinstance(got, NotFetched):
            problem = problems.metadata_not_downloadable(url, name, got.detail)
            self._fail(problem, Verdict.NOT_VISIBLE)
        elif wanted is not None and got.sha256 != wanted:
            self._fail(
                problems.other_metadata_served(url, name, served=got.sha256, expected=wanted)
            )
        elif wrong := [each for each in others if got.digests.get(each[0]) != each[1]]:
            algorithm, listed_as = wrong[0]
            actual = got.digests.get(algorithm)
            self._fail(
                problems.other_metadata_listed(
                    url, name, algorithm=algorithm, listed=listed_as, actual=actual
                )
            )
        else:
            self._context.report(MetadataVerified(url, name, got.sha256))

    async def _verify_clients(self, page: ProjectPage) -> None:
        """Have the real clients fetch every wheel."""
        wheels = [file for file in self._files if file.parsed.kind == "wheel"]
        if not wheels:
            self._warn(problems.nothing_to_install(self._index.url))
        wanted = [self._wanted(file, page.files[file.filename]) for file in wheels]
        asked = [wheel for wheel in wanted if wheel is not None]
        for wheel in asked:
            for client in self._context.clients:
                await self._verify_wheel(client, wheel)
        if asked and not self._failures:
            for client in self._context.clients:
                await self._warn_of_a_warm_cache(client, asked[0])

    async def _warn_of_a_warm_cache(self, client: Client, wheel: WheelWanted) -> None:
        remedy = await client.stale_cache_remedy(wheel, self._index.url, _CLIENT_TIMEOUT)
        if remedy is not None:
            release = f"{wheel.name} {wheel.version}"
            problem = problems.stale_client_cache(client.name, release, self._index.url, remedy)
            self._warn(problem)

    def _wanted(self, file: ExpectedFile, listed: IndexFile) -> WheelWanted | None:
        # Where the page tells none, that of the bytes that have just come.
        sha256 = file.sha256 or listed.sha256 or self._served.get(file.filename)
        parsed = file.parsed
        target = pip_target(
            parsed, file.built.requires_python if file.built else listed.requires_python
        )
        if target is None:
            self._fail(problems.fits_no_python(self._index.url, file.filename))
        if target is None or sha256 is None:
            return None
        return WheelWanted(file.filename, sha256, parsed.name, str(parsed.version), target)

    async def _verify_wheel(self, client: Client, wheel: WheelWanted) -> None:
        name = wheel.filename
        got: ClientFile | ClientFailure | ClientAbstains = ClientFailure("it was not asked")
        for attempt in range(_CLIENT_TRIES):
            got = await client.download(wheel, self._index.url, max(self._left(), _CLIENT_TIMEOUT))
            if not isinstance(got, ClientFailure) or self._left() == 0.0:
                break
            await self._context.clock.sleep(min(2.0**attempt, self._left()))
        published = self._served | {f.filename: f.sha256 for f in self._files if f.sha256}
        subject = (client.name, name, self._index.url)
        if isinstance(got, ClientAbstains):
            self._warn(problems.client_not_asked(*subject, got.reason))
        elif isinstance(got, ClientFailure):
            problem = problems.client_cannot_download(*subject, got.detail)
            self._fail(problem, Verdict.NOT_VISIBLE)
        elif published.get(got.filename) != got.sha256:
            self._fail(
                problems.client_got_other_bytes(*subject, got=got.filename, sha256=got.sha256)
            )
        elif got.filename != name:
            self._warn(problems.client_prefers_another(*subject, got=got.filename))
        else:
            self._context.report(FileVerified(self._index.url, name, got.sha256, client.name))
