"""The order of uploads, how many at once, and the result of each file, in virtual time."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified.core.distribution import in_upload_order
from poetry_publish_verified.core.events import (
    SendingStarted,
    UploadBrokenOff,
    UploadDelayed,
    UploadHeld,
    UploadStarted,
)
from poetry_publish_verified.core.former_build import OtherSources
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.simple.page import IndexFile, ProjectPage
from poetry_publish_verified.core.upload.outcomes import Answered, NoAnswer
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.core.visibility import Observation
from poetry_publish_verified.errors import Code, Verdict
from poetry_publish_verified.release.interfaces import Plan
from tests.core.distributions import SDIST, WHEEL, distribution
from tests.release.scripted import OK, ScriptedAnswer, World, changed

if TYPE_CHECKING:
    from poetry_publish_verified.core.distribution import Distribution

WHEELS = [f"lantern-1.0-cp3{n}-cp3{n}-manylinux_2_28_x86_64.whl" for n in range(10, 16)]
# Later ones are larger.
MANY = in_upload_order(
    [*(distribution(name, b"light" * n) for n, name in enumerate(WHEELS, 2)), distribution(SDIST)]
)
# Large enough to be sent ahead of their turn.
LARGE = tuple(replace(each, size=1_000_000 + each.size) for each in MANY)
BUILT = in_upload_order([distribution(WHEEL, b"light in a wheel"), distribution(SDIST)])
PLAN = Plan(Until.DOWNLOADABLE, 900.0)
LOST = NoAnswer("the server did not answer in time", sent=True)
GONE = ScriptedAnswer(LOST, stored=False)
BUSY = ScriptedAnswer(Answered(503, b"no healthy backends"), stored=False)
LATE = ScriptedAnswer(Answered(503, b"no healthy backends"), stored=True)
SLOW_DOWN = ScriptedAnswer(
    Answered(429, b"Too Many Requests", headers={"retry-after": "40"}), stored=False
)
NOT_REACHED = ScriptedAnswer(NoAnswer("connection refused", sent=False, passing=True), stored=False)
NEVER = ScriptedAnswer(Answered(400, b"Only one sdist may be uploaded per release."), stored=False)
LIE = ScriptedAnswer(Answered(200), stored=False)
EXISTS = ScriptedAnswer(Answered(409, b"Conflict"), stored=False)
EARLY = replace(NEVER, early=True)
CUT = ScriptedAnswer(NoAnswer("the connection was lost", sent=True), stored=False, early=True)


def test_upload_order() -> None:
    """The smallest wheel goes alone, then the others from the largest, the sdist last."""
    world = World()
    world.repository.takes = 10.0
    assert world.publish(PLAN, *MANY).verdict is Verdict.VERIFIED
    assert world.repository.sent == [WHEELS[0], *reversed(WHEELS[1:]), SDIST]
    times = world.repository.times
    assert times[WHEELS[0]] == (0.0, 10.0)
    assert [times[name][0] for name in reversed(WHEELS[1:])] == [10.0] * 4 + [20.0]
    assert times[SDIST] == (30.0, 40.0)


@pytest.mark.parametrize("jobs", [1, 2, 32])
def test_jobs_limits_parallel_uploads(jobs: int) -> None:
    """No more than `jobs` uploads run at any moment."""
    world = World()
    world.repository.takes = 10.0
    assert world.publish(replace(PLAN, jobs=jobs), *MANY).verdict is Verdict.VERIFIED
    starts = [start for start, _ in world.repository.times.values()]
    assert max(starts.count(start) for start in starts) == min(jobs, len(WHEELS) - 1)


def test_existing_release_needs_no_first_file() -> None:
    """If the index lists a file of this version, nothing has to be created."""
    world = World()
    world.repository.takes = 10.0
    world.index.put(MANY[0], since=0.0)
    assert world.publish(PLAN, *MANY).verdict is Verdict.VERIFIED
    assert [start for start, _ in world.repository.times.values()].count(0.0) == 4


def test_sent_ahead_stored_in_order() -> None:
    """Files are on their way before their turn, and still stored in the same order."""
    world = World()
    world.repository.takes = 3.0
    world.repository.slow = {WHEELS[0]: 5.0}
    assert world.publish(PLAN, *LARGE).verdict is Verdict.VERIFIED
    repository = world.repository
    assert [start for start, _ in repository.times.values()] == [0.0] * 4 + [5.0] * 3
    assert [e.filename for e in world.events_of(UploadHeld)] == [*WHEELS[:2:-1], SDIST]
    assert world.events_of(UploadHeld)[0].waits_for == (WHEELS[0],)
    assert set(world.events_of(UploadHeld)[-1].waits_for) == {WHEELS[1], WHEELS[2]}
    assert (repository.stored[0], repository.stored[-1]) == (WHEELS[0], SDIST)
    assert not world.events_of(UploadBrokenOff)


@pytest.mark.parametrize("jobs", [1, 2, 32])
def test_jobs_limits_what_is_held_back(jobs: int) -> None:
    """Requests that wait for their end count as uploads."""
    world = World()
    world.repository.takes = 3.0
    assert world.publish(replace(PLAN, jobs=jobs), *LARGE).verdict is Verdict.VERIFIED
    assert [start for start, _ in world.repository.times.values()].count(0.0) == min(jobs, 7)


@pytest.mark.parametrize("early", [EARLY, CUT, replace(EXISTS, early=True)])
def test_early_answer_to_what_is_held_back(early: ScriptedAnswer) -> None:
    """It is that file's own; what goes on is the first file, and a retry in its turn."""
    world = World()
    world.repository.slow = {WHEELS[0]: 4.0}
    world.repository.scripts = {WHEELS[5]: [early]}
    ending = world.publish(PLAN, *LARGE)
    assert world.repository.stored[0] == WHEELS[0]
    if early is CUT:
        assert ending.verdict is Verdict.VERIFIED
        assert world.repository.stored[-1] == SDIST
        attempts = {f["filename"]: f["attempts"] for f in ending.release["distributions"]}
        assert attempts == dict.fromkeys(attempts, 1) | {WHEELS[5]: 2}
    else:
        assert ending.verdict is Verdict.UPLOAD_FAILED
        # "Already exists" is no failure until the index was looked at for a minute.
        rest, end = ("not-sent", "failed") if early is EARLY else ("uploaded", "unknown")
        assert ending.uploads == {
            WHEELS[0]: "uploaded",
            **dict.fromkeys(WHEELS[1:5], rest),
            WHEELS[5]: end,
            SDIST: "not-sent",
        }
    assert {e.filename for e in world.events_of(UploadBrokenOff)} == {WHEELS[4], WHEELS[3]}


