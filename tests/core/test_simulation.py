"""The wait meets its targets on a virtual clock; `make simulate` tries more, and other policies."""

from __future__ import annotations

import random
from functools import cache

import pytest

from tests.simulation.__main__ import DOCS
from tests.simulation.copies import KINDS, Cached, Kind, Late, SoftlyPurged
from tests.simulation.measuring import Measured, Target, measure, percentile, targets, together
from tests.simulation.policies import OURS, POLICIES, every
from tests.simulation.report import row
from tests.thorough import THOROUGH

# Per kind: 10,200 in total, or a fifth.
_DELAYS = 1700 if THOROUGH else 340


@cache
def measured(kind: Kind) -> Measured:
    """Our waits of one kind."""
    return measure(kind, OURS, _DELAYS)


def missed(found: list[Target]) -> list[Target]:
    """The targets that are missed."""
    return [target for target in found if not target.met]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_kind_meets_its_targets(kind: Kind) -> None:
    """Overshoot and requests stay within the promises."""
    assert not missed(targets(measured(kind)))


def test_all_kinds_meet_the_targets_together() -> None:
    """So do all waits taken together."""
    assert not missed(targets(together([measured(kind) for kind in KINDS])))


@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy != OURS])
def test_common_policies_miss_the_targets(policy: str) -> None:
    """The targets are not so loose that anything meets them."""
    for kind in KINDS:
        assert missed(targets(measure(kind, policy, 500)))


def test_far_fewer_requests_than_polling_every_second() -> None:
    """A fifth of the requests, and later only by its share of the delay."""
    ours = measured(KINDS[0])
    poll = measure(KINDS[0], "every 1 s", _DELAYS)
    assert ours.mean_requests < 0.2 * poll.mean_requests


def test_docs_show_the_current_figures() -> None:
    """A row of the table in the docs matches the current wait."""
    kind = KINDS[-1]
    page = (DOCS / "visibility.md").read_text(encoding="utf-8").splitlines()
    for policy in POLICIES:
        if policy != OURS:
            assert row(measure(kind, policy)) in page
    ours = [line for line in page if line.startswith(f"| {kind.name} | {OURS} |")]
    # It tries a thousand ten-minute waits, however many delays there are.
    assert ours[0].split(" | ")[-1] == row(measure(kind, OURS, 1000)).split(" | ")[-1]


def test_late_copy() -> None:
    """It is old before its moment and new from then on."""
    copy = Late(5.0)
    assert [copy.ask(now) for now in (0.0, 4.9, 5.0, 6.0)] == [False, False, True, True]
    assert copy.there == 5.0


def test_soft_purge() -> None:
    """The first request after it gets the old page, later ones the new page."""
    copy = SoftlyPurged(5.0)
    assert [copy.ask(now) for now in (0.0, 4.9)] == [False, False]
    assert copy.there is None
    assert [copy.ask(now) for now in (7.0, 7.1)] == [False, True]
    assert copy.there == 7.0


def test_cache_in_front_of_a_late_origin() -> None:
    """A copy cached too early is kept for its whole lifetime."""
    copy = Cached(10, -4.0, announces=True, origin=7.0)
    assert not copy.ask(5.9)
    assert copy.headers(5.9) == {"age": "9", "cache-control": "max-age=10"}
    assert copy.there == 7.0
    assert not copy.ask(6.5)
    assert copy.headers(6.5)["age"] == "0"
    assert copy.there == 16.5
    assert [copy.ask(now) for now in (16.4, 16.5)] == [False, True]
    assert Cached(10, 0.0, announces=False).headers(1.0) == {}


def test_fixed_polling_counts_skipped_requests() -> None:
    """A fixed poll also counts the requests that the simulation skips."""
    dice = random.Random(0)  # noqa: S311 - nothing is random here
    one = every(1.0)(Late(9.5), dice)
    assert (one.seen, one.overshoot, one.requests) == (10.0, 0.5, 11)
    one = every(2.0, 3)(SoftlyPurged(9.5), dice)
    assert (one.seen, one.overshoot, one.requests) == (16.0, 6.0, 9)
    one = every(30.0)(Cached(10, -4.0, announces=True, origin=31.0), dice)
    assert (one.there, one.seen, one.requests) == (40.0, 60.0, 3)


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 2.0), (0.51, 3.0), (0.95, 4.0), (0.0, 1.0), (1.0, 4.0)]
)
def test_percentile(share: float, value: float) -> None:
    """The smallest value that this share of the values does not exceed."""
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == value
