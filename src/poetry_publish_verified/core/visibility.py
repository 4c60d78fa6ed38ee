"""When to look at an index again, and when a release counts as visible: a state machine.

Pure: fed with observations and the time, it answers what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from poetry_publish_verified.core.simple_api import ProjectPage

# Hotter than this helps nobody and makes indexes angry.
_SHORTEST_PAUSE = 1.0
_LONGEST_PAUSE = 10.0
_GROWTH = 0.1  # of the time waited so far: a release late by t is seen at most 10 % later


@dataclass(frozen=True, slots=True)
class Observation:
    """One answer of one index to one variant.

    `state`: `page` (it is in `page`), `absent` (the index has no such project), `moved` (it
    redirects to another server, where it is not looked for), `denied` (401 or 403) or `unknown`
    (no usable answer; `detail` says why). `edge` holds the headers that name the edge that
    answered. *No answer is unknown, never absent.*
    """

    state: Literal["page", "absent", "moved", "denied", "unknown"]
    page: ProjectPage | None = None
    detail: str = ""
    edge: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """What one observation of a page still lacks, and what it has that is wrong."""

    absent: tuple[str, ...] = ()
    without_hash: tuple[str, ...] = ()
    other_hash: tuple[str, ...] = ()


def compare(page: ProjectPage, expected: Mapping[str, str]) -> Missing:
    """Hold a page against the files (name to sha256) that must be on it."""
    absent, without_hash, other_hash = [], [], []
    for filename, sha256 in expected.items():
        file = page.files.get(filename)
        if file is None:
            absent.append(filename)
        elif file.sha256 is None:
            without_hash.append(filename)
        elif file.sha256 != sha256 or filename in page.ambiguous:
            other_hash.append(filename)
    return Missing(tuple(absent), tuple(without_hash), tuple(other_hash))


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Look again `after` so many seconds."""

    after: float


@dataclass(frozen=True, slots=True)
class Visible:
    """Every expected file is listed, none under another hash."""


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """The deadline has passed."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The index does not let us look: waiting longer changes nothing."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """The index lists an expected file under another hash."""

    filenames: tuple[str, ...]


Step = LookAgain | Visible | OutOfTime | Denied | Wrong


class Watch:
    """The wait for one index and one variant. Times are seconds of any one clock."""

    def __init__(self, expected: Mapping[str, str], now: float, deadline: float) -> None:
        """`expected` maps file names to sha256."""
        self._expected = expected
        self._start = now
        self._deadline = deadline
        self.requests = 0
        self.missing = Missing(tuple(expected))
        self.last = Observation("unknown")

    def observe(self, observation: Observation, now: float) -> Step:
        """Take in one observation and say what to do next."""
        self.requests += 1
        self.last = observation
        if observation.state == "denied":
            return Denied()
        if observation.page is not None:
            self.missing = compare(observation.page, self._expected)
            if self.missing.other_hash:
                return Wrong(self.missing.other_hash)
            if not self.missing.absent:
                return Visible()
        if now >= self._deadline:
            return OutOfTime()
        pause = min(max(_SHORTEST_PAUSE, (now - self._start) * _GROWTH), _LONGEST_PAUSE)
        # The last look falls on the deadline itself, unless that would be too soon.
        return LookAgain(min(pause, max(self._deadline - now, _SHORTEST_PAUSE)))
