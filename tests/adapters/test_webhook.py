"""A server to be notified that works, hangs, fails, redirects, or is not there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from poetry_publish_verified.adapters import webhook
from poetry_publish_verified.adapters.http import Http
from poetry_publish_verified.adapters.pace import Pace, SystemClock
from tests.adapters.loopback import serving
from tests.beds.processes import free_port

if TYPE_CHECKING:
    from tests.adapters.loopback import Answer, Request

VALUE = {"text": "verified: lantern 1.0 is installable", "schema": "x"}
pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between tries there is no pause."""
    monkeypatch.setattr(webhook, "_PAUSE", 0.0)


@pytest.fixture
def anyio_backend() -> str:
    """As the command itself runs."""
    return "asyncio"


async def post(url: str, timeout: float = 60.0) -> str:
    """Post the value."""
    async with Http("test", timeout, lambda _: None, Pace(SystemClock())) as http:
        return await webhook.post(http, url, VALUE, timeout)


def answering(*answers: bytes) -> tuple[Answer, list[bytes]]:
    """A server that gives these answers in turn, then the last one; and the bodies it received."""
    bodies: list[bytes] = []

    async def answer(request: Request) -> None:
        bodies.append(await request.body())
        status = answers[min(len(bodies), len(answers)) - 1]
        await request.send(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")

    return answer, bodies


async def test_json_with_text() -> None:
    """The server gets the value as JSON, once."""
    answer, bodies = answering(b"200 OK")
    async with serving(answer) as server:
        assert await post(f"{server.url}hook") == ""
        assert server.requests[0].headers["content-type"] == "application/json"
    assert [json.loads(body) for body in bodies] == [VALUE]


async def test_login_in_the_url_is_sent_as_one() -> None:
    """It is not part of the address."""
    answer, _ = answering(b"204 No Content")
    async with serving(answer) as server:
        await post(server.url.replace("//", "//me:secret@") + "hook")
        assert server.authorizations == ["Basic bWU6c2VjcmV0"]


async def test_three_tries() -> None:
    """A server that fails is asked three times, or until it works."""
    answer, bodies = answering(b"500 Oops")
    async with serving(answer) as server:
        assert await post(server.url) == "the server answered 500, 3 times"
    assert len(bodies) == 3
    answer, bodies = answering(b"503 Busy", b"200 OK")
    async with serving(answer) as server:
        assert await post(server.url) == ""
    assert len(bodies) == 2


async def test_refusal_and_redirect_are_final() -> None:
    """What the same request cannot change is not asked again, and no redirect is followed."""
    for status in (b"404 Not Found", b"307 Moved\r\nLocation: /elsewhere"):
        answer, bodies = answering(status)
        async with serving(answer) as server:
            assert await post(server.url) == f"the server answered {status[:3].decode()}"
            assert len(bodies) == len(server.requests) == 1


async def test_server_that_hangs_or_is_not_there() -> None:
    """Each try has an end."""

    async def never(request: Request) -> None:
        await request.reader.read()

    async with serving(never) as server:
        failure = await post(server.url, timeout=0.2)
        assert failure == "no complete answer within 0 s, 3 times"
        assert len(server.requests) == 3
    assert (await post(f"http://127.0.0.1:{free_port()}/")).endswith(", 3 times")
