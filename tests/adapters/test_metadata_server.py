"""Release metadata on servers that are slow, broken, old, cut off, huge or hostile."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from poetry_publish_verified.adapters.http import Http
from poetry_publish_verified.adapters.metadata_server import Found, MetadataServer, NoMetadataError
from poetry_publish_verified.adapters.pace import Pace, SystemClock
from tests.adapters.loopback import Answer, Request, answer, raw, serving, silence
from tests.core.test_release_metadata import document

if TYPE_CHECKING:
    from pathlib import Path

GOOD = json.dumps(document()).encode()


class Clock:
    """Time that passes only in sleep."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await anyio.lowlevel.checkpoint()


def of(version: str, released: str = "2026-01-02T12:00:00Z") -> bytes:
    """A document of another version."""
    file = {**document()["files"][0], "filename": f"lantern-{version}.tar.gz"}
    return json.dumps(document(version=version, released=released, files=[file])).encode()


def in_turn(*answers: Answer) -> Answer:
    """One answer after the other, the last for ever."""
    left = list(answers)

    async def send(request: Request) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(request)

    return send


async def read(kept: Path, *answers: Answer, timeout: float = 30.0) -> tuple[list[Found], Any]:
    """What is found at a server, as often as there are answers."""
    found = []
    async with serving(in_turn(*answers)) as server:
        for _ in answers:
            async with Http("tests", timeout, lambda _: None, Pace(SystemClock())) as http:
                one = MetadataServer(http, kept, Clock())
                found.append(await one.read(f"{server.url}latest.json", timeout))
    return found, server


def run(kept: Path, *answers: Answer, timeout: float = 30.0) -> tuple[list[Found], Any]:
    """The same, to its end."""
    return anyio.run(partial(read, kept, *answers, timeout=timeout))


def with_a_copy(kept: Path, bad: Answer, timeout: float = 30.0, copy: bytes | None = None) -> Found:
    """What is found where a server answers well once, then badly for ever; `copy` is the copy."""

    async def story() -> Found:
        now = answer(body=GOOD)

        async def send(request: Request) -> None:
            await now(request)

        async with (
            serving(send) as server,
            Http("tests", timeout, lambda _: None, Pace(SystemClock())) as http,
        ):
            one, url = MetadataServer(http, kept, Clock()), f"{server.url}latest.json"
            assert not (await one.read(url, timeout)).why_a_copy
            if copy is not None:
                (file,) = kept.iterdir()
                file.write_bytes(copy)
            now = bad
            return await one.read(url, timeout)

    return anyio.run(story)


def test_next_request_is_conditional(tmp_path: Path) -> None:
    """A document that has not changed is not sent again, and is no fallback."""
    tag = ('ETag: "one"', "Last-Modified: Fri, 02 Jan 2026 12:00:00 GMT")
    found, server = run(tmp_path, answer(body=GOOD, headers=tag), answer("304 Not Modified"))
    assert [str(each.metadata.version) for each in found] == ["1.0", "1.0"]
    assert not any(each.why_a_copy for each in found)
    first, second = (request.headers for request in server.requests)
    assert "if-none-match" not in first
    assert second["if-none-match"] == '"one"'
    assert second["if-modified-since"] == "Fri, 02 Jan 2026 12:00:00 GMT"


BAD = {
    "gone": (answer("404 Not Found"), "404"),
    "broken": (answer("500 Internal Server Error"), "500"),
    "login": (answer(body=b"<html>sign in"), "not JSON"),
    "cut in half": (answer(body=GOOD[: len(GOOD) // 2]), "not JSON"),
    "cut off": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + GOOD), "closed"),
    "no HTTP": (raw(b"\0" * 99), "illegal"),
    "empty": (answer(), "not JSON"),
    "deep": (answer(body=b"[" * 100_000), "not JSON"),
    "older": (answer(body=of("0.9")), "older than 1.0"),
    "earlier": (answer(body=of("1.0", "2026-01-01T12:00:00Z")), "older"),
    "another schema": (answer(body=b'{"schema": "publish-verified.metadata/2"}'), "schema"),
    "without end": (
        answer("302 Found", headers=("Location: /latest.json",)),
        "redirects without end",
    ),
    "huge": (answer(body=b" " * (8 * 1024 * 1024 + 1)), "larger than 8 MiB"),
    "bomb": (answer(body=b"", headers=("Content-Encoding: br",)), "not supported"),
    "unasked 304": (answer("304 Not Modified"), "304"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_answers(tmp_path: Path, case: str) -> None:
    """Each says why, and the last good copy is used if there is one."""
    bad, reason = BAD[case]
    if case not in {"older", "earlier"}:
        with pytest.raises(NoMetadataError, match=reason):
            run(tmp_path / "empty", bad)
    if case != "unasked 304":
        found = with_a_copy(tmp_path / "kept", bad)
        assert reason in found.why_a_copy
        assert found.why_a_copy.isprintable()
        assert str(found.metadata.version) == "1.0"


def test_server_that_never_answers(tmp_path: Path) -> None:
    """It takes no longer than the time-out."""
    found = with_a_copy(tmp_path, silence, timeout=0.5)
    assert "no complete answer" in found.why_a_copy


def test_passing_failures(tmp_path: Path) -> None:
    """A server that is down for a moment is asked again; what is newer replaces the copy."""
    down, limited = answer("503 Service Unavailable"), answer("429 Too Many Requests")
    half = answer(body=GOOD[:99])

    async def story() -> tuple[Found, int]:
        async with (
            serving(in_turn(down, limited, half, answer(body=GOOD))) as server,
            Http("tests", 30.0, lambda _: None, Pace(SystemClock())) as http,
        ):
            found = await MetadataServer(http, tmp_path, Clock()).read(server.url, 30.0)
        return found, len(server.lines)

    found, requests = anyio.run(story)
    assert (found.why_a_copy, requests) == ("", 4)


def test_newer_replaces_the_copy(tmp_path: Path) -> None:
    """Afterwards what was good before is too old."""
    found, _ = run(tmp_path, answer(body=GOOD), answer(body=of("1.1")), answer(body=GOOD))
    assert [str(each.metadata.version) for each in found] == ["1.0", "1.1", "1.1"]
    assert "older than 1.1" in found[-1].why_a_copy


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b'{"document": {}, "conditions": []}'])
def test_damaged_copy_counts_as_none(tmp_path: Path, damage: bytes) -> None:
    """Nothing is taken from it."""
    with pytest.raises(NoMetadataError):
        with_a_copy(tmp_path, answer("404 Not Found"), copy=damage)


def test_redirect_to_another_server(tmp_path: Path) -> None:
    """Sites that keep release files elsewhere redirect to signed addresses there."""

    async def story() -> Found:
        async with serving(answer(body=GOOD)) as files:
            there = answer("302 Found", headers=(f"Location: {files.url}x?signature=1",))
            async with (
                serving(there) as server,
                Http("tests", 30.0, lambda _: None, Pace(SystemClock())) as http,
            ):
                return await MetadataServer(http, tmp_path, Clock()).read(server.url, 30.0)

    assert not anyio.run(story).why_a_copy
