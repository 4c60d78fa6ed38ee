"""The HTTP layer between a client and the fault proxy."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar, Protocol

from tests.beds.processes import HANG

if TYPE_CHECKING:
    import ssl

# Small, so that a client is still sending when its connection is reset.
_RECEIVED_AHEAD = 64 * 1024


@dataclass(frozen=True)
class Request:
    """A client's request and its time; header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def is_page(self) -> bool:
        """Whether this asks for a project page of the simple API."""
        return self.method == "GET" and re.search(r"/\+?simple/[^/]+/?$", self.path) is not None

    def uploads(self, filename: str = "") -> bool:
        """Whether this uploads the file (without a name: any file)."""
        return self.method == "POST" and f'filename="{filename}'.encode() in self.body


@dataclass
class Answer:
    """A client's answer; `reason` and `body` may be anything, and `body` may be endless."""

    status: int
    body: bytes | Iterable[bytes] = b""
    reason: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Raw:
    """What a client gets instead of HTTP: these bytes, then the end of the connection."""

    data: bytes


class CutError(Exception):
    """Raised by a rule to end the connection without an answer."""


class Responder(Protocol):
    """Gives the answers; see FaultProxy."""

    tls: ssl.SSLContext | None
    stopped: threading.Event

    def share_to_take(self, request: Request) -> tuple[float, Answer | None] | None:
        """Which share of an upload's file to take; called just before the file's bytes.

        And the answer to give then; without one, the connection is reset.
        """
        ...

    def act_on(self, request: Request) -> Answer | Raw:
        """Answer a whole request, or raise CutError."""
        ...


def handler_for(proxy: Responder) -> type[BaseHTTPRequestHandler]:
    """The class that serves one connection."""
    return type("Handler", (_Handler,), {"proxy": proxy})


class Server(ThreadingHTTPServer):
    """Serves each connection in its own thread."""

    daemon_threads = True
    request_queue_size = 64

    def server_bind(self) -> None:
        """Receive in small pieces."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED_AHEAD)
        super().server_bind()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    proxy: ClassVar[Responder]
    protocol_version = "HTTP/1.1"
    timeout = HANG

    def setup(self) -> None:
        tls = self.proxy.tls
        if tls is not None:
            self.request = tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.request.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it
        """The proxy records requests instead."""

    def _exchange(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        begun = Request(self.command, self.path, headers, b"", time.monotonic())
        try:
            request = replace(begun, body=self._body(begun))
            self._send(self.proxy.act_on(request))
        except (CutError, OSError):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _exchange  # noqa: N815  # the base class names them

    def _body(self, begun: Request) -> bytes:
        if "chunked" in begun.headers.get("transfer-encoding", ""):
            return self._chunks()
        size = int(begun.headers.get("content-length", "0"))
        body = b""
        if begun.headers.get("content-type", "").startswith("multipart/"):
            body = self._up_to_the_file(size)
            broken = self.proxy.share_to_take(replace(begun, body=body))
            if broken is not None:
                self.rfile.read(int((size - len(body)) * broken[0]))
                self._break_off(broken[1])
        body += self.rfile.read(size - len(body))
        if len(body) < size:  # the client has disconnected
            raise CutError
        return body

    def _up_to_the_file(self, size: int) -> bytes:
        """All of a form's body before the bytes of its file."""
        body, names_file = b"", False
        while len(body) < size and (line := self.rfile.readline(size - len(body))):
            body += line
            names_file = names_file or b' filename="' in line
            if names_file and not line.strip():
                break
        return body

    def _break_off(self, answer: Answer | None) -> None:
        """Answer early, or end the connection with a reset, as a crashing server does."""
        if answer is not None:
            self._send(answer)
            raise CutError
        at_once = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        raise CutError

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, answer: Answer | Raw) -> None:
        if isinstance(answer, Raw):
            self.close_connection = True
            self.wfile.write(answer.data)
            return
        reason = answer.reason or http.client.responses.get(answer.status, "").encode()
        lines = [b"HTTP/1.1 %d %s" % (answer.status, reason)]
        headers = dict(answer.headers)
        if isinstance(answer.body, bytes):
            headers["Content-Length"] = str(len(answer.body))
        else:
            headers["Connection"] = "close"
            self.close_connection = True
        lines += [f"{name}: {value}".encode("latin-1") for name, value in headers.items()]
        self.wfile.write(b"\r\n".join([*lines, b"", b""]))
        if self.command == "HEAD":
            return
        for chunk in [answer.body] if isinstance(answer.body, bytes) else answer.body:
            if self.proxy.stopped.is_set():
                return
            self.wfile.write(chunk)
