"""Real clients are asked for the release."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poetry_publish_verified.core.distribution import in_upload_order
from poetry_publish_verified.core.events import BecameVisible, ClientAsked, FileVerified
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.variants import DEFAULT_CLIENTS
from poetry_publish_verified.core.verification import (
    ClientAbstains,
    ClientFailure,
    ClientFile,
    Download,
    NotDownloaded,
)
from poetry_publish_verified.errors import Code, Verdict
from poetry_publish_verified.release import install
from poetry_publish_verified.release.interfaces import Plan
from tests.core.distributions import SDIST, WHEEL, core_metadata, distribution
from tests.release.scripted import ScriptedClient, World, assert_outcome

BUILT_WHEEL = distribution(WHEEL, b"light in a wheel")
BUILT_SDIST = distribution(SDIST, b"light")
BUILT = in_upload_order([BUILT_SDIST, BUILT_WHEEL])
OTHER = "ee" * 32
INSTALLABLE = Plan(Until.INSTALLABLE, 900.0)


@pytest.fixture
def world() -> World:
    """A world in which everything succeeds."""
    return World()


def test_each_wheel_is_asked_for(world: World) -> None:
    """A real client is asked for each wheel, for its own platform; never for sdists."""
    assert_outcome(world.publish(INSTALLABLE, *BUILT), Verdict.VERIFIED)
    ((wheel, url),) = world.client.asked
    assert wheel.requirement == "lantern===1.0"
    assert (wheel.filename, wheel.sha256) == (WHEEL, BUILT_WHEEL.sha256)
    assert wheel.target
    assert wheel.target.platforms == ("any",)
    assert url == world.index.url
    assert [(e.filename, e.client) for e in world.events_of(FileVerified) if e.client == "pip"] == [
        (WHEEL, "pip")
    ]


def test_release_without_wheels(world: World) -> None:
    """Its sdist is found but not downloaded, and a note says that nothing was installed."""
    ending = world.publish(INSTALLABLE, BUILT_SDIST)
    assert_outcome(ending, Verdict.VERIFIED, Code.NOT_INSTALLABLE_BY_NATURE)
    assert ending.problems[0].severity == "warning"
    assert [request.filename for request in world.client.resolved] == [SDIST]
    assert world.client.asked == []


def test_sdist_that_no_client_finds(world: World) -> None:
    """It fails like a wheel."""
    world.client.script = [ClientFailure("No matching distribution found")] * 99
    ending = world.publish(INSTALLABLE, BUILT_SDIST)
    assert_outcome(ending, Verdict.NOT_VISIBLE, Code.CLIENT_CANNOT_INSTALL)


def test_only_some_wheels_are_downloaded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest are downloaded up to a total size, the others only resolved."""
    sizes = {"win32": 40, "win_amd64": 20, "win_arm64": 30}
    built = [
        distribution(f"lantern-1.0-cp312-cp312-{platform}.whl", b"x" * size)
        for platform, size in sizes.items()
    ]
    amd64, arm64, win32 = sorted(built, key=lambda each: each.size)
    monkeypatch.setattr(install, "DOWNLOADED_AT_MOST", amd64.size + arm64.size)
    world.client.script = [ClientFile(each.filename, each.sha256) for each in built]
    assert_outcome(world.publish(INSTALLABLE, *built), Verdict.VERIFIED)
    asked = {request.filename for request, _ in world.client.asked}
    assert asked == {amd64.filename, arm64.filename}
    assert [request.filename for request in world.client.resolved] == [win32.filename]
    (event,) = world.events_of(ClientAsked)
    assert (event.downloaded, event.resolved, event.skipped) == (2, 1, ())


