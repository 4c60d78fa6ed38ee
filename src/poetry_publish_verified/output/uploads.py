"""The uploads under way, one bar each."""

from __future__ import annotations

from dataclasses import dataclass

from poetry_publish_verified.core import durations
from poetry_publish_verified.core.events import UploadDelayed
from poetry_publish_verified.core.events import UploadStarted
from poetry_publish_verified.output.progress import short
from poetry_publish_verified.sanitize import printable

_BAR = 24
_LONGEST_NAME = 60


@dataclass(slots=True)
class _UploadRow:
    """One file: of `size` bytes so many have left, or what it waits for until `again`."""

    size: int
    sent: int = 0
    waits: str | None = None
    again: float | None = None

    def words(self, now: float) -> str:
        if self.again is not None:
            return f"sent again in {durations.in_words(max(self.again - now, 0.0))}"
        if self.waits is not None:
            return self.waits
        share = min(self.sent / self.size, 1.0) if self.size else 1.0
        whole = int(share * _BAR)
        bar = "=" * whole + (">" if whole < _BAR else "")
        return f"[{bar:<{_BAR}}] {share:4.0%}"


class UploadTable:
    """File by file; `lines` is what stands on the terminal at a moment."""

    def __init__(self) -> None:
        self._rows: dict[str, _UploadRow] = {}

    def started(self, event: UploadStarted) -> None:
        """A file is being sent."""
        self._rows[event.filename] = _UploadRow(event.size)

    def progressed(self, filename: str, sent: int) -> bool:
        """So many bytes have left; whether that can be seen."""
        row = self._rows[filename]
        before, row.sent = row.sent, sent
        return 100 * before // max(row.size, 1) != 100 * sent // max(row.size, 1)

    def doubted(self, filename: str) -> None:
        """The index is asked for it."""
        self._rows[filename].waits = "looking whether it is there"

    def delayed(self, event: UploadDelayed, now: float) -> None:
        """It is sent again after a pause."""
        self._rows[event.filename].again = now + event.pause

    def ended(self, filename: str) -> None:
        """Nothing more is done for it."""
        self._rows.pop(filename, None)

    def lines(self, now: float, width: int) -> list[str]:
        """The rows, none wider than the terminal."""
        names = {name: short(printable(name), _LONGEST_NAME) for name in self._rows}
        column = min(max(map(len, names.values()), default=0), max(width - _BAR - 14, 10))
        return [
            short(f"  {short(names[name], column):<{column}} {row.words(now)}", max(width - 1, 10))
            for name, row in self._rows.items()
        ]