def test_stalled_first_file_is_left_alone() -> None:
    """What waits for a file that has not moved for two seconds is dropped, and sent in its turn."""
    world = World()
    world.repository.slow = {WHEELS[0]: 4.0}
    world.repository.stalls = True
    ending = world.publish(replace(PLAN, retries=0), *LARGE)
    assert ending.verdict is Verdict.VERIFIED
    assert [e.filename for e in world.events_of(UploadBrokenOff)] == WHEELS[5:2:-1]
    assert world.repository.stored == [WHEELS[0], *WHEELS[:0:-1], SDIST]
    assert {f["attempts"] for f in ending.release["distributions"]} == {1}
    # Nothing is sent ahead again.
    assert len(world.events_of(UploadHeld)) == 3


@pytest.mark.parametrize("first", [NEVER, GONE, BUSY, SLOW_DOWN])
def test_first_file_without_success(first: ScriptedAnswer) -> None:
    """What was sent ahead of it is broken off, and is `not-sent` only as the index lacks it."""
    world = World()
    world.repository.slow = {WHEELS[0]: 1.5}
    world.repository.scripts = {WHEELS[0]: [first]}
    ending = world.publish(replace(PLAN, timeout=60), *LARGE)
    assert len(world.events_of(UploadBrokenOff)) == 3
    if first is NEVER:
        assert ending.verdict is Verdict.UPLOAD_FAILED
        rest = dict.fromkeys([*WHEELS[1:], SDIST], "not-sent")
        assert ending.uploads == {WHEELS[0]: "failed", **rest}
        # One look before the first upload, and one for each file that was broken off.
        assert len(world.index.looks) == 4
    else:
        assert ending.verdict is Verdict.VERIFIED
        assert (world.repository.stored[0], world.repository.stored[-1]) == (WHEELS[0], SDIST)


def test_broken_off_is_not_absent_without_proof() -> None:
    """Where the index does not say what it has, the state of what was broken off is unknown."""
    world = World()
    world.repository.slow = {WHEELS[0]: 1.5}
    world.repository.scripts = {WHEELS[0]: [NEVER]}
    silent = [Observation("unknown", detail="503")] * 1000
    world.index.answers[UNSEEN.name] = [Observation("absent"), *silent]
    ending = world.publish(replace(PLAN, timeout=60), *LARGE)
    assert ending.uploads == {
        WHEELS[0]: "failed",
        **dict.fromkeys([*WHEELS[1:3], SDIST], "not-sent"),
        **dict.fromkeys(WHEELS[3:], "unknown"),
    }