def test_one_wheel_is_always_downloaded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if it alone exceeds the bound."""
    monkeypatch.setattr(install, "DOWNLOADED_AT_MOST", 1)
    assert_outcome(world.publish(INSTALLABLE, *BUILT), Verdict.VERIFIED)
    assert len(world.client.asked) == 1


@pytest.mark.parametrize("dry_run", [True, False])
def test_client_that_cannot_be_set_up(world: World, *, dry_run: bool) -> None:
    """If pip cannot be set up, nothing is sent."""
    world.client.fault = "disk full"
    ending = world.publish(replace(INSTALLABLE, dry_run=dry_run), *BUILT)
    assert_outcome(ending, Verdict.PREFLIGHT_REFUSED, Code.CLIENT_UNAVAILABLE)
    assert "disk full" in ending.problems[0].message
    assert world.repository.sent == []


def test_optional_client_that_cannot_be_used(world: World) -> None:
    """It is a warning, and the others are asked."""
    world.others = [ScriptedClient(world.index, "uv", optional=True, fault="uv 0.4 is too old")]
    ending = world.publish(INSTALLABLE, *BUILT)
    assert (ending.verdict, ending.codes) == (Verdict.VERIFIED, ["PV216"])
    assert (ending.problems[0].severity, len(world.client.asked)) == ("warning", 1)
    assert world.others[0].asked == []


def test_only_an_optional_client_is_named(world: World) -> None:
    """If no other client is named, it is required."""
    world.client.optional, world.client.fault = True, "uv 0.4 is too old"
    ending = world.publish(INSTALLABLE, *BUILT)
    assert_outcome(ending, Verdict.PREFLIGHT_REFUSED, Code.CLIENT_UNAVAILABLE)
    assert world.repository.sent == []


def test_one_failing_client_does_not_stop_the_others(world: World) -> None:
    """Every client is asked, whatever the others answer."""
    world.client.script = [ClientFailure("No matching distribution found")] * 99
    world.others = [ScriptedClient(world.index, "uv"), ScriptedClient(world.index, "Poetry")]
    ending = world.publish(INSTALLABLE, *BUILT)
    assert_outcome(ending, Verdict.NOT_VISIBLE, Code.CLIENT_CANNOT_INSTALL)
    clients = [event.client for event in world.events_of(FileVerified) if event.client != "http"]
    assert sorted(clients) == ["Poetry", "uv"]


def test_client_that_fails_at_first(world: World) -> None:
    """A client that finds the release at the third try is enough."""
    world.client.script = [ClientFailure("No matching distribution found")] * 2
    assert_outcome(world.publish(INSTALLABLE, *BUILT), Verdict.VERIFIED)
    assert len(world.client.asked) == 3


def test_client_that_never_finds_the_wheel(world: World) -> None:
    """It is `not visible`, in the client's own words."""
    world.client.script = [ClientFailure("No matching distribution found")] * 99
    ending = world.publish(INSTALLABLE, *BUILT)
    assert_outcome(ending, Verdict.NOT_VISIBLE, Code.CLIENT_CANNOT_INSTALL)
    assert "No matching distribution found" in ending.problems[0].message


def test_client_that_abstains(world: World) -> None:
    """A wheel that no client can be asked for is a warning; each client is asked once."""
    world.client.script = [ClientAbstains("it knows no such platform")]
    ending = world.publish(INSTALLABLE, *BUILT)
    assert_outcome(ending, Verdict.VERIFIED, Code.CLIENT_UNAVAILABLE)
    assert "it knows no such platform" in ending.problems[0].message
    assert len(world.client.asked) == 1
    assert {event.client for event in world.events_of(FileVerified)} == {"http"}


@pytest.mark.parametrize(
    "got", [ClientFile(WHEEL, OTHER), ClientFile("lantern-1.0-1-py3-none-any.whl", OTHER)]
)
def test_client_that_gets_other_bytes(world: World, got: ClientFile) -> None:
    """If a client gets other bytes or another file, the exit code is 7."""
    world.client.script = [got]
    ending = world.publish(INSTALLABLE, *BUILT)
    assert_outcome(ending, Verdict.VERIFICATION_FAILED, Code.OTHER_BYTES_SERVED)


def test_preferred_other_wheel_does_not_count(world: World) -> None:
    """If the client prefers another wheel, this one does not count as downloaded."""
    second = distribution("lantern-1.0-2-py3-none-any.whl", b"second build")
    world.client.script = [ClientFile(second.filename, second.sha256)] * 2
    ending = world.publish(INSTALLABLE, *in_upload_order([BUILT_WHEEL, second]))
    assert_outcome(ending, Verdict.VERIFIED, Code.CLIENT_TAKES_ANOTHER)
    by_pip = {event.filename for event in world.events_of(FileVerified) if event.client == "pip"}
    assert WHEEL not in by_pip


def test_wheel_that_no_python_accepts(world: World) -> None:
    """Tags and Requires-Python that exclude each other make a wheel uninstallable."""
    built = distribution(WHEEL, metadata=core_metadata("Requires-Python: <3"))
    ending = world.publish(INSTALLABLE, built)
    assert_outcome(ending, Verdict.VERIFICATION_FAILED, Code.CLIENT_CANNOT_INSTALL)


def test_wrong_bytes_stop_the_clients(world: World) -> None:
    """Once the bytes are wrong, nobody waits for what clients say about them."""
    world.index.fetches[WHEEL] = [Download(5, {"sha256": OTHER})]
    world.client.takes = 60.0
    assert_outcome(
        world.publish(INSTALLABLE, *BUILT), Verdict.VERIFICATION_FAILED, Code.OTHER_BYTES_SERVED
    )
    assert world.clock.now < 60.0


def test_clients_are_asked_while_files_are_downloaded(world: World) -> None:
    """What they must get is known from what was built."""
    world.index.fetches[WHEEL] = [NotDownloaded("cut")] * 3
    assert_outcome(world.publish(INSTALLABLE, *BUILT), Verdict.VERIFIED)
    assert world.client.times == [0.0]
    assert world.clock.now > 3.0


def test_clients_are_asked_before_the_second_look(world: World) -> None:
    """They are asked once each has seen the release, and the last look comes after them."""
    world.client.takes = 7.0
    assert_outcome(world.publish(INSTALLABLE, *BUILT), Verdict.VERIFIED)
    assert world.client.times == [0.0]
    for client in DEFAULT_CLIENTS:
        assert [at for at, look in world.index.looks if look == client] == [0.0, 0.25, 7.0]
    kinds = [type(e) for e in world.events if isinstance(e, BecameVisible | FileVerified)]
    assert kinds == [BecameVisible] * 3 + [FileVerified] * 3
