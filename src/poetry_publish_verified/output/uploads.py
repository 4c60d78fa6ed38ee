"""The uploads in progress, one bar each."""

from dataclasses import dataclass

from poetry_publish_verified.core import durations, events
from poetry_publish_verified.output.words import shortened, unstyled

_BAR = 12


@dataclass(slots=True)
class _UploadRow:
    """One file of `size` bytes, `sent` of which have left; or the moment of its next attempt."""

    size: int
    sent: int = 0
    uncertain: bool = False
    again: float | None = None

    def words(self, now: float) -> str:
        if self.again is not None:
            return f"retrying in {durations.in_words(max(self.again - now, 0.0))}"
        if self.uncertain:
            return "checking whether the index has it"
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
            case events.UploadUncertain(filename):
                self._rows[filename].uncertain = True
            case events.UploadDelayed(filename, pause=pause):
                self._rows[filename].again = now + pause
            case events.UploadEnded(filename):
                self._rows.pop(filename, None)

    def lines(self, now: float, width: int) -> list[str]:
        """The rows, none longer than `width` characters."""
        rows = [(unstyled(name), row.words(now)) for name, row in self._rows.items()]
        room = width - 3 - max((len(words) for _, words in rows), default=0)
        column = min(max((len(name) for name, _ in rows), default=0), max(room, 10))
        return [f"  {shortened(name, column):<{column}} {words}"[:width] for name, words in rows]