def test_stored_though_broken_off() -> None:
    """Should a server store what was broken off, the index shows it by its hash."""
    world = World()
    world.repository.slow = {WHEELS[0]: 1.5}
    world.repository.scripts = {WHEELS[0]: [NEVER]}
    whole, half = LARGE[5], changed(LARGE[4], "ee" * 32)

    def store(distribution: Distribution) -> None:
        if distribution is whole:
            world.index.put(whole, since=1.0)
            world.index.put(half, since=1.0)

    world.repository.before = store
    ending = world.publish(PLAN, *LARGE)
    assert ending.verdict is Verdict.CONFLICT
    assert ending.uploads[WHEELS[5]] == "uploaded"
    assert ending.uploads[WHEELS[4]] == "failed"
    assert ending.uploads[WHEELS[3]] == "not-sent"


def test_lock_lost_while_something_is_held_back() -> None:
    """Its end does not leave: another run may be at work, so its state is unknown."""
    world = World()
    world.repository.slow = {WHEELS[0]: 1.0}
    world.lost_after = 4
    ending = world.publish(PLAN, *LARGE)
    assert (ending.verdict, ending.codes) == (Verdict.LOCK_LOST, [Code.LOCK_LOST])
    assert world.repository.stored == [WHEELS[0]]
    assert ending.uploads == {
        WHEELS[0]: "uploaded",
        **dict.fromkeys([*WHEELS[1:3], SDIST], "not-sent"),
        **dict.fromkeys(WHEELS[3:], "unknown"),
    }


def test_connections_that_others_need() -> None:
    """Where other releases use up the connections, nothing is sent ahead."""
    world = World()
    world.slots = 1
    world.repository.takes = 1.0
    assert world.publish(PLAN, *LARGE).verdict is Verdict.VERIFIED
    assert not world.events_of(UploadHeld)
    assert {e.attempt for e in world.events_of(UploadStarted)} == {1}


def test_retry_waits_for_a_connection() -> None:
    """What was sent ahead is sent again like any file: once other releases leave a connection."""
    world = World()
    world.slots = 4
    world.repository.slow = {WHEELS[0]: 1.0}
    world.repository.scripts = {WHEELS[5]: [BUSY]}

    async def story() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(partial(world.publish_async, PLAN, *LARGE))
            # Between the answer and the retry.
            await world.clock.sleep(1.3)
            others = [object() for _ in range(4)]
            for other in others:
                world.limiter.acquire_on_behalf_of_nowait(other)
            await world.clock.sleep(5.0)
            assert world.repository.sent.count(WHEELS[5]) == 1
            for other in others:
                world.limiter.release_on_behalf_of(other)

    anyio.run(story)
    assert world.outcome(Verdict.VERIFIED).uploads == dict.fromkeys([*WHEELS, SDIST], "uploaded")
    assert [e.filename for e in world.events_of(UploadHeld)].count(WHEELS[5]) == 1
    assert {e.attempt for e in world.events_of(UploadStarted)} == {1, 2}


def test_interrupted_while_something_is_held_back() -> None:
    """The receipt says what is there, and that the rest may be."""
    world = World()
    world.repository.slow = {WHEELS[0]: 2.0, SDIST: 2.0}

    async def story() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(partial(world.publish_async, PLAN, *LARGE))
            await world.clock.sleep(1.9)
            group.cancel_scope.cancel()

    anyio.run(story)
    ending = world.outcome(Verdict.INTERRUPTED)
    assert world.repository.stored == []
    assert ending.uploads == {
        WHEELS[0]: "unknown",
        **dict.fromkeys([*WHEELS[1:3], SDIST], "not-sent"),
        **dict.fromkeys(WHEELS[3:], "unknown"),
    }


def test_failure_stops_new_uploads() -> None:
    """Running uploads finish, the rest is not sent, and every failure is reported."""
    world = World()
    world.repository.slow = {WHEELS[3]: 10.0, WHEELS[2]: 10.0}
    world.repository.scripts = {WHEELS[5]: [NEVER], WHEELS[4]: [NEVER]}
    ending = world.publish(PLAN, *MANY)
    assert ending.verdict is Verdict.UPLOAD_FAILED
    assert ending.codes == [Code.SECOND_SDIST, Code.SECOND_SDIST]
    assert ending.uploads == {
        WHEELS[0]: "uploaded",
        WHEELS[1]: "not-sent",
        WHEELS[2]: "uploaded",
        WHEELS[3]: "uploaded",
        WHEELS[4]: "failed",
        WHEELS[5]: "failed",
        SDIST: "not-sent",
    }
    world.repository.scripts.clear()
    world.repository.sent.clear()
    assert world.publish(PLAN, *MANY).verdict is Verdict.VERIFIED
    assert sorted(world.repository.sent) == sorted([WHEELS[1], WHEELS[4], WHEELS[5], SDIST])


