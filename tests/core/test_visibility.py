"""When to look again, and when a release is visible: hours of waiting in no time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified.core.simple_api import IndexFile
from poetry_publish_verified.core.simple_api import ProjectPage
from poetry_publish_verified.core.visibility import Denied
from poetry_publish_verified.core.visibility import LookAgain
from poetry_publish_verified.core.visibility import Missing
from poetry_publish_verified.core.visibility import Observation
from poetry_publish_verified.core.visibility import OutOfTime
from poetry_publish_verified.core.visibility import Step
from poetry_publish_verified.core.visibility import Visible
from poetry_publish_verified.core.visibility import Watch
from poetry_publish_verified.core.visibility import Wrong
from poetry_publish_verified.core.visibility import compare

EXPECTED = {"a.whl": "aa", "b.tar.gz": "bb"}
ABSENT = Observation("absent", detail="404")
UNKNOWN = Observation("unknown", detail="the index answered 503")


def page(**hashes: str | None) -> ProjectPage:
    """A page that lists `a` and `b` with these hashes."""
    names = {"a": "a.whl", "b": "b.tar.gz", "c": "c.whl"}
    return ProjectPage(
        {
            names[key]: IndexFile(names[key], f"https://index.example/{names[key]}", sha256)
            for key, sha256 in hashes.items()
        }
    )


def seen(**hashes: str | None) -> Observation:
    """An answer with that page."""
    return Observation("page", page(**hashes))


@pytest.mark.parametrize(
    ("listed", "missing"),
    [
        (page(a="aa", b="bb"), Missing()),
        (page(a="aa", b="bb", c="cc"), Missing()),
        (page(), Missing(absent=("a.whl", "b.tar.gz"))),
        (page(a="aa"), Missing(absent=("b.tar.gz",))),
        (page(a=None, b="bb"), Missing(without_hash=("a.whl",))),
        (page(a="xx", b="bb"), Missing(other_hash=("a.whl",))),
        (page(a="xx"), Missing(absent=("b.tar.gz",), other_hash=("a.whl",))),
    ],
)
def test_a_page_against_what_must_be_on_it(listed: ProjectPage, missing: Missing) -> None:
    """A file is absent, without a hash, under another hash, or fine."""
    assert compare(listed, EXPECTED) == missing


@pytest.mark.parametrize(
    ("observation", "step"),
    [
        (seen(a="aa", b="bb"), Visible()),
        (seen(a="aa", b=None), Visible()),
        (seen(a="xx"), Wrong(("a.whl",))),
        (seen(a="xx", b="yy"), Wrong(("a.whl", "b.tar.gz"))),
        (Observation("denied", detail="403"), Denied()),
        (seen(a="aa"), LookAgain(1.0)),
        (ABSENT, LookAgain(1.0)),
        (UNKNOWN, LookAgain(1.0)),
    ],
)
def test_the_first_look(observation: Observation, step: Step) -> None:
    """What the first answer leads to."""
    assert Watch(EXPECTED, 0.0, 900.0).observe(observation, 0.0) == step


@pytest.mark.parametrize("late", [ABSENT, UNKNOWN, seen(a="aa")])
def test_out_of_time(late: Observation) -> None:
    """At the deadline whatever is not there counts as not there."""
    watch = Watch(EXPECTED, 0.0, 900.0)
    assert isinstance(watch.observe(late, 899.9), LookAgain)
    assert watch.observe(late, 900.0) == OutOfTime()


def test_visible_at_the_last_moment() -> None:
    """An answer that satisfies is good after the deadline too."""
    assert Watch(EXPECTED, 0.0, 900.0).observe(seen(a="aa", b="bb"), 905.0) == Visible()


def test_what_is_remembered() -> None:
    """The watch knows how often it looked, what lacked last, and what was said."""
    watch = Watch(EXPECTED, 0.0, 900.0)
    assert watch.missing == Missing(absent=("a.whl", "b.tar.gz"))
    watch.observe(seen(a="aa"), 0.0)
    assert (watch.requests, watch.missing.absent) == (1, ("b.tar.gz",))
    watch.observe(UNKNOWN, 1.0)
    assert (watch.requests, watch.last) == (2, UNKNOWN)
    assert watch.missing.absent == ("b.tar.gz",)


def looks(start: float, timeout: float, visible_after: float) -> list[float]:
    """When a watch looks at an index that shows the release after so long."""
    watch, now = Watch(EXPECTED, start, start + timeout), start
    times = []
    while True:
        times.append(now - start)
        there = now - start >= visible_after
        step = watch.observe(seen(a="aa", b="bb") if there else ABSENT, now)
        if not isinstance(step, LookAgain):
            assert step == (Visible() if there else OutOfTime())
            return times
        assert step.after >= 1.0
        now += step.after


@given(st.floats(0, 1e6), st.floats(1, 7 * 86400 / 10), st.floats(0, 7 * 86400 / 5))
def test_any_delay(start: float, timeout: float, delay: float) -> None:
    """It never looks more than once a second, and ends soon after the file or the deadline."""
    timeout, delay = min(timeout, 7200.0), min(delay, 9000.0)
    times = looks(start, timeout, delay)
    assert times[0] == 0.0
    end = min(delay, timeout)
    assert times[-1] <= end + max(1.0, min(end * 0.1 + 0.1, 10.0)) + 1e-3
    assert all(after - before >= 0.99 for before, after in itertools.pairwise(times))


def test_a_slow_index_is_not_hammered() -> None:
    """A quarter of an hour takes about a hundred looks, the last at the deadline."""
    times = looks(0.0, 900.0, 1e9)
    assert len(times) < 150
    assert times[-1] == pytest.approx(900.0, abs=1.0)
