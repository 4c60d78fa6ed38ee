"""The order of uploads, how many at once, and the result of each file, in virtual time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified.core.distribution import in_upload_order
from poetry_publish_verified.core.events import SendingStarted, UploadDelayed, UploadStarted
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

WHEELS = [f"lantern-1.0-cp3{n}-cp3{n}-manylinux_2_28_x86_64.whl" for n in range(10, 16)]
# Later ones are larger.
MANY = in_upload_order(
    [*(distribution(name, b"light" * n) for n, name in enumerate(WHEELS, 2)), distribution(SDIST)]
)
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
            st.sampled_from([OK, GONE, BUSY, LATE, SLOW_DOWN, NOT_REACHED, NEVER, EXISTS, LIE]),
            max_size=8,
        ),
    ),
    st.sampled_from([0.0, 3.0, 20.0]),
    st.integers(1, 5),
    st.booleans(),
)
def test_any_answers_keep_the_promise(
    scripts: dict[str, list[ScriptedAnswer]], delay: float, jobs: int, public: bool
) -> None:
    """Verified only with every byte there, and a file known to be there is never sent."""
    world = World(delay=delay)
    world.repository.scripts = {name: list(says) for name, says in scripts.items()}
    plan = replace(PLAN, timeout=120.0, jobs=jobs, public=public)
    ending = world.publish(plan, *MANY)
    there = {name for name, s in world.index.shelf.items() if s.since <= world.clock.now}
    if ending.verdict is Verdict.VERIFIED:
        assert there == {each.filename for each in MANY}
    for name, state in ending.uploads.items():
        if state == "already-there":
            assert name in world.index.shelf
        if state == "not-sent":
            assert name not in world.repository.sent
    sends = {name: world.repository.sent.count(name) for name in world.repository.sent}
    assert max(sends.values(), default=0) <= 6
    # Again without faults: it completes whatever state the first run left.
    world.repository.scripts.clear()
    before = set(world.index.shelf)
    world.clock.now += delay
    world.repository.sent.clear()
    assert world.publish(plan, *MANY).verdict is Verdict.VERIFIED
    assert not before & set(world.repository.sent)
