"""What happens in a run, as values: the receipt and every output are made from these alone.

A class's name is the event's name in `--format json`: `UploadStarted` is `upload-started`.
"""

from typing import Any, Literal

from poetry_publish_verified.core.release_order import LeftOut
from poetry_publish_verified.errors import Problem, Verdict
from poetry_publish_verified.values import Value

Upload = Literal["uploaded", "already-there", "kept-remote", "not-sent", "failed", "unknown"]


class Sources(Value):
    """What a release is built from: the commit (None outside git) and a digest of the files."""

    commit: str | None
    digest: str | None


class FileFacts(Value):
    """One distribution; `size` is in bytes; None is unknown, or a field its metadata lacks."""

    filename: str
    size: int | None
    sha256: str | None
    requires_python: str | None = None


class Event(Value):
    """Something that happens."""


class RunStarted(Event):
    """The settings are known."""

    until: str
    rehearsal: bool
    sources: Sources


class ProjectsFound(Event):
    """A run releases `count` projects; others are left out."""

    count: int
    left_out: tuple[LeftOut, ...]


class ReleaseStarted(Event):
    """A release is known by name; `repository` is Poetry's name, None in a run that only waits."""

    name: str
    version: str
    repository: str | None


class StagesFound(Event):
    """The run goes to these repositories first, or `only` there.

    A rehearsal has an index of its own, so the stages are not `used`.
    """

    names: tuple[str, ...]
    only: bool
    used: bool


class VersionSet(Event):
    """A plugin set the release's version during the build."""

    version: str


class BuildStarted(Event):
    """One of several projects is being built."""


class BuildCompared(Event):
    """Sources have changed since an earlier run built them; this file is built again to compare."""

    filename: str


class BuildReused(Event):
    """The files that an earlier run built from the same sources are used; nothing is built."""

    filenames: tuple[str, ...]


class TargetsFound(Event):
    """Where the release goes and which indexes must show it. URLs hold no credentials.

    `project_page` is the project's page for people on the repository's own site, with a slash at
    the end; None if the site is not known.
    """

    repository_url: str | None
    indexes: tuple[str, ...]
    project_page: str | None = None


class DistributionsRead(Event):
    """The release's files are known, in the order of their upload."""

    distributions: tuple[FileFacts, ...]


class FileCompared(Event):
    """What the repository's own index holds under a file's name before the upload."""

    filename: str
    state: Literal["absent", "identical", "other"]
    remote_sha256: str | None = None


class LaterVersionsFound(Event):
    """The project's versions on the repository's own index that are later than the release's."""

    versions: tuple[str, ...]


class PreviousFound(Event):
    """The newest older version that an index lists, with what is known of its files."""

    version: str
    distributions: tuple[FileFacts, ...]


class Confirmed(Event):
    """Somebody was asked whether to publish: on the `terminal`, or `--yes` has answered.

    `answers` has what they said to each item of the checklist, up to the first no.
    """

    by: Literal["terminal", "--yes"]
    confirmed: bool
    answers: tuple[tuple[str, bool], ...]


class FirstLookDelayed(Event):
    """Before the upload an index did not say what it holds; it is asked again in `pause` seconds.

    `detail` is what it said instead.
    """

    index: str
    detail: str
    pause: float


class UploadTokenMinted(Event):
    """Trusted publishing gave an upload token to `publisher`, valid for so many `seconds`."""

    publisher: str
    seconds: float


class SigningDelayed(Event):
    """A file could not be attested, in these `words`; it is tried again in `pause` seconds."""

    filename: str
    words: str
    pause: float


class FilesAttested(Event):
    """There are attestations by `publisher` for these files, to be sent along."""

    filenames: tuple[str, ...]
    publisher: str


class SendingStarted(Event):
    """Preflight has passed: from now on files may be on the index."""


class UploadStarted(Event):
    """Attempt number `attempt` of at most `attempts` to send a file; `size` is in bytes."""

    filename: str
    size: int
    attempt: int
    attempts: int


