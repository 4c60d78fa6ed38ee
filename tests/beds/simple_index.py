"""A simple index over a directory of wheels, in this process: fast, and it can pause a request."""

from __future__ import annotations

import contextlib
import hashlib
import html
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from tests.beds.processes import HANG


class Gate:
    """Makes a request for one file wait, so that a test can act in the middle of it."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.reached = threading.Event()
        self.open = threading.Event()


class SimpleIndex:
    """A simple index over the wheels of one directory, at one of this machine's addresses."""

    def __init__(self, wheels: Path, address: str = "127.0.0.1") -> None:
        self.wheels = wheels
        self._address = address
        self.requests: list[str] = []
        self.gate: Gate | None = None
        self._server = ThreadingHTTPServer((address, 0), partial(_Handler, self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The index's address, for `[[tool.poetry.source]]`."""
        return f"http://{self._address}:{self._server.server_port}/simple/"

    @contextlib.contextmanager
    def gated(self, prefix: str) -> Iterator[Gate]:
        """Make requests for wheels with this prefix wait until the gate opens."""
        self.gate = Gate(prefix)
        try:
            yield self.gate
        finally:
            self.gate.open.set()
            self.gate = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, index: SimpleIndex, *args: object) -> None:
        self._index = index
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._index.requests.append(self.path)
        kind, _, name = self.path.strip("/").partition("/")
        if kind == "simple":
            found = [wheel for wheel in self._index.wheels.glob("*.whl") if _named(wheel, name)]
            self._send("".join(map(_link, found)).encode() if found else None, "text/html")
        else:
            gate = self._index.gate
            if gate and name.startswith(gate.prefix) and self.command == "GET":
                gate.reached.set()
                gate.open.wait(HANG)
            wheel = self._index.wheels / name
            self._send(wheel.read_bytes() if wheel.is_file() else None, "application/zip")

    do_HEAD = do_GET  # noqa: N815 - the base class requires this name

    def _send(self, body: bytes | None, kind: str) -> None:
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        if self.command == "GET":
            # A killed client has disconnected.
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Keep the test output readable."""


def _named(wheel: Path, name: str) -> bool:
    return wheel.name.split("-")[0].lower().replace("_", "-").replace(".", "-") == name


def _link(wheel: Path) -> str:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    name = html.escape(wheel.name)
    return f'<a href="/files/{name}#sha256={digest}">{name}</a><br>\n'
