"""What happens in a run, as values: the receipt and every output are made from these alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import Verdict

Upload = Literal["uploaded", "already-there", "kept-remote", "not-sent", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Sources:
    """What a release was built from: the commit (None outside git) and a digest of the files."""

    commit: str | None
    digest: str | None


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One distribution as the receipt names it; `size` in bytes."""

    filename: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The settings are known."""

    until: str
    rehearsal: bool
    sources: Sources


@dataclass(frozen=True, slots=True)
class ReleaseStarted:
    """The release and the repository's name are known."""

    name: str
    version: str
    repository: str


@dataclass(frozen=True, slots=True)
class VersionSet:
    """A plugin has set the release's version while it was built."""

    version: str


@dataclass(frozen=True, slots=True)
class TargetsFound:
    """Where the release goes and which indexes must show it. URLs are without credentials."""

    repository_url: str
    indexes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DistributionsRead:
    """What was built is known, in the order in which it is to be sent."""

    distributions: tuple[FileFacts, ...]


@dataclass(frozen=True, slots=True)
class FileCompared:
    """What the repository's own index holds under a file's name, before anything is sent."""

    filename: str
    state: Literal["absent", "identical", "other"]
    remote_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class UploadStarted:
    """One attempt to send one file begins; `size` in bytes."""

    filename: str
    size: int
    attempt: int


@dataclass(frozen=True, slots=True)
class UploadProgressed:
    """`sent` bytes of a file have left this machine."""

    filename: str
    sent: int


@dataclass(frozen=True, slots=True)
class UploadDoubted:
    """The answer to an upload proves nothing (`words` says what it was): the index is asked."""

    filename: str
    words: str


@dataclass(frozen=True, slots=True)
class UploadEnded:
    """What became of one file."""

    filename: str
    upload: Upload
    remote_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class WaitStarted:
    """An index is watched until it lists everything, for at most `timeout` seconds."""

    index: str
    timeout: float


@dataclass(frozen=True, slots=True)
class Looked:
    """One observation of an index that did not yet satisfy. `edge` names who answered."""

    index: str
    variant: str
    requests: int
    missing: tuple[str, ...]
    detail: str
    edge: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class BecameVisible:
    """An index lists every file, as one variant sees it, after so many requests and seconds."""

    index: str
    variant: str
    requests: int
    waited: float
    edge: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class FileListed:
    """An index lists a file under this hash; None where its page gives none."""

    index: str
    filename: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class FileVerified:
    """A file came back from an index with this hash, as it should; `client` fetched it."""

    index: str
    filename: str
    sha256: str
    client: str


@dataclass(frozen=True, slots=True)
class ProblemFound:
    """Something is wrong; what is wrong with no release in particular has `release` False."""

    problem: Problem
    release: bool = True


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The verdict."""

    verdict: Verdict


Event = (
    RunStarted
    | ReleaseStarted
    | VersionSet
    | TargetsFound
    | DistributionsRead
    | FileCompared
    | UploadStarted
    | UploadProgressed
    | UploadDoubted
    | UploadEnded
    | WaitStarted
    | Looked
    | BecameVisible
    | FileListed
    | FileVerified
    | ProblemFound
    | RunEnded
)
