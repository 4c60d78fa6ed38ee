"""Polling: wait until one index shows a release to every client."""

from collections.abc import Callable, Iterator, Mapping

import anyio
import anyio.abc

from poetry_publish_verified.core.events import (
    BecameVisible,
    NotYetVisible,
    ProblemFound,
    Rechecked,
    WaitStarted,
)
from poetry_publish_verified.core.problems import verification as problems
from poetry_publish_verified.core.simple.page import ProjectPage
from poetry_publish_verified.core.variants import (
    UNSEEN,
    Variant,
    told_apart,
    variants,
    version_variant,
)
from poetry_publish_verified.core.visibility import (
    SHORTEST_PAUSE,
    End,
    LookAgain,
    Observation,
    Watch,
)
from poetry_publish_verified.errors import Problem, ReleaseError, Verdict
from poetry_publish_verified.release.interfaces import ExpectedRelease, Index, VerifyContext

# Every answer gets at least this long, even after the deadline.
_LAST_ANSWER = 1.0
# A connection takes up to three, of which the answer to the last look took about one. It is not
# opened much earlier, as a server with one worker serves nobody else meanwhile.
_ROUND_TRIPS = 3


class IndexPoller:
    """Polls one index as each client sees it.

    After `run`, and after `still_there`, `pages` holds the complete page by the variant
    that saw it, and `failures` what went wrong, empty if all see the release.
    """

    def __init__(
        self,
        index: Index,
        expected: ExpectedRelease,
        context: VerifyContext,
        deadline: float,
        on_seen: Callable[[Mapping[str, ProjectPage]], None] = lambda _: None,
    ) -> None:
        """`deadline` is a moment of the run's clock.

        `on_seen` gets the pages once each client has seen the release; it may be gone again.
        """
        self._index = index
        self._expected = expected
        self._plan = context.plan
        self._context = context
        self._clock = context.clock
        self._deadline = deadline
        self._start = context.clock.monotonic()
        self._asked = variants(context.plan.clients, context.encodings, pypi=index.pypi)
        self._relapses = 0
        self._watches: dict[str, Watch] = {}
        self._variants: dict[str, Variant] = {}
        self._asking: dict[str, anyio.Event] = {}
        self._on_seen = on_seen
        # When the last answer to each variant came.
        self._looked: dict[str, float] = {}
        # How many seconds before the next one a new connection is opened.
        self._lead: dict[str, float] = {}
        # The first complete page of each variant.
        self._seen: dict[str, ProjectPage] = {}
        self._late: list[str] = []
        # What the index's root said, where that is that there is none.
        self._no_root: str | None = None
        self._root_asked = False
        self._warned = False
        # What the index's copies differ by, as its last page said.
        self._vary: frozenset[str] | None = None
        self.pages: dict[str, ProjectPage] = {}
        self.failures: list[ReleaseError] = []

    @property
    def relapses(self) -> int:
        """How often a client missed what it had seen before."""
        return max((watch.relapses for watch in self._watches.values()), default=self._relapses)

    async def run(self) -> bool:
        """Wait; whether every client sees the release."""
        names = tuple(variant.name for variant in self._asked)
        self._context.report(WaitStarted(self._index.url, self._plan.timeout, names))
        if not self._expected.uploaded and not await self._is_uploaded():
            return False
        return await self._see_it()

    async def still_there(self, expected: ExpectedRelease) -> bool:
        """Take one last look as every client; if one sees an old page again, the wait goes on.

        `expected` may know more about the files than the wait did.
        """
        self._expected = expected
        gone = 0

        async def look(name: str) -> None:
            nonlocal gone
            at = self._looked[name] + SHORTEST_PAUSE
            await self._sleep_until(at - self._lead[name])
            seen = await self._look(self._variants[name], LookAgain(at, fresh=True))
            self._watches[name].requests += 1
            self._context.report(Rechecked(self._index.url, name, self._watches[name].requests))
            if seen.page is not None and expected.expectation.judge(seen.page).satisfied:
                self.pages[name] = seen.page
            elif seen.page is not None or seen.state in {"absent", "moved"}:
                gone += 1

        async with anyio.create_task_group() as group:
            for name in tuple(self.pages):
                group.start_soon(look, name)
        if not gone:
            return True
        self._relapses += 1
        return await self._see_it()

    async def _see_it(self) -> bool:
        """Poll until every client sees it; start over if it disappears for one meanwhile."""
        while True:
            before = self._relapses
            self.pages.clear()
            async with anyio.create_task_group() as group:
                for variant in self._asked:
                    self._begin(variant, group)
            self._tell_late()
            if self.failures:
                return False
            self._relapses = self.relapses
            if self._relapses == before:
                return True

    async def _is_uploaded(self) -> bool:
        """Wait, by a copy that no client reads, until the index has anything of the release."""
        watch = self._watch(UNSEEN)
        while True:
            await self._until_due(UNSEEN, watch)
            seen = await self._look(UNSEEN, watch.next)
            if seen.page is not None and not self._expected.expectation.judge(seen.page).absent:
                del self._watches[UNSEEN.name]
                return True
            step = watch.observe(seen, self._clock.monotonic())
            if isinstance(step, LookAgain):
                self._tell_look(UNSEEN, watch)
                await self._ask_for_the_root(seen)
            else:
                self._end(UNSEEN, watch, step)
                self._tell_late()
            if self.failures:
                return False

    def _watch(self, variant: Variant) -> Watch:
        self._variants[variant.name] = variant
        self._watches[variant.name] = watch = Watch(
            self._expected.expectation,
            self._clock.monotonic(),
            self._deadline,
            self._context.jitter,
            self._relapses,
        )
        return watch

    def _begin(self, variant: Variant, group: anyio.abc.TaskGroup) -> None:
        group.start_soon(self._follow, variant, self._watch(variant), group)

    async def _follow(self, variant: Variant, watch: Watch, group: anyio.abc.TaskGroup) -> None:
        while True:
            await self._until_due(variant, watch)
            seen = await self._look(variant, watch.next)
            step = watch.observe(seen, self._clock.monotonic())
            if seen.state == "page":
                self._vary = seen.vary
            self._note(variant, seen, watch)
            if isinstance(step, LookAgain):
                self._tell_look(variant, watch)
                if not step.fresh:
                    self._share(variant, seen)
                    await self._ask_for_the_root(seen)
            elif step == "visible" and seen.page is not None:
                self._tell_visible(variant, watch, seen.page)
                self._warn_of_copies_by_user_agent(seen)
                if variant.name == "poetry" and self._reads_versions(seen):
                    self._begin(version_variant(self._context.encodings), group)
                return
            else:
                self._end(variant, watch, step)
            if self.failures:
                group.cancel_scope.cancel()
            if not isinstance(step, LookAgain):
                return

    def _note(self, variant: Variant, seen: Observation, watch: Watch) -> None:
        """Say so once each client has seen the release, if nobody missed it again before."""
        if seen.page is None or not watch.judgement.satisfied or variant.name in self._seen:
            return
        self._seen[variant.name] = seen.page
        if all(each.name in self._seen for each in self._asked) and not self.relapses:
            self._on_seen(dict(self._seen))

    async def _until_due(self, variant: Variant, watch: Watch) -> None:
        """Sleep until the next look, which moves when another variant sees the same copy.

        The connection for one that needs a new one is opened before.
        """
        while True:
            if watch.next.fresh:
                await self._sleep_until(watch.next.at - self._lead[variant.name])
                return
            if watch.next.at > self._clock.monotonic():
                await self._sleep_until(watch.next.at)
                continue
            other = self._who_asks_for_the_same(variant)
            if other is None:
                return
            await other.wait()

    async def _sleep_until(self, at: float) -> None:
        rest = at - self._clock.monotonic()
        if rest > 0:
            await self._clock.sleep(rest)

    def _who_asks_for_the_same(self, variant: Variant) -> anyio.Event | None:
        for name, answered in self._asking.items():
            if not told_apart(variant, self._variants[name], self._vary):
                return answered
        return None

    async def _look(self, variant: Variant, look: LookAgain) -> Observation:
        seen = Observation("unknown", detail="no answer in time")
        expected, begun = self._expected, self._clock.monotonic()

        async def until_it_may_ask() -> None:
            nonlocal begun
            await self._sleep_until(look.at)
            begun, self._asking[variant.name] = self._clock.monotonic(), anyio.Event()

        try:
            left = self._deadline - self._clock.monotonic()
            with anyio.move_on_after(max(left, _LAST_ANSWER)):
                if not look.fresh:
                    await until_it_may_ask()
                seen = await self._index.look(
                    expected.name,
                    str(expected.version),
                    variant,
                    fresh=look.fresh,
                    before=until_it_may_ask if look.fresh else None,
                    # The last look is made, however long the server asks to wait.
                    patience=max(left - _LAST_ANSWER, 0.0),
                )
        finally:
            now = self._clock.monotonic()
            self._lead[variant.name] = min(_ROUND_TRIPS * (now - begun), SHORTEST_PAUSE)
            self._looked[variant.name] = now
            if answered := self._asking.pop(variant.name, None):
                answered.set()
        return seen

    def _share(self, variant: Variant, seen: Observation) -> None:
        """Tell the variants that read the same copy what it lacks; each must see it whole itself.

        `Vary` may be wrong, or name what a cache does not vary by.
        """
        if seen.state not in {"page", "absent"}:
            return
        now = self._clock.monotonic()
        for name, watch in self._watches.items():
            if name == variant.name or name in self.pages or watch.next.fresh:
                continue
            if not told_apart(variant, self._variants[name], self._vary or seen.vary):
                watch.overhear(seen, now)

    async def _ask_for_the_root(self, seen: Observation) -> None:
        """Where there is no page of the project, there may be no index at all.

        Some indexes have no root page (simpleindex), so this alone does not end the wait.
        """
        known = self._index.certain or seen.refers
        if seen.state != "absent" or known or self._root_asked:
            return
        self._root_asked = True
        state, said = await self._index.root()
        if state != "none":
            return
        self._no_root = said
        if not self._expected.uploaded:  # before an upload, this was said at the first look
            problem = problems.perhaps_no_index(self._index.url, said)
            self._context.report(ProblemFound(problem))

    def _reads_versions(self, seen: Observation) -> bool:
        """Whether Poetry takes its links from the version's own JSON page, as it does on PyPI."""
        return self._index.pypi or "x-pypi-last-serial" in (seen.edge or {})

    def _end(self, variant: Variant, watch: Watch, step: End) -> None:
        match step:
            case "denied":
                problem = problems.denied(self._index.url, watch.last.detail, self._index.name)
                if watch.last.untrusted:
                    problem = self._unreadable(watch)
                if not self.failures:
                    self._fail(Verdict.NOT_VISIBLE, problem)
            case "wrong":
                for fault in watch.judgement.faults:
                    problem = problems.page_fault(
                        self._index.url, fault.code, fault.words, fault.filename
                    )
                    self._fail(Verdict.VERIFICATION_FAILED, problem)
            case "late":
                self._late.append(variant.name)
        if step != "not-offered":
            self._tell_look(variant, watch)

    def _tell_look(self, variant: Variant, watch: Watch) -> None:
        now, expires = self._clock.monotonic(), watch.expires_at
        self._context.report(
            NotYetVisible(
                self._index.url,
                variant.name,
                watch.requests,
                watch.judgement.absent,
                watch.last.detail or "; ".join(watch.judgement.flaws),
                watch.last.edge,
                max(watch.next.at - now, 0.0),
                None if expires is None else max(expires - now, 0.0),
            )
        )

    def _tell_visible(self, variant: Variant, watch: Watch, page: ProjectPage) -> None:
        self.pages[variant.name] = page
        looks, waited = watch.requests, self._clock.monotonic() - self._start
        seen = BecameVisible(self._index.url, variant.name, looks, waited, watch.last.edge)
        self._context.report(seen)

    def _warn_of_copies_by_user_agent(self, seen: Observation) -> None:
        """There is one copy per client version, and ours proves nothing about the others."""
        edge = {"age", "x-cache", "x-served-by", "via"} & set(seen.edge or {})
        if self._warned or "user-agent" not in (seen.vary or ()) or not edge:
            return
        self._warned = True
        problem = problems.copies_by_user_agent(self._index.url)
        self._context.report(ProblemFound(problem))

    def _tell_late(self) -> None:
        if not self._late or self.failures:
            return
        watches = [self._watches[name] for name in self._late]
        missing = list(dict.fromkeys(name for w in watches for name in w.judgement.absent))
        if self._no_root is not None and all(watch.always_absent for watch in watches):
            problem = problems.no_index(self._index.url, self._no_root, self._plan.timeout)
            self._fail(Verdict.NOT_VISIBLE, problem)
            return
        if all(watch.errors == watch.requests for watch in self._watches.values()):
            self._fail(Verdict.NOT_VISIBLE, self._unreadable(watches[0]))
            return
        flaws = list(dict.fromkeys(flaw for w in watches for flaw in w.judgement.flaws))
        last = max(watches, key=lambda watch: (watch.expires_at or 0.0, bool(watch.last.detail)))
        what, details = ", ".join(missing) or "the release", self._details(watches, last)
        if flaws:
            problem = problems.listed_improperly(
                self._index.url, what, self._plan.timeout, [*flaws, *details]
            )
        else:
            moved = last.last.state == "moved"
            problem = problems.not_listed_in_time(
                self._index.url, what, self._plan.timeout, details, moved=moved
            )
        self._fail(Verdict.NOT_VISIBLE, problem)

    def _unreadable(self, watch: Watch) -> Problem:
        waited = self._clock.monotonic() - self._start
        url, name, last = self._index.url, self._index.name, watch.last
        return problems.unreadable(url, last.detail, waited, name=name, malformed=last.malformed)

    def _details(self, watches: list[Watch], last: Watch) -> Iterator[str]:
        """What is known about why the release was not listed; `last` is the best-informed watch."""
        return problems.why_not_listed(
            () if UNSEEN.name in self._late else self._late,
            last.last.detail,
            errors=sum(watch.errors for watch in watches),
            requests=sum(watch.requests for watch in watches),
            relapses=max(watch.relapses for watch in watches),
            rest=last.rest,
            expires_in=(last.expires_at or 0.0) - self._clock.monotonic(),
        )

    def _fail(self, verdict: Verdict, problem: Problem) -> None:
        self.failures.append(ReleaseError(verdict, problem))
