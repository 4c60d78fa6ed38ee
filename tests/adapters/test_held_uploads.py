"""Uploads whose end is held back: what leaves before, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
import trustme

from poetry_publish_verified.adapters.http import Http
from poetry_publish_verified.adapters.pace import Pace, SystemClock
from poetry_publish_verified.adapters.uploads import post_file
from poetry_publish_verified.core.upload.outcomes import Answered, NoAnswer
from poetry_publish_verified.core.urls import Access
from tests.adapters.loopback import Request
from tests.adapters.loopback import serving as serving_all
from tests.beds.processes import HANG

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from pathlib import Path

WHEEL = "lantern-1.0-py3-none-any.whl"
CONTENT = bytes(range(256)) * 4096
ACTION = b'name=":action"'
REFUSAL = b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nno"
TAKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
ARGUMENTS = ("tester/1", HANG, lambda _: None, Pace(SystemClock()))
FIELDS: dict[str, str | list[str]] = {"name": "lantern", ":action": "file_upload"}


@dataclass
class Server:
    """A server that takes one request; `body` is what has arrived of it."""

    url: str
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None
    body: bytes = b""
    size: int = 0
    connected: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive_file(self) -> None:
        """Return once the whole file is here, as it must be while the end is held back."""
        await self.connected.wait()
        assert self.reader is not None
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.size = int(head.lower().partition(b"content-length: ")[2].split()[0])
        while CONTENT not in self.body:
            self.body += await self.reader.read(65536)

    async def receive_rest(self) -> bool:
        """Receive to the end of the request, or of the connection; whether it is whole."""
        assert self.reader is not None
        with contextlib.suppress(OSError):
            while len(self.body) < self.size and (data := await self.reader.read(65536)):
                self.body += data
        return len(self.body) == self.size

    async def send(self, answer: bytes) -> None:
        """Send these bytes."""
        assert self.writer is not None
        self.writer.write(answer)
        await self.writer.drain()


@contextlib.asynccontextmanager
async def serving(tls: ssl.SSLContext | None) -> AsyncIterator[Server]:
    """Serve one connection."""

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.reader, server.writer = reader, writer
        server.connected.set()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    server = Server(f"{'https' if tls else 'http'}://127.0.0.1:{port}/")
    try:
        yield server
    finally:
        if server.writer:
            server.writer.transport.abort()
        listener.close()


@dataclass
class Upload:
    """An upload on its way; its end follows once it is `released`."""

    server: Server
    released: anyio.Event
    task: asyncio.Task[Answered | NoAnswer]


@pytest.fixture(params=["plain", "encrypted"])
def tls(request: pytest.FixtureRequest, tmp_path: Path) -> ssl.SSLContext | None:
    """The server's TLS, if it has any; the authority is at `ca.pem`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    if request.param == "plain":
        return None
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    return tls


@contextlib.asynccontextmanager
async def held(
    tls: ssl.SSLContext | None, directory: Path, timeout: float = HANG
) -> AsyncIterator[Upload]:
    """An upload of which the server has all that leaves before the end."""
    file = directory / WHEEL
    file.write_bytes(CONTENT)
    access, released = Access(ca=str(directory / "ca.pem")), anyio.Event()
    async with serving(tls) as server, Http("tester/1", timeout, *ARGUMENTS[2:]) as h:
        posting = post_file(
            *(h, server.url, FIELDS, file, access, lambda _: None),
            sha256=hashlib.sha256(CONTENT).hexdigest(),
            until=released.wait,
        )
        task = asyncio.create_task(posting)
        await server.receive_file()
        assert ACTION not in server.body
        yield Upload(server, released, task)
        task.cancel()


def run(story: Coroutine[object, object, None]) -> None:
    """Run to the end."""
    asyncio.run(asyncio.wait_for(story, HANG))


def test_end_follows_when_it_may(tls: ssl.SSLContext | None, tmp_path: Path) -> None:
    """All of the file leaves at once; what makes a server store it, only afterwards."""

    async def story() -> None:
        async with held(tls, tmp_path) as upload:
            upload.released.set()
            assert await upload.server.receive_rest()
            assert ACTION in upload.server.body
            await upload.server.send(TAKEN)
            assert await upload.task == Answered(200, b"OK", b"")

    run(story())


def test_early_answer_while_held_back(tls: ssl.SSLContext | None, tmp_path: Path) -> None:
    """It is received although nothing is being sent, and the end never leaves."""

    async def story() -> None:
        async with held(tls, tmp_path) as upload:
            await upload.server.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            await upload.server.send(REFUSAL)
            assert await upload.task == Answered(409, b"Conflict", b"no")
            assert not await upload.server.receive_rest()
            assert ACTION not in upload.server.body

    run(story())


def test_early_success_while_held_back(tls: ssl.SSLContext | None, tmp_path: Path) -> None:
    """A server cannot have stored what it does not have."""

    async def story() -> None:
        async with held(tls, tmp_path) as upload:
            await upload.server.send(TAKEN)
            assert await upload.task == Answered(200, b"OK", b"", early=True)

    run(story())


def test_answer_without_end_while_held_back(tls: ssl.SSLContext | None, tmp_path: Path) -> None:
    """An answer that begins too early has to come to its end in time, like any other."""

    async def story() -> None:
        async with held(tls, tmp_path, timeout=0.7) as upload:
            await upload.server.send(REFUSAL[:20])
            got = await upload.task
            assert isinstance(got, NoAnswer)
            assert got.sent

    run(story())


@pytest.mark.parametrize("reset", [False, True])
def test_connection_that_ends_while_held_back(
    tls: ssl.SSLContext | None, tmp_path: Path, reset: bool
) -> None:
    """It counts as a lost answer at once."""

    async def story() -> None:
        async with held(tls, tmp_path) as upload:
            assert upload.server.writer is not None
            if reset:
                upload.server.writer.transport.abort()
            else:
                upload.server.writer.close()
            got = await upload.task
            assert isinstance(got, NoAnswer)
            assert got.sent

    run(story())


def test_break_off(tls: ssl.SSLContext | None, tmp_path: Path) -> None:
    """Whoever cancels it ends the connection, without the end of the request."""

    async def story() -> None:
        async with held(tls, tmp_path) as upload:
            upload.task.cancel()
            assert not await upload.server.receive_rest()
            assert ACTION not in upload.server.body

    run(story())


def test_uploads_after_a_break_off(tmp_path: Path) -> None:
    """What was broken off leaves no trace in the next uploads, which share a connection."""
    file = tmp_path / WHEEL
    file.write_bytes(CONTENT)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    whole: list[bytes] = []

    async def keeping(request: Request) -> None:
        for _ in range(2):
            size = int(request.headers["content-length"])
            whole.append(await request.reader.readexactly(size))
            await request.send(TAKEN)
            await request.reader.readuntil(b"\r\n\r\n")

    async def story() -> None:
        async with serving_all(keeping) as server, Http(*ARGUMENTS) as http:
            post = partial(
                post_file, http, server.url, FIELDS, file, Access(), lambda _: None, sha256=sha256
            )
            with anyio.CancelScope() as scope:

                async def until() -> None:
                    scope.cancel()
                    await anyio.sleep_forever()

                await post(until=until)
            assert scope.cancelled_caught
            for _ in range(2):
                assert await post() == Answered(200, b"OK", b"")
            assert [ACTION in body for body in whole] == [True, True]
            assert len(server.requests) == 2

    run(story())
