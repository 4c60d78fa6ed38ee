"""Stages of one release and of many, in virtual time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from poetry_publish_verified.core.events import OnStage, SendingStarted, StageSkipped, TargetsFound
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.upload.outcomes import Answered
from poetry_publish_verified.core.urls import Access, RepositoryTarget
from poetry_publish_verified.errors import Code, ReleaseError, Verdict
from poetry_publish_verified.release.interfaces import Plan, PublishContext
from poetry_publish_verified.release.stage import RepositoryStage
from tests.core.distributions import SDIST, WHEEL, distribution
from tests.release.scripted import (
    Outcome,
    ScriptedAnswer,
    ScriptedClient,
    ScriptedIndex,
    ScriptedRepository,
    World,
    changed,
)
from tests.release.test_workspace import Monorepo

if TYPE_CHECKING:
    from poetry_publish_verified.core.events import Event
    from poetry_publish_verified.release.interfaces import Release

PLAN = Plan(Until.LISTED, 900.0)
BUILT = (distribution(WHEEL, b"light in a wheel"), distribution(SDIST, b"light"))
OTHER = "ee" * 32
URL = "https://quay.example/"


class StagedWorld(World):
    """A world with one stage, `quay`, in front of the repository `harbour`."""

    def __init__(self, *, delay: float = 0.0, receipt: Any = None) -> None:
        super().__init__(delay=delay)
        self.quay = ScriptedIndex(self.clock, f"{URL}simple/", delay)
        self.quay_repository = ScriptedRepository([self.quay], "quay", URL)
        self.quay_client = ScriptedClient(self.quay)
        self.earlier = receipt

    def context(self, plan: Plan) -> PublishContext:
        """The stage's clients alone see it, whatever is enough for the repository."""
        context = super().context(plan)

        async def clients() -> tuple[ScriptedClient, ...]:
            return (self.quay_client,)

        there = replace(
            context,
            plan=replace(plan, until=Until.INSTALLABLE, skip_existing=False),
            repository=self.quay_repository,
            own=self.quay,
            indexes=(self.quay,),
            clients=clients,
        )
        target = RepositoryTarget("quay", URL, Access())
        self.report(OnStage("quay", TargetsFound(URL, (self.quay.url,))))
        stage = RepositoryStage(target, there, "harbour", self.earlier)
        return replace(context, stages=(stage,))


def stage_in(ending: Outcome) -> dict[str, Any]:
    """What the receipt has on the stage."""
    (stage,) = ending.release["stages"]
    assert isinstance(stage, dict)
    return stage


def told(world: World, kind: type[Event]) -> int:
    """How many events of a kind happened on the stage."""
    return sum(isinstance(getattr(event, "event", None), kind) for event in world.events)


def test_stage_is_proven_before_the_first_upload() -> None:
    """Only once clients get every wheel on the stage does the repository get a file."""
    world = StagedWorld(delay=60.0)
    begun: list[tuple[int, int]] = []
    world.repository.before = lambda _: begun.append(
        (len(world.quay.shelf), len(world.quay_client.asked))
    )
    ending = world.publish(PLAN, *BUILT)
    assert ending.verdict is Verdict.VERIFIED
    assert begun[0] == (2, 1)
    assert (stage_in(ending)["verdict"], ending.uploads[WHEEL]) == ("verified", "uploaded")
    held = {name: file.sha256 for name, file in world.quay.shelf.items()}
    assert held == {name: file.sha256 for name, file in world.index.shelf.items()}


@pytest.mark.parametrize(
    ("status", "verdict"), [(403, Verdict.UPLOAD_FAILED), (200, Verdict.NOT_VISIBLE)]
)
def test_failing_stage_holds_the_release_back(status: int, verdict: Verdict) -> None:
    """Refused there, or never seen there: nothing is sent to the repository."""
    world = StagedWorld()
    answer = Answered(status, b"" if status == 200 else b"Invalid authentication information.")
    world.quay_repository.script = [ScriptedAnswer(answer, stored=False)] * 2
    ending = world.publish(PLAN, *BUILT)
    assert ending.verdict is verdict
    assert stage_in(ending)["verdict"] == str(verdict)
    assert world.repository.sent == []


def test_conflicts_on_both_are_reported_together() -> None:
    """Each with the advice that helps there, before anything is sent."""
    world = StagedWorld()
    world.index.put(changed(BUILT[0], OTHER))
    world.quay.put(changed(BUILT[1], OTHER))
    ending = world.publish(PLAN, *BUILT)
    assert (ending.verdict, ending.codes) == (Verdict.CONFLICT, [Code.CONFLICT] * 2)
    assert "--skip-existing" in ending.problems[0].remedy
    assert "only what was proven on the stage" in ending.problems[1].remedy
    assert world.quay_repository.sent == world.repository.sent == []


def test_conflict_that_comes_while_the_stage_is_waited_for() -> None:
    """The repository is looked at again before it gets anything."""
    world = StagedWorld()
    world.quay_repository.before = lambda _: world.index.shelf.update(
        {WHEEL: world.index.put(changed(BUILT[0], OTHER))}
    )
    ending = world.publish(PLAN, *BUILT)
    assert ending.verdict is Verdict.CONFLICT
    assert stage_in(ending)["verdict"] == "verified"
    assert world.repository.sent == []


