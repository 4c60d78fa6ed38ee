"""Proving: wait until every index shows the release, then hold it against what was built."""

from __future__ import annotations

import anyio

from poetry_publish_verified.core.distribution import belongs_to
from poetry_publish_verified.core.events import BecameVisible
from poetry_publish_verified.core.events import FileListed
from poetry_publish_verified.core.events import FileVerified
from poetry_publish_verified.core.events import Looked
from poetry_publish_verified.core.events import ProblemFound
from poetry_publish_verified.core.events import WaitStarted
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.simple_api import PIP
from poetry_publish_verified.core.simple_api import IndexFile
from poetry_publish_verified.core.simple_api import ProjectPage
from poetry_publish_verified.core.verification import ClientAbstains
from poetry_publish_verified.core.verification import ClientFailure
from poetry_publish_verified.core.verification import ClientFile
from poetry_publish_verified.core.verification import Fetched
from poetry_publish_verified.core.verification import NotFetched
from poetry_publish_verified.core.verification import WheelWanted
from poetry_publish_verified.core.verification import pip_target
from poetry_publish_verified.core.visibility import Denied
from poetry_publish_verified.core.visibility import LookAgain
from poetry_publish_verified.core.visibility import Observation
from poetry_publish_verified.core.visibility import Visible
from poetry_publish_verified.core.visibility import Watch
from poetry_publish_verified.core.visibility import Wrong
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.errors import gravest
from poetry_publish_verified.world import Client
from poetry_publish_verified.world import Expected
from poetry_publish_verified.world import Index
from poetry_publish_verified.world import Outside
from poetry_publish_verified.world import Plan
from poetry_publish_verified.world import Release

_CLIENT_TRIES = 4
_DOWNLOADS_AT_ONCE = 4
_NAMES_SHOWN = 10


async def prove_everywhere(
    release: Release, plan: Plan, outside: Outside, expected: tuple[Expected, ...]
) -> None:
    """Watch and verify every index side by side; raises ReleaseError with all that failed."""
    ended: list[tuple[Verdict, Problem]] = []

    async def prove(index: Index) -> None:
        proof = _Proof(index, release, plan, outside, expected)
        ended.extend(await proof.run())

    async with anyio.create_task_group() as group:
        for index in outside.indexes:
            group.start_soon(prove, index)
    if ended:
        raise ReleaseError(
            gravest([verdict for verdict, _ in ended]), *(problem for _, problem in ended)
        )


