"""The history: a line of JSON for each run that publishes, from its receipt."""

from typing import Final, Literal, TypedDict

from poetry_publish_verified.core.receipt_document import (
    Moment,
    ReceiptDocument,
    ReleaseEntry,
    VerdictName,
    problems_in,
)

SCHEMA: Final = "publish-verified.history/1"


class HistoryRelease(TypedDict):
    """One release of a run: `files` that are on the repository's index, with their sha256."""

    name: str
    version: str
    verdict: VerdictName
    repository: str | None
    proven_on: list[str]
    files: dict[str, str | None]


class HistoryLine(TypedDict):
    """One run; `problems` are the codes of all errors and warnings, each once."""

    schema: Literal["publish-verified.history/1"]
    started: Moment
    finished: Moment | None
    verdict: VerdictName
    exit_code: int | None
    summary: str | None
    tool: str
    commit: str | None
    problems: list[str]
    releases: list[HistoryRelease]


def history_line(receipt: ReceiptDocument) -> HistoryLine:
    """The line of a run that has ended."""
    return {
        "schema": SCHEMA,
        "started": receipt["started"],
        "finished": receipt["finished"],
        "verdict": receipt["verdict"],
        "exit_code": receipt["exit_code"],
        "summary": receipt["summary"],
        "tool": receipt["tool"]["version"],
        "commit": receipt["sources"]["commit"],
        "problems": sorted({each["code"] for each in problems_in(receipt)}),
        "releases": [_release(each) for each in receipt["releases"]],
    }


def _release(release: ReleaseEntry) -> HistoryRelease:
    return {
        "name": release["name"],
        "version": release["version"],
        "verdict": release["verdict"],
        "repository": release["repository"]["url"],
        "proven_on": [index["url"] for index in release["indexes"] if index["proven"]],
        "files": {
            file["filename"]: file["remote_sha256"] or file["sha256"]
            for file in release["distributions"]
            if file["upload"] in {"uploaded", "already-there", "kept-remote"}
        },
    }
