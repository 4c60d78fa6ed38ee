"""Proving: every index lists the release and serves it, and real clients can get it."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

import anyio

from poetry_publish_verified.core import events
from poetry_publish_verified.core.expectation import AnyFiles, ExactFiles, ExpectedFile, not_offered
from poetry_publish_verified.core.problems import verification as problems
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.simple.page import ProjectPage
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.release.interfaces import ExpectedRelease, Index, VerifyContext
from poetry_publish_verified.release.poll import IndexPoller
from poetry_publish_verified.release.provenance import Provenances
from poetry_publish_verified.release.verify import Downloads, Verification


async def prove_everywhere(expected: ExpectedRelease, context: VerifyContext) -> None:
    """Poll and verify all indexes concurrently; raises ReleaseError with everything that failed."""
    proof = _Proof(expected, context)
    if isinstance(expected.expectation, AnyFiles):
        await proof.find_the_files()
    await proof.prove()
    proof.note_what_cannot_be_proven()


class _Proof:
    """One release, on every index.

    Others than the repository's own are asked once that shows the release: a mirror that is asked
    too early keeps the old page for its whole expiry, for everyone.
    """

    def __init__(self, expected: ExpectedRelease, context: VerifyContext) -> None:
        self._expected = expected
        self._context = context
        self._deadline = context.clock.monotonic() + context.plan.timeout
        self._downloads = Downloads()
        self._own_is_known = anyio.Event()
        self._own_shows_it = False
        # Those that saw the release as every client, by the URL of their index.
        self._pollers: dict[str, IndexPoller] = {}
        self._failures: list[ReleaseError] = []

    async def find_the_files(self) -> None:
        """If only name and version are known, all indexes must list what one of them lists."""
        await self._on_every_index(self._wait)
        found: dict[str, ExpectedFile] = {}
        for page in (page for each in self._pollers.values() for page in each.pages.values()):
            for file in self._expected.expectation.files(page):
                if found.setdefault(file.filename, file).sha256 is None:
                    found[file.filename] = file
        files = tuple(found[name] for name in sorted(found))
        facts = tuple(events.FileFacts(file.filename, file.size, file.sha256) for file in files)
        self._context.report(events.DistributionsRead(facts))
        self._expected = replace(self._expected, expectation=ExactFiles(files))

    async def prove(self) -> None:
        await self._on_every_index(self._prove)

    def note_what_cannot_be_proven(self) -> None:
        """An sdist would have to be built, which tests more than the index."""
        pages = [page for each in self._pollers.values() for page in each.pages.values()]
        files = [file for page in pages for file in self._expected.expectation.files(page)]
        sdists_alone = not any(file.parsed.kind == "wheel" for file in files)
        if self._context.plan.until is Until.INSTALLABLE and sdists_alone:
            self._context.report(events.ProblemFound(problems.nothing_to_install()))

    async def _on_every_index(self, work: Callable[[Index], Coroutine[Any, Any, object]]) -> None:
        """Do the work for all at once; raises ReleaseError with everything that failed."""
        async with anyio.create_task_group() as group:
            if self._context.own not in self._context.indexes and not self._own_is_known.is_set():
                group.start_soon(self._watch_own)
            for index in self._context.indexes:
                group.start_soon(work, index)
        if self._failures:
            raise ReleaseError.combine(self._failures)

    async def _prove(self, index: Index) -> None:
        held = _HeldBack(self._context.report)
        verification, has_begun = self._verification(index, held), False
        async with anyio.create_task_group() as group:

            def begin(pages: Mapping[str, ProjectPage]) -> None:
                nonlocal has_begun
                has_begun = True
                group.start_soon(verification.run, pages)

            poller = await self._wait(index, begin)
            if poller is None or poller.relapses:
                group.cancel_scope.cancel()
            else:
                held.release()
        if poller is None:
            self._context.report(events.IndexEnded(index.url, proven=False))
            return
        if poller.relapses or not has_begun:
            # What was downloaded early may have come from a server that lacked the release.
            self._downloads = Downloads() if has_begun else self._downloads
            verification = self._verification(index, self._context.report)
            await verification.run(poller.pages)
        await self._end(index, poller, verification)

    def _verification(self, index: Index, report: Callable[[events.Event], None]) -> Verification:
        context = replace(self._context, report=report)
        return Verification(index, self._expected, context, self._deadline, self._downloads)

    async def _end(self, index: Index, poller: IndexPoller, verification: Verification) -> None:
        """Look once more after everything else, and say whether the index is proven."""
        failures = verification.failures
        check = self._context.provenance
        if check is not None and not failures:
            digests = verification.digests(poller.pages)
            provenances = Provenances(index, self._expected, self._context, check, self._deadline)
            failures = await provenances.verify(digests, poller.pages.values())
        # Another server of the index may answer by now, or a copy may be old again.
        downloaded = self._context.plan.until is not Until.LISTED and not failures
        if downloaded and await poller.still_there(self._expected):
            failures = await verification.follow_links(poller.pages)
        elif downloaded:
            failures = poller.failures
        self._failures += failures
        page = next(iter(poller.pages.values()))
        lacking = tuple(not_offered(page, self._expected.expectation.files(page)))
        self._context.report(events.IndexEnded(index.url, proven=not failures, not_offered=lacking))

    async def _wait(
        self, index: Index, on_seen: Callable[[Mapping[str, ProjectPage]], None] = lambda _: None
    ) -> IndexPoller | None:
        """What has seen the complete pages; None if any variant sees none."""
        judge = self._expected.expectation.judge
        known = self._pollers.get(index.url)
        if known and all(judge(page).satisfied for page in known.pages.values()):
            return known
        if index is not self._context.own:
            await self._own_is_known.wait()
            if not self._own_shows_it:
                return None
        poller = IndexPoller(index, self._expected, self._context, self._deadline, on_seen)
        if not await self._run(poller, own=index is self._context.own):
            return None
        self._pollers[index.url] = poller
        return poller

    async def _watch_own(self) -> None:
        """Poll the repository's own index, where it need not show the release to all clients."""
        plan = replace(self._context.plan, clients=("pip",))
        quiet = replace(self._context, plan=plan, report=lambda _: None)
        poller = IndexPoller(quiet.own, self._expected, quiet, self._deadline)
        await self._run(poller, own=True)

    async def _run(self, poller: IndexPoller, *, own: bool) -> bool:
        """Whether it sees the release; if it is on the repository's own index, others may go on."""
        shown = await poller.run()
        self._failures += poller.failures
        if own:
            self._own_shows_it = shown
            self._own_is_known.set()
        return shown


class _HeldBack:
    """What is reported before it is known to count."""

    def __init__(self, report: Callable[[events.Event], None]) -> None:
        self._report = report
        self._events: list[events.Event] | None = []

    def __call__(self, event: events.Event) -> None:
        """Report it, or keep it until then."""
        if self._events is None:
            self._report(event)
        else:
            self._events.append(event)

    def release(self) -> None:
        """Report what was kept, and from now on everything at once."""
        kept, self._events = self._events or [], None
        for event in kept:
            self._report(event)
