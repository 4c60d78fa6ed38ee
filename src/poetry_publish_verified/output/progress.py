"""The waiting, as a table that is kept up to date: which index, which client, how far."""

from __future__ import annotations

from dataclasses import dataclass

from poetry_publish_verified.core import durations
from poetry_publish_verified.core.events import BecameVisible
from poetry_publish_verified.core.events import IndexEnded
from poetry_publish_verified.core.events import NotYetVisible
from poetry_publish_verified.core.events import WaitStarted
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.sanitize import printable

_LABELS = {UNSEEN.name: "upload"}


@dataclass(slots=True)
class _IndexRow:
    """One index as one client sees it; moments are seconds of one clock."""

    since: float
    answer: str = "not looked yet"
    seen_after: float | None = None
    next_look: float | None = None
    expires: float | None = None

    def words(self, now: float) -> str:
        if self.seen_after is not None:
            return f"seen after {durations.in_words(self.seen_after)}"
        words = [f"waiting {durations.in_words(now - self.since)}", self.answer]
        if self.next_look is not None:
            words.append(f"next look in {durations.in_words(max(self.next_look - now, 0.0))}")
        if self.expires is not None and self.expires > now:
            words.append(f"old page held for {durations.in_words(self.expires - now)}")
        return " · ".join(words)


class WaitTable:
    """Index by client; `lines` is what stands on the terminal at a moment."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], _IndexRow] = {}

    def started(self, release: str, event: WaitStarted, now: float) -> None:
        """An index is watched."""
        for variant in event.variants:
            self._rows[release, event.index, variant] = _IndexRow(now)

    def looked(self, release: str, event: NotYetVisible, now: float) -> None:
        """One look did not satisfy."""
        row = self._row(release, event, now)
        row.answer = event.detail or (
            f"lacks {', '.join(event.missing)}" if event.missing else "looking once more"
        )
        row.next_look = None if event.next_in is None else now + event.next_in
        row.expires = None if event.expires_in is None else now + event.expires_in

    def visible(self, release: str, event: BecameVisible, now: float) -> None:
        """One client sees it all."""
        self._row(release, event, now).seen_after = event.waited

    def ended(self, release: str, event: IndexEnded) -> None:
        """Nothing more is waited for there."""
        self._rows = {
            key: row for key, row in self._rows.items() if key[:2] != (release, event.index)
        }

    def lines(self, now: float, width: int) -> list[str]:
        """The rows, none wider than the terminal: a wrapped one could not be painted over."""
        groups: dict[tuple[str, str], list[str]] = {}
        for (release, index, variant), row in self._rows.items():
            rows = groups.setdefault((release, index), [])
            rows.append(f"  {_LABELS.get(variant, variant):<12} {printable(row.words(now))}")
        lines = []
        for (release, index), rows in groups.items():
            lines += [" ".join(filter(None, (release, index))), *rows]
        return [short(line, max(width - 1, 10)) for line in lines]

    def _row(self, release: str, event: NotYetVisible | BecameVisible, now: float) -> _IndexRow:
        if event.variant != UNSEEN.name:
            self._rows.pop((release, event.index, UNSEEN.name), None)
        return self._rows.setdefault((release, event.index, event.variant), _IndexRow(now))


def short(text: str, width: int) -> str:
    """`text`, cut to `width` characters where it is longer."""
    return text if len(text) <= width else text[: width - 1] + "…"