class UploadProgressed(Event):
    """This machine has sent `sent` bytes of a file."""

    filename: str
    sent: int


class UploadHeld(Event):
    """A file is sent ahead of its turn, all but the end: that follows once `waits_for` are there.

    An index stores nothing before it has the end.
    """

    filename: str
    waits_for: tuple[str, ...]


class UploadBrokenOff(Event):
    """What was sent ahead of a file is dropped; the file is sent again when it is its turn."""

    filename: str


class UploadUncertain(Event):
    """The answer to an upload proves nothing (`words` quotes it), so the index is asked."""

    filename: str
    words: str


class UploadDelayed(Event):
    """A file is sent again in `pause` seconds; `words` say why, `attempt` counts as before."""

    filename: str
    words: str
    pause: float
    attempt: int
    attempts: int


class UploadEnded(Event):
    """What became of one file."""

    filename: str
    upload: Upload
    remote_sha256: str | None = None


class WaitStarted(Event):
    """An index is polled as each client variant asks it, for at most `timeout` seconds."""

    index: str
    timeout: float
    variants: tuple[str, ...] = ()


class NotYetVisible(Event):
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


class BecameVisible(Event):
    """An index lists every file to one variant, after `requests` requests and `waited` seconds."""

    index: str
    variant: str
    requests: int
    waited: float
    edge: dict[str, str] | None = None


class Rechecked(Event):
    """The last look, after the downloads; `requests` includes it."""

    index: str
    variant: str
    requests: int


class IndexEnded(Event):
    """An index is done with: the release is `proven` there, or something is wrong.

    `not_offered` names the optional fields of the simple API that it has for none of the files.
    """

    index: str
    proven: bool
    not_offered: tuple[str, ...] = ()


class FileListed(Event):
    """An index lists a file at this URL, under this hash; None if its page gives none."""

    index: str
    filename: str
    sha256: str | None
    url: str | None = None


class FileVerified(Event):
    """`client` downloaded a file from an index, and its hash is the expected one."""

    index: str
    filename: str
    sha256: str
    client: str


class ClientAsked(Event):
    """A client got every wheel it was asked for: so many downloaded, so many only resolved.

    `skipped` has why it could not be asked for others, each reason with its files.
    """

    index: str
    client: str
    downloaded: int
    resolved: int
    skipped: tuple[tuple[str, tuple[str, ...]], ...] = ()


class MetadataVerified(Event):
    """A wheel's `.metadata` was downloaded from an index, and its hash is the expected one."""

    index: str
    filename: str
    sha256: str


class ProvenanceAwaited(Event):
    """An index does not serve the provenance of a file yet; `detail` says what it does instead."""

    index: str
    filename: str
    detail: str


class ProvenanceChecked(Event):
    """An index serves an attestation of a file, by `publisher` (as certified), in Sigstore's log.

    `predicate` is the URL of its kind; `verified`: all is as it should be, the publisher included.
    """

    index: str
    filename: str
    publisher: str
    predicate: str
    log_index: int | None
    verified: bool


class ProblemFound(Event):
    """Something is wrong, with one release, or (`release` False) with the run as a whole."""

    problem: Problem
    release: bool = True


class ReleaseWaiting(Event):
    """A release waits until those that it needs are proven."""

    needs: tuple[str, ...]


class ReleaseBlocked(Event):
    """A release is not sent because those that it needs, `by`, have failed."""

    by: tuple[str, ...]


class ReleaseEnded(Event):
    """One release has ended."""

    verdict: Verdict


class StageProvenBefore(Event):
    """The receipt of an earlier run says that these very files were proven on a stage.

    `proof` is what that receipt records of the stage.
    """

    proof: dict[str, Any]


class StageSkipped(Event):
    """The repository has every file already, so none goes to the stage."""


class OnStage(Event):
    """What happens to a release on a stage, apart from what happens on its repository."""

    stage: str
    event: Event


class RunEnded(Event):
    """The run has ended; `summary` is what failed and why, or what is proven, on one line."""

    verdict: Verdict
    summary: str = ""
