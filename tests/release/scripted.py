"""Scripted collaborators of a release: an index, a repository, a client and a virtual clock."""

from __future__ import annotations

import math
from bisect import insort
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.lowlevel
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.distribution import parse_filename
from poetry_publish_verified.core.events import (
    DistributionsRead,
    Event,
    FileFacts,
    ProblemFound,
    ReleaseStarted,
    RunEnded,
    RunStarted,
    Sources,
    TargetsFound,
)
from poetry_publish_verified.core.former_build import OtherSources
from poetry_publish_verified.core.preflight import Identity
from poetry_publish_verified.core.provenance import Assessment, Attested, NotVerifiable
from poetry_publish_verified.core.publishers import SignerIdentity
from poetry_publish_verified.core.receipt import Receipt
from poetry_publish_verified.core.simple.page import IndexFile, ProjectPage
from poetry_publish_verified.core.upload.outcomes import Answered, NoAnswer
from poetry_publish_verified.core.urls import RepositoryState
from poetry_publish_verified.core.variants import Encodings
from poetry_publish_verified.core.verification import (
    ClientAbstains,
    ClientFailure,
    ClientFile,
    Download,
    NotDownloaded,
    OwnMetadata,
)
from poetry_publish_verified.core.visibility import Observation, RootState
from poetry_publish_verified.errors import Code, Problem, ReleaseError, Verdict
from poetry_publish_verified.release.install import Clients
from poetry_publish_verified.release.interfaces import (
    Plan,
    ProvenanceCheck,
    PublishContext,
    Release,
)
from poetry_publish_verified.release.publish import publish

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from poetry_publish_verified.core.distribution import Distribution, Kind
    from poetry_publish_verified.core.variants import Variant
    from poetry_publish_verified.core.verification import ClientRequest

EventT = TypeVar("EventT")
# More event loop turns than any task here takes before it sleeps or ends.
_TURNS = 25


class VirtualClock:
    """Time that passes only when every task sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waking: list[float] = []
        self._changes = 0

    def monotonic(self) -> float:
        """Seconds since the test began."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Sleep until the other tasks have let this much time pass."""
        end = self.now + seconds
        insort(self._waking, end)
        self._changes += 1
        try:
            while self.now < end:
                changes = self._changes
                for _ in range(_TURNS):
                    await anyio.lowlevel.checkpoint()
                if changes == self._changes and self._waking[0] == end:
                    self.now = end
        finally:
            self._waking.remove(end)
            self._changes += 1


@dataclass
class StoredFile:
    """One file of an index: the hash on its page, what it serves, and since when."""

    sha256: str | None
    served: Download
    since: float = 0.0


