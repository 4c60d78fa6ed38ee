"""When everything in a run happened: the bars of a timeline, from its receipt."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

from poetry_publish_verified.core.receipt_document import (
    IndexEntry,
    PlaceEntry,
    ReceiptDocument,
    ReleaseEntry,
)
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.values import Value

_THERE = {"uploaded", "already-there", "kept-remote"}
# With more bars than this, each release has one.
_MANY = 60


class Bar(Value):
    """Something that took time; `open` if the run ended before it did."""

    label: str
    start: datetime
    end: datetime
    state: Literal["good", "bad", "open"]


class Lane(Value):
    """The bars of one release, or of one on a stage, in the order of their start."""

    title: str
    bars: tuple[Bar, ...]


def timeline(receipt: ReceiptDocument) -> list[Lane]:
    """A lane per release and stage; one lane with a bar per release if there are too many bars."""
    end = _last_moment(receipt)
    lanes = [
        Lane(title, bars)
        for release in receipt["releases"]
        for title, place in places(release)
        if (bars := tuple(_bars(place, end)))
    ]
    if sum(len(lane.bars) for lane in lanes) <= _MANY:
        return lanes
    whole = (_of_release(each, end) for each in receipt["releases"])
    return [Lane("releases", tuple(sorted(whole, key=lambda bar: bar.start)))]


def places(release: ReleaseEntry) -> list[tuple[str, PlaceEntry]]:
    """Where a release goes, in this order: its stages, then its repository; each with a title."""
    title = f"{release['name']} {release['version']}"
    stages = [(f"{title} on {each['repository']['name']}", each) for each in release["stages"]]
    return [*stages, (title, release)]


def _last_moment(receipt: ReceiptDocument) -> datetime:
    moments = [receipt["started"], receipt["finished"]]
    for place in (place for release in receipt["releases"] for _, place in places(release)):
        for entry in (*place["distributions"], *place["indexes"]):
            moments += [entry["started"], entry["finished"]]
        for index in place["indexes"]:
            moments += [variant["visible_at"] for variant in index["variants"]]
        moments.append(place["finished"])
    return max(moment_of(each) for each in moments if each is not None)


def moment_of(text: str) -> datetime:
    """A moment of a receipt."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _of_release(release: ReleaseEntry, end: datetime) -> Bar:
    code, finished = Verdict(release["verdict"]).exit_code, release["finished"]
    label = f"{release['name']} {release['version']}"
    until = moment_of(finished) if finished else end
    state: Literal["good", "bad"] = "good" if code == 0 else "bad"
    return Bar(label, moment_of(release["started"]), until, state if finished else "open")


def _bars(place: PlaceEntry, end: datetime) -> Iterator[Bar]:
    bars = []
    for file in place["distributions"]:
        if file["started"] is not None:
            finished = moment_of(file["finished"]) if file["finished"] else end
            state: Literal["good", "bad"] = "good" if file["upload"] in _THERE else "bad"
            shown = state if file["finished"] else "open"
            label = f"upload {file['filename']}"
            bars.append(Bar(label, moment_of(file["started"]), finished, shown))
    for index in place["indexes"]:
        bars += _of_index(index, end)
    yield from sorted(bars, key=lambda bar: bar.start)


def _of_index(index: IndexEntry, end: datetime) -> Iterator[Bar]:
    """The wait of each client for the index, then the downloads, from the last of them on."""
    if index["started"] is None:
        return
    start = moment_of(index["started"])
    finished = moment_of(index["finished"]) if index["finished"] else end
    seen = []
    for variant in index["variants"]:
        label = f"{variant['variant']} waits for {index['url']}"
        if variant["visible_at"] is None:
            yield Bar(label, start, finished, "bad" if index["finished"] else "open")
        else:
            seen.append(moment_of(variant["visible_at"]))
            yield Bar(label, start, seen[-1], "good")
    if seen and len(seen) == len(index["variants"]):
        state: Literal["good", "bad"] = "good" if index["proven"] else "bad"
        label, shown = f"verify {index['url']}", state if index["finished"] else "open"
        yield Bar(label, max(seen), max(finished, *seen), shown)
