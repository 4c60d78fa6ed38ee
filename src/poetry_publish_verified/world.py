"""The world as a release sees it: what it is given, and whom it talks to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from poetry_publish_verified.core import preflight
from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.events import Event
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.simple_api import IndexFile
from poetry_publish_verified.core.simple_api import Variant
from poetry_publish_verified.core.upload_api import Answered
from poetry_publish_verified.core.upload_api import NoAnswer
from poetry_publish_verified.core.verification import ClientAbstains
from poetry_publish_verified.core.verification import ClientFailure
from poetry_publish_verified.core.verification import ClientFile
from poetry_publish_verified.core.verification import Fetched
from poetry_publish_verified.core.verification import NotFetched
from poetry_publish_verified.core.verification import WheelWanted
from poetry_publish_verified.core.visibility import Observation


class Index(Protocol):
    """One index."""

    @property
    def url(self) -> str:
        """The root of its simple API."""

    async def look(self, project: str, variant: Variant) -> Observation:
        """One observation of a project's page."""

    async def fetch(self, file: IndexFile, limit: int | None) -> Fetched | NotFetched:
        """Download a file, at most `limit` bytes of it, and hash it."""


class Repository(Protocol):
    """Where distributions are sent."""

    async def upload(
        self, distribution: Distribution, on_sent: Callable[[int], None]
    ) -> Answered | NoAnswer:
        """Send one file once."""


class Client(Protocol):
    """A real client."""

    @property
    def name(self) -> str:
        """What people call it."""

    async def download(
        self, wheel: WheelWanted, index_url: str, timeout: float
    ) -> ClientFile | ClientFailure | ClientAbstains:
        """Fetch the wheel as for a user; never raises for what the index or the client does."""


class Clock(Protocol):
    """Time."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Pause this task."""


@dataclass(frozen=True, slots=True)
class Release:
    """What goes out: the project's own name and version, and the files built for it.

    `place` tells people where those files were looked for.
    """

    identity: preflight.Identity
    distributions: tuple[Distribution, ...]
    place: str = "the dist folder"


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for; `timeout` in seconds, from the end of the last upload."""

    until: Until
    timeout: float
    dry_run: bool = False
    skip_existing: bool = False
    local_versions: bool = True


@dataclass(frozen=True, slots=True)
class Outside:
    """The world: `own` is the repository's own index, `indexes` all that must show the release."""

    repository: Repository
    own: Index
    indexes: tuple[Index, ...]
    client: Client | None
    clock: Clock
    report: Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Expected:
    """One file as every index must show it; `size` None where only the hash is known."""

    distribution: Distribution
    sha256: str
    size: int | None
