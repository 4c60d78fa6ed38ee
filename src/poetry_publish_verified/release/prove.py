"""Proving: every index lists the release and serves it, and real clients can get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import anyio
import anyio.abc

from poetry_publish_verified.core.events import (
    DistributionsRead,
    FileFacts,
    IndexEnded,
    ProblemFound,
)
from poetry_publish_verified.core.expectation import AnyFiles, ExactFiles, ExpectedFile, not_offered
from poetry_publish_verified.core.problems import verification as problems
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.simple import ProjectPage
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.release.interfaces import ExpectedRelease, Index, Plan, VerifyContext
from poetry_publish_verified.release.poll import IndexPoller
from poetry_publish_verified.release.verify import Downloads, Verification

Pages = Mapping[str, ProjectPage]


async def prove_everywhere(expected: ExpectedRelease, plan: Plan, context: VerifyContext) -> None:
    """Poll and verify all indexes concurrently; raises ReleaseError with everything that failed."""
    proof = _Proof(expected, plan, context)
    if isinstance(expected.expectation, AnyFiles):
        await proof.find_the_files()
    await proof.prove()
    proof.note_what_cannot_be_proven()


class _Proof:
    """One release, on every index."""

    def __init__(self, expected: ExpectedRelease, plan: Plan, context: VerifyContext) -> None:
        self._expected = expected
        self._plan = plan
        self._context = context
        self._deadline = context.clock.monotonic() + plan.timeout
        self._downloads = Downloads()
        self._own = _OwnIndex()
        self._pages: dict[str, Pages] = {}
        self._pollers: dict[str, IndexPoller] = {}
        self._failures: list[ReleaseError] = []

    async def find_the_files(self) -> None:
        """If only name and version are known, all indexes must list what one of them lists."""
        async with anyio.create_task_group() as group:
            self._watch_own(group)
            for index in self._context.indexes:
                group.start_soon(self._wait, index)
        self._settle()
        found: dict[str, ExpectedFile] = {}
        for page in (page for pages in self._pages.values() for page in pages.values()):
            for file in self._expected.expectation.files(page):
                if found.setdefault(file.filename, file).sha256 is None:
                    found[file.filename] = file
        files = tuple(found[name] for name in sorted(found))
        facts = tuple(FileFacts(file.filename, file.size, file.sha256) for file in files)
        self._context.report(DistributionsRead(facts))
        self._expected = replace(self._expected, expectation=ExactFiles(files))

    async def prove(self) -> None:
        """Prove each index as soon as possible."""
        async with anyio.create_task_group() as group:
            self._watch_own(group)
            for index in self._context.indexes:
                group.start_soon(self._prove, index)
        self._settle()

    def note_what_cannot_be_proven(self) -> None:
        """An sdist would have to be built, which tests more than the index."""
        pages = next(iter(self._pages.values()), {})
        files = [f for page in pages.values() for f in self._expected.expectation.files(page)]
        sdists_alone = not any(file.parsed.kind == "wheel" for file in files)
        if self._plan.until is Until.INSTALLABLE and sdists_alone:
            self._context.report(ProblemFound(problems.nothing_to_install()))

    def _settle(self) -> None:
        if self._failures:
            raise ReleaseError.combine(self._failures)

    async def _prove(self, index: Index) -> None:
        pages = await self._wait(index)
        if pages is None:
            self._context.report(IndexEnded(index.url, proven=False))
            return
        page = next(iter(pages.values()))
        files = self._expected.expectation.files(page)
        verification = Verification(
            index, self._expected, files, self._plan, self._context, self._deadline
        )
        failures = await verification.run(pages, self._downloads)
        wait = self._pollers[index.url]
        # Another server of the index may answer by now, or a copy may be old again.
        downloaded = self._plan.until is not Until.LISTED and not failures
        if downloaded and await wait.still_there(self._expected):
            failures = await verification.follow_links(wait.pages, self._downloads)
        elif downloaded:
            failures = wait.failures
        self._failures += failures
        lacking = tuple(not_offered(page, files))
        self._context.report(IndexEnded(index.url, proven=not failures, not_offered=lacking))

    async def _wait(self, index: Index) -> Pages | None:
        """The complete pages, by the variant that saw them; None if any variant has none."""
        judge = self._expected.expectation.judge
        known = self._pages.get(index.url, {})
        if known and all(judge(page).satisfied for page in known.values()):
            return known
        own = index is self._context.own
        if not own and not await self._own.shows_it():
            return None
        wait = IndexPoller(index, self._expected, self._plan, self._context, self._deadline)
        shown = await wait.run()
        self._failures += wait.failures
        if own:
            self._own.settle(shows_it=shown)
        if shown:
            self._pollers[index.url] = wait
            self._pages[index.url] = wait.pages
        return wait.pages if shown else None

    def _watch_own(self, group: anyio.abc.TaskGroup) -> None:
        """Poll the repository's own index, which decides when the others may be asked."""
        if self._context.own not in self._context.indexes and not self._own.settled:
            group.start_soon(self._watch_own_alone)

    async def _watch_own_alone(self) -> None:
        wait = IndexPoller(
            self._context.own,
            self._expected,
            replace(self._plan, clients=("pip",)),
            replace(self._context, report=lambda _: None),
            self._deadline,
        )
        shown = await wait.run()
        self._failures += wait.failures
        self._own.settle(shows_it=shown)


class _OwnIndex:
    """Whether the repository's own index shows the release, once that is known.

    Others are asked only then: a mirror that is asked too early keeps the old page for its whole
    expiry, for everyone.
    """

    def __init__(self) -> None:
        self._known = anyio.Event()
        self._shows_it = False

    @property
    def settled(self) -> bool:
        return self._known.is_set()

    def settle(self, *, shows_it: bool) -> None:
        self._shows_it = shows_it
        self._known.set()

    async def shows_it(self) -> bool:
        await self._known.wait()
        return self._shows_it
