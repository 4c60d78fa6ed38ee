"""A tiny HTTP server on loopback that answers exactly what a test writes, byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class Request:
    """One request: its first line, its headers (names in lower case), and its connection."""

    line: str
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def body(self) -> bytes:
        """The whole body."""
        return await self.reader.readexactly(int(self.headers.get("content-length", "0")))

    async def send(self, *pieces: bytes) -> None:
        """Write these bytes."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()


Answer = Callable[[Request], Awaitable[None]]


@dataclass
class Server:
    """A running server and the requests it received."""

    url: str
    requests: list[Request] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """The first lines of all requests."""
        return [request.line for request in self.requests]

    @property
    def authorizations(self) -> list[str | None]:
        """The credentials of all requests."""
        return [request.headers.get("authorization") for request in self.requests]


@contextlib.asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Server]:
    """Serve for the length of the block; each connection is closed after one answer."""
    tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The client may hang up, and the test may end, at any moment.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.split(": ", 1) for line in head[1:] if line)
            request = Request(
                head[0], {name.lower(): value for name, value in headers.items()}, reader, writer
            )
            server.requests.append(request)
            await answer(request)

    # Not a coroutine: if cancelled before its first step, it would not know the connection.
    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks[task] = writer
        task.add_done_callback(lambda _: writer.close())

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    server = Server(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/")
    try:
        yield server
    finally:
        # As many steps as a connection needs to reach `connected`: asyncio never closes one
        # that is accepted while the listener closes.
        for _ in range(10):
            await asyncio.sleep(0)
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in tasks.values():
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await listener.wait_closed()


def answer(
    status: str = "200 OK", body: bytes = b"", headers: tuple[str, ...] = ()
) -> Callable[[Request], Awaitable[None]]:
    """The same ordinary answer to every request."""

    async def send(request: Request) -> None:
        await request.body()
        head = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", "")
        await request.send("\r\n".join(head).encode("latin-1"), body)

    return send


def raw(*pieces: bytes) -> Callable[[Request], Awaitable[None]]:
    """Exactly these bytes, then the end of the connection."""

    async def send(request: Request) -> None:
        await request.body()
        await request.send(*pieces)

    return send


async def silence(_request: Request) -> None:
    """No answer, for as long as the test lasts."""
    await asyncio.Event().wait()
