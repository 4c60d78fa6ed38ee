"""Many projects, a row each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from dataclasses import field

from poetry_publish_verified.core import events
from poetry_publish_verified.core.problems.words import some
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.output.words import shortened
from poetry_publish_verified.output.words import unstyled

# What moves is above what waits.
_ORDER = ("uploading", "visible", "building", "built", "waiting", "ready")
_LONGEST_NAME = 40


@dataclass(slots=True)
class _ProjectRow:
    """One project: what it is doing, and the numbers of that."""

    name: str
    state: str = "ready"
    files: int = 0
    arrived: int = 0
    indexes: int = 1
    needs: tuple[str, ...] = ()
    # By index: the client variants that do not see the release yet.
    unseen: dict[str, set[str]] = field(default_factory=dict)

    def words(self) -> str:
        match self.state:
            case "uploading":
                return f"uploading {self.arrived}/{self.files}"
            case "visible":
                seen = sum(not clients for clients in self.unseen.values())
                return f"visible on {seen} of {self.indexes}"
            case "waiting":
                return f"waiting for {some(self.needs, 3)}"
            case _:
                return self.state

    def apply(self, event: events.Event) -> None:
        match event:
            case events.TargetsFound(indexes=indexes):
                self.indexes = len(indexes)
            case events.BuildStarted():
                self.state = "building"
            case events.DistributionsRead(distributions):
                self.state, self.files = "built", len(distributions)
            case events.ReleaseWaiting(needs):
                self.state, self.needs = "waiting", needs
            case events.SendingStarted():
                self.state = "uploading"
            case events.UploadEnded(upload=upload):
                self.arrived += upload not in {"failed", "unknown", "not-sent"}
            case events.WaitStarted(index, variants=variants):
                self.state, self.unseen[index] = "visible", set(variants)
            case events.BecameVisible(index, variant):
                self.unseen.get(index, set()).discard(variant)


class ProjectTable:
    """Project by project; `lines` is what a terminal shows at a moment."""

    def __init__(self) -> None:
        self._rows: dict[str, _ProjectRow] = {}
        self._ended: Counter[Verdict] = Counter()

    def apply(self, event: events.Event, release: str) -> None:
        """Take in one event of a project, whatever tells the projects apart."""
        match event:
            case events.ReleaseStarted(name):
                self._rows[release] = _ProjectRow(name)
            case events.ReleaseEnded(verdict):
                self._ended[verdict] += 1
                ended = self._rows.pop(release).name
                for row in self._rows.values():
                    row.needs = tuple(name for name in row.needs if name != ended)
            case _ if release in self._rows:
                self._rows[release].apply(event)

    def lines(self, width: int) -> list[str]:
        """How many have ended and how, and a row for each other; none longer than `width`."""
        if not self._ended and all(row.state == "ready" for row in self._rows.values()):
            # There may be questions first.
            return []
        ended = [f"{count} {verdict}" for verdict, count in sorted(self._ended.items())]
        rows = sorted(self._rows.values(), key=lambda row: _ORDER.index(row.state))
        column = min(max((len(row.name) for row in rows), default=0), _LONGEST_NAME)
        lines = [", ".join([*ended, f"{len(rows)} to go"])]
        lines += [
            f"  {shortened(row.name, column):<{column}} {unstyled(row.words())}" for row in rows
        ]
        return [line[:width] for line in lines]