class _Proof:
    """One index's part: visible, then unchanged, then installable."""

    def __init__(
        self,
        index: Index,
        release: Release,
        plan: Plan,
        outside: Outside,
        expected: tuple[Expected, ...],
    ) -> None:
        self._index = index
        self._release = release
        self._plan = plan
        self._outside = outside
        self._expected = expected
        self._start = outside.clock.monotonic()
        self._deadline = self._start + plan.timeout
        self._failures: list[tuple[Verdict, Problem]] = []

    async def run(self) -> list[tuple[Verdict, Problem]]:
        """What failed, nothing where all is proven."""
        page = await self._visible()
        if page is None:
            return self._failures
        for file in self._expected:
            name = file.distribution.filename
            self._outside.report(FileListed(self._index.url, name, page.files[name].sha256))
        self._warn_of_extra_files(page)
        self._judge_missing_hashes(page)
        if self._plan.until is Until.LISTED:
            return self._failures
        await self._verify_bytes(page)
        if self._plan.until is Until.INSTALLABLE and not self._failures:
            await self._verify_client()
        return self._failures

    def _fail(
        self, verdict: Verdict, code: Code, message: str, remedy: str, filename: str | None = None
    ) -> None:
        problem = Problem(code, message, remedy, filename=filename, index=self._index.url)
        self._failures.append((verdict, problem))

    def _warn(self, code: Code, message: str, remedy: str) -> None:
        problem = Problem(code, message, remedy, severity="warning", index=self._index.url)
        self._outside.report(ProblemFound(problem))

    def _left(self) -> float:
        return max(self._deadline - self._outside.clock.monotonic(), 0.0)

    async def _visible(self) -> ProjectPage | None:
        """Wait until the page lists every file; None where that failed."""
        clock, url = self._outside.clock, self._index.url
        self._outside.report(WaitStarted(url, self._plan.timeout))
        watch = Watch(
            {file.distribution.filename: file.sha256 for file in self._expected},
            self._start,
            self._deadline,
        )
        while True:
            seen = Observation("unknown", detail="no answer before the time was up")
            with anyio.move_on_after(max(self._left(), 1.0)):
                seen = await self._index.look(self._release.identity.name, PIP)
            step = watch.observe(seen, clock.monotonic())
            edge = dict(seen.edge) if seen.edge else None
            match step:
                case Visible():
                    waited = clock.monotonic() - self._start
                    self._outside.report(BecameVisible(url, PIP.name, watch.requests, waited, edge))
                    return seen.page
                case LookAgain(after):
                    self._report_look(watch, edge)
                    await clock.sleep(after)
                case Denied():
                    self._report_look(watch, edge)
                    self._fail(
                        Verdict.NOT_VISIBLE,
                        Code.INDEX_DENIED,
                        f"{url} refuses to be read ({seen.detail}); the files were uploaded.",
                        "Give this index credentials (poetry config http-basic.<source name>"
                        " <user>) and run the same command again.",
                    )
                    return None
                case Wrong(filenames):
                    self._report_look(watch, edge)
                    self._report_other_hashes(seen.page, filenames)
                    return None
                case _:
                    self._report_look(watch, edge)
                    self._report_not_listed(watch)
                    return None

    def _report_look(self, watch: Watch, edge: dict[str, str] | None) -> None:
        self._outside.report(
            Looked(
                self._index.url,
                PIP.name,
                watch.requests,
                watch.missing.absent,
                watch.last.detail,
                edge,
            )
        )

    def _report_not_listed(self, watch: Watch) -> None:
        detail = f" (last: {watch.last.detail})" if watch.last.detail else ""
        remedy = (
            "If the index has moved there, name its new address with --index."
            if watch.last.state == "moved"
            else "Run the same command again to go on waiting: nothing is sent twice. Raise"
            " --timeout if this index is always that slow."
        )
        self._fail(
            Verdict.NOT_VISIBLE,
            Code.NOT_LISTED_IN_TIME,
            f"{self._index.url} did not list {', '.join(watch.missing.absent)} within"
            f" {self._plan.timeout:.0f} s{detail}. The upload itself is done.",
            remedy,
        )

    def _report_other_hashes(self, page: ProjectPage | None, filenames: tuple[str, ...]) -> None:
        files = page.files if page else {}
        for file in self._expected:
            name = file.distribution.filename
            if name in filenames:
                self._fail(
                    Verdict.VERIFICATION_FAILED,
                    Code.OTHER_HASH_LISTED,
                    f"{self._index.url} lists {name} with sha256 {files[name].sha256}, but"
                    f" {file.sha256} was published.",
                    "Do not use this release from there: find out what stands between the"
                    " repository and this index.",
                    name,
                )

    def _warn_of_extra_files(self, page: ProjectPage) -> None:
        ours = {file.distribution.filename for file in self._expected}
        identity = self._release.identity
        extra = sorted(
            name
            for name in page.files
            if name not in ours and belongs_to(name, identity.name, identity.version)
        )
        shown = ", ".join(extra[:_NAMES_SHOWN]) + (" and more" if extra[_NAMES_SHOWN:] else "")
        if extra:
            self._warn(
                Code.EXTRA_FILE,
                f"{self._index.url} lists more files of this version than are in the dist folder:"
                f" {shown}. They were not checked.",
                "Nothing is to be done where another job published them.",
            )

    def _judge_missing_hashes(self, page: ProjectPage) -> None:
        """Without a sha256 a listing proves nothing; the bytes themselves may still do so."""
        names = [file.distribution.filename for file in self._expected]
        bare = [name for name in names if page.files[name].sha256 is None]
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

    async def _verify_bytes(self, page: ProjectPage) -> None:
        """Download every file from where the page says it is, and compare."""
        limiter = anyio.CapacityLimiter(_DOWNLOADS_AT_ONCE)

        async def verify(file: Expected) -> None:
            async with limiter:
                await self._verify_one(file, page.files[file.distribution.filename])

        async with anyio.create_task_group() as group:
            for file in self._expected:
                group.start_soon(verify, file)

    async def _verify_one(self, file: Expected, listed: IndexFile) -> None:
        name, pause = file.distribution.filename, 1.0
        fetched: Fetched | NotFetched
        while True:
            fetched = NotFetched("it did not come before the time was up")
            with anyio.move_on_after(max(self._left(), 1.0)):
                fetched = await self._index.fetch(listed, limit=file.size)
            if isinstance(fetched, Fetched) or fetched.final or self._left() == 0.0:
                break
            await self._outside.clock.sleep(min(pause, max(self._left(), 0.1)))
            pause = min(pause * 1.5, 10.0)
        if isinstance(fetched, NotFetched):
            self._fail(
                Verdict.NOT_VISIBLE,
                Code.NOT_FETCHED_IN_TIME,
                f"{self._index.url} lists {name}, but the file does not come: {fetched.detail}.",
                "Run the same command again later: nothing is sent twice.",
                name,
            )
        elif fetched.sha256 != file.sha256 or fetched.cut:
            found = "a longer file" if fetched.cut else f"sha256 {fetched.sha256}"
            self._fail(
                Verdict.VERIFICATION_FAILED,
                Code.OTHER_BYTES_SERVED,
                f"{self._index.url} serves other bytes as {name}: {found}"
                f" ({fetched.size} bytes read) instead of sha256 {file.sha256}.",
                "Do not use this release from there: find out what stands between the"
                " repository and this index.",
                name,
            )
        else:
            self._outside.report(FileVerified(self._index.url, name, fetched.sha256, "http"))

    async def _verify_client(self) -> None:
        """Have a real client download every wheel."""
        client = self._outside.client
        wheels = [file for file in self._expected if file.distribution.parsed.kind == "wheel"]
        if not wheels:
            self._warn(
                Code.NOT_INSTALLABLE_BY_NATURE,
                "installable is not applicable: the release has no wheel, and building an sdist"
                " would prove more than the index.",
                "Nothing is to be done, unless a wheel was meant to be there.",
            )
        if client is not None:
            for file in wheels:
                await self._verify_wheel(client, file)

    async def _verify_wheel(self, client: Client, file: Expected) -> None:
        name, parsed = file.distribution.filename, file.distribution.parsed
        target = pip_target(parsed, file.distribution.raw_metadata.get("requires_python"))
        if target is None:
            self._fail(
                Verdict.VERIFICATION_FAILED,
                Code.CLIENT_CANNOT_INSTALL,
                f"No Python fits both the tags of {name} and its Requires-Python.",
                "Mend requires-python or the wheel's tags and publish a new version.",
                name,
            )
            return
        wheel = WheelWanted(name, file.sha256, parsed.name, str(parsed.version), target)
        got: ClientFile | ClientFailure | ClientAbstains = ClientFailure("it was not asked")
        for attempt in range(_CLIENT_TRIES):
            got = await client.download(wheel, self._index.url, max(self._left(), 30.0))
            if not isinstance(got, ClientFailure) or self._left() == 0.0:
                break
            await self._outside.clock.sleep(min(2.0**attempt, self._left()))
        published = {each.distribution.filename: each.sha256 for each in self._expected}
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
                f"{client.name} cannot download {name} from {self._index.url}: {got.detail}",
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
            self._outside.report(FileVerified(self._index.url, name, got.sha256, client.name))
