"""What people read of a run that has ended, as tables of plain text, from its receipt."""

from poetry_publish_verified.core.receipt_document import (
    IndexEntry,
    PlaceEntry,
    ProblemEntry,
    ReceiptDocument,
)
from poetry_publish_verified.core.timeline import moment_of, places
from poetry_publish_verified.core.variants import CLIENTS
from poetry_publish_verified.output.words import plural
from poetry_publish_verified.values import Value

_UPLOADS = {
    "uploaded": "uploaded",
    "already-there": "already there",
    "kept-remote": "kept the index's own",
    "not-sent": "not sent",
    "failed": "failed",
    "unknown": "unknown",
}


class Table(Value):
    """A table of plain text; a cell may be empty."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class ReleasePart(Value):
    """One release, or one on a stage: its files, and each index with what each client saw there."""

    title: str
    verdict: str
    page: str | None
    files: Table
    indexes: Table


def release_parts(receipt: ReceiptDocument) -> list[ReleasePart]:
    """The parts of all releases, in the order of the receipt, each after those of its stages."""
    return [
        ReleasePart(
            title,
            str(place.get("verdict") or "not begun"),
            release["page"] if place is release else None,
            _files(place),
            _indexes(place),
        )
        for release in receipt["releases"]
        for title, place in places(release)
    ]


def title_of(receipt: ReceiptDocument) -> str:
    """`lantern 1.0`, or `3 releases`."""
    titles = [f"{each['name']} {each['version']}" for each in receipt["releases"]]
    return titles[0] if len(titles) == 1 else plural(len(titles), "release")


def all_problems(receipt: ReceiptDocument) -> list[tuple[str, ProblemEntry]]:
    """Every problem with the title of its release (empty for those of the run), errors first."""
    found = [("", problem) for problem in receipt["problems"]]
    for release in receipt["releases"]:
        title = f"{release['name']} {release['version']}"
        found += [(title, problem) for problem in release["problems"]]
    return sorted(found, key=lambda each: each[1]["severity"] != "error")


def facts(receipt: ReceiptDocument) -> str:
    """`Started 2026-01-02 12:00:00 UTC, took 4.2 s; commit c0ffee; publish-verified 0.1.0, …`."""
    started = moment_of(receipt["started"])
    words = [f"Started {started:%Y-%m-%d %H:%M:%S} UTC"]
    if receipt["finished"]:
        words[0] += f", took {(moment_of(receipt['finished']) - started).total_seconds():.1f} s"
    if receipt["sources"]["commit"]:
        words.append(f"commit {receipt['sources']['commit'][:12]}")
    words.append(f"{receipt['tool']['name']} {receipt['tool']['version']}")
    words.append(f"Poetry {receipt['poetry']}")
    return "; ".join(words)


def _files(place: PlaceEntry) -> Table:
    rows = []
    for file in place["distributions"]:
        size = "" if file["size"] is None else f"{file['size']:,}"
        again = f" ({plural(file['attempts'], 'attempt')})" if file["attempts"] > 1 else ""
        sha256 = file["remote_sha256"] or file["sha256"] or ""
        rows.append((file["filename"], size, sha256, _UPLOADS[file["upload"]] + again))
    return Table(("File", "Bytes", "sha256", "Upload"), tuple(rows))


def _indexes(place: PlaceEntry) -> Table:
    found = {each["variant"] for index in place["indexes"] for each in index["variants"]}
    names = [*(name for name in CLIENTS if name in found), *sorted(found - {*CLIENTS})]
    clients = ("Installable",) if any(index["clients"] for index in place["indexes"]) else ()
    rows = []
    for index in place["indexes"]:
        seen = {each["variant"]: _seen(index, each["visible_at"]) for each in index["variants"]}
        got = ", ".join(
            f"{each['client']} ({each['downloaded']} downloaded, {each['resolved']} resolved)"
            for each in sorted(index["clients"], key=lambda each: each["client"].lower())
        )
        proven = "proven" if index["proven"] else "not proven"
        cells = (index["url"], proven, *(seen.get(name, "") for name in names))
        rows.append((*cells, got) if clients else cells)
    return Table(("Index", "State", *(f"seen by {each}" for each in names), *clients), tuple(rows))


def _seen(index: IndexEntry, visible_at: str | None) -> str:
    if visible_at is None or index["started"] is None:
        return "no"
    return f"after {(moment_of(visible_at) - moment_of(index['started'])).total_seconds():.1f} s"
