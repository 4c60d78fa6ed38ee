"""Verifying: compare what an index serves with what it lists, then ask real clients."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field

import anyio

from poetry_publish_verified.core import events
from poetry_publish_verified.core.distribution import Kind
from poetry_publish_verified.core.expectation import ExpectedFile, extra_files
from poetry_publish_verified.core.problems import verification as problems
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.simple.page import Hashes, IndexFile, ProjectPage
from poetry_publish_verified.core.verification import (
    ClientRequest,
    Download,
    NotDownloaded,
    Published,
    pip_target,
)
from poetry_publish_verified.errors import Problem, ReleaseError, Severity, Verdict
from poetry_publish_verified.release.install import ask_clients
from poetry_publish_verified.release.interfaces import ExpectedRelease, Index, VerifyContext

_DOWNLOADS_AT_ONCE = 4
_MAX_METADATA = 16 * 1024 * 1024
_LAST_ANSWER = 1.0


class Downloads:
    """What was downloaded: once for all indexes that link to the same URL with the same access.

    A file that one index's credentials can get may be out of reach without them.
    """

    def __init__(self) -> None:
        self._done: dict[tuple[str, Hashable], Download] = {}
        self._locks: dict[tuple[str, Hashable], anyio.Lock] = {}

    async def fetch(
        self,
        index: Index,
        url: str,
        limit: int | None,
        algorithms: frozenset[str],
        patience: float,
        opened: Kind | None = None,
    ) -> Download | NotDownloaded:
        """Download a file as `Index.fetch` does, or return what came before."""
        key = (url, index.access)
        async with self._locks.setdefault(key, anyio.Lock()):
            known = self._done.get(key)
            unopened = known is not None and opened is not None and known.metadata is None
            if known is None or unopened or not algorithms <= known.digests.keys():
                got = await index.fetch(url, limit, algorithms, patience=patience, opened=opened)
                if isinstance(got, NotDownloaded):
                    return got
                self._done[key] = got
            return self._done[key]


@dataclass(slots=True)
class Verification:
    """Verifies one index that shows the release to every client, until a moment of the run's clock.

    `_downloads` are those of all indexes.
    """

    _index: Index
    _expected: ExpectedRelease
    _context: VerifyContext
    _deadline: float
    _downloads: Downloads
    _limiter: anyio.CapacityLimiter = field(
        default_factory=lambda: anyio.CapacityLimiter(_DOWNLOADS_AT_ONCE)
    )
    # What failed so far; none in the end if everything is proven.
    failures: list[ReleaseError] = field(default_factory=list)
    _files: tuple[ExpectedFile, ...] = ()
    # What came first, by filename.
    _served: dict[str, Download] = field(default_factory=dict)
    _followed: set[IndexFile] = field(default_factory=set)

    async def run(self, pages: Mapping[str, ProjectPage]) -> None:
        """Verify what these pages list; they are by the variant that saw them."""
        page = next(iter(pages.values()))
        self._files = self._expected.expectation.files(page)
        for file in self._files:
            listed = page.files[file.filename]
            # What follows the question mark is a signature, if anything.
            url = listed.url.partition("?")[0]
            event = events.FileListed(self._index.url, file.filename, listed.sha256, url)
            self._context.report(event)
        self._warn_of_extra_files(pages.values())
        self._warn_of_the_status(page)
        self._judge_missing_hashes(page)
        if self._context.plan.until is Until.DOWNLOADABLE:
            await self.follow_links(pages)
        elif self._context.plan.until is Until.INSTALLABLE:
            await self._download_and_ask(pages)

    async def _download_and_ask(self, pages: Mapping[str, ProjectPage]) -> None:
        """Clients are asked during the downloads, if it is known what they must get."""
        page = next(iter(pages.values()))
        at_once = not self.failures and all(_published(file) for file in self._files)
        async with anyio.create_task_group() as group:
            if at_once:
                group.start_soon(self._ask_clients, page)
            if await self.follow_links(pages):
                # What clients say about wrong files, after several tries, is nothing new.
                group.cancel_scope.cancel()
        if not at_once and not self.failures:
            await self._ask_clients(page)

    async def follow_links(self, pages: Mapping[str, ProjectPage]) -> list[ReleaseError]:
        """Verify what these pages link to and was not verified before; what failed so far.

        Some indexes sign links anew for each page, so nobody can wait until they stay the same.
        """
        async with anyio.create_task_group() as group:
            for file in self._files:
                group.start_soon(self._verify_file, file, pages)
        return self.failures

    def digests(self, pages: Mapping[str, ProjectPage]) -> dict[str, str]:
        """The sha256 of each file: what was published, else was served, else is listed.

        If publishers are named, also of files that were not expected: installers may take them.
        """
        page, found = next(iter(pages.values())), dict[str, str]()
        for file in self._files:
            served, name = self._served.get(file.filename), file.filename
            found[name] = file.sha256 or (
                served.sha256 if served else page.files[name].sha256 or ""
            )
        for each in pages.values() if self._context.plan.provenance else ():
            for name in extra_files(each, self._expected.name, self._expected.version, self._files):
                found.setdefault(name, each.files[name].sha256 or "")
        return found

    def _tell(self, problem: Problem, verdict: Verdict = Verdict.VERIFICATION_FAILED) -> None:
        """Report a warning at once; an error, once everything else is verified too."""
        if problem.severity == "warning":
            self._context.report(events.ProblemFound(problem))
        else:
            self.failures.append(ReleaseError(verdict, problem))

    def _left(self) -> float:
        return max(self._deadline - self._context.clock.monotonic(), 0.0)

    def _warn_of_extra_files(self, pages: Iterable[ProjectPage]) -> None:
        name, version = self._expected.name, self._expected.version
        extra = sorted({f for p in pages for f in extra_files(p, name, version, self._files)})
        if extra:
            severity: Severity = "error" if self._context.plan.strict else "warning"
            self._tell(problems.extra_files(self._index.url, extra, severity))

    def _warn_of_the_status(self, page: ProjectPage) -> None:
        if page.status in {"archived", "deprecated"}:
            self._tell(problems.project_status(self._index.url, page.status, page.status_reason))

    def _judge_missing_hashes(self, page: ProjectPage) -> None:
        """Without a sha256 a listing proves nothing, but the bytes themselves still can."""
        bare = [f.filename for f in self._files if page.files[f.filename].sha256 is None]
        if bare:
            severity: Severity = "error" if self._context.plan.until is Until.LISTED else "warning"
            self._tell(problems.no_hash(self._index.url, bare, severity))

    async def _verify_file(self, file: ExpectedFile, pages: Mapping[str, ProjectPage]) -> None:
        """Verify a file, from each URL that clients are sent to, and the metadata beside it."""
        places: dict[str, list[IndexFile]] = {}
        for page in pages.values():
            entry = page.files[file.filename]
            if entry not in self._followed:
                self._followed.add(entry)
                places.setdefault(entry.url, []).append(entry)
        for url, entries in places.items():
            algorithms = frozenset(name for entry in entries for name, _ in entry.digests)
            # Anything could be there: a login page, half of a file that was cut on its way.
            unknown = file.listed_only or file.sha256 is None
            # What its metadata must be is known from what was built, or from the archive.
            beside = file.built is None and any(entry.metadata for entry in entries)
            opened = file.parsed.kind if unknown or beside else None
            async with self._limiter:
                got = await self._fetch(url, file.size, algorithms, opened)
            if isinstance(got, NotDownloaded):
                problem = problems.not_downloadable(self._index.url, file.filename, got.detail)
                self._tell(problem, Verdict.NOT_VISIBLE)
            elif self._same_bytes(file, got):
                if got.coding:
                    names = (self._index.url, file.filename)
                    self._tell(problems.encoded_in_transit(*names, got.coding))
                for entry in entries:
                    self._judge_digests(file, entry, got)
                    if entry.metadata is not None:
                        async with self._limiter:
                            await self._verify_metadata(file, entry.url, entry.metadata, got)

    async def _fetch(
        self, url: str, size: int | None, algorithms: frozenset[str], opened: Kind | None = None
    ) -> Download | NotDownloaded:
        pause = 1.0
        got: Download | NotDownloaded = NotDownloaded("no complete answer in time")
        while True:
            # The last try is made, however long the server asks to wait.
            patience = max(self._left() - _LAST_ANSWER, 0.0)
            with anyio.move_on_after(max(self._left(), _LAST_ANSWER)):
                got = await self._downloads.fetch(
                    self._index, url, size, algorithms, patience, opened
                )
            if isinstance(got, Download) or got.final or self._left() == 0.0:
                return got
            await self._context.clock.sleep(min(pause, max(self._left(), 0.1)))
            pause = min(pause * 1.5, 10.0)

    def _same_bytes(self, file: ExpectedFile, got: Download) -> bool:
        url, name = self._index.url, file.filename
        # If no hash is known, every copy must equal the first one.
        wanted = file.sha256 or self._served.setdefault(name, got).sha256
        if got.cut or got.sha256 != wanted:
            served = "" if got.cut else got.sha256
            self._tell(
                problems.other_bytes(url, name, served=served, size=got.size, expected=wanted)
            )
            return False
        may_be_bare = file.sha256 is not None
        if got.metadata and (flaw := got.metadata.flaw_as(name, may_be_bare=may_be_bare)):
            self._tell(problems.not_the_archive(url, name, flaw))
            return False
        self._served.setdefault(name, got)
        self._context.report(events.FileVerified(url, name, got.sha256, "http"))
        return True

    def _judge_digests(self, file: ExpectedFile, listed: IndexFile, got: Download) -> None:
        """Check the hashes that are listed beside or instead of the sha256."""
        names = (self._index.url, file.filename)
        for algorithm, claimed, actual in _wrong(listed.digests, got):
            self._tell(
                problems.other_digest_listed(
                    *names, algorithm=algorithm, listed=claimed, actual=actual
                )
            )

    async def _verify_metadata(
        self, file: ExpectedFile, file_url: str, listed: Hashes, archive: Download
    ) -> None:
        """The `.metadata` beside a wheel, from which installers resolve (PEP 658)."""
        name, url = file.filename, self._index.url
        own = archive.metadata.sha256 if archive.metadata else None
        wanted = file.built.metadata_sha256 if file.built else own or listed.sha256
        algorithms = frozenset(algorithm for algorithm, _ in listed.others)
        got = await self._fetch(f"{file_url}.metadata", _MAX_METADATA, algorithms)
        if isinstance(got, NotDownloaded):
            problem = problems.not_downloadable(url, name, got.detail, metadata=True)
            self._tell(problem, Verdict.NOT_VISIBLE)
        elif wanted is not None and got.sha256 != wanted:
            self._tell(
                problems.other_metadata_served(url, name, served=got.sha256, expected=wanted)
            )
        elif wrong := _wrong(listed.others, got):
            algorithm, claimed, actual = wrong[0]
            self._tell(
                problems.other_metadata_listed(
                    url, name, algorithm=algorithm, listed=claimed, actual=actual
                )
            )
        else:
            self._context.report(events.MetadataVerified(url, name, got.sha256))

    async def _ask_clients(self, page: ProjectPage) -> None:
        """Have the real clients get every wheel, or find the sdists where there is none."""
        published = {file.filename: self._of(file) for file in self._files}
        wheels = [file for file in self._files if file.parsed.kind == "wheel"]
        asked = [self._request(file, page.files[file.filename]) for file in wheels or self._files]
        requests = [request for request in asked if request is not None]
        self.failures += await ask_clients(
            self._index.url, requests, published, self._context, self._deadline
        )

    def _of(self, file: ExpectedFile) -> Published:
        if (known := _published(file)) is not None:
            return known
        served = self._served[file.filename]
        return Published(served.size, served.sha256)

    def _request(self, file: ExpectedFile, listed: IndexFile) -> ClientRequest | None:
        parsed = file.parsed
        target = None
        if parsed.kind == "wheel":
            requires = file.built.requires_python if file.built else listed.requires_python
            target = pip_target(parsed, requires)
            if target is None:
                self._tell(problems.fits_no_python(self._index.url, file.filename))
                return None
        return ClientRequest(
            file.filename, self._of(file).sha256, parsed.name, str(parsed.version), target
        )


def _published(file: ExpectedFile) -> Published | None:
    """What clients must get of a file, if that is known without downloading it."""
    if file.listed_only or file.sha256 is None or file.size is None:
        return None
    return Published(file.size, file.sha256)


def _wrong(listed: Iterable[tuple[str, str]], got: Download) -> list[tuple[str, str, str | None]]:
    """The listed digests that are not those of what was served: algorithm, listed, actual."""
    actual = got.digests
    return [(name, hex_, actual.get(name)) for name, hex_ in listed if actual.get(name) != hex_]
