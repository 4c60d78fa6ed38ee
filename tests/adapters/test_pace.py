"""How often one host is asked."""

from __future__ import annotations

import itertools
from functools import partial

import anyio
import pytest

from poetry_publish_verified.adapters.pace import Pace
from tests.release.scripted import VirtualClock


def moments(*urls: str, pace: Pace, clock: VirtualClock) -> list[float]:
    """When each of many simultaneous requests may be sent."""
    left: list[float] = []

    async def ask(url: str) -> None:
        await pace.turn(url)
        left.append(clock.now)

    async def all_at_once() -> None:
        async with anyio.create_task_group() as group:
            for url in urls:
                group.start_soon(ask, url)

    anyio.run(all_at_once)
    return left


def test_four_requests_per_second_per_host() -> None:
    """No second has more than four requests, whoever makes them."""
    clock = VirtualClock()
    urls = [f"https://index.example/simple/{number}/" for number in range(20)]
    left = sorted(moments(*urls, pace=Pace(clock), clock=clock))
    assert len(left) == 20
    for number, moment in enumerate(left):
        assert sum(moment <= other < moment + 1 for other in left[number:]) <= 4
    assert min(b - a for a, b in itertools.pairwise(left)) >= 0.25


def test_hosts_are_independent() -> None:
    """Each host has its own pace, shared by its ports and schemes."""
    clock = VirtualClock()
    pace = Pace(clock)
    urls = ("https://a.example/", "https://b.example/", "http://A.example:8080/")
    assert sorted(moments(*urls, pace=pace, clock=clock)) == pytest.approx([0, 0, 0.27])


@pytest.mark.parametrize("host", ["127.0.0.1:3141", "localhost", "[::1]:80", "index.localhost"])
def test_loopback_is_not_limited(host: str) -> None:
    """An index on this machine is asked at once."""
    clock = VirtualClock()
    assert moments(*[f"http://{host}/"] * 9, pace=Pace(clock), clock=clock) == [0.0] * 9


def test_a_rest_is_that_of_one_origin() -> None:
    """Another scheme or port is another server; the usual port is the same without its number."""
    clock = VirtualClock()
    pace = Pace(clock)
    pace.hold("http://Localhost:80/x", 3600.0)
    others = ("https://localhost/", "http://localhost:8080/", "http://127.0.0.1/")
    assert moments(*others, pace=pace, clock=clock) == [0.0, 0.0, 0.0]
    assert moments("http://localhost/", pace=pace, clock=clock) == [3600.0]


def test_a_rest_that_is_longer_than_the_patience() -> None:
    """Whoever cannot wait for its end asks all the same, once that time is up."""
    clock = VirtualClock()
    pace = Pace(clock)
    pace.hold("http://127.0.0.1/", 3600.0)
    anyio.run(partial(pace.turn, "http://127.0.0.1/", patience=20.0))
    assert clock.now == 20.0


@pytest.mark.parametrize("host", ["index.example", "127.0.0.1"])
def test_hold_is_obeyed(host: str) -> None:
    """Nobody asks it until then, and a shorter wish afterwards does not shorten that."""
    clock = VirtualClock()
    pace = Pace(clock)
    pace.hold(f"http://{host}/x", 30.0)
    pace.hold(f"http://{host}/y", 5.0)
    assert moments(f"http://{host}/z", pace=pace, clock=clock) == [30.0]


def test_uploads_ignore_the_pages_rest() -> None:
    """A rest that a page's answer requested does not delay uploads, except for the usual pace."""
    clock = VirtualClock()
    pace = Pace(clock)
    pace.hold("https://index.example/simple/", 600.0)

    async def send() -> None:
        await pace.turn("https://index.example/", patience=0.0)
        await pace.turn("https://index.example/", patience=0.0)

    anyio.run(send)
    assert clock.now == pytest.approx(0.27)


def test_clients_share_the_pace() -> None:
    """A client's turn leaves room for its requests, and few clients have one at a time."""
    clock = VirtualClock()
    pace = Pace(clock)
    held: list[int] = []
    begun: list[float] = []
    now_held = 0

    async def ask() -> None:
        nonlocal now_held
        async with pace.clients_turn("https://index.example/simple/", 20.0):
            begun.append(clock.now)
            now_held += 1
            held.append(now_held)
            await clock.sleep(5.0)
            now_held -= 1

    async def all_at_once() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(7):
                group.start_soon(ask)

    anyio.run(all_at_once)
    assert max(held) == 3
    assert begun[:3] == pytest.approx([0.0, 0.81, 1.62])
    assert begun[3] == pytest.approx(5.0)
    assert moments("https://index.example/", pace=pace, clock=clock)[0] >= begun[-1] + 0.81