@pytest.mark.parametrize("sent", [0, 1, 3])
def test_lost_lock_stops_new_uploads(sent: int) -> None:
    """Nothing is sent after the lock is lost, and the receipt says what was."""
    world = World()
    world.lost_after = sent
    ending = world.publish(replace(PLAN, jobs=1), *MANY)
    assert ending.verdict is Verdict.LOCK_LOST
    assert ending.receipt["exit_code"] == 8
    assert ending.codes == [Code.LOCK_LOST]
    assert len(world.repository.sent) == sent
    states = list(ending.uploads.values())
    assert states.count("uploaded") == sent
    assert set(states) - {"uploaded"} <= {"not-sent", "pending"}


def test_lost_lock_ends_retries() -> None:
    """A file whose upload failed is not sent again after the lock is lost."""
    world = World()
    world.lost_after = 1
    world.repository.scripts = {WHEELS[0]: [BUSY]}
    ending = world.publish(PLAN, *MANY)
    assert ending.verdict is Verdict.LOCK_LOST
    assert world.repository.sent == [WHEELS[0]]


@pytest.mark.parametrize("fault", [GONE, BUSY, NOT_REACHED, SLOW_DOWN])
def test_transient_failure_is_retried(fault: ScriptedAnswer) -> None:
    """A transient failure costs a pause and another try, and both are reported."""
    world = World()
    world.repository.script = [fault, fault]
    ending = world.publish(PLAN, *BUILT)
    assert ending.verdict is Verdict.VERIFIED
    assert world.repository.sent == [WHEEL, WHEEL, WHEEL, SDIST]
    assert [e.attempt for e in world.events_of(UploadStarted)] == [1, 2, 3, 1]
    (wheel, sdist) = ending.release["distributions"]
    assert (wheel["attempts"], sdist["attempts"]) == (3, 1)
    if fault is SLOW_DOWN:
        assert [e.pause for e in world.events_of(UploadDelayed)] == [40.0, 40.0]
        assert world.clock.now > 80


def test_retry_after_beyond_the_timeout() -> None:
    """A server that wants more time than is left ends the run at once, which says how much."""
    world = World()
    world.repository.script = [SLOW_DOWN]
    ending = world.publish(Plan(Until.DOWNLOADABLE, 30.0), *BUILT)
    assert (ending.verdict, ending.codes) == (Verdict.UPLOAD_FAILED, [Code.TRY_LATER])
    assert "40 s" in ending.problems[0].remedy
    assert world.clock.now < 1


def test_stored_despite_a_503() -> None:
    """Found by its hash and never sent twice, on a slow index too."""
    world = World(delay=0.2)
    world.repository.script = [LATE]
    ending = world.publish(PLAN, *BUILT)
    assert ending.verdict is Verdict.VERIFIED
    assert world.repository.sent == [WHEEL, SDIST]


def test_resend_to_a_silent_pypi() -> None:
    """PyPI accepts identical bytes again, so a file is resent although nothing is visible."""
    world = World()
    world.index.answers[UNSEEN.name] = [
        Observation("absent"), *[Observation("unknown", detail="503")] * 1000,
    ]  # fmt: skip
    world.repository.script = [GONE]
    ending = world.publish(replace(PLAN, public=True), *BUILT)
    assert ending.verdict is Verdict.VERIFIED
    assert world.repository.sent == [WHEEL, WHEEL, SDIST]


def test_same_bytes_under_another_name() -> None:
    """PyPI refuses bytes it has under another name, and no page will change that."""
    world = World()
    other = IndexFile("lantern-0.9.tar.gz", "https://files.example/x", BUILT[0].sha256)
    page = Observation("page", ProjectPage({other.filename: other}))
    world.index.answers[UNSEEN.name] = [page, page]
    world.repository.script = [EXISTS]
    ending = world.publish(PLAN, *BUILT)
    assert (ending.verdict, ending.codes) == (Verdict.CONFLICT, [Code.SAME_BYTES_ELSEWHERE])


