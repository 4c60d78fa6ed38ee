"""What a release works with: its inputs, and the interfaces of everything outside."""

import math
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import field
from typing import Protocol

import anyio
from packaging.utils import NormalizedName
from packaging.version import Version

from poetry_publish_verified.core import preflight, variants
from poetry_publish_verified.core.distribution import Distribution, Kind
from poetry_publish_verified.core.events import Event
from poetry_publish_verified.core.expectation import Expectation
from poetry_publish_verified.core.former_build import OtherSources
from poetry_publish_verified.core.provenance import Assessment, NotVerifiable
from poetry_publish_verified.core.publishers import NamedPublisher
from poetry_publish_verified.core.settings import Attest, Until
from poetry_publish_verified.core.upload.outcomes import Answered, NoAnswer
from poetry_publish_verified.core.urls import RepositoryState
from poetry_publish_verified.core.variants import Variant
from poetry_publish_verified.core.verification import (
    ClientAbstains,
    ClientFailure,
    ClientFile,
    ClientRequest,
    Download,
    NotDownloaded,
)
from poetry_publish_verified.core.visibility import Observation, RootState
from poetry_publish_verified.release.attestations import Attester
from poetry_publish_verified.release.trusted_publishing import TrustedPublisher
from poetry_publish_verified.values import Value


class Index(Protocol):
    """One index."""

    url: str
    """The root URL of its simple API."""
    certain: bool
    """Whether the index is known to exist: its address is neither a user's nor a guess."""
    name: str | None
    """Poetry's name for its credentials, where it has one."""
    guessed: bool
    """Whether only the shape of the upload URL suggests its address."""
    pypi: bool
    """Whether this is PyPI, which Poetry reads in a way of its own."""
    access: Hashable
    """How it fetches files, credentials included: equal for indexes that fetch alike."""

    def sign_in(self, token: str) -> None:
        """Read it with this API token from now on."""

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
        """One observation of a project's page, or of its version's.

        It first waits as long as the server asked for (`Retry-After`), `patience` seconds at most,
        and for `before`, with the connection already open.
        """

    async def root(self) -> tuple[RootState, str]:
        """Whether the index is there, and what it said; asks for no project."""

    async def fetch(
        self,
        url: str,
        limit: int | None,
        algorithms: frozenset[str] = frozenset(),
        *,
        patience: float = math.inf,
        opened: Kind | None = None,
    ) -> Download | NotDownloaded:
        """Download a file, at most `limit` bytes of it, and hash it; by other `algorithms` too.

        `patience` is that of `look`; with `opened` it is also read as such an archive.
        """

    async def provenance(self, url: str, *, patience: float = math.inf) -> bytes | NotDownloaded:
        """The provenance document of a file, at the URL that the page gives, unread."""


class Repository(Protocol):
    """Where distributions are sent."""

    name: str
    """Poetry's name for it."""
    url: str
    """The upload URL, without credentials."""
    anonymous: bool
    """Whether no credentials were found, so none are sent."""

    async def state(self) -> tuple[RepositoryState, str]:
        """Whether what is there takes uploads, without sending any; and in words.

        Of a redirect the words are its target.
        """

    async def upload(
        self,
        distribution: Distribution,
        on_sent: Callable[[int], None],
        token: str | None = None,
        attestation: str | None = None,
        until: Callable[[], Awaitable[object]] | None = None,
    ) -> Answered | NoAnswer:
        """Send one file once, with its `attestation` (JSON) if it has one.

        `token` is used instead of the configured credentials if it is given. The end of the
        request, without which nothing is stored, leaves after `until`, if that is given.
        """


class Client(Protocol):
    """A real client; its methods never raise for what the index or the client does."""

    name: str
    """Its name in messages."""
    optional: bool
    """Whether it may be missing on this machine; the other clients are asked then."""

    async def prepare(self) -> str | None:
        """Set it up, before anything else; returns why it cannot be asked, None if it can."""

    async def download(
        self, request: ClientRequest, index_url: str, timeout: float
    ) -> ClientFile | ClientFailure | ClientAbstains:
        """Download a wheel as a user would."""

    async def resolve(
        self, request: ClientRequest, index_url: str, timeout: float
    ) -> ClientFailure | ClientAbstains | None:
        """Find a wheel's version for the wheel's machine, or that of an sdist; None if found."""

    async def stale_cache_remedy(
        self, request: ClientRequest, index_url: str, timeout: float
    ) -> str | None:
        """The command after which the user's own client sees the release, where it now does not.

        None if its cache is not in the way.
        """


