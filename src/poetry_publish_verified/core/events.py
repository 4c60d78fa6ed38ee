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
    """One distribution as the receipt names it; `size` in bytes; None is what is not known."""

    filename: str
    size: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The settings are known."""

    until: str
    rehearsal: bool
    sources: Sources


@dataclass(frozen=True, slots=True)
class ProjectsFound:
    """So many projects are released in one run; folders `left_out` have nothing to publish."""

    count: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReleaseStarted:
    """The release and the repository's name are known; None where it is only waited for."""

    name: str
    version: str
    repository: str | None


@dataclass(frozen=True, slots=True)
class VersionSet:
    """A plugin has set the release's version while it was built."""

    version: str


@dataclass(frozen=True, slots=True)
class BuildStarted:
    """One of several projects is built."""


@dataclass(frozen=True, slots=True)
class BuildUsedAgain:
    """What an earlier run built from the same sources is there still: nothing is built."""

    filenames: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TargetsFound:
    """Where the release goes and which indexes must show it. URLs are without credentials."""

    repository_url: str | None
    indexes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DistributionsRead:
    """The release's files are known, in the order in which they are to be sent."""

    distributions: tuple[FileFacts, ...]


@dataclass(frozen=True, slots=True)
class FileCompared:
    """What the repository's own index holds under a file's name, before anything is sent."""

    filename: str
    state: Literal["absent", "identical", "other"]
    remote_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class SendingStarted:
    """Nothing speaks against the release: from now on files may be on the index."""


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
class UploadDelayed:
    """A file is sent again in `pause` seconds, for the `attempt`th time; `words` say why."""

    filename: str
    words: str
    pause: float
    attempt: int


@dataclass(frozen=True, slots=True)
class UploadEnded:
    """What became of one file."""

    filename: str
    upload: Upload
    remote_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class WaitStarted:
    """An index is watched, as each of the variants sees it, for at most `timeout` seconds."""

    index: str
    timeout: float
    variants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Looked:
    """One observation of an index that did not yet satisfy.

    `missing` is what it does not list; `edge` names who answered; `next_in` are the seconds until
    the next look, `expires_in` those for which a cache on the way will go on giving this answer,
    where it says so.
    """

    index: str
    variant: str
    requests: int
    missing: tuple[str, ...]
    detail: str
    edge: dict[str, str] | None = None
    next_in: float | None = None
    expires_in: float | None = None


@dataclass(frozen=True, slots=True)
class BecameVisible:
    """An index lists every file, as one variant sees it, after so many requests and seconds."""

    index: str
    variant: str
    requests: int
    waited: float
    edge: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SeenAgain:
    """A last look, after the downloads; with it, one variant has sent so many requests."""

    index: str
    variant: str
    requests: int


@dataclass(frozen=True, slots=True)
class IndexEnded:
    """An index has nothing more to be waited for: everything `proven` there, or something wrong.

    `not_offered` names optional fields of the simple API that it has for none of the files.
    """

    index: str
    proven: bool
    not_offered: tuple[str, ...] = ()


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
class MetadataVerified:
    """A wheel's `.metadata` came back from an index with this hash, as it should."""

    index: str
    filename: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ProblemFound:
    """Something is wrong; what is wrong with no release in particular has `release` False."""

    problem: Problem
    release: bool = True


@dataclass(frozen=True, slots=True)
class ReleaseWaits:
    """One of several releases waits until those that it needs are proven."""

    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReleaseBlocked:
    """One of several releases is not sent, as those that it needs did not come to a good end."""

    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReleaseEnded:
    """One release's own verdict."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The verdict."""

    verdict: Verdict


Event = (
    RunStarted
    | ProjectsFound
    | ReleaseStarted
    | VersionSet
    | BuildStarted
    | BuildUsedAgain
    | TargetsFound
    | DistributionsRead
    | FileCompared
    | SendingStarted
    | UploadStarted
    | UploadProgressed
    | UploadDoubted
    | UploadDelayed
    | UploadEnded
    | WaitStarted
    | Looked
    | BecameVisible
    | SeenAgain
    | IndexEnded
    | FileListed
    | FileVerified
    | MetadataVerified
    | ProblemFound
    | ReleaseWaits
    | ReleaseBlocked
    | ReleaseEnded
    | RunEnded
)