@dataclass
class ScriptedIndex:
    """An index that shows each stored file `delay` seconds later.

    Observations in `answers` come first, for the variant of that name, and those in `fetches` for
    the file of that name. `attests` has the URL of each file's provenance, and `documents` what
    comes first from there.
    """

    clock: VirtualClock
    url: str = "https://index.example/simple/"
    delay: float = 0.0
    hides_hashes: bool = False
    shelf: dict[str, StoredFile] = field(default_factory=dict)
    answers: dict[str, list[Observation]] = field(default_factory=lambda: defaultdict(list))
    fetches: dict[str, list[Download | NotDownloaded]] = field(
        default_factory=lambda: defaultdict(list)
    )
    looks: list[tuple[float, str]] = field(default_factory=list)
    fresh: list[bool] = field(default_factory=list)
    limits: list[int | None] = field(default_factory=list)
    algorithms: list[frozenset[str]] = field(default_factory=list)
    certain: bool = True
    guessed: bool = False
    name: str | None = None
    vary: frozenset[str] = frozenset({"accept"})
    pypi: bool = False
    access: Hashable = None
    attests: dict[str, str] = field(default_factory=dict)
    documents: dict[str, list[bytes | NotDownloaded]] = field(
        default_factory=lambda: defaultdict(list)
    )
    root_state: RootState = "there"
    roots: int = 0
    signed_in: list[str] = field(default_factory=list)

    def put(self, distribution: Distribution, *, since: float | None = None) -> StoredFile:
        """Store a file, to be seen after the index's delay."""
        sha256 = None if self.hides_hashes else distribution.sha256
        served = Download(distribution.size, {"sha256": distribution.sha256})
        since = self.clock.now + self.delay if since is None else since
        self.shelf[distribution.filename] = StoredFile(sha256, served, since)
        return self.shelf[distribution.filename]

    def sign_in(self, token: str) -> None:
        """Remember the token."""
        self.signed_in.append(token)

    async def root(self) -> tuple[RootState, str]:
        """The scripted state of the index's root."""
        await anyio.lowlevel.checkpoint()
        self.roots += 1
        return self.root_state, "so the script says"

    async def look(
        self,
        project: str,
        version: str,
        variant: Variant,
        *,
        fresh: bool = False,
        patience: float = math.inf,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> Observation:
        """One observation."""
        if before is not None:
            await before()
        assert version
        assert patience >= 0
        await anyio.lowlevel.checkpoint()
        self.looks.append((self.clock.now, variant.name))
        self.fresh.append(fresh)
        if self.answers[variant.name]:
            return self.answers[variant.name].pop(0)
        files = {
            name: IndexFile(
                name,
                f"https://files.example/{project}/{name}",
                shelved.sha256,
                provenance=self.attests.get(name),
            )
            for name, shelved in self.shelf.items()
            if shelved.since <= self.clock.now
        }
        if not files:
            return Observation("absent", vary=self.vary)
        return Observation("page", ProjectPage(files), vary=self.vary)

    async def fetch(
        self,
        url: str,
        limit: int | None,
        algorithms: frozenset[str] = frozenset(),
        *,
        patience: float = math.inf,
        opened: Kind | None = None,
    ) -> Download | NotDownloaded:
        """What the index serves for a file."""
        assert patience >= 0
        self.algorithms.append(algorithms)
        await anyio.lowlevel.checkpoint()
        self.limits.append(limit)
        filename = url.rsplit("/", 1)[-1]
        if self.fetches[filename]:
            return self.fetches[filename].pop(0)
        served = self.shelf[filename].served
        parsed = parse_filename(filename)
        own = served.metadata or OwnMetadata(parsed.name, str(parsed.version))
        served = replace(served, metadata=own if opened else None)
        if limit is not None and served.size > limit:
            return Download(limit + 1, {"sha256": "cut"}, cut=True)
        return served

    async def provenance(self, url: str, *, patience: float = math.inf) -> bytes | NotDownloaded:
        """The scripted document, else its URL."""
        assert patience >= 0
        await anyio.lowlevel.checkpoint()
        return self.documents[url].pop(0) if self.documents[url] else url.encode()


LANTERNS = SignerIdentity(
    "https://token.actions.githubusercontent.com", "https://github.com/octo/lantern"
)
PUBLISH = "https://index.example/attestations/publish/v1"


@dataclass
class ScriptedVerifier:
    """Assesses documents as scripted: `found` by file name, else the attestation of `by`."""

    by: SignerIdentity = LANTERNS
    found: dict[str, Assessment | NotVerifiable] = field(default_factory=dict)
    asked: list[tuple[bytes, str, str]] = field(default_factory=list)

    async def verify(
        self, document: bytes, filename: str, sha256: str
    ) -> tuple[Assessment, ...] | NotVerifiable:
        """The scripted assessment."""
        await anyio.lowlevel.checkpoint()
        self.asked.append((document, filename, sha256))
        found = self.found.get(filename, Attested(self.by, PUBLISH, 42, "it", confirmed=True))
        return found if isinstance(found, NotVerifiable) else (found,)


@dataclass(frozen=True)
class ScriptedAnswer:
    """How one upload ends: the answer, and whether the file arrived.

    An `early` answer does not wait for the end of the request.
    """

    answer: Answered | NoAnswer
    stored: bool
    early: bool = False


OK = ScriptedAnswer(Answered(200, b"OK"), stored=True)


@dataclass
class ScriptedRepository:
    """A repository that stores uploads on its indexes."""

    shows_on: list[ScriptedIndex]
    name: str = "harbour"
    url: str = "https://upload.example.org/legacy/"
    anonymous: bool = False
    script: list[ScriptedAnswer] = field(default_factory=list)
    scripts: dict[str, list[ScriptedAnswer]] = field(default_factory=dict)
    takes: float = 0.0
    slow: dict[str, float] = field(default_factory=dict)
    stalls: bool = False
    sent: list[str] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    attestations: list[str | None] = field(default_factory=list)
    times: dict[str, tuple[float, float]] = field(default_factory=dict)
    out_of_reach: list[str] = field(default_factory=list)
    redirects: tuple[RepositoryState, str] = ("there", "")
    before: Callable[[Distribution], None] = lambda _: None

    async def state(self) -> tuple[RepositoryState, str]:
        """The scripted state."""
        await anyio.lowlevel.checkpoint()
        if self.out_of_reach:
            return "unreachable", self.out_of_reach.pop(0)
        return self.redirects

    async def upload(
        self,
        distribution: Distribution,
        on_sent: Callable[[int], None],
        token: str | None = None,
        attestation: str | None = None,
        until: Callable[[], Awaitable[object]] | None = None,
    ) -> Answered | NoAnswer:
        """Accept a file as scripted, by default with 200."""
        await anyio.lowlevel.checkpoint()
        self.sent.append(distribution.filename)
        self.tokens.append(token)
        self.attestations.append(attestation)
        on_sent(distribution.size // 2)
        self.before(distribution)
        started = self.shows_on[0].clock.monotonic()
        await anyio.lowlevel.checkpoint()
        takes = self.slow.get(distribution.filename, self.takes)
        for second in range(1, int(takes) + 1):  # those who wait see that it moves
            await self.shows_on[0].clock.sleep(takes / int(takes))
            if second < takes and not self.stalls:
                on_sent(int(distribution.size * (0.5 + second / takes / 2)))
        self.times[distribution.filename] = (started, self.shows_on[0].clock.monotonic())
        on_sent(distribution.size)
        script = self.scripts.get(distribution.filename, self.script)
        says = script.pop(0) if script else OK
        if until is not None and not says.early:
            await until()
        if says.stored:
            self.stored.append(distribution.filename)
            for index in self.shows_on:
                index.put(distribution)
        return says.answer


@dataclass
class ScriptedClient:
    """A client that gets what its index has, unless scripted otherwise."""

    index: ScriptedIndex
    name: str = "pip"
    optional: bool = False
    fault: str | None = None
    script: list[ClientFile | ClientFailure | ClientAbstains] = field(default_factory=list)
    takes: float = 0.0
    asked: list[tuple[ClientRequest, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    resolved: list[ClientRequest] = field(default_factory=list)
    remedy: str | None = None
    caches_asked: list[tuple[ClientRequest, str]] = field(default_factory=list)

    async def prepare(self) -> str | None:
        """The scripted set-up."""
        await anyio.lowlevel.checkpoint()
        return self.fault

    async def resolve(
        self, request: ClientRequest, index_url: str, timeout: float
    ) -> ClientFailure | ClientAbstains | None:
        """Find what the script allows to be downloaded."""
        assert index_url == self.index.url
        assert timeout > 0
        await anyio.lowlevel.checkpoint()
        self.resolved.append(request)
        got = self.script.pop(0) if self.script else None
        return None if isinstance(got, ClientFile) else got

    async def download(
        self, wheel: ClientRequest, index_url: str, timeout: float
    ) -> ClientFile | ClientFailure | ClientAbstains:
        """The first wheel of the index."""
        await anyio.lowlevel.checkpoint()
        assert timeout > 0
        self.asked.append((wheel, index_url))
        self.times.append(self.index.clock.now)
        await self.index.clock.sleep(self.takes)
        if self.script:
            return self.script.pop(0)
        wheels = [name for name in sorted(self.index.shelf) if name.endswith(".whl")]
        return ClientFile(wheels[0], self.index.shelf[wheels[0]].served.sha256)

    async def stale_cache_remedy(
        self, wheel: ClientRequest, index_url: str, timeout: float
    ) -> str | None:
        """The scripted state of the user's own cache."""
        await anyio.lowlevel.checkpoint()
        assert timeout > 0
        self.caches_asked.append((wheel, index_url))
        return self.remedy


@dataclass(frozen=True)
class InMemoryRelease:
    """A release that takes this many seconds to read."""

    release: Release
    clock: VirtualClock
    seconds: float = 0.0

    @property
    def identity(self) -> Identity:
        """Its name and version."""
        return self.release.identity

    async def read(self) -> Release:
        """Read it."""
        await self.clock.sleep(self.seconds)
        return self.release


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its verdict, all problems in order, and its receipt."""

    verdict: Verdict
    problems: tuple[Problem, ...]
    receipt: dict[str, Any]

    @property
    def codes(self) -> list[str]:
        """The problems' codes."""
        return [str(problem.code) for problem in self.problems]

    @property
    def release(self) -> dict[str, Any]:
        """The receipt's only release."""
        (release,) = self.receipt["releases"]
        assert isinstance(release, dict)
        return release

    @property
    def uploads(self) -> dict[str, str]:
        """The upload state of each file, by name."""
        return {file["filename"]: file["upload"] for file in self.release["distributions"]}


class World:
    """Everything that a release is given; all goes well unless a test scripts something else."""

    def __init__(self, *, delay: float = 0.0) -> None:
        """`delay`: seconds until the index shows an upload."""
        self.clock = VirtualClock()
        self.index = ScriptedIndex(self.clock, delay=delay)
        self.indexes = [self.index]
        self.repository = ScriptedRepository(self.indexes)
        self.read_for = 0.0
        self.slots = 32
        self.provenance: ProvenanceCheck | None = None
        self.lost_after = math.inf
        self.client: ScriptedClient = ScriptedClient(self.index)
        self.others: list[ScriptedClient] = []
        self.events: list[Event] = []
        self.receipt = Receipt(
            "poetry-publish-verified", "0", "0", datetime(2026, 1, 1, tzinfo=UTC)
        )

    def another_index(self, url: str, *, delay: float = 0.0) -> ScriptedIndex:
        """Another index that must show the release too."""
        self.indexes.append(ScriptedIndex(self.clock, url, delay))
        return self.indexes[-1]

    def report(self, event: Event) -> None:
        """Take in an event, as the command does."""
        self.events.append(event)
        self.receipt.apply(
            event, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.clock.now)
        )

    def publish(
        self, plan: Plan, *distributions: Distribution, built_before: OtherSources | None = None
    ) -> Outcome:
        """Publish these distributions of lantern 1.0; return the outcome."""
        return anyio.run(
            partial(self.publish_async, plan, *distributions, built_before=built_before)
        )

    async def publish_async(
        self, plan: Plan, *distributions: Distribution, built_before: OtherSources | None = None
    ) -> Outcome:
        """The same, inside an event loop."""
        self.report(RunStarted(plan.until, rehearsal=False, sources=Sources(None, None)))
        self.report(ReleaseStarted("lantern", "1.0", "harbour"))
        self.report(TargetsFound("https://index.example/", tuple(i.url for i in self.indexes)))
        self.report(
            DistributionsRead(tuple(FileFacts(d.filename, d.size, d.sha256) for d in distributions))
        )
        identity = Identity(canonicalize_name("lantern"), Version("1.0"))
        release = Release(identity, distributions, built_before=built_before)
        try:
            source = InMemoryRelease(self.release(release), self.clock, self.read_for)
            verdict = await publish(source, self.context(plan))
        except ReleaseError as error:
            verdict = error.verdict
            for problem in error.problems:
                self.report(ProblemFound(problem))
        except anyio.get_cancelled_exc_class():
            self.report(RunEnded(Verdict.INTERRUPTED))
            raise
        self.report(RunEnded(verdict))
        return self.outcome(verdict)

    async def require_locks(self) -> None:
        """Raise ReleaseError once as many uploads as `lost_after` have been sent."""
        if len(self.repository.sent) >= self.lost_after:
            problem = Problem(Code.LOCK_LOST, "Another run has the lock.", "Let it finish.")
            raise ReleaseError(Verdict.LOCK_LOST, problem)

    def release(self, release: Release) -> Release:
        """The release as it is read."""
        return release

    def context(self, plan: Plan) -> PublishContext:
        """The context that `publish` receives."""
        self.limiter = anyio.CapacityLimiter(self.slots)
        return PublishContext(
            plan=plan,
            repository=self.repository,
            own=self.index,
            indexes=tuple(self.indexes),
            clients=Clients([self.client, *self.others], self.report).ready,
            clock=self.clock,
            report=self.report,
            encodings=Encodings(),
            jitter=lambda: 0.0,
            slots=self.limiter,
            require_locks=self.require_locks,
            provenance=self.provenance,
        )

    def outcome(self, verdict: Verdict) -> Outcome:
        """What is known so far."""
        found = tuple(event.problem for event in self.events if isinstance(event, ProblemFound))
        return Outcome(verdict, found, dict(self.receipt.as_dict()))

    def events_of(self, kind: type[EventT]) -> list[EventT]:
        """The events of a kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]


def changed(distribution: Distribution, sha256: str) -> Distribution:
    """A distribution of the same name with other bytes."""
    return replace(distribution, sha256=sha256)


def assert_outcome(ending: Outcome, verdict: Verdict, *codes: Code) -> None:
    """Check the verdict, exactly these problems, and that the receipt has them."""
    assert (ending.verdict, ending.codes) == (verdict, [str(code) for code in codes])
    assert ending.receipt["verdict"] == ending.release["verdict"] == str(verdict)
    assert ending.receipt["exit_code"] == verdict.exit_code
    assert [problem["code"] for problem in ending.release["problems"]] == ending.codes