def test_unreachable_upload_url() -> None:
    """A closed port is reported before anything is sent."""
    world = World()
    world.repository.out_of_reach = ["connection refused"] * 3
    ending = world.publish(PLAN, *BUILT)
    assert ending.codes == [Code.REPOSITORY_NOT_REACHED]
    assert ending.verdict is Verdict.PREFLIGHT_REFUSED
    assert not world.repository.sent
    assert not world.events_of(SendingStarted)


def test_upload_server_that_restarts() -> None:
    """A server that was restarting is asked again."""
    world = World()
    world.repository.out_of_reach = ["connection refused"] * 2
    assert world.publish(PLAN, *BUILT).verdict is Verdict.VERIFIED


@pytest.mark.parametrize("there", [0, 1, 2])
def test_mixed_sources_are_refused(there: int) -> None:
    """Files of one version from two states of the sources are refused."""
    world = World()
    before = OtherSources("c0ffee", ("lantern/lamp.py",))
    for each in BUILT[:there]:
        world.index.put(each, since=0.0)
    ending = world.publish(PLAN, *BUILT, built_before=before)
    if there == 1:
        assert (ending.verdict, ending.codes) == (
            Verdict.PREFLIGHT_REFUSED, [Code.OTHER_SOURCES],
        )  # fmt: skip
        assert "c0ffee" in ending.problems[0].remedy
        assert "differ in lantern/lamp.py" in ending.problems[0].message
        assert not world.repository.sent
    else:
        # Nothing is there, or nothing is missing: sources cannot be mixed.
        assert ending.verdict is Verdict.VERIFIED


def test_conflict_explains_changed_sources() -> None:
    """A conflict also says why the bytes differ."""
    world = World()
    world.index.put(changed(BUILT[0], "ee" * 32), since=0.0)
    before = OtherSources(None, ("lantern/lamp.py",))
    ending = world.publish(PLAN, *BUILT, built_before=before)
    assert ending.verdict is Verdict.CONFLICT
    assert ending.codes == [Code.CONFLICT, Code.OTHER_SOURCES]


@given(
    st.dictionaries(
        st.sampled_from([each.filename for each in MANY]),
        st.lists(
            st.sampled_from(
                [OK, GONE, BUSY, LATE, SLOW_DOWN, NOT_REACHED, NEVER, EXISTS, LIE, EARLY, CUT]
            ),
            max_size=8,
        ),
    ),
    st.dictionaries(
        st.sampled_from([each.filename for each in MANY]), st.sampled_from([1.0, 1.9, 2.5, 12.0])
    ),
    st.sampled_from([MANY, LARGE]),
    st.booleans(),
    st.sampled_from([0.0, 3.0, 20.0]),
    st.tuples(st.integers(1, 5), st.sampled_from([1, 2, 32])),
    st.booleans(),
)
def test_any_answers_keep_the_promise(
    scripts: dict[str, list[ScriptedAnswer]],
    slow: dict[str, float],
    files: tuple[Distribution, ...],
    stalls: bool,
    delay: float,
    room: tuple[int, int],
    public: bool,
) -> None:
    """Verified only with every byte there, in order; what is known to be there is not sent."""
    world = World(delay=delay)
    world.repository.slow = slow
    world.repository.stalls = stalls
    jobs, world.slots = room
    world.repository.scripts = {name: list(says) for name, says in scripts.items()}
    plan = replace(PLAN, timeout=120.0, jobs=jobs, public=public)
    ending = world.publish(plan, *files)
    stored = world.repository.stored
    begun = {event.filename for event in world.events_of(UploadStarted)}
    assert {event.filename for event in world.events_of(UploadBrokenOff)} <= begun
    lies = {name for name, says in scripts.items() if LIE in says}
    if not lies:
        assert stored[:1] in ([], [WHEELS[0]])
        assert SDIST not in stored or set(stored[: stored.index(SDIST)]) == set(WHEELS)
    there = {name for name, s in world.index.shelf.items() if s.since <= world.clock.now}
    if ending.verdict is Verdict.VERIFIED:
        assert there == {each.filename for each in files}
    for name, state in ending.uploads.items():
        if state == "already-there":
            assert name in world.index.shelf
        if state == "not-sent":
            assert name not in world.repository.stored
    # Once more where it was sent ahead in vain.
    sends = {name: world.repository.sent.count(name) for name in world.repository.sent}
    assert max(sends.values(), default=0) <= 6 + (files is LARGE)
    # Again without faults: it completes whatever state the first run left.
    world.repository.scripts.clear()
    before = set(world.index.shelf)
    world.clock.now += delay
    world.repository.sent.clear()
    assert world.publish(plan, *files).verdict is Verdict.VERIFIED
    assert not before & set(world.repository.sent)
