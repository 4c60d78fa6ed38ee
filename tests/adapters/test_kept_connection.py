"""The connection on which a repository was asked whether it is there goes on to an upload."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import ssl
import threading
from typing import TYPE_CHECKING, ClassVar

import pytest
import trustme

from poetry_publish_verified.adapters.http import Http
from poetry_publish_verified.adapters.pace import Pace, SystemClock
from poetry_publish_verified.adapters.repository import HttpRepository
from poetry_publish_verified.core.upload.outcomes import Answered
from poetry_publish_verified.core.urls import Access, RepositoryTarget
from tests.beds.processes import HANG
from tests.core.distributions import distribution

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WHEEL, CONTENT = "lantern-1.0-py3-none-any.whl", b"a wheel's bytes"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers a GET with 405, as upload URLs do, and takes uploads; notes the connections."""

    protocol_version = "HTTP/1.1"
    timeout = HANG
    asked: ClassVar[list[tuple[str, int, str | None]]] = []
    closes: ClassVar[bool] = False
    page: ClassVar[bytes] = b"<h1>Not allowed</h1>"

    def do_GET(self) -> None:
        self._answer(405, self.page)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, b"OK")

    def _answer(self, status: int, body: bytes) -> None:
        port = self.client_address[1]
        self.asked.append((self.command, port, self.headers["Authorization"]))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if self.closes and self.command == "GET":
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class has it
        """What was asked is noted instead."""


@contextlib.contextmanager
def serving(handler: type[Handler], tls: ssl.SSLContext | None) -> Iterator[str]:
    """Serve on loopback; yields the URL."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def ask_and_upload(
    directory: Path,
    how: dict[str, object],
    tls: ssl.SSLContext | None = None,
    ca: str | None = None,
) -> list[tuple[str, int, str | None]]:
    """Ask whether the repository is there, and upload with a token; what the server noted."""
    asked: list[tuple[str, int, str | None]] = []
    handler = type("Noting", (Handler,), {"asked": asked, **how})
    (directory / WHEEL).write_bytes(CONTENT)

    async def story(url: str) -> None:
        async with Http("tester/1", HANG, lambda _: None, Pace(SystemClock())) as http:
            target = RepositoryTarget("harbour", url, Access("me", "secret", ca=ca))
            repository = HttpRepository(http, target, directory)
            assert (await repository.state())[0] == "there"
            answer = await repository.upload(
                distribution(WHEEL, CONTENT), lambda _: None, token="minted"
            )
            assert isinstance(answer, Answered)
            assert answer.status == 200

    with serving(handler, tls) as url:
        asyncio.run(story(url))
    return asked


@pytest.mark.parametrize("encrypted", [False, True])
def test_upload_goes_on_with_the_connection(tmp_path: Path, encrypted: bool) -> None:
    """It saves opening another one, TLS included; each request has its own credentials."""
    tls = ca = None
    if encrypted:
        authority = trustme.CA()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(tls)
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        ca = str(tmp_path / "ca.pem")
    (get, first, own), (post, second, token) = ask_and_upload(tmp_path, {}, tls, ca)
    assert (get, post) == ("GET", "POST")
    assert first == second
    assert own != token


@pytest.mark.parametrize(
    "how", [{"closes": True}, {"page": b"x" * 300_000}], ids=["closed", "long"]
)
def test_upload_has_another_connection_where_it_must(
    tmp_path: Path, how: dict[str, object]
) -> None:
    """A server may close the first one, and a long answer is not read to its end."""
    (_, first, _), (_, second, _) = ask_and_upload(tmp_path, how)
    assert first != second
