"""What happens in a run, as values: the receipt and every output are made from these alone.

A class's name is the event's name in `--format json`: `UploadStarted` is `upload-started`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from poetry_publish_verified.errors import Problem, Verdict

Upload = Literal["uploaded", "already-there", "kept-remote", "not-sent", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Sources:
    """What a release is built from: the commit (None outside git) and a digest of the files."""

    commit: str | None
    digest: str | None


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One distribution; `size` is in bytes; what is not known is None."""

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
    """A run releases `count` projects; the directories `left_out` have nothing to publish."""

    count: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReleaseStarted:
    """A release is known by name; `repository` is Poetry's name, None in a run that only waits."""

    name: str
    version: str
    repository: str | None


@dataclass(frozen=True, slots=True)
class VersionSet:
    """A plugin set the release's version during the build."""

    version: str


@dataclass(frozen=True, slots=True)
class BuildStarted:
    """One of several projects is being built."""


@dataclass(frozen=True, slots=True)
class BuildReused:
    """The files that an earlier run built from the same sources are used; nothing is built."""

    filenames: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TargetsFound:
    """Where the release goes and which indexes must show it. URLs hold no credentials.

    `project_page` is the project's page for people on the repository's own site, with a slash at
    the end; None if the site is not known.
    """

    repository_url: str | None
    indexes: tuple[str, ...]
    project_page: str | None = None


@dataclass(frozen=True, slots=True)
class DistributionsRead:
    """The release's files are known, in the order of their upload."""

    distributions: tuple[FileFacts, ...]


@dataclass(frozen=True, slots=True)
class FileCompared:
    """What the repository's own index holds under a file's name before the upload."""

    filename: str
    state: Literal["absent", "identical", "other"]
    remote_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class FirstLookDelayed:
    """Before the upload an index did not say what it holds; it is asked again in `pause` seconds.

    `detail` is what it said instead.
    """

    index: str
    detail: str
    pause: float


@dataclass(frozen=True, slots=True)
class SendingStarted:
    """Preflight has passed: from now on files may be on the index."""


@dataclass(frozen=True, slots=True)
class UploadStarted:
    """Attempt number `attempt` of at most `attempts` to send a file; `size` is in bytes."""

    filename: str
    size: int
    attempt: int
    attempts: int


@dataclass(frozen=True, slots=True)
class UploadProgressed:
    """This machine has sent `sent` bytes of a file."""

    filename: str
    sent: int


@dataclass(frozen=True, slots=True)
class UploadUncertain:
    """The answer to an upload proves nothing (`words` quotes it), so the index is asked."""

    filename: str
    words: str


@dataclass(frozen=True, slots=True)
class UploadDelayed:
    """A file is sent again in `pause` seconds; `words` say why, `attempt` counts as before."""

    filename: str
    words: str
    pause: float
    attempt: int
    attempts: int


@dataclass(frozen=True, slots=True)
class UploadEnded:
    """What became of one file."""

    filename: str
    upload: Upload
    remote_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class WaitStarted:
    """An index is polled as each client variant asks it, for at most `timeout` seconds."""

    index: str
    timeout: float
    variants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotYetVisible:
    """One answer of an index that does not list every file.

    `missing` are the file names that it lacks, `requests` counts what this variant has sent, and
    `edge` holds the headers that name the server. The next look is in `next_in` seconds; a cache
    on the way says that it keeps this answer for another `expires_in` seconds.
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
    """An index lists every file to one variant, after `requests` requests and `waited` seconds."""

    index: str
    variant: str
    requests: int
    waited: float
    edge: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Rechecked:
    """The last look, after the downloads; `requests` includes it."""

    index: str
    variant: str
    requests: int


@dataclass(frozen=True, slots=True)
class IndexEnded:
    """An index is done with: the release is `proven` there, or something is wrong.

    `not_offered` names the optional fields of the simple API that it has for none of the files.
    """

    index: str
    proven: bool
    not_offered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileListed:
    """An index lists a file under this hash; None if its page gives none."""

    index: str
    filename: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class FileVerified:
    """`client` downloaded a file from an index, and its hash is the expected one."""

    index: str
    filename: str
    sha256: str
    client: str


@dataclass(frozen=True, slots=True)
class ClientAsked:
    """A client got every wheel it was asked for: so many downloaded, so many only resolved.

    `skipped` has why it could not be asked for others, each reason with its files.
    """

    index: str
    client: str
    downloaded: int
    resolved: int
    skipped: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class MetadataVerified:
    """A wheel's `.metadata` was downloaded from an index, and its hash is the expected one."""

    index: str
    filename: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ProblemFound:
    """Something is wrong, with one release, or (`release` False) with the run as a whole."""

    problem: Problem
    release: bool = True


@dataclass(frozen=True, slots=True)
class ReleaseWaiting:
    """A release waits until those that it needs are proven."""

    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReleaseBlocked:
    """A release is not sent because those that it needs, `by`, have failed."""

    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReleaseEnded:
    """One release has ended."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run has ended."""

    verdict: Verdict


Event = (
    RunStarted
    | ProjectsFound
    | ReleaseStarted
    | VersionSet
    | BuildStarted
    | BuildReused
    | TargetsFound
    | DistributionsRead
    | FileCompared
    | SendingStarted
    | UploadStarted
    | UploadProgressed
    | UploadUncertain
    | FirstLookDelayed
    | UploadDelayed
    | UploadEnded
    | WaitStarted
    | NotYetVisible
    | BecameVisible
    | Rechecked
    | IndexEnded
    | FileListed
    | FileVerified
    | ClientAsked
    | MetadataVerified
    | ProblemFound
    | ReleaseWaiting
    | ReleaseBlocked
    | ReleaseEnded
    | RunEnded
)
