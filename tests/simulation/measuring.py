"""Many waits of one kind with one policy, their figures, and the targets for ours."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.simulation.copies import Kind
from tests.simulation.policies import POLICIES, Wait

DELAYS = 10_000
_TEN_MINUTE_WAITS = 1000
TOGETHER = "all together"

_P95_SHARE, _P95_SECONDS = 0.08, 0.6
_WORST_SHARE, _WORST_SECONDS = 0.12, 1.0
_ANNOUNCED_SECONDS = 1.5
_TEN_MINUTE_REQUESTS = 80


@dataclass(frozen=True, slots=True)
class Measured:
    """Waits for random delays, and the requests of each ten-minute wait."""

    kind: str
    policy: str
    waits: Sequence[Wait]
    ten_minutes: Sequence[int]
    announced: bool = False

    @property
    def overshoots(self) -> list[float]:
        """By how many seconds each was seen too late."""
        return [wait.overshoot for wait in self.waits]

    @property
    def share(self) -> float:
        """The 95th percentile of the overshoot as a share of the delay."""
        return percentile(
            [wait.overshoot / wait.there if wait.there else math.inf for wait in self.waits], 0.95
        )

    @property
    def mean_requests(self) -> float:
        """The average number of requests per wait."""
        return sum(wait.requests for wait in self.waits) / len(self.waits)

    @property
    def most_requests(self) -> int:
        """The largest number of requests of any wait."""
        return max(wait.requests for wait in self.waits)


@dataclass(frozen=True, slots=True)
class Target:
    """A figure and its limit."""

    kind: str
    what: str
    figure: float
    limit: float

    @property
    def met(self) -> bool:
        """Whether the figure is within its limit, allowing a billionth for rounding."""
        return self.figure <= self.limit + 1e-9


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def measure(kind: Kind, policy: str, delays: int = DELAYS) -> Measured:
    """Wait this many times; the delays are the same for each policy and each run."""
    wait = POLICIES[policy]

    def waits(make: str, times: int) -> list[Wait]:
        dice = random.Random(f"{kind.name}, {make}")  # noqa: S311 - the same on each run
        jitter = random.Random(policy)  # noqa: S311 - the same
        return [wait(getattr(kind, make)(dice), jitter) for _ in range(times)]

    ten_minutes = [one.requests for one in waits("ten_minutes", min(delays, _TEN_MINUTE_WAITS))]
    return Measured(kind.name, policy, waits("make", delays), ten_minutes, kind.announced)


def together(measured: Sequence[Measured]) -> Measured:
    """Several kinds, measured with one policy, as one."""
    return Measured(
        TOGETHER,
        measured[0].policy,
        [wait for one in measured for wait in one.waits],
        [requests for one in measured for requests in one.ten_minutes],
    )


def targets(measured: Measured) -> list[Target]:
    """The targets of our policy, with its figures."""

    def beyond(share: float) -> list[float]:
        return [wait.overshoot - share * wait.there for wait in measured.waits]

    found = [
        Target(
            measured.kind,
            "overshoot beyond 8 % of the delay, 95th percentile, s",
            percentile(beyond(_P95_SHARE), 0.95),
            _P95_SECONDS,
        ),
        Target(
            measured.kind,
            "overshoot beyond 12 % of the delay, worst, s",
            max(beyond(_WORST_SHARE)),
            _WORST_SECONDS,
        ),
        Target(
            measured.kind,
            "requests of a wait of ten minutes, most",
            max(measured.ten_minutes),
            _TEN_MINUTE_REQUESTS,
        ),
    ]
    if measured.announced:
        worst = max(measured.overshoots)
        found.append(Target(measured.kind, "overshoot, worst, s", worst, _ANNOUNCED_SECONDS))
    return found
