"""Before a byte leaves: files are read while the servers are asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from poetry_publish_verified.core.simple.page import IndexFile, ProjectPage
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.core.visibility import Observation
from poetry_publish_verified.errors import Code, Verdict
from poetry_publish_verified.release.interfaces import Plan
from tests.core.distributions import core_metadata, distribution
from tests.release.scripted import ScriptedAnswer, World, assert_outcome
from tests.release.test_publish import BUILT, EXISTS, OTHER, PLAN, UNKNOWN

BROKEN = distribution("lantern-1.0-py3-none-any.whl", b"", core_metadata("Name: lamp"))


@pytest.fixture
def world() -> World:
    """A world in which reading the files takes five seconds."""
    world = World()
    world.read_for = 5.0
    return world


def test_index_is_asked_while_files_are_read(world: World) -> None:
    """Neither waits for the other: one look, at once, and its result counts."""
    world.index.put(BUILT[0])
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.VERIFIED)
    assert world.index.looks[0] == (0.0, UNSEEN.name)
    assert ending.uploads[BUILT[0].filename] == "already-there"
    assert world.repository.sent == [BUILT[1].filename]


def test_silent_index_is_asked_again(world: World) -> None:
    """An index that does not answer at once is asked again once the files are sound."""
    world.index.answers[UNSEEN.name] = [UNKNOWN]
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)
    assert [time for time, variant in world.index.looks if variant == UNSEEN.name] == [0.0, 5.0]


def test_no_retry_once_a_fault_is_known(world: World) -> None:
    """All faults are reported at once, and nobody is asked again for a refused release."""
    world.index.answers[UNSEEN.name] = [UNKNOWN] * 9
    world.repository.out_of_reach = ["nobody is there"] * 9
    ending = world.publish(PLAN, BROKEN, BUILT[1])
    assert ending.verdict is Verdict.PREFLIGHT_REFUSED
    assert ending.codes[-2:] == [
        str(Code.INDEX_STATE_UNKNOWN),
        str(Code.REPOSITORY_NOT_REACHED),
    ]
    assert len(ending.codes) > 2
    assert len(world.index.looks) == 1
    assert len(world.repository.out_of_reach) == 8
    assert world.clock.now == 5.0
    assert world.repository.sent == []


def test_without_files_nobody_is_waited_for(world: World) -> None:
    """Without files nobody is waited for."""

    class Silent(type(world.index)):  # type: ignore[misc]
        async def look(self, *_: object, **__: object) -> Observation:
            await self.clock.sleep(3600.0)
            return UNKNOWN

    world.index = Silent(world.clock)
    ending = world.publish(PLAN)
    assert_outcome(ending, Verdict.PREFLIGHT_REFUSED, Code.NO_DISTRIBUTIONS)
    assert world.clock.now == 5.0


@pytest.mark.parametrize(("wish", "ends_at"), [(3600.0, 5.0), (40.0, 160.0)])
def test_retry_after_at_the_first_look(world: World, wish: float, ends_at: float) -> None:
    """It is obeyed within the time-out; beyond that the run says so and ends at once."""
    busy = Observation("unknown", detail="the index answered 429", retry_after=wish)
    world.index.answers[UNSEEN.name] = [busy] * 9
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.PREFLIGHT_REFUSED, Code.INDEX_STATE_UNKNOWN)
    assert "asks to wait" in ending.problems[0].message
    assert world.clock.now == ends_at


def test_dry_run_looks_but_sends_nothing(world: World) -> None:
    """A dry run asks the same and sends nothing."""
    assert_outcome(
        world.publish(Plan(PLAN.until, PLAN.timeout, dry_run=True), *BUILT), Verdict.DRY_RUN
    )
    assert len(world.index.looks) == 1
    assert world.repository.sent == []


@pytest.mark.parametrize("state", ["absent", "moved"])
def test_wrong_guess_is_found_before_the_upload(
    world: World, state: Literal["absent", "moved"]
) -> None:
    """A guessed address without an index is refused, and the remedy says how to name one."""
    world.index.certain, world.index.guessed, world.index.root_state = False, True, "none"
    world.index.answers[UNSEEN.name] = [Observation(state)]
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.PREFLIGHT_REFUSED, Code.INDEX_UNKNOWN)
    assert "https://index.example/simple/" in ending.problems[0].message
    assert "--index" in ending.problems[0].remedy
    assert world.repository.sent == []


@pytest.mark.parametrize(("strict", "verdict"), [(False, "verified"), (True, "preflight-refused")])
def test_named_index_without_a_root(world: World, strict: bool, verdict: str) -> None:
    """It is only warned of: some indexes have no root page."""
    world.index.certain, world.index.root_state = False, "none"
    plan = Plan(PLAN.until, PLAN.timeout, strict=strict)
    assert_outcome(world.publish(plan, *BUILT), Verdict(verdict), Code.NO_INDEX_THERE)


def test_page_of_the_project_proves_the_guess(world: World) -> None:
    """Where the guessed index has a page of the project, its root is not asked."""
    world.index.certain, world.index.guessed, world.index.root_state = False, True, "none"
    world.index.put(BUILT[0])
    assert_outcome(world.publish(PLAN, *BUILT), Verdict.VERIFIED)


ZEROS = IndexFile("lantern-1.0.0.tar.gz", "https://files.example/sdist", OTHER)
YANKED = IndexFile(BUILT[0].filename, "https://files.example/a", BUILT[0].sha256, yanked="")
ANOTHER = replace(YANKED, filename="lantern-1.0-py2-none-any.whl")


@pytest.mark.parametrize(
    ("page", "public", "code"),
    [
        (ProjectPage({}, status="quarantined"), False, Code.QUARANTINED),
        (ProjectPage({}, status="archived"), True, Code.NOT_ALLOWED),
        (ProjectPage({}, status="archived"), False, None),
        (ProjectPage({ZEROS.filename: ZEROS}), True, Code.VERSION_SPELLED_OTHERWISE),
        (ProjectPage({ZEROS.filename: ZEROS}), False, None),
        (ProjectPage({YANKED.filename: YANKED}), False, Code.YANKED),
        (ProjectPage({ANOTHER.filename: ANOTHER}), True, Code.YANKED),
        (ProjectPage({ANOTHER.filename: ANOTHER}), False, None),
    ],
)
def test_closed_release_is_refused(
    world: World, page: ProjectPage, public: bool, code: Code | None
) -> None:
    """What the page shows to be impossible is refused before anything is sent."""
    world.index.answers[UNSEEN.name] = [Observation("page", page)]
    ending = world.publish(Plan(PLAN.until, PLAN.timeout, public=public), *BUILT)
    if code is None:
        assert ending.verdict is Verdict.VERIFIED
        return
    assert_outcome(ending, Verdict.PREFLIGHT_REFUSED, code)
    assert world.repository.sent == []


def test_exists_in_a_quarantined_project(world: World) -> None:
    """Its page lists nothing, so nobody looks for a minute."""
    hidden = Observation("page", ProjectPage({}, status="quarantined", status_reason="malware"))
    world.index.answers[UNSEEN.name] = [Observation("absent"), *[hidden] * 99]
    world.repository.script = [ScriptedAnswer(EXISTS, stored=False)]
    started = world.read_for
    ending = world.publish(PLAN, *BUILT)
    assert_outcome(ending, Verdict.UPLOAD_FAILED, Code.QUARANTINED)
    assert "malware" in ending.problems[0].message
    assert world.clock.now == started


def test_strict_refuses_what_preflight_warns_of(world: World) -> None:
    """A warning of the preflight is an error with `--strict`, and nothing is sent."""
    built = distribution(
        "Lantern-1.0-py3-none-any.whl", metadata=core_metadata("Classifier: Topic :: Lanterns")
    )
    ending = world.publish(replace(PLAN, strict=True), built)
    assert ending.verdict is Verdict.PREFLIGHT_REFUSED
    assert {problem.severity for problem in ending.problems} == {"error"}
    assert not world.repository.times
    assert {problem.severity for problem in World().publish(PLAN, built).problems} == {"warning"}
