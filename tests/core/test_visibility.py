"""When to look again, and when a release is visible: hours of waiting in no time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified.core.expectation import ExactFiles, ExpectedFile
from poetry_publish_verified.core.simple.page import IndexFile, ProjectPage
from poetry_publish_verified.core.visibility import (
    LONGEST_PAUSE,
    SHORTEST_PAUSE,
    End,
    LookAgain,
    Observation,
    Watch,
)
from poetry_publish_verified.errors import Code
from tests.core.distributions import SDIST, WHEEL

HASHES = {WHEEL: "aa" * 32, SDIST: "bb" * 32}
EXPECTED = ExactFiles(tuple(ExpectedFile(name, sha256) for name, sha256 in HASHES.items()))
# Tolerance for clocks and sums of floats.
TINY = 1e-6


def seen(*files: str, sha256: str | None = None, serial: int | None = None) -> Observation:
    """An answer with a page of these files."""
    listed = {
        name: IndexFile(name, f"https://index.example/{name}", sha256 or HASHES[name])
        for name in files
    }
    return Observation("page", ProjectPage(listed), serial=serial)


ALL = seen(WHEEL, SDIST)
HALF = seen(WHEEL)
NONE = seen()
OTHER = seen(WHEEL, SDIST, sha256="cc" * 32)
ABSENT = Observation("absent", detail="it answered 404")
MOVED = Observation("moved", detail="it redirects")
UNKNOWN = Observation("unknown", detail="it answered 503")
NOT_YET = (HALF, NONE, ABSENT, MOVED, UNKNOWN)


def watch(
    deadline: float = 900.0, start: float = 0.0, jitter: Callable[[], float] = lambda: 0.0
) -> Watch:
    """A watch that starts at `start`, by default without jitter."""
    return Watch(EXPECTED, start, start + deadline, jitter)


def follow(
    one: Watch, answers: Callable[[float], Observation], start: float = 0.0
) -> tuple[list[LookAgain], End, float]:
    """Look whenever the watch says so; returns the looks, the end, and its time."""
    looks, step = [one.next], one.observe(answers(start), start)
    while isinstance(step, LookAgain):
        assert one.next == step
        looks.append(step)
        step = one.observe(answers(step.at), step.at)
    return looks, step, looks[-1].at


@pytest.mark.parametrize("first", [ALL, OTHER])
def test_first_good_page_is_confirmed(first: Observation) -> None:
    """A first good page is confirmed soon, on a new connection."""
    one = watch()
    assert one.observe(first, 5.0) == LookAgain(5.0 + SHORTEST_PAUSE, fresh=True)


def test_two_good_pages_in_a_row_are_visible() -> None:
    """Two good pages in a row end the wait."""
    one = watch()
    one.observe(ALL, 0.0)
    assert one.observe(ALL, SHORTEST_PAUSE) == "visible"


def test_two_wrong_pages_in_a_row_fail() -> None:
    """A wrong listing twice in a row ends the wait too, and is reported."""
    one = watch()
    one.observe(OTHER, 0.0)
    assert one.observe(OTHER, SHORTEST_PAUSE) == "wrong"
    assert [(f.code, f.filename) for f in one.judgement.faults] == [
        (Code.OTHER_HASH_LISTED, WHEEL),
        (Code.OTHER_HASH_LISTED, SDIST),
    ]


def test_different_verdicts_reset_the_count() -> None:
    """Two different verdicts in a row are not steady."""
    one = watch()
    one.observe(OTHER, 0.0)
    assert one.observe(ALL, 0.25) == LookAgain(0.5, fresh=True)
    assert one.observe(OTHER, 0.5) == LookAgain(0.75, fresh=True)
    assert one.observe(ALL, 0.75) == LookAgain(1.0, fresh=True)
    assert one.observe(ALL, 1.0) == "visible"


@pytest.mark.parametrize("between", NOT_YET)
def test_anything_between_good_pages_resets_the_count(between: Observation) -> None:
    """A good page no longer counts once anything else was seen."""
    one = watch()
    one.observe(ALL, 0.0)
    step = one.observe(between, 0.25)
    assert isinstance(step, LookAgain)
    assert not step.fresh
    assert one.observe(ALL, step.at) == LookAgain(step.at + SHORTEST_PAUSE, fresh=True)


def test_older_serial_resets_the_count() -> None:
    """An older serial is a stale copy, so its listing proves nothing."""
    one = watch()
    one.observe(seen(WHEEL, SDIST, serial=8), 0.0)
    step = one.observe(seen(WHEEL, SDIST, serial=7), 0.25)
    assert isinstance(step, LookAgain)
    assert not step.fresh
    assert one.observe(seen(WHEEL, SDIST, serial=8), 1.0) == LookAgain(1.25, fresh=True)
    assert one.observe(seen(WHEEL, SDIST, serial=9), 1.25) == "visible"


@pytest.mark.parametrize(("before", "after"), [(7, 7), (7, 8), (7, None), (None, 7)])
def test_same_or_newer_serial_counts(before: int | None, after: int | None) -> None:
    """The same serial, a later one and none at all are equally good."""
    one = watch()
    one.observe(seen(WHEEL, SDIST, serial=before), 0.0)
    assert one.observe(seen(WHEEL, SDIST, serial=after), 0.25) == "visible"


@pytest.mark.parametrize(
    ("last", "end"),
    [
        (Observation("denied", detail="it answered 403"), "denied"),
        (Observation("not-offered"), "not-offered"),
    ],
)
def test_denied_and_not_offered_end_at_once(last: Observation, end: End) -> None:
    """Waiting cannot change a denial or a page that is not offered."""
    one = watch()
    assert one.observe(last, 0.0) == end
    assert one.last == last


@pytest.mark.parametrize("late", NOT_YET)
def test_deadline_ends_the_wait(late: Observation) -> None:
    """What is missing at the deadline counts as missing."""
    one = watch(900.0)
    assert isinstance(one.observe(late, 899.9), LookAgain)
    assert one.observe(late, 900.0) == "late"


def test_last_good_page_is_still_confirmed() -> None:
    """A good page at the last moment gets its second look."""
    one = watch(900.0)
    assert one.observe(ALL, 905.0) == LookAgain(905.25, fresh=True)
    assert one.observe(ALL, 905.25) == "visible"


def test_confirmation_after_the_deadline_is_final() -> None:
    """The second look after the deadline is the last one."""
    one = watch(900.0)
    one.observe(ALL, 900.0)
    assert one.observe(HALF, 900.25) == "late"


def test_watch_counts_looks_and_reasons() -> None:
    """The watch knows how often it looked, what was missing, and the last answer."""
    one = watch()
    assert one.judgement.absent == (WHEEL, SDIST)
    one.observe(HALF, 0.0)
    assert [one.requests, *one.judgement.absent] == [1, SDIST]
    one.observe(UNKNOWN, 1.0)
    assert one.last == UNKNOWN
    assert [one.requests, *one.judgement.absent] == [2, SDIST]
    one.observe(ABSENT, 2.0)
    assert [one.requests, *one.judgement.absent] == [3, WHEEL, SDIST]


ROLLS = st.lists(st.floats(0, 1), min_size=1, max_size=9).map(itertools.cycle)
ANSWERS = st.lists(
    st.sampled_from((ALL, ALL, *NOT_YET, seen(WHEEL, SDIST, serial=7), seen(SDIST, serial=7))),
    min_size=1,
    max_size=40,
)


def visible_at(answers: Sequence[Observation]) -> int | None:
    """The first answer that completes enough good pages in a row."""
    row, wanted, seen_whole = 0, 2, False
    for number, answer in enumerate(answers):
        if answer.page and EXPECTED.judge(answer.page).satisfied:
            row, seen_whole = row + 1, True
            if row >= wanted:
                return number
            continue
        row = 0
        if seen_whole and answer.state != "unknown":
            wanted, seen_whole = min(wanted + 2, 8), False
    return None


@given(ANSWERS, ROLLS)
def test_flapping_index(answers: Sequence[Observation], rolls: itertools.cycle[float]) -> None:
    """Only good pages in a row are visible, 0.25 s apart, all but the first on new connections.

    Two are enough until a page has lost the release again; each such loss takes two more.
    """
    one = watch(1e6, jitter=lambda: next(rolls))
    looks = []
    for number, answer in enumerate(answers):
        looks.append(one.next)
        step = one.observe(answer, one.next.at)
        if step == "visible":
            assert number == visible_at(answers)
            assert looks[-1].fresh
            assert looks[-1].at - looks[-2].at >= SHORTEST_PAUSE - TINY
            return
        assert isinstance(step, LookAgain)
    assert visible_at(answers) is None


@given(
    st.floats(0, 1e5),
    st.floats(1, 3000),
    ROLLS,
    st.lists(st.tuples(st.sampled_from(NOT_YET), st.floats(-5, 60)), min_size=1, max_size=9),
)
def test_spacing_of_looks(
    start: float,
    timeout: float,
    rolls: itertools.cycle[float],
    answers: list[tuple[Observation, float]],
) -> None:
    """Looks are 0.25 to 30 s apart whatever is seen; the last is at the deadline."""
    ever = itertools.cycle([replace(seen, expires_in=left) for seen, left in answers])
    one = watch(timeout, start, jitter=lambda: next(rolls))
    looks, step, end = follow(one, lambda _: next(ever), start)
    assert looks[0] == LookAgain(start)
    assert step == "late"
    assert start + timeout <= end <= start + timeout + SHORTEST_PAUSE
    gaps = [after.at - before.at for before, after in itertools.pairwise(looks)]
    assert all(SHORTEST_PAUSE - TINY <= gap <= LONGEST_PAUSE + TINY for gap in gaps)


@given(
    ROLLS,
    st.lists(
        st.tuples(
            st.sampled_from((ALL, *NOT_YET)),
            st.one_of(st.none(), st.floats(-2, 700)),
            st.one_of(st.none(), st.floats(0, 5)),
        ),
        min_size=1,
        max_size=12,
    ),
)
def test_requests_in_ten_minutes(
    rolls: itertools.cycle[float],
    answers: list[tuple[Observation, float | None, float | None]],
) -> None:
    """Ten minutes without a good page take at most 80 requests, whatever the answers.

    A good page is confirmed by one more look, which does not count here.
    """
    ever = itertools.cycle(
        [replace(seen, expires_in=left, retry_after=rest) for seen, left, rest in answers]
    )
    one = watch(600.0, jitter=lambda: next(rolls))
    good = fresh = 0
    while True:
        answer = next(ever)
        if one.next.fresh:
            # The page flaps: a good page is gone at the next look.
            answer, fresh = HALF, fresh + 1
        good += answer.page is ALL.page
        if not isinstance(one.observe(answer, one.next.at), LookAgain):
            break
    assert fresh in {good, good - 1}
    assert one.requests - fresh <= 80


@pytest.mark.parametrize("left", [None, -1.0, 0.0, 1.0, 5.0, 7.5, 10.0, 30.0])
def test_requests_with_minimal_pauses(left: float | None) -> None:
    """Even the shortest pauses that jitter allows stay within 80 requests."""
    looks, _, _ = follow(watch(600.0, jitter=lambda: 1.0), lambda _: replace(NONE, expires_in=left))
    assert len(looks) <= 80


@given(st.integers(1, 12), st.floats(0, 1))
def test_errors_double_the_pause(errors: int, jitter: float) -> None:
    """Each error in a row at least doubles the pause, up to half a minute; a page ends that."""
    one = watch(1e6, jitter=lambda: jitter)
    step: LookAgain | End = one.next
    for number in range(errors):
        now = one.next.at
        step = one.observe(replace(UNKNOWN, expires_in=0.5), now)
        assert isinstance(step, LookAgain)
        assert step.at - now >= min(0.5 * 2**number, LONGEST_PAUSE) - TINY
        assert step.at - now <= LONGEST_PAUSE + TINY
    assert isinstance(step, LookAgain)
    after = one.observe(NONE, step.at)
    assert isinstance(after, LookAgain)
    assert after.at - step.at <= 0.35 + 0.08 * step.at + TINY


@given(
    st.sampled_from((UNKNOWN, ABSENT)),
    st.floats(0.01, 500),
    st.one_of(st.none(), st.floats(-1, 100)),
    st.floats(0, 300),
    st.booleans(),
)
def test_retry_after_is_obeyed(
    state: Observation, rest: float, left: float | None, now: float, early: bool
) -> None:
    """`Retry-After` is obeyed at every look, whatever else was announced."""
    one = watch(1e6)
    if early:
        step = one.observe(replace(NONE, expires_in=1.0), now)
        assert isinstance(step, LookAgain)
        now = step.at
    step = one.observe(replace(state, retry_after=rest, expires_in=left), now)
    assert isinstance(step, LookAgain)
    assert step.at >= now + rest - TINY


def test_retry_after_beyond_the_deadline() -> None:
    """A rest that outlasts the wait leaves one look at the deadline."""
    step = watch(60.0).observe(replace(UNKNOWN, retry_after=3600.0), 1.0)
    assert step == LookAgain(60.0)


@given(st.floats(20, 500), st.floats(0, 60), ROLLS)
def test_look_after_an_announced_expiry(
    now: float, left: float, rolls: itertools.cycle[float]
) -> None:
    """Right after an announced expiry there is an extra look, and no other is delayed."""
    jitter = [next(rolls) for _ in range(2)]
    plain = watch(1e6, jitter=iter(jitter).__next__)
    usual = plain.observe(NONE, now)
    assert isinstance(usual, LookAgain)
    telling = watch(1e6, jitter=iter(jitter).__next__)
    looks, step = [], telling.observe(replace(NONE, expires_in=left), now)
    while isinstance(step, LookAgain) and step.at < usual.at:
        looks.append(step.at)
        # A new copy that lasts long enough.
        step = telling.observe(replace(NONE, expires_in=1000.0), step.at)
    assert step == usual
    if now + left < usual.at - 2 * SHORTEST_PAUSE:
        (look,) = looks
        assert look - (now + left) <= 0.5 + TINY


@given(ROLLS, st.lists(st.floats(-1, 40), min_size=1, max_size=9), st.floats(60, 3000))
def test_announced_expiry_never_delays_a_look(
    rolls: itertools.cycle[float], lefts: list[float], timeout: float
) -> None:
    """An edge that announces expiries is looked at whenever a silent one would be."""
    jitter = [next(rolls) for _ in range(7)]

    def looks(answers: Sequence[Observation]) -> list[float]:
        dice, ever = itertools.cycle(jitter), itertools.cycle(answers)
        followed, _, _ = follow(watch(timeout, jitter=lambda: next(dice)), lambda _: next(ever))
        return [look.at for look in followed]

    usual = looks([NONE])
    telling = looks([replace(NONE, expires_in=left) for left in lefts])
    # Except the last: after an extra look just before, it cannot be at the deadline.
    assert set(usual[:-1]) <= set(telling)
    assert usual[-1] <= telling[-1] <= usual[-1] + SHORTEST_PAUSE


def test_extra_looks_are_limited() -> None:
    """An edge that always announces an immediate expiry gets few extra looks."""
    ending = replace(NONE, expires_in=0.0)
    plain, _, _ = follow(watch(600.0), lambda _: NONE)
    told, _, _ = follow(watch(600.0), lambda _: ending)
    assert 1 <= len(told) - len(plain) <= 7


def test_rounded_ages_use_the_earliest_expiry() -> None:
    """Of several answers for one copy, the earliest expiry is right."""
    one = watch()
    for now, left in ((10.0, 90.0), (10.9, 89.3), (11.5, 89.0), (12.0, 88.0)):
        one.observe(replace(NONE, expires_in=left), now)
    assert one.expires_at == pytest.approx(100.0)
    one.observe(replace(NONE, expires_in=600.0), 13.0)
    assert one.expires_at == pytest.approx(613.0)
    one.observe(NONE, 14.0)
    assert one.expires_at is None


def test_shared_copy_moves_the_next_look() -> None:
    """Another variant's look moves the next one, but is no look and no end."""
    one = watch(900.0)
    one.observe(NONE, 100.0)
    before = one.next.at
    one.overhear(HALF, 105.0)
    assert one.next.at > before
    assert (one.requests, one.judgement.absent) == (1, (SDIST,))
    one.overhear(HALF, 900.0)
    assert one.next.at < 900.0


def test_shared_looks_keep_the_extra_look() -> None:
    """However many saw the copy, there is still a look when it expires."""
    one = watch(1e6)
    one.observe(replace(NONE, expires_in=20.0), 300.0)
    for now in range(301, 316):
        one.overhear(replace(NONE, expires_in=320.0 - now), float(now))
    assert 320.0 <= one.next.at <= 320.5
