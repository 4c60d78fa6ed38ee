"""Many projects, a row each, for who watches."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from dataclasses import field
from functools import singledispatchmethod

from poetry_publish_verified.core.events import BecameVisible
from poetry_publish_verified.core.events import BuildStarted
from poetry_publish_verified.core.events import DistributionsRead
from poetry_publish_verified.core.events import Event
from poetry_publish_verified.core.events import ReleaseEnded
from poetry_publish_verified.core.events import ReleaseStarted
from poetry_publish_verified.core.events import ReleaseWaiting
from poetry_publish_verified.core.events import SendingStarted
from poetry_publish_verified.core.events import TargetsFound
from poetry_publish_verified.core.events import UploadEnded
from poetry_publish_verified.core.events import WaitStarted
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.output.progress import short
from poetry_publish_verified.sanitize import printable

# What moves stands above what waits.
_ORDER = ("uploading", "visible", "building", "built", "waiting", "ready")
_LONGEST_NAME = 40


@dataclass(slots=True)
class _ProjectRow:
    """One project: what it is at, and the numbers of that."""

    state: str = "ready"
    files: int = 0
    arrived: int = 0
    indexes: int = 1
    needs: tuple[str, ...] = ()
    # By index: which clients are waited for.
    unseen: dict[str, set[str]] = field(default_factory=dict)

    def words(self) -> str:
        match self.state:
            case "uploading":
                return f"uploading {self.arrived}/{self.files}"
            case "visible":
                seen = sum(not clients for clients in self.unseen.values())
                return f"visible on {seen} of {self.indexes}"
            case "waiting":
                return f"waiting for {', '.join(self.needs)}"
            case _:
                return self.state


class ProjectTable:
    """Project by project; `lines` is what stands on the terminal at a moment."""

    def __init__(self) -> None:
        self._rows: dict[str, _ProjectRow] = {}
        self._ended: dict[str, Verdict] = {}

    def event(self, event: Event, project: str) -> None:
        """Take in what happened to a project, by its name."""
        self._take(event, project)

    @singledispatchmethod
    def _take(self, event: Event, project: str) -> None:
        pass

    @_take.register
    def _(self, event: ReleaseStarted, _project: str) -> None:
        self._rows[event.name] = _ProjectRow()

    @_take.register
    def _(self, event: TargetsFound, project: str) -> None:
        self._rows[project].indexes = len(event.indexes)

    @_take.register
    def _(self, _event: BuildStarted, project: str) -> None:
        self._rows[project].state = "building"

    @_take.register
    def _(self, event: DistributionsRead, project: str) -> None:
        self._rows[project].files = len(event.distributions)
        self._rows[project].state = "built"

    @_take.register
    def _(self, event: ReleaseWaiting, project: str) -> None:
        self._rows[project].state = "waiting"
        self._rows[project].needs = event.needs

    @_take.register
    def _(self, _event: SendingStarted, project: str) -> None:
        self._rows[project].state = "uploading"

    @_take.register
    def _(self, event: UploadEnded, project: str) -> None:
        self._rows[project].arrived += event.upload not in {"failed", "unknown", "not-sent"}

    @_take.register
    def _(self, event: WaitStarted, project: str) -> None:
        self._rows[project].state = "visible"
        self._rows[project].unseen[event.index] = set(event.variants)

    @_take.register
    def _(self, event: BecameVisible, project: str) -> None:
        self._rows[project].unseen.get(event.index, set()).discard(event.variant)

    @_take.register
    def _(self, event: ReleaseEnded, project: str) -> None:
        self._rows.pop(project, None)
        self._ended[project] = event.verdict
        for row in self._rows.values():
            row.needs = tuple(name for name in row.needs if name != project)

    def lines(self, width: int) -> list[str]:
        """How many have ended and how, and a row for each other; none wider than the terminal."""
        counts = Counter(map(str, self._ended.values()))
        ended = [f"{count} {verdict}" for verdict, count in sorted(counts.items())]
        lines = [", ".join([*ended, f"{len(self._rows)} to go"])]
        column = min(max(map(len, self._rows), default=0), _LONGEST_NAME)
        rows = sorted(self._rows.items(), key=lambda item: _ORDER.index(item[1].state))
        lines += [
            f"  {short(printable(name), column):<{column}} {printable(row.words())}"
            for name, row in rows
        ]
        return [short(line, max(width - 1, 10)) for line in lines]

    def failed(self) -> list[str]:
        """Who came to no good end, by how that is called."""
        found: dict[str, list[str]] = {}
        for project, verdict in self._ended.items():
            if verdict.exit_code != 0:
                found.setdefault(str(verdict), []).append(project)
        return [f"{verdict}: {', '.join(names)}" for verdict, names in found.items()]

    def count(self) -> str:
        """How many of all came to a good end."""
        good = sum(verdict.exit_code == 0 for verdict in self._ended.values())
        return f"{good} of {len(self._ended) + len(self._rows)} projects"
