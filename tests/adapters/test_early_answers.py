"""Uploads to servers that answer before they have the file, slowly, in pieces, or never."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
import trustme

from poetry_publish_verified.adapters import uploads
from poetry_publish_verified.adapters.http import Http
from poetry_publish_verified.adapters.http_errors import HttpError
from poetry_publish_verified.adapters.pace import Pace, SystemClock
from poetry_publish_verified.adapters.uploads import post_file
from poetry_publish_verified.core.upload.outcomes import Answered, NoAnswer
from poetry_publish_verified.core.urls import Access
from tests.adapters.loopback import Answer, Request, serving, silence
from tests.beds.processes import HANG

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

MiB = 1024 * 1024
ROUNDS = 10
FORBIDDEN = b"HTTP/1.1 403 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
SAID = Answered(403, b"No", b"no")


def run(story: Coroutine[object, object, None]) -> None:
    """Run to the end."""
    asyncio.run(asyncio.wait_for(story, HANG))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that does not fit into the system's buffers."""
    path = tmp_path_factory.mktemp("dist") / "lantern-1.0-py3-none-any.whl"
    path.write_bytes(bytes(range(256)) * (36 * 1024))
    return path


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that only these tests know."""
    return trustme.CA()


@pytest.fixture
def access(tmp_path: Path, authority: trustme.CA) -> Access:
    """Access that trusts it."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return Access("me", "wrong", ca=str(tmp_path / "ca.pem"))


async def post(
    url: str,
    file: Path,
    access: Access,
    *,
    times: int = 1,
    timeout: float = HANG,
    proxy: str | None = None,
    on_sent: Callable[[int], None] = lambda _: None,
) -> list[Answered | NoAnswer]:
    """Upload a file some times, in one run."""
    with file.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    async with Http("tester/1", timeout, lambda _: proxy, Pace(SystemClock())) as http:
        return [
            await post_file(http, url, {}, file, access, on_sent, sha256=sha256)
            for _ in range(times)
        ]


