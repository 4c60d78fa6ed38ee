"""Verifying: what an index serves against what it shows, byte by byte and by real clients."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping

import anyio

from poetry_publish_verified.core.events import FileListed
from poetry_publish_verified.core.events import FileVerified
from poetry_publish_verified.core.events import MetadataVerified
from poetry_publish_verified.core.events import ProblemFound
from poetry_publish_verified.core.expectation import ExpectedFile
from poetry_publish_verified.core.expectation import extra_files
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
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.release.interfaces import Client
from poetry_publish_verified.release.interfaces import ExpectedRelease
from poetry_publish_verified.release.interfaces import Index
from poetry_publish_verified.release.interfaces import Plan
from poetry_publish_verified.release.interfaces import VerifyContext
from poetry_publish_verified.release.poll import BEWARE
from poetry_publish_verified.release.poll import Failure
from poetry_publish_verified.sanitize import printable
from poetry_publish_verified.sanitize import without_secrets

_CLIENT_TRIES = 4
_CLIENT_TIMEOUT = 30.0
_DOWNLOADS_AT_ONCE = 4
_NAMES_SHOWN = 10
_MAX_METADATA = 16 * 1024 * 1024
_LAST_ANSWER = 1.0


class Downloads:
    """What has come, by URL: indexes that link to the same place have it fetched once."""

    def __init__(self) -> None:
        self._done: dict[str, Fetched] = {}
        self._locks: dict[str, anyio.Lock] = {}

    async def fetch(
        self, index: Index, url: str, limit: int | None, algorithms: frozenset[str]
    ) -> Fetched | NotFetched:
        """Download a file, or say what came before."""
        async with self._locks.setdefault(url, anyio.Lock()):
            known = self._done.get(url)
            if known is None or not algorithms <= known.digests.keys():
                got = await index.fetch(url, limit, algorithms)
                if isinstance(got, NotFetched):
                    return got
                self._done[url] = got
            return self._done[url]


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

    def _fail(
        self, verdict: Verdict, code: Code, message: str, remedy: str, filename: str | None = None
    ) -> None:
        problem = Problem(code, message, remedy, filename=filename, index=self._index.url)
        self._failures.append((verdict, problem))

    def _warn(self, code: Code, message: str, remedy: str) -> None:
        problem = Problem(code, message, remedy, severity="warning", index=self._index.url)
        self._context.report(ProblemFound(problem))

    def _left(self) -> float:
        return max(self._deadline - self._context.clock.monotonic(), 0.0)

    def _warn_of_extra_files(self, pages: Iterable[ProjectPage]) -> None:
        name, version = self._expected.name, self._expected.version
        extra = sorted({f for p in pages for f in extra_files(p, name, version, self._files)})
        if not extra:
            return
        shown = ", ".join(extra[:_NAMES_SHOWN]) + (" and more" if extra[_NAMES_SHOWN:] else "")
        message = f"{self._index.url} lists more files of this version than are expected: {shown}"
        if self._plan.strict:
            self._fail(
                Verdict.VERIFICATION_FAILED,
                Code.EXTRA_FILE,
                f"{message}.",
                "Find out who published them; leave --strict out where another job did so.",
            )
        else:
            self._warn(
                Code.EXTRA_FILE,
                f"{message}. They were not checked.",
                "Nothing is to be done where another job published them.",
            )

    def _warn_of_the_status(self, page: ProjectPage) -> None:
        if page.status in {"archived", "deprecated"}:
            reason = f" ({printable(page.status_reason, 200)})" if page.status_reason else ""
            self._warn(
                Code.PROJECT_STATUS,
                f"{self._index.url} says that the project is {page.status}{reason}.",
                "Change that in the project's settings there if it is not so.",
            )

    def _judge_missing_hashes(self, page: ProjectPage) -> None:
        """Without a sha256 a listing proves nothing; the bytes themselves may still do so."""
        bare = [f.filename for f in self._files if page.files[f.filename].sha256 is None]
        if not bare:
            return
        message = f"{self._index.url} lists {', '.join(bare)} without a sha256"
        if self._plan.until is Until.LISTED:
            self._fail(
                Verdict.VERIFICATION_FAILED,
                Code.NO_HASH_LISTED,
                f"{message}, which proves nothing.",
                "Use --until downloadable, which compares the bytes themselves.",
            )
        else:
            self._warn(
                Code.NO_HASH_LISTED,
                f"{message}: installers cannot check what they get from there.",
                "Nothing is to be done for this release: its bytes are compared.",
            )

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
                self._tell_not_fetched(file, got)
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
            got: Fetched | NotFetched = NotFetched("it did not come before the time was up")
            with anyio.move_on_after(max(self._left(), _LAST_ANSWER)):
                got = await downloads.fetch(self._index, url, size, algorithms)
            if isinstance(got, Fetched) or got.final or self._left() == 0.0:
                return got
            await self._context.clock.sleep(min(pause, max(self._left(), 0.1)))
            pause = min(pause * 1.5, 10.0)

    def _tell_not_fetched(self, file: ExpectedFile, got: NotFetched) -> None:
        self._fail(
            Verdict.NOT_VISIBLE,
            Code.NOT_FETCHED_IN_TIME,
            f"{self._index.url} lists {file.filename}, but the file does not come: {got.detail}.",
            "Run the same command again later: nothing is sent twice.",
            file.filename,
        )

    def _same_bytes(self, file: ExpectedFile, got: Fetched) -> bool:
        url, name = self._index.url, file.filename
        # Where no hash is told, everywhere the same as what came first.
        wanted = file.sha256 or self._served.setdefault(name, got.sha256)
        if got.cut or got.sha256 != wanted:
            found = "a longer file" if got.cut else f"sha256 {got.sha256}"
            self._fail(
                Verdict.VERIFICATION_FAILED,
                Code.OTHER_BYTES_SERVED,
                f"{url} serves other bytes as {name}: {found} ({got.size} bytes read) instead of"
                f" sha256 {wanted}.",
                BEWARE,
                name,
            )
            return False
        self._context.report(FileVerified(url, name, got.sha256, "http"))
        return True

    def _judge_the_coding(self, file: ExpectedFile, got: Fetched) -> None:
        if got.coding:
            self._fail(
                Verdict.VERIFICATION_FAILED,
                Code.ENCODED_IN_TRANSIT,
                f"{self._index.url} serves {file.filename} under 'Content-Encoding: {got.coding}',"
                " though its bytes are as they were published: uv and Poetry undo that, and fail.",
                "Have the server send archives without a Content-Encoding.",
                file.filename,
            )

    def _judge_digests(self, file: ExpectedFile, listed: IndexFile, got: Fetched) -> None:
        """The hashes that are listed beside the sha256, or instead of it."""
        wrong = [each for each in listed.digests if got.digests.get(each[0]) != each[1]]
        for algorithm, claimed in wrong:
            self._fail(
                Verdict.VERIFICATION_FAILED,
                Code.OTHER_DIGEST_LISTED,
                f"{self._index.url} lists {file.filename} with {algorithm} {claimed}, but its bytes"
                f" have {got.digests.get(algorithm)}: installers refuse it.",
                "Have the index list the right hash, or none but sha256.",
                file.filename,
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
            self._fail(
                Verdict.NOT_VISIBLE,
                Code.NOT_FETCHED_IN_TIME,
                f"{url} offers the metadata of {name}, but it does not come: {got.detail}.",
                "Run the same command again later: nothing is sent twice.",
                name,
            )
        elif wanted is not None and got.sha256 != wanted:
            self._fail(
                Verdict.VERIFICATION_FAILED,
                Code.OTHER_METADATA_SERVED,
                f"{url} serves other metadata for {name} than is in the file: sha256 {got.sha256}"
                f" instead of {wanted}. Installers would resolve with it.",
                BEWARE,
                name,
            )
        elif wrong := [each for each in others if got.digests.get(each[0]) != each[1]]:
            self._fail(
                Verdict.VERIFICATION_FAILED,
                Code.OTHER_METADATA_LISTED,
                f"{url} lists {name} with metadata of {wrong[0][0]} {wrong[0][1]}, but what it"
                f" serves has {got.digests.get(wrong[0][0])}: installers refuse it.",
                BEWARE,
                name,
            )
        else:
            self._context.report(MetadataVerified(url, name, got.sha256))

    async def _verify_clients(self, page: ProjectPage) -> None:
        """Have the real clients fetch every wheel."""
        wheels = [file for file in self._files if file.parsed.kind == "wheel"]
        if not wheels:
            self._warn(
                Code.NOT_INSTALLABLE_BY_NATURE,
                "installable is not applicable: the release has no wheel, and building an sdist"
                " would prove more than the index.",
                "Nothing is to be done, unless a wheel was meant to be there.",
            )
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
            self._warn(
                Code.WARM_CACHE,
                f"{client.name} finds {wheel.name} {wheel.version} on {self._index.url}, but not"
                " with your own cache, which holds an older page for a while yet.",
                f"Refresh it: {remedy}",
            )

    def _wanted(self, file: ExpectedFile, listed: IndexFile) -> WheelWanted | None:
        # Where the page tells none, that of the bytes that have just come.
        sha256 = file.sha256 or listed.sha256 or self._served.get(file.filename)
        parsed = file.parsed
        target = pip_target(
            parsed, file.built.requires_python if file.built else listed.requires_python
        )
        if target is None:
            self._fail(
                Verdict.VERIFICATION_FAILED,
                Code.CLIENT_CANNOT_INSTALL,
                f"No Python fits both the tags of {file.filename} and its Requires-Python.",
                "Mend requires-python or the wheel's tags and publish a new version.",
                file.filename,
            )
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
        if isinstance(got, ClientAbstains):
            self._warn(
                Code.CLIENT_UNAVAILABLE,
                f"{client.name} could not be asked for {name}: {got.reason}",
                "Nothing is to be done for this release: the other clients were asked.",
            )
        elif isinstance(got, ClientFailure):
            self._fail(
                Verdict.NOT_VISIBLE,
                Code.CLIENT_CANNOT_INSTALL,
                f"{client.name} cannot download {name} from {self._index.url}:"
                f" {without_secrets(got.detail)}",
                "Run the same command again; if it stays so, the message above is the reason.",
                name,
            )
        elif published.get(got.filename) != got.sha256:
            self._fail(
                Verdict.VERIFICATION_FAILED,
                Code.OTHER_BYTES_SERVED,
                f"{client.name}, asked for {name}, got {got.filename} with sha256 {got.sha256}.",
                "Remove the other file from the index, or raise the version.",
                name,
            )
        elif got.filename != name:
            self._warn(
                Code.CLIENT_TAKES_ANOTHER,
                f"{client.name}, asked for {name}, takes {got.filename}: only the build tag tells"
                " them apart, so nobody gets the former.",
                "Nothing is to be done if that is meant.",
            )
        else:
            self._context.report(FileVerified(self._index.url, name, got.sha256, client.name))
