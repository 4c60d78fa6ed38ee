"""Connections that are read while they are written: an answer that comes early is not lost.

A server that refuses a file need not read it: it answers after the headers (401, 413) and closes.
The next write then fails, and asyncio's transport closes the socket with the answer unread in it.
"""

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import httpcore
import httpx
from anyio.streams.tls import TLSAttribute, TLSStream

# Pause before the next address of a host is tried beside the last one (RFC 8305, section 5).
_NEXT_ADDRESS = 0.25
# As httpx has it by default.
_KEEP_ALIVE = 5.0
# How much waits in the system to be sent, so that what was taken has left, or nearly.
_UNSENT = 128 * 1024
# How long a server's first session ticket (RFC 8446, 4.6.1) is waited for. Where it is not yet
# acknowledged, a server that answers and closes at once may keep its answer behind it (RFC 896).
_TICKETS = 0.1
_INTERIM_START = b"HTTP/1.1 1"
_INTERIM = re.compile(rb"HTTP/1\.1 1[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n")
_LONGEST_INTERIM = 64 * 1024
_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, ssl.SSLError)
# Alerts by which a server ends the handshake of TLS 1.3 after the client took it for complete.
_REFUSED_BY_TLS = re.compile("ALERT.*(CERTIFICATE|UNKNOWN_CA|HANDSHAKE|ACCESS_DENIED)")

# What the next empty piece of a body stands for: send nothing until then. httpcore calls `write`
# for it in the body's own task, and passes nothing else on.
PAUSE: ContextVar[Callable[[], Awaitable[object]] | None] = ContextVar("PAUSE", default=None)
# Gets the number of bytes whenever the system takes some of a body: a stalled line is known long
# before a whole piece has left.
TAKEN: ContextVar[Callable[[int], None] | None] = ContextVar("TAKEN", default=None)


class DuplexTransport(httpx.AsyncHTTPTransport):
    """What httpx sends requests by; an answer that comes early ends the sending."""

    def __init__(self, tls: ssl.SSLContext, proxy: str | None) -> None:
        """Raise ValueError or ImportError for a proxy that cannot be used."""
        # httpx takes no network backend, so its pool is replaced by one that has ours.
        super().__init__(verify=tls, proxy=proxy, trust_env=False)
        through = None
        if proxy is not None:
            url = httpx.Proxy(proxy)
            through = httpcore.Proxy(str(url.url), auth=url.raw_auth, headers=url.headers.raw)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            proxy=through,
            max_connections=None,
            keepalive_expiry=_KEEP_ALIVE,
            network_backend=_Backend(),
        )


class _Backend(httpcore.AsyncNetworkBackend):
    """Makes such connections for httpcore."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        *_: object,
        **__: object,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of `host` that answers."""
        with _as(httpcore.ConnectTimeout, httpcore.ConnectError), anyio.fail_after(timeout):
            connection = Connection(await _connect(host, port))
        return _Stream(connection, connection)

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


