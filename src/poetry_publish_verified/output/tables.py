"""The live tables: uploads in progress, each index as each client sees it, and many projects."""

from collections import Counter
from dataclasses import dataclass

from poetry_publish_verified import durations
from poetry_publish_verified.core import events
from poetry_publish_verified.core.problems.words import some
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.output.releases import Release, Releases
from poetry_publish_verified.output.words import row, shortened, unstyled

_BAR = 12
# What moves is above what waits.
_ORDER = ("uploading", "visible", "building", "built", "waiting", "ready")
_LONGEST_NAME = 40
_LONGEST_AWAITED = 32


@dataclass(slots=True)
class _UploadRow:
    """One file of `size` bytes, `sent` of which have left; or the moment of its next attempt.

    It `waits_for` these with the last of it; or with all of it, once it is `broken_off`.
    """

    size: int
    sent: int = 0
    uncertain: bool = False
    again: float | None = None
    waits_for: tuple[str, ...] = ()
    broken_off: bool = False

    def words(self, now: float) -> str:
        if self.again is not None:
            return f"retrying in {durations.in_words(max(self.again - now, 0.0))}"
        if self.uncertain:
            return "checking whether the index has it"
        if self.waits_for and (self.broken_off or self.sent >= self.size):
            name = shortened(unstyled(self.waits_for[0]), _LONGEST_AWAITED)
            many = len(self.waits_for) > 1
            return f"waiting for {f'{len(self.waits_for)} files' if many else name}"
        if self.sent >= self.size:
            return "sent, waiting for the server's answer"
        share = self.sent / self.size
        bar = "=" * int(share * _BAR) + ">"
        return f"[{bar:<{_BAR}}] {share:4.0%}"


class UploadTable:
    """File by file; `lines` is what a terminal shows at a moment."""

    def __init__(self) -> None:
        self._rows: dict[str, _UploadRow] = {}

    def apply(self, event: events.Event, now: float) -> None:
        """Take in one event, which happened `now`."""
        match event:
            case events.UploadStarted(filename, size):
                self._rows[filename] = _UploadRow(size)
            case events.UploadProgressed(filename, sent):
                self._rows[filename].sent = sent
            case events.UploadHeld(filename, waits_for):
                self._rows[filename].waits_for = waits_for
            case events.UploadBrokenOff(filename):
                self._rows[filename].broken_off = True
            case events.UploadUncertain(filename):
                self._rows[filename].uncertain = True
            case events.UploadDelayed(filename, pause=pause):
                self._rows[filename].again = now + pause
            case events.UploadEnded(filename):
                self._rows.pop(filename, None)
                for each in self._rows.values():
                    each.waits_for = tuple(name for name in each.waits_for if name != filename)

    def lines(self, now: float, width: int) -> list[str]:
        """The rows, none longer than `width` characters."""
        rows = [(unstyled(name), row.words(now)) for name, row in self._rows.items()]
        room = width - 3 - max((len(words) for _, words in rows), default=0)
        column = min(max((len(name) for name, _ in rows), default=0), max(room, 10))
        return [f"  {shortened(name, column):<{column}} {words}"[:width] for name, words in rows]


@dataclass(slots=True)
class _VariantRow:
    """An index as one client variant sees it; moments are seconds of one clock."""

    answer: str = "no answer yet"
    seen_after: float | None = None
    next_look: float | None = None
    expires: float | None = None

    def words(self, now: float) -> str:
        if self.seen_after is not None:
            return f"seen after {durations.in_words(self.seen_after)}"
        words = [self.answer]
        if self.next_look is not None:
            left = self.next_look - now
            words.insert(0, f"next check in {durations.in_words(left)}" if left > 0 else "checking")
        if self.expires is not None and self.expires > now:
            words.append(f"old page cached for {durations.in_words(self.expires - now)}")
        return ", ".join(words)