class Verifier(Protocol):
    """What verifies attestations."""

    async def verify(
        self, document: bytes, filename: str, sha256: str
    ) -> tuple[Assessment, ...] | NotVerifiable:
        """An assessment of each attestation in a provenance document of a file; never raises."""


class ProvenanceCheck(Value):
    """Who must have published the files; empty: whoever the provenance of each file names.

    Unless it is `required`, only provenance that is there is verified, once.
    """

    verifier: Verifier
    publishers: tuple[NamedPublisher, ...] = ()
    required: bool = False


class Clock(Protocol):
    """Time: seconds of a monotonic clock."""

    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class Release(Value):
    """What goes out: the project's own name and version, and the files built for it.

    `circumstances` are what is known beside them; `built_before`: an earlier run built this
    release from *other* sources and began to send it. `attestations`: those found beside the files,
    in JSON, by the distribution's name.
    """

    identity: preflight.Identity
    distributions: tuple[Distribution, ...]
    circumstances: preflight.Circumstances = field(default_factory=preflight.Circumstances)
    built_before: OtherSources | None = None
    attestations: Mapping[str, str] = field(default_factory=dict)


class ReleaseSource(Protocol):
    """A release whose files are not read yet."""

    @property
    def identity(self) -> preflight.Identity:
        """Its name and version."""

    async def read(self) -> Release:
        """Read all its files; raises ReleaseError if that fails."""


class Stage(Protocol):
    """Where a release is proven before its repository gets it.

    `release.stage` has the one that is a repository itself. An index may have staged releases of
    its own one day (PEP 694 is a draft).
    """

    name: str

    async def prepare(self, release: Release, *, needed: bool) -> None:
        """Look whether it can go there, before anything is sent; raises ReleaseError.

        It is not `needed` if its repository has all of it: then nothing could be held back.
        """

    async def prove(self) -> None:
        """Send what was prepared, and prove that it is there; raises ReleaseError."""


class Plan(Value):
    """What was asked for; `timeout` in seconds, from the end of the last upload.

    `strict`: what would be a warning is a failure; `public`: the release goes to PyPI or TestPyPI.
    `jobs` files are sent at once, each at most `retries` times after the first. `attest`: sign an
    attestation for each, if that is possible (`on`), or send nothing without (`require`).
    `provenance`: one of these must have published what somebody else releases, if any is named.
    `stage_only`: the release goes to its stages and no further.
    """

    until: Until
    timeout: float
    clients: tuple[variants.Client, ...] = variants.DEFAULT_CLIENTS
    strict: bool = False
    dry_run: bool = False
    skip_existing: bool = False
    jobs: int = 4
    retries: int = 5
    public: bool = False
    attest: Attest = "off"
    provenance: tuple[NamedPublisher, ...] = ()
    stage_only: bool = False


class ExpectedRelease(Value):
    """What has to be proven: one release, and what every index must show of it.

    `uploaded`: it is known that it was; else no look may leave a page without it in the copies
    that clients read.
    """

    name: NormalizedName
    version: Version
    expectation: Expectation
    uploaded: bool = True


class VerifyContext(Value, kw_only=True):
    """What was asked for, and the indexes: all that proving needs.

    `own` is the repository's own index, `indexes` all that must show the release; `clients` gives
    the real clients to be asked, once they are set up, or raises ReleaseError; `jitter` gives
    numbers between 0 and 1. `provenance` is None if nobody looks at that.
    """

    plan: Plan
    own: Index
    indexes: tuple[Index, ...]
    clients: Callable[[], Awaitable[tuple[Client, ...]]]
    clock: Clock
    report: Callable[[Event], None]
    encodings: variants.Encodings
    jitter: Callable[[], float]
    provenance: ProvenanceCheck | None = None


class PublishContext(VerifyContext, kw_only=True):
    """What sending a release needs; each file takes one of the `slots` meanwhile.

    `require_locks` raises ReleaseError if another process has broken a lock of the release.
    `tokens` is None if the configured credentials, or none, are used; `attester` if
    nothing is attested. The `stages` come first.
    """

    repository: Repository
    slots: anyio.CapacityLimiter
    require_locks: Callable[[], Awaitable[None]]
    tokens: TrustedPublisher | None = None
    attester: Attester | None = None
    stages: tuple[Stage, ...] = ()
