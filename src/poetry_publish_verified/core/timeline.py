"""When everything in a run happened: the bars of a timeline, from its receipt."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from poetry_publish_verified.core.receipt_document import IndexEntry, ReceiptDocument, ReleaseEntry
from poetry_publish_verified.errors import Verdict

_THERE = {"uploaded", "already-there", "kept-remote"}
# With more bars than this, each release has one.
_MANY = 60


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that took time; `open` if the run ended before it did."""

    label: str
    start: datetime
    end: datetime
    state: Literal["good", "bad", "open"]


@dataclass(frozen=True, slots=True)
class Lane:
    """The bars of one release, in the order of their start."""

    title: str
    bars: tuple[Bar, ...]


def timeline(receipt: ReceiptDocument) -> list[Lane]:
    """A lane per release; one lane with a bar per release if there are too many bars."""
    end = _last_moment(receipt)
    lanes = [
        Lane(f"{each['name']} {each['version']}", tuple(_bars(each, end)))
        for each in receipt["releases"]
    ]
    lanes = [lane for lane in lanes if lane.bars]
    if sum(len(lane.bars) for lane in lanes) <= _MANY:
        return lanes
    whole = (_of_release(each, end) for each in receipt["releases"])
    return [Lane("releases", tuple(sorted(whole, key=lambda bar: bar.start)))]


def _last_moment(receipt: ReceiptDocument) -> datetime:
    moments = [receipt["started"], receipt["finished"]]
    for release in receipt["releases"]:
        entries = (*release["distributions"], *release["indexes"])
        moments += [release["started"], *(each["started"] for each in entries)]
        moments += [release["finished"], *(each["finished"] for each in entries)]
        for index in release["indexes"]:
            moments += [variant["visible_at"] for variant in index["variants"]]
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


def _bars(release: ReleaseEntry, end: datetime) -> Iterator[Bar]:
    bars = []
    for file in release["distributions"]:
        if file["started"] is not None:
            finished = moment_of(file["finished"]) if file["finished"] else end
            state: Literal["good", "bad"] = "good" if file["upload"] in _THERE else "bad"
            shown = state if file["finished"] else "open"
            label = f"upload {file['filename']}"
            bars.append(Bar(label, moment_of(file["started"]), finished, shown))
    for index in release["indexes"]:
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