@dataclass(slots=True)
class _Wait:
    """One index: since when it is polled, for how long at most, and what has come from it."""

    since: float
    timeout: float
    rows: dict[str, _VariantRow]
    # Until anything of the release is there: seen through a copy that no client reads.
    upload: _VariantRow | None = None

    def apply(self, event: events.Event, now: float) -> None:
        match event:
            case events.NotYetVisible(variant=variant):
                row = self._row(variant)
                lacks = f"lacks {some(event.missing, 2)}" if event.missing else "lists every file"
                row.answer, row.seen_after = event.detail or lacks, None
                row.next_look = None if event.next_in is None else now + event.next_in
                row.expires = None if event.expires_in is None else now + event.expires_in
            case events.BecameVisible(variant=variant, waited=waited):
                self._row(variant).seen_after = waited

    def _row(self, variant: str) -> _VariantRow:
        if variant == UNSEEN.name:
            self.upload = self.upload or _VariantRow()
            return self.upload
        self.upload = None
        return self.rows.setdefault(variant, _VariantRow())

    def elapsed(self, now: float) -> str:
        return f"{durations.in_words(now - self.since)} of {durations.in_words(self.timeout)}"


class WaitTable:
    """Index by client; `lines` is what a terminal shows at a moment."""

    def __init__(self) -> None:
        self._waits: dict[tuple[str, str], _Wait] = {}

    def apply(self, event: events.Event, now: float, release: str) -> None:
        """Take in one event of a release (empty if there is just one), which happened `now`."""
        match event:
            case events.WaitStarted(index, timeout, variants):
                rows = {variant: _VariantRow() for variant in variants}
                self._waits[release, index] = _Wait(now, timeout, rows)
            case events.IndexEnded(index):
                self._waits.pop((release, index), None)
            case events.ReleaseEnded():
                self._waits = {key: wait for key, wait in self._waits.items() if key[0] != release}
            case events.NotYetVisible() | events.BecameVisible():
                if wait := self._waits.get((release, event.index)):
                    wait.apply(event, now)

    def elapsed(self, release: str, index: str, now: float) -> str:
        """`12 s of 15 min`."""
        wait = self._waits.get((release, index))
        return wait.elapsed(now) if wait else ""

    def lines(self, now: float, width: int) -> list[str]:
        """The rows, none longer than `width` characters."""
        lines = []
        for (release, index), wait in self._waits.items():
            words, place = (
                f"({wait.elapsed(now)})",
                unstyled(" ".join(filter(None, (release, index)))),
            )
            lines.append(f"{shortened(place, max(width - len(words) - 1, 10))} {words}"[:width])
            rows = {"upload": wait.upload} if wait.upload else wait.rows
            column = max(map(len, rows), default=0)
            for name, each in rows.items():
                lines += row(f"{name:<{column}}", unstyled(each.words(now)), width)
        return lines


def project_rows(releases: Releases, width: int) -> list[str]:
    """How many have ended and how, and a row for each other; none longer than `width`.

    Nothing before the first project moves: there may be questions first.
    """
    if all(each.state == "ready" for each in releases.all):
        return []
    ended = Counter(each.verdict for each in releases.all if each.state == "ended")
    left = [each for each in releases.all if each.state != "ended"]
    counts = [f"{count} {verdict}" for verdict, count in sorted(ended.items())]
    lines = [", ".join([*counts, f"{len(left)} to go"])]
    column = min(max((len(each.name) for each in left), default=0), _LONGEST_NAME)
    gone = {each.name for each in releases.all if each.state == "ended"}
    lines += [
        f"  {shortened(each.name, column):<{column}} {unstyled(_state(each, gone))}"
        for each in sorted(left, key=lambda each: _ORDER.index(each.state))
    ]
    return [line[:width] for line in lines]


def _state(release: Release, gone: set[str]) -> str:
    """What a project is doing; it no longer waits for those that are `gone`."""
    if release.on_stage:
        stage, there = release.on_stage
        return f"{_state(there, gone)} ({stage})"
    needs = [name for name in release.needs if name not in gone]
    if release.state == "waiting" and needs:
        return f"waiting for {some(needs, 3)}"
    if release.state == "uploading":
        return f"uploading {release.there()}/{len(release.files)}"
    if release.state == "visible":
        seen = sum(proof.variants <= proof.seen_after.keys() for proof in release.proofs.values())
        return f"visible on {seen} of {release.indexes}"
    return release.state
