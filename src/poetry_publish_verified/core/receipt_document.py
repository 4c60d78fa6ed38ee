"""What a receipt consists of; moments are UTC, ISO 8601, and null until they have come."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypedDict

from poetry_publish_verified.core.events import Upload
from poetry_publish_verified.errors import Severity, Verdict

Moment = Annotated[str, "date-time"]
VerdictName = Annotated[str, Verdict]


class ToolEntry(TypedDict):
    """This plugin."""

    name: str
    version: str


class SourcesEntry(TypedDict):
    """The commit (null outside git), and a digest of the files that the release is built from."""

    commit: str | None
    digest: str | None


class ProblemEntry(TypedDict):
    """One thing that is wrong: what is true now, and what to do next."""

    code: str
    severity: Severity
    message: str
    remedy: str
    filename: str | None
    index: str | None


class RepositoryEntry(TypedDict):
    """Where the release is uploaded to; both null in a receipt of `wait`."""

    name: str | None
    url: str | None


class ProvenanceEntry(TypedDict):
    """An attestation of a file that an index serves, by whom the certificate names."""

    index: str
    publisher: str
    predicate: str
    log_index: int | None
    verified: bool


class DistributionEntry(TypedDict):
    """One built file, and what became of it between the start of its upload and its end."""

    filename: str
    size: int | None
    sha256: str | None
    requires_python: str | None
    remote_sha256: str | None
    url: str | None
    upload: Upload
    attempts: int
    provenance: list[ProvenanceEntry]
    started: Moment | None
    finished: Moment | None


class VariantEntry(TypedDict):
    """One client's view of an index."""

    variant: str
    visible_at: Moment | None
    requests: int
    edge: dict[str, str] | None


class ClientEntry(TypedDict):
    """A real client that got every wheel: so many downloaded, so many only resolved."""

    client: str
    downloaded: int
    resolved: int
    finished: Moment


class IndexEntry(TypedDict):
    """One index, from the first look after the upload to the end of its proof."""

    url: str
    proven: bool
    not_offered: list[str]
    variants: list[VariantEntry]
    clients: list[ClientEntry]
    started: Moment | None
    finished: Moment | None


class HeldEntry(TypedDict):
    """A file on the index; `ours`: uploaded by this run."""

    filename: str
    sha256: str | None
    ours: bool


class HoldingEntry(TypedDict):
    """What is where on a repository: `unknown` and `absent` are file names.

    `page` is where people yank releases, null if that is not known.
    """

    repository: str | None
    there: list[HeldEntry]
    unknown: list[str]
    absent: list[str]
    page: str | None


class RollbackEntry(TypedDict):
    """How to go on after a release that failed; `next_version` is the next that is free."""

    places: list[HoldingEntry]
    next_version: str


class PreviousFileEntry(TypedDict):
    """A file of an older release; what its index does not say is null."""

    filename: str
    size: int | None


class PreviousEntry(TypedDict):
    """The newest older release that the index lists."""

    version: str
    distributions: list[PreviousFileEntry]


class AnswerEntry(TypedDict):
    """An item of the checklist, and the answer to it."""

    item: str
    done: bool


class ConfirmationEntry(TypedDict):
    """Whether somebody has confirmed the run, and how: on a terminal or by `--yes`."""

    by: Literal["terminal", "--yes"]
    confirmed: bool
    at: str
    checklist: list[AnswerEntry]


class PlaceEntry(TypedDict):
    """A release at one repository, and on the indexes that must show it."""

    repository: RepositoryEntry
    previous: PreviousEntry | None
    distributions: list[DistributionEntry]
    indexes: list[IndexEntry]
    finished: Moment | None


class StageEntry(PlaceEntry):
    """A repository that the release goes to first; the verdict there is null until it has one."""

    verdict: VerdictName | None


class ReleaseEntry(PlaceEntry):
    """One release; `page` is its page for people, null if that is not known."""

    name: str
    version: str
    verdict: VerdictName
    page: str | None
    blocked_by: list[str]
    stages: list[StageEntry]
    problems: list[ProblemEntry]
    rollback: RollbackEntry | None
    started: Moment


class ReceiptDocument(TypedDict):
    """The record of one run."""

    schema: Literal["publish-verified.receipt/1"]
    tool: ToolEntry
    poetry: str
    started: Moment
    finished: Moment | None
    verdict: VerdictName
    exit_code: int | None
    summary: str | None
    rehearsal: bool
    sources: SourcesEntry
    until: str | None
    confirmation: ConfirmationEntry | None
    problems: list[ProblemEntry]
    releases: list[ReleaseEntry]


def problems_in(receipt: Mapping[str, Any]) -> Iterator[ProblemEntry]:
    """Every problem of a receipt: those of the run, then those of its releases."""
    yield from receipt["problems"]
    for release in receipt["releases"]:
        yield from release["problems"]