def test_stage_only_leaves_the_repository_alone() -> None:
    """It is not even looked at, and may be out of reach."""
    world = StagedWorld()
    world.repository.out_of_reach = ["connection refused"] * 9
    ending = world.publish(replace(PLAN, stage_only=True), *BUILT)
    assert ending.verdict is Verdict.STAGED
    assert (world.index.looks, world.repository.sent) == ([], [])
    assert stage_in(ending)["verdict"] == "verified"


def test_earlier_receipt_is_enough() -> None:
    """What an earlier run has proven of these very files is not sent or asked for again."""
    staged = StagedWorld().publish(replace(PLAN, stage_only=True), *BUILT)
    world = StagedWorld(receipt=staged.receipt)
    ending = world.publish(PLAN, *BUILT)
    assert ending.verdict is Verdict.VERIFIED
    assert stage_in(ending) == stage_in(staged)
    assert world.quay.looks == []
    world = StagedWorld(receipt=staged.receipt)
    ending = world.publish(PLAN, changed(BUILT[0], OTHER), BUILT[1])
    assert world.quay_repository.sent == [WHEEL, SDIST]
    world = StagedWorld(receipt=staged.receipt)
    world.publish(replace(PLAN, stage_only=True), *BUILT)
    assert world.quay.looks


def test_complete_release_needs_no_stage() -> None:
    """What the repository has cannot be held back; another file of it that is kept, neither."""
    world = StagedWorld()
    world.quay.put(changed(BUILT[0], OTHER))
    for built in BUILT:
        world.index.put(built)
    assert world.publish(PLAN, *BUILT).verdict is Verdict.VERIFIED
    assert told(world, StageSkipped) == 1
    world = StagedWorld()
    world.index.put(changed(BUILT[0], OTHER))
    ending = world.publish(replace(PLAN, skip_existing=True), *BUILT)
    assert ending.verdict is Verdict.KEPT_REMOTE
    assert world.quay_repository.sent == [SDIST]


def test_dry_run_looks_at_the_stage() -> None:
    """It says what is there, and sends nothing anywhere."""
    world = StagedWorld()
    world.quay.put(BUILT[0])
    ending = world.publish(replace(PLAN, dry_run=True), *BUILT)
    assert ending.verdict is Verdict.DRY_RUN
    states = {file["filename"]: file["upload"] for file in stage_in(ending)["distributions"]}
    assert states == {WHEEL: "already-there", SDIST: "not-sent"}
    assert told(world, SendingStarted) == 0


class TimedStage:
    """A stage of another kind: it takes some seconds, and may fail."""

    name = "quay"

    def __init__(self, world: Monorepo, seconds: float, *, fails: bool = False) -> None:
        self.world = world
        self.seconds = seconds
        self.fails = fails
        self.ended: float | None = None

    async def prepare(self, release: Release, *, needed: bool) -> None:
        """Everything can go there."""
        assert (len(release.distributions), needed) == (1, True)

    async def prove(self) -> None:
        """Let time pass."""
        await self.world.clock.sleep(self.seconds)
        if self.fails:
            raise ReleaseError(Verdict.NOT_VISIBLE)
        self.ended = self.world.clock.now


def staged(world: Monorepo, *, fails: str = "", stage_only: bool = False) -> list[TimedStage]:
    """Give each project a stage, the slower the later it comes."""
    stages = []
    for number, planned in enumerate(world.releases):
        stage = TimedStage(world, 10.0 * number, fails=planned.member.name == fails)
        plan = replace(planned.context.plan, stage_only=stage_only)
        context = replace(planned.context, plan=plan, stages=(stage,))
        world.releases[number] = replace(planned, context=context)
        stages.append(stage)
    return stages


@pytest.fixture
def mono() -> Monorepo:
    """Two projects, one of which needs the other."""
    world = Monorepo()
    world.add("wick")
    world.add("lamp", "wick")
    return world


def test_all_projects_pass_before_the_first_is_sent(mono: Monorepo) -> None:
    """Whatever kind of stage it is, and however long the last one takes."""
    stages = staged(mono)
    assert mono.release() is Verdict.VERIFIED
    assert [stage.ended for stage in stages] == [0.0, 10.0]
    assert mono.begun("wick") >= 10.0
    assert mono.begun("lamp") > mono.begun("wick")


def test_one_project_that_does_not_pass_holds_back_all(mono: Monorepo) -> None:
    """The others are blocked by it, even those that do not need it."""
    staged(mono, fails="lamp")
    assert mono.release() is Verdict.NOT_VISIBLE
    assert mono.verdicts() == {"wick": "blocked", "lamp": "not-visible"}
    assert mono.of("wick")["blocked_by"] == ["lamp"]
    assert mono.sent() == set()


def test_stage_only_of_several_projects(mono: Monorepo) -> None:
    """Their repositories are not looked at, so no range can be unsatisfied there."""
    mono.add("post", "lamp>=2")
    staged(mono, stage_only=True)
    assert mono.release() is Verdict.STAGED
    assert set(mono.verdicts().values()) == {"staged"}
    assert mono.sent() == set()
    assert not any(index.looks for index in mono.indexes.values())
