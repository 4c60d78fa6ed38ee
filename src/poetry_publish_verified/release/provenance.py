"""The provenance of a release's files on one index: fetched, and verified (PEP 740)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import anyio

from poetry_publish_verified.core import events
from poetry_publish_verified.core.problems import provenance as problems
from poetry_publish_verified.core.provenance import Attested, NotVerifiable, Unverified, judge
from poetry_publish_verified.core.simple.page import ProjectPage
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.core.verification import NotDownloaded
from poetry_publish_verified.errors import Problem, ReleaseError, Severity, Verdict
from poetry_publish_verified.release.interfaces import (
    ExpectedRelease,
    Index,
    ProvenanceCheck,
    VerifyContext,
)

_AT_ONCE = 4
_LAST_ANSWER = 1.0
_LONGEST_PAUSE = 30.0
# Where nobody asked for provenance, nobody waits long for it.
_IF_NOT_REQUIRED = 30.0


@dataclass(slots=True)
class Provenances:
    """Verifies those of one release on one index, until a moment of the run's clock."""

    _index: Index
    _expected: ExpectedRelease
    _context: VerifyContext
    _check: ProvenanceCheck
    _deadline: float
    _failures: list[ReleaseError] = field(default_factory=list)
    # By file name; empty if the page gives an invalid one.
    _urls: dict[str, str] = field(default_factory=dict)
    _looking: anyio.Lock = field(default_factory=anyio.Lock)
    _looked: float = 0.0
    _limiter: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(_AT_ONCE))

    async def verify(
        self, digests: Mapping[str, str], pages: Iterable[ProjectPage]
    ) -> list[ReleaseError]:
        """The failures; none if everything is proven. `digests` are sha256 by file name."""
        if not self._check.required:
            patience = min(self._left(), _IF_NOT_REQUIRED)
            self._deadline = self._context.clock.monotonic() + patience
        self._looked = self._context.clock.monotonic()
        for page in pages:
            self._read(page)
        async with anyio.create_task_group() as group:
            for filename, sha256 in digests.items():
                group.start_soon(self._follow, filename, sha256)
        return self._failures

    def _read(self, page: ProjectPage) -> None:
        """Not every page has them: PyPI's page of one version, which Poetry reads, has none."""
        for filename, file in page.files.items():
            if file.provenance is not None:
                self._urls[filename] = self._urls.get(filename) or file.provenance

    def _left(self) -> float:
        return max(self._deadline - self._context.clock.monotonic(), 0.0)

    async def _follow(self, filename: str, sha256: str) -> None:
        """Until the provenance of a file is there; once, if it is not required."""
        pause, said = 1.0, ""
        while True:
            detail = await self._once(filename, sha256)
            if detail is None or not self._check.required:
                return
            if self._left() == 0.0:
                timeout = self._context.plan.timeout
                problem = problems.no_provenance(self._index.url, filename, detail, timeout)
                self._failures.append(ReleaseError(Verdict.NOT_VISIBLE, problem))
                return
            if detail != said:
                self._context.report(events.ProvenanceAwaited(self._index.url, filename, detail))
            said = detail
            await self._context.clock.sleep(min(pause, max(self._left(), 0.1)))
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            if not self._urls.get(filename):
                await self._look_again(pause)

    async def _look_again(self, pause: float) -> None:
        """Look for missing links, once for all files, by a copy that no client reads."""
        async with self._looking:
            now = self._context.clock.monotonic()
            if now - self._looked < min(pause, self._left()) / 2:
                return
            self._looked = now
            with anyio.move_on_after(max(self._left(), _LAST_ANSWER)):
                name, version = self._expected.name, str(self._expected.version)
                patience = max(self._left() - _LAST_ANSWER, 0.0)
                seen = await self._index.look(name, version, UNSEEN, patience=patience)
                if seen.page is not None:
                    self._read(seen.page)

    async def _once(self, filename: str, sha256: str) -> str | None:
        """Verify the provenance of a file; what keeps it from being there, None if nothing does."""
        url = self._urls.get(filename)
        if not url:
            return "its page links to none" if url is None else "its page has an invalid link to it"
        got: bytes | NotDownloaded = NotDownloaded("no complete answer in time")
        async with self._limiter:
            patience = max(self._left() - _LAST_ANSWER, 0.0)
            with anyio.move_on_after(max(self._left(), _LAST_ANSWER)):
                got = await self._index.provenance(url, patience=patience)
            if isinstance(got, bytes):
                found = await self._check.verifier.verify(got, filename, sha256)
            elif got.final:
                found = (Unverified("malformed", got.detail.removeprefix("it ")),)
            else:
                return got.detail
        index, severity = self._index.url, self._severity
        if isinstance(found, NotVerifiable):
            problem = problems.not_verifiable(index, filename, found.reason, severity)
            self._tell(problem, Verdict.NOT_VISIBLE)
            return None
        wrong = judge(index, filename, found, self._check.publishers, severity)
        for each in found:
            if isinstance(each, Attested):
                who = (str(each.identity), each.predicate, each.log_index)
                report = events.ProvenanceChecked(index, filename, *who, verified=wrong is None)
                self._context.report(report)
        if wrong is not None:
            self._tell(wrong, Verdict.VERIFICATION_FAILED)
        return None

    @property
    def _severity(self) -> Severity:
        return "error" if self._check.required or self._context.plan.strict else "warning"

    def _tell(self, problem: Problem, verdict: Verdict) -> None:
        if problem.severity == "warning":
            self._context.report(events.ProblemFound(problem))
        else:
            self._failures.append(ReleaseError(verdict, problem))
