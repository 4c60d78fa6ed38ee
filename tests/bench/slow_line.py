"""A slow line to a server: latency, and a limited rate per connection.

Latency applies to both directions, and to opening a connection as TCP does: one round trip before
the first byte leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.beds.processes import HANG, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = 32 * 1024
# Timers fire late; up to this much is compensated by sending the next piece earlier.
_CATCH_UP = 0.02
# Small, so that bytes still on this side of the line do not count as sent.
_BUFFER = 64 * 1024


@dataclass(frozen=True)
class Line:
    """Seconds in each direction, and bytes per second per connection and direction."""

    latency: float
    rate: float


@contextlib.contextmanager
def slow_line(upstream: int, line: Line) -> Iterator[int]:
    """Forward a free loopback port to the port `upstream`; yields the port."""
    port = free_port()
    loop = asyncio.new_event_loop()
    ready, over = threading.Event(), asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(2 * line.latency)
        with contextlib.suppress(OSError):
            theirs, ours = await asyncio.open_connection("127.0.0.1", upstream)
            await asyncio.gather(_carry(reader, ours, line), _carry(theirs, writer, line))

    async def serve() -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        listener.bind(("127.0.0.1", port))
        server = await asyncio.start_server(connected, sock=listener, limit=_BUFFER)
        ready.set()
        await over.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        ready.wait()
        yield port
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Line) -> None:
    """Forward one direction to its end, each piece in its time."""
    clock = asyncio.get_running_loop().time
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def arrive() -> None:
        while True:
            due, piece = await under_way.get()
            await asyncio.sleep(due - clock())
            if not piece:
                return
            writer.write(piece)
            await writer.drain()

    arriving = asyncio.create_task(arrive())
    free = clock()
    try:
        while not arriving.done() and (piece := await reader.read(_PIECE)):
            free = max(free, clock() - _CATCH_UP) + len(piece) / line.rate
            under_way.put_nowait((free + line.latency, piece))
            await asyncio.sleep(free - clock())
    except OSError:
        arriving.cancel()
    under_way.put_nowait((free + line.latency, b""))
    with contextlib.suppress(OSError, asyncio.CancelledError):
        await arriving
    writer.close()


def measured(line: Line, connections: int, size: int = 10_000_000) -> float:
    """Bytes per second that this many connections together send to a server that only reads."""
    with socket.create_server(("127.0.0.1", 0)) as sink:
        sink.settimeout(HANG)

        def swallow() -> None:
            connection, _ = sink.accept()
            with connection:
                while connection.recv(1 << 20):
                    pass
                connection.sendall(b"!")

        def send(port: int) -> None:
            with socket.create_connection(("127.0.0.1", port), timeout=HANG) as connection:
                connection.sendall(bytes(size))
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)

        with (
            slow_line(sink.getsockname()[1], line) as port,
            ThreadPoolExecutor(2 * connections) as pool,
        ):
            begun = time.monotonic()
            ends = [pool.submit(swallow) for _ in range(connections)]
            ends += [pool.submit(send, port) for _ in range(connections)]
            for end in ends:
                end.result()
            return connections * size / (time.monotonic() - begun)
