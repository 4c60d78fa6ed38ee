"""One project of many, released alone: it waits for the projects it needs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import anyio
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.events import ReleaseWaiting
from poetry_publish_verified.core.preflight import Identity
from poetry_publish_verified.core.release_order import WorkspaceMember
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.errors import Code, ReleaseError, Verdict
from poetry_publish_verified.release.interfaces import Plan, ProvenanceCheck, Release
from poetry_publish_verified.release.publish import publish
from tests.core.distributions import distribution
from tests.release.scripted import InMemoryRelease, ScriptedVerifier, World
from tests.release.test_publish import BUILT

LIB = WorkspaceMember(canonicalize_name("lib"), Version("1.0"), "packages/lib")
LIB_WHEEL = distribution("lib-1.0-py3-none-any.whl", b"lib")
PLAN = Plan(Until.DOWNLOADABLE, 900.0)


def released(world: World, plan: Plan = PLAN) -> Verdict | ReleaseError:
    """Release lantern, which needs lib."""
    release = Release(Identity(canonicalize_name("lantern"), Version("1.0")), BUILT)
    context = replace(world.context(plan), report=world.events.append)
    story = partial(publish, InMemoryRelease(release, world.clock), context, [LIB])
    try:
        return anyio.run(story)
    except ReleaseError as error:
        return error


def test_upload_waits_for_dependencies() -> None:
    """Not a byte leaves before, and the run says what it waits for."""
    world = World()
    world.index.put(LIB_WHEEL, since=100.0)
    assert released(world) is Verdict.VERIFIED
    assert world.repository.times[BUILT[0].filename][0] >= 100.0
    assert world.events_of(ReleaseWaiting) == [ReleaseWaiting(("lib 1.0",))]


def test_dependencies_need_no_provenance() -> None:
    """Whoever publishes them decides whether they are attested; the project's own files are."""
    world = World()
    world.index.put(LIB_WHEEL, since=10.0)
    world.index.attests = {
        each.filename: f"https://index.example/{each.filename}" for each in BUILT
    }
    world.provenance = ProvenanceCheck(ScriptedVerifier(), required=True)
    assert released(world, replace(PLAN, attest="require")) is Verdict.VERIFIED


def test_dependencies_not_there_in_time() -> None:
    """Nothing is sent, and the run says why."""
    world = World()
    world.index.put(distribution("lib-0.9-py3-none-any.whl", b"old"))
    error = released(world)
    assert isinstance(error, ReleaseError)
    assert error.verdict is Verdict.PREFLIGHT_REFUSED
    assert {problem.code for problem in error.problems} == {Code.NEEDED_NOT_THERE}
    assert "lib 1.0, which this project depends on" in error.problems[0].message
    assert world.repository.sent == []
    assert 900.0 <= world.clock.now < 1000.0


def test_own_faults_come_before_the_wait() -> None:
    """A release that cannot go out waits for nothing."""
    world = World()
    world.index.put(distribution(BUILT[0].filename, b"other bytes"))
    error = released(world)
    assert isinstance(error, ReleaseError)
    assert error.verdict is Verdict.CONFLICT
    assert world.clock.now == 0.0


def test_dry_run_does_not_wait() -> None:
    """A dry run sends nothing, so it waits for nothing."""
    world = World()
    assert released(world, Plan(Until.DOWNLOADABLE, 900.0, dry_run=True)) is Verdict.DRY_RUN
    assert world.clock.now == 0.0
