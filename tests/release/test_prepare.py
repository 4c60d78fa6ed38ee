"""Before a byte leaves: the files are read while everyone is asked."""

from __future__ import annotations

import pytest

from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.core.visibility import Observation
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.release.interfaces import Plan
from tests.core.distributions import core_metadata
from tests.core.distributions import distribution
from tests.release.scripted import World
from tests.release.test_publish import BUILT
from tests.release.test_publish import PLAN
from tests.release.test_publish import UNKNOWN
from tests.release.test_publish import ends

BROKEN = distribution("lantern-1.0-py3-none-any.whl", b"", core_metadata("Name: lamp"))


@pytest.fixture
def world() -> World:
    """A world in which files are read for five seconds."""
    world = World()
    world.read_for = 5.0
    return world


def test_asked_while_the_files_are_read(world: World) -> None:
    """Nobody waits for the other: one look, at once, and what it saw counts."""
    world.index.put(BUILT[0])
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.VERIFIED)
    assert world.index.looks[0] == (0.0, UNSEEN.name)
    assert ending.uploads[BUILT[0].filename] == "already-there"
    assert world.repository.sent == [BUILT[1].filename]


def test_an_index_that_answers_later(world: World) -> None:
    """Who does not answer at once is asked again once the files have been found sound."""
    world.index.answers[UNSEEN.name] = [UNKNOWN]
    ends(world.story(PLAN, *BUILT), Verdict.VERIFIED)
    assert [time for time, variant in world.index.looks if variant == UNSEEN.name] == [0.0, 5.0]


def test_a_fault_that_is_found_meanwhile(world: World) -> None:
    """All is told at once, and nobody is asked again for what cannot go out anyway."""
    world.index.answers[UNSEEN.name] = [UNKNOWN] * 9
    world.repository.out_of_reach = ["nobody is there"] * 9
    ending = world.story(PLAN, BROKEN, BUILT[1])
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


def test_nothing_to_send(world: World) -> None:
    """Nobody is waited for."""

    class Silent(type(world.index)):  # type: ignore[misc]
        async def look(self, *_: object, **__: object) -> Observation:
            await self.clock.sleep(3600.0)
            return UNKNOWN

    world.index = Silent(world.clock)
    ending = world.story(PLAN)
    ends(ending, Verdict.PREFLIGHT_REFUSED, Code.NO_DISTRIBUTIONS)
    assert world.clock.now == 5.0


@pytest.mark.parametrize(("wish", "ends_at"), [(3600.0, 5.0), (40.0, 80.0)])
def test_an_index_that_asks_for_a_rest(world: World, wish: float, ends_at: float) -> None:
    """It gets it within the time-out; beyond that the run says so, and ends at once."""
    busy = Observation("unknown", detail="the index answered 429", retry_after=wish)
    world.index.answers[UNSEEN.name] = [busy] * 9
    ending = world.story(PLAN, *BUILT)
    ends(ending, Verdict.PREFLIGHT_REFUSED, Code.INDEX_STATE_UNKNOWN)
    assert "asks to wait" in ending.problems[0].message
    assert world.clock.now == ends_at


def test_a_dry_run(world: World) -> None:
    """A dry run asks the same, and sends nothing."""
    ends(world.story(Plan(PLAN.until, PLAN.timeout, dry_run=True), *BUILT), Verdict.DRY_RUN)
    assert len(world.index.looks) == 1
    assert world.repository.sent == []