class Connection(anyio.abc.ByteStream):
    """A TCP connection of which nothing that has arrived gets lost.

    Sending never fails: once `stopped`, by `stop` or as the server takes nothing any more, the rest
    is dropped. What the server said before can still be received.
    """

    def __init__(self, connected: socket.socket) -> None:
        """`connected` does not block."""
        self._socket = connected
        self._waiting = anyio.CancelScope()
        self.stopped = False

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """At most so many bytes, once there are any."""
        # A server that never stops sending would else leave nobody else a turn, not even the clock.
        await anyio.lowlevel.checkpoint()
        while True:
            try:
                data = self._socket.recv(max_bytes)
            except BlockingIOError:
                await anyio.wait_readable(self._socket)
            except OSError as error:
                raise anyio.BrokenResourceError from error
            else:
                if not data:
                    raise anyio.EndOfStream
                return data

    async def arrival(self) -> None:
        """Return once something has arrived."""
        await anyio.wait_readable(self._socket)

    async def send(self, item: bytes) -> None:
        """All bytes of it, unless stopped."""
        await anyio.lowlevel.checkpoint()
        rest, taken = memoryview(item), TAKEN.get()
        while rest and not self.stopped:
            try:
                size = self._socket.send(rest)
                rest = rest[size:]
                if taken is not None:
                    taken(size)
            except BlockingIOError:
                with anyio.CancelScope() as self._waiting:
                    await anyio.wait_writable(self._socket)
            except OSError:
                self.stopped = True

    def stop(self) -> None:
        """Send nothing more, not even the rest of what is being sent."""
        self.stopped = True
        self._waiting.cancel()

    async def send_eof(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    async def aclose(self) -> None:
        self._socket.close()
        await anyio.lowlevel.checkpoint()

    @property
    def readable(self) -> bool:
        """Whether something has arrived, or the end."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True


class _Stream(httpcore.AsyncNetworkStream):
    """What httpcore reads and writes: plain text, over a connection that may be encrypted."""

    def __init__(self, stream: anyio.abc.ByteStream, connection: Connection) -> None:
        self._stream = stream
        self._connection = connection
        self._heard = bytearray()
        self._alert: ssl.SSLError | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What was heard while writing, then what comes; empty at the end."""
        if self._heard:
            data = bytes(self._heard[:max_bytes])
            del self._heard[:max_bytes]
            return data
        with _as(httpcore.ReadTimeout, httpcore.ReadError), anyio.fail_after(timeout):
            if self._alert is not None:
                raise self._alert
            try:
                return await self._stream.receive(max_bytes)
            except anyio.EndOfStream:
                return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send it while listening: httpcore takes a WriteError for a reason to read the answer."""
        if not buffer:
            await self._pause()
            return
        with _as(httpcore.WriteTimeout, httpcore.WriteError), anyio.fail_after(timeout):
            async with anyio.create_task_group() as group:
                group.start_soon(self._listen)
                with contextlib.suppress(*_BROKEN):
                    await self._stream.send(buffer)
                group.cancel_scope.cancel()
        self._check()

    async def _pause(self) -> None:
        """Send nothing until the body goes on; only listen."""
        if (until := PAUSE.get()) is None:
            return
        # h11 writes an empty piece at the end of each request, too.
        PAUSE.set(None)
        async with anyio.create_task_group() as group:

            async def listen() -> None:
                await self._listen()
                group.cancel_scope.cancel()

            group.start_soon(listen)
            await until()
            group.cancel_scope.cancel()
        self._check()

    def _check(self) -> None:
        if self._connection.stopped:
            raise httpcore.WriteError("the server stopped taking data")

    async def _listen(self) -> None:
        try:
            while not self._answered():
                self._heard += await self._stream.receive()
        except ssl.SSLError as error:
            self._alert = error
        except _BROKEN:
            pass
        self._connection.stop()

    def _answered(self) -> bool:
        """Whether the final answer has begun; interim ones (100 Continue) say nothing."""
        while interim := _INTERIM.match(self._heard):
            del self._heard[: interim.end()]
        start = self._heard[: len(_INTERIM_START)]
        return len(self._heard) > _LONGEST_INTERIM or not _INTERIM_START.startswith(start)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """The same, encrypted from here on."""
        try:
            with _as(httpcore.ConnectTimeout, httpcore.ConnectError), anyio.fail_after(timeout):
                encrypted = await TLSStream.wrap(
                    self._stream,
                    hostname=server_hostname,
                    ssl_context=ssl_context,
                    standard_compatible=False,
                    server_side=False,
                )
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.aclose()
            raise
        if encrypted.extra(TLSAttribute.tls_version) == "TLSv1.3":  # noqa: S610 - it is anyio's
            started = anyio.current_time()
            with anyio.move_on_after(_TICKETS):
                await self._connection.arrival()
                # And as long again for the second one.
                await anyio.sleep(anyio.current_time() - started)
        return _Stream(encrypted, self._connection)

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks for: the TLS object, and whether an idle connection was closed."""
        if info == "ssl_object":
            return self._stream.extra(TLSAttribute.ssl_object, None)  # noqa: S610 - it is anyio's
        if info == "is_readable":
            return self._connection.readable
        return None


@contextlib.contextmanager
def _as(timeout: type[Exception], failure: type[Exception]) -> Iterator[None]:
    """Raise what httpcore expects."""
    try:
        yield
    except TimeoutError as error:
        raise timeout from error
    except ssl.SSLError as error:
        refused = _REFUSED_BY_TLS.search(error.reason or "")
        raise (httpcore.ConnectError if refused else failure)(str(error)) from error
    except (OSError, *_BROKEN) as error:
        raise failure(str(error)) from error


async def _connect(host: str, port: int) -> socket.socket:
    """Try the addresses of a host, each a moment after the one before or once that has failed."""
    transport, _ = await asyncio.get_running_loop().create_connection(
        asyncio.Protocol, host, port, happy_eyeballs_delay=_NEXT_ADDRESS
    )
    # Servers of HTTP speak second, so that nothing has been read here.
    connected: socket.socket = transport.get_extra_info("socket").dup()
    transport.abort()
    connected.setblocking(False)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
    return connected