@contextlib.contextmanager
def refusing(
    after: int, close: Callable[[socket.socket], None], tls: ssl.SSLContext | None
) -> Iterator[str]:
    """A server that reads the headers and `after` bytes, answers and closes; its address."""

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with contextlib.suppress(OSError):
                    answer(
                        connection if tls is None else tls.wrap_socket(connection, server_side=True)
                    )
                connection.close()

    def answer(connection: socket.socket) -> None:
        with connection:
            got = bytearray()
            while b"\r\n\r\n" not in got or len(got) < after:
                got += connection.recv(65536)
            connection.sendall(FORBIDDEN)
            close(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(HANG)


def at_once(_: socket.socket) -> None:
    """Close at once: what has not been read makes it a reset."""


def half(connection: socket.socket) -> None:
    """Say that nothing more will come, then close."""
    connection.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("after", [0, MiB])
@pytest.mark.parametrize("close", [at_once, half])
def test_refusal_that_closes_the_connection(
    large: Path,
    access: Access,
    authority: trustme.CA,
    after: int,
    close: Callable[[socket.socket], None],
    encrypted: bool,
) -> None:
    """An answer after the headers or in mid-file is received each time, whatever fails by then."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if encrypted else None
    if tls:
        authority.issue_cert("127.0.0.1").configure_cert(tls)

    async def story() -> None:
        assert await post(url, large, access, times=ROUNDS) == [SAID] * ROUNDS

    with refusing(after, close, tls) as url:
        run(story())


@pytest.mark.parametrize("encrypted", [False, True])
def test_refusal_that_keeps_the_connection(
    large: Path, access: Access, authority: trustme.CA, encrypted: bool
) -> None:
    """A server that answers and reads nothing more does not hold up the answer."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if encrypted else None
    if tls:
        authority.issue_cert("127.0.0.1").configure_cert(tls)
    received = threading.Event()

    async def story() -> None:
        assert await post(url, large, access) == [SAID]
        received.set()

    with refusing(0, lambda _: ignore(received.wait(HANG)), tls) as url:
        run(story())


def ignore(_: object) -> None:
    """Drop a value that is not needed."""


def test_refusal_behind_a_proxy(large: Path, access: Access, authority: trustme.CA) -> None:
    """Through a tunnel that needs a login, the server's early answer is received as well."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)

    received = threading.Event()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def tunnel(request: Request) -> None:
        host, port = request.line.split()[1].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        await request.send(b"HTTP/1.1 200 Go\r\n\r\n")
        try:
            await asyncio.gather(pump(request.reader, writer), pump(reader, request.writer))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def story() -> None:
        async with serving(tunnel) as server:
            proxy = server.url.replace("//", "//user:secret@")
            assert await post(url, large, access, proxy=proxy) == [SAID]
            assert server.requests[0].headers["proxy-authorization"] == "Basic dXNlcjpzZWNyZXQ="
            assert "authorization" not in server.requests[0].headers
            received.set()

    with refusing(0, lambda _: ignore(received.wait(HANG)), tls) as url:
        run(story())


def test_early_success_is_doubtful(large: Path) -> None:
    """A server that says 200 before it has the file cannot have stored it."""

    async def hasty(request: Request) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def story() -> None:
        async with serving(hasty) as server:
            (got,) = await post(server.url, large, Access())
        assert got == Answered(200, b"OK", early=True)

    run(story())


def test_interim_answers(large: Path) -> None:
    """`100 Continue` and early hints, at any time and in pieces, are not the answer."""

    async def chatty(request: Request) -> None:
        await request.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: ")
        await request.reader.readexactly(MiB)
        await request.send(b"</a>\r\n\r\nHTTP/1.1 10", b"2 Processing\r\n\r\n")
        await request.reader.readexactly(int(request.headers["content-length"]) - MiB)
        await request.send(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\n", b"Content-Length: 0\r\n\r\n"
        )

    async def story() -> None:
        async with serving(chatty) as server:
            assert await post(server.url, large, Access()) == [Answered(201, b"Made", b"")]

    run(story())


def test_one_connection_for_several_files(large: Path) -> None:
    """A connection that the server keeps open carries the next upload too."""

    async def keeping(request: Request) -> None:
        for _ in range(3):
            await request.reader.readexactly(int(request.headers["content-length"]))
            await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            await request.reader.readuntil(b"\r\n\r\n")

    async def story() -> None:
        async with serving(keeping) as server:
            got = await post(server.url, large, Access(), times=3)
            assert got == [Answered(200, b"OK", b"OK")] * 3
            assert len(server.requests) == 1

    run(story())


def test_host_with_a_closed_address(large: Path) -> None:
    """Of a host's several addresses (::1, 127.0.0.1) the one that answers is taken."""

    async def taking(request: Request) -> None:
        await request.body()
        await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def story() -> None:
        async with serving(taking) as server:
            url = server.url.replace("127.0.0.1", "localhost")
            assert await post(url, large, Access()) == [Answered(200, b"OK", b"")]

    run(story())


def test_missing_client_certificate(large: Path, access: Access, authority: trustme.CA) -> None:
    """A server that requires a client certificate took nothing, and trying again is no use."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED

    async def story() -> None:
        (got,) = await post(url, large, access)
        assert isinstance(got, NoAnswer)
        assert (got.sent, got.passing) == (False, False)
        assert "CERTIFICATE" in got.detail.upper()

    with refusing(0, half, tls) as url:
        run(story())


# Exchanges without end.


async def _forever(request: Request, piece: bytes) -> None:
    while True:
        await request.send(piece)
        await asyncio.sleep(0.01)


async def dripping_headers(request: Request) -> None:
    """Answer with headers without end."""
    await request.body()
    await request.send(b"HTTP/1.1 200 OK\r\n")
    await _forever(request, b"X: y\r\n")


async def endless_interim(request: Request) -> None:
    """Answer `100 Continue` without end, from the start."""
    body = asyncio.create_task(request.body())
    await _forever(request, b"HTTP/1.1 100 Continue\r\n\r\n")
    await body


async def endless_start(request: Request) -> None:
    """Answer with a status line without end."""
    await request.body()
    await request.send(b"HTTP/1.1 200 ")
    await _forever(request, b"O")


@pytest.mark.parametrize("answer", [dripping_headers, endless_interim, endless_start, silence])
def test_answer_without_end(large: Path, answer: Answer) -> None:
    """Interim answers and pieces of headers are no progress: the result is doubtful in time."""

    async def story() -> None:
        async with serving(answer) as server:
            (got,) = await post(server.url, large, Access(), timeout=0.7)
        assert isinstance(got, NoAnswer)
        assert got.sent
        assert "the server" in got.detail

    run(story())


# A process of its own: a thread would take turns with the client. It says whether it was left.
FLOOD = """
import socket, sys, threading
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
connection.recv(65536)
def drain():
    while connection.recv(1 << 20):
        pass
threading.Thread(target=drain, daemon=True).start()
piece = sys.argv[1].encode() * 2000
try:
    for _ in range(10_000):
        connection.sendall(piece)
except OSError:
    print("left", flush=True)
"""


@pytest.mark.parametrize("status", ["100 Continue", "103 Early Hints\r\nLink: </x>"])
def test_flood_of_interim_answers(large: Path, status: str) -> None:
    """They end the upload in time even if they come faster than they can be read."""
    command = [sys.executable, "-c", FLOOD, f"HTTP/1.1 {status}\r\n\r\n"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as flood:
        assert flood.stdout is not None
        url = f"http://127.0.0.1:{flood.stdout.readline().strip()}/"

        async def story() -> None:
            (got,) = await post(url, large, Access(), timeout=0.7)
            assert isinstance(got, NoAnswer)

        run(story())
        assert flood.stdout.read().strip() == "left"


def test_server_that_takes_a_drip(large: Path) -> None:
    """A server that takes less than the least that is allowed ends the upload."""

    async def sipping(request: Request) -> None:
        while True:
            await request.reader.readexactly(1000)
            await asyncio.sleep(0.01)

    async def story() -> None:
        async with serving(sipping) as server:
            (got,) = await post(server.url, large, Access(), timeout=0.3)
        assert isinstance(got, NoAnswer)
        assert got.sent
        assert "took less than" in got.detail

    run(story())


async def taking(request: Request) -> None:
    """Take the whole request."""
    await request.reader.readexactly(int(request.headers["content-length"]))
    await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def test_upload_that_takes_long(large: Path) -> None:
    """Above that rate an upload takes as long as it takes: there is no bound on the whole."""

    async def steady(request: Request) -> None:
        # Little of it waits at this end, so that the client sees how slow it goes.
        server_socket = request.writer.get_extra_info("socket")
        server_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        left = int(request.headers["content-length"])
        while left > 0:
            left -= len(await request.reader.readexactly(min(left, MiB // 4)))
            await asyncio.sleep(0.1)
        await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def story() -> None:
        async with serving(steady) as server:
            got = await post(server.url, large, Access(), timeout=1.8)
            assert got == [Answered(200, b"OK", b"")]

    run(story())


def test_hashing_leaves_the_loop_alone(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests are computed in other threads, so that no other upload waits for them."""
    threads: set[int] = set()

    class Noting:
        def __init__(self) -> None:
            self.hexdigest = (md5 := hashlib.md5(usedforsecurity=False)).hexdigest
            self._update = md5.update

        def update(self, data: bytes) -> None:
            threads.add(threading.get_ident())
            self._update(data)

    monkeypatch.setattr(uploads, "OTHER_DIGESTS", {"md5_digest": Noting})

    async def story() -> None:
        async with serving(taking) as server:
            assert await post(server.url, large, Access()) == [Answered(200, b"OK", b"")]

    run(story())
    assert threads
    assert threading.get_ident() not in threads


def test_progress_within_a_piece(large: Path) -> None:
    """Every byte that leaves is reported, so a slow line is not taken for a stalled one."""
    reports: list[int] = []

    async def sipping(request: Request) -> None:
        server_socket = request.writer.get_extra_info("socket")
        server_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        await taking(request)

    async def story() -> None:
        async with serving(sipping) as server:
            await post(server.url, large, Access(), on_sent=reports.append)

    run(story())
    size = large.stat().st_size
    assert reports == sorted(reports)
    assert reports[-1] == size
    assert len(set(reports)) > 1.5 * size / (MiB / 4)


def test_download_in_drips() -> None:
    """A file that comes more slowly than that is given up, and one that does not is not."""

    async def dripping(request: Request) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        await _forever(request, b"x" * int(request.line.split()[1][1:]))

    async def story() -> None:
        async with (
            serving(dripping) as server,
            Http("tester/1", 1.5, lambda _: None, Pace(SystemClock())) as http,
        ):
            with pytest.raises(HttpError, match="less than 64 KiB arrived"):
                await http.download(f"{server.url}10", Access(), server.url, None, ["sha256"])
            url = f"{server.url}20000"
            got = await http.download(url, Access(), server.url, 999_999, ["sha256"])
            assert got.cut

    run(story())
