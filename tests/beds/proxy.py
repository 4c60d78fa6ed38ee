"""A proxy between a client and an index that can inject faults.

It records every request and passes it on unless a rule says otherwise. A rule sees one exchange and
returns the answer to give; `exchange.forward()` asks the index.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.beds.processes import HANG, free_port
from tests.beds.wire import Answer, CutError, Raw, Request, Server, handler_for

if TYPE_CHECKING:
    import ssl

__all__ = [
    "JSON_PAGE",
    "Act",
    "Answer",
    "CutError",
    "Exchange",
    "FaultProxy",
    "Match",
    "Raw",
    "Request",
    "Rule",
    "edit_page",
    "endless",
    "gzip_bomb",
    "is_file",
    "is_page",
    "is_upload",
]

JSON_PAGE = "application/vnd.pypi.simple.v1+json"


@dataclass
class Exchange:
    """One request on its way."""

    request: Request
    proxy: FaultProxy

    def forward(self) -> Answer:
        """Ask the index as the client did, by default without compression."""
        target = urllib.parse.urlsplit(self.proxy.upstream)
        connection = http.client.HTTPConnection(target.netloc, timeout=HANG)
        with contextlib.closing(connection):
            skipped = {"connection", "transfer-encoding", "content-length"}
            if not self.proxy.keeps_encoding:
                skipped.add("accept-encoding")
            headers = {k: v for k, v in self.request.headers.items() if k not in skipped}
            body = self.request.body if self.request.method in {"POST", "PUT"} else None
            connection.request(self.request.method, self.request.path, body, headers)
            answer = connection.getresponse()
            kept = {
                name: value
                for name, value in answer.getheaders()
                if name.lower() not in {"connection", "transfer-encoding", "content-length"}
            }
            return Answer(answer.status, answer.read(), answer.reason.encode("latin-1"), kept)


Act = Callable[[Exchange], Answer | Raw]
Match = Callable[[Request], bool]


@dataclass
class Rule:
    """What to do with which requests, and how often (None: always)."""

    match: Match
    act: Act
    times: int | None = None

    def lift(self) -> None:
        """End the rule."""
        self.times = 0


@dataclass
class Break:
    """Which uploads to break off, after which share of the file, and how often (None: always).

    With this answer, if there is one.
    """

    match: Match
    share: float
    times: int | None
    answer: Answer | None = None


def is_page(request: Request) -> bool:
    """Match project pages of the simple API."""
    return request.is_page


def is_upload(request: Request) -> bool:
    """Match every upload."""
    return request.uploads()


def is_file(filename: str) -> Match:
    """Match the download of one file."""

    def match(request: Request) -> bool:
        return request.method == "GET" and request.path.split("?")[0].endswith(f"/{filename}")

    return match


class FaultProxy:
    """A proxy that serves on a free loopback port while its context is entered."""

    def __init__(
        self,
        upstream: str,
        tls: ssl.SSLContext | None = None,
        *,
        keeps_encoding: bool = False,
        address: str = "127.0.0.1",
    ) -> None:
        """`address` is the local address to listen on.

        `keeps_encoding` passes the client's Accept-Encoding on; rules cannot edit the compressed
        pages that may come back then.
        """
        self.upstream = upstream
        self.keeps_encoding = keeps_encoding
        self.requests: list[Request] = []
        self.rules: list[Rule] = []
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._breaks: list[Break] = []
        self._server = Server((address, free_port()), handler_for(self))
        self._scheme = "https" if tls else "http"
        self.tls = tls

    @property
    def origin(self) -> str:
        """Scheme, host and port of the proxy."""
        address, port = self._server.server_address[:2]
        return f"{self._scheme}://{address!s}:{port}"

    def __enter__(self) -> FaultProxy:
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # Recorded requests.

    @property
    def pages(self) -> list[Request]:
        """The requests for project pages so far."""
        return [request for request in list(self.requests) if request.is_page]

    @property
    def uploads(self) -> list[Request]:
        """The uploads so far."""
        return [request for request in list(self.requests) if request.uploads()]

    # Rules. A later rule takes precedence over an earlier one.

    def on(self, match: Match, act: Act, times: int | None = None) -> Rule:
        """Add a rule."""
        rule = Rule(match, act, times)
        self.rules.insert(0, rule)
        return rule

    def answer(self, match: Match, answer: Answer, times: int | None = None) -> Rule:
        """Give this answer without asking the index."""
        return self.on(match, lambda _: answer, times)

    def stall(self, match: Match, times: int | None = None) -> Rule:
        """Accept the request, then say nothing."""

        def act(_: Exchange) -> Answer:
            self.stopped.wait()
            raise CutError

        return self.on(match, act, times)

    def cut_after(self, match: Match, times: int | None = None) -> Rule:
        """Pass the request on, then cut the connection without an answer."""

        def act(exchange: Exchange) -> Answer:
            exchange.forward()
            raise CutError

        return self.on(match, act, times)

    def break_off(
        self, match: Match, share: float, times: int | None = None, answer: Answer | None = None
    ) -> None:
        """Reset the connection of an upload after this share of the file (0: before it).

        Or answer then, and close it.
        """
        self._breaks.insert(0, Break(match, share, times, answer))

    def clear(self) -> None:
        """Remove all rules: pass everything on."""
        with self._lock:
            self.rules.clear()
            self._breaks.clear()

    def hide(self, filename: str, pages: int | None = None) -> Rule:
        """Leave the file out of the next `pages` pages that list it (None: out of all)."""
        left_out: list[str] = []

        def act(exchange: Exchange) -> Answer:
            answer = exchange.forward()
            if pages is not None and len(left_out) >= pages:
                return answer
            return edit_page(answer, filename, left_out.append)

        return self.on(is_page, act)

    def change_hash(self, filename: str, sha256: str) -> Rule:
        """Make pages list the file with another sha256."""
        return self.on(is_page, lambda e: edit_page(e.forward(), filename, lambda _: sha256))

    def serve_other_bytes(self, filename: str, body: bytes) -> Rule:
        """Serve these bytes when the file is downloaded."""
        return self.answer(is_file(filename), Answer(200, body))

    def redirect_page(self, origin: str, status: int = 302) -> Rule:
        """Redirect page requests to the same path on another host."""

        def act(exchange: Exchange) -> Answer:
            return Answer(status, headers={"Location": f"{origin}{exchange.request.path}"})

        return self.on(is_page, act)

    def send_files_to(self, origin: str) -> Rule:
        """Make pages link files on another host, under the same paths."""

        def act(exchange: Exchange) -> Answer:
            answer = exchange.forward()
            page = exchange.request.path
            if answer.status == 200 and isinstance(answer.body, bytes):
                answer.body = re.sub(
                    r'(?<=href=")[^"]+',
                    lambda link: origin + urllib.parse.urljoin(page, link[0]),
                    answer.body.decode(),
                ).encode()
            return answer

        return self.on(is_page, act)

    def require_no_auth(self) -> Rule:
        """Remove the credentials from every request before the index sees it."""

        def act(exchange: Exchange) -> Answer:
            exchange.request.headers.pop("authorization", None)
            return exchange.forward()

        return self.on(lambda _: True, act)

    def share_to_take(self, request: Request) -> tuple[float, Answer | None] | None:
        """Which share of an upload's file to take before the connection ends (None: all)."""
        with self._lock:
            for each in self._breaks:
                if each.times != 0 and each.match(request):
                    if each.times is not None:
                        each.times -= 1
                    self.requests.append(request)
                    return each.share, each.answer
        return None

    def act_on(self, request: Request) -> Answer | Raw:
        """Record one request and choose its answer."""
        with self._lock:
            noted = Request(
                request.method, request.path, dict(request.headers), request.body, request.at
            )
            self.requests.append(noted)
            chosen: Act = Exchange.forward
            for rule in self.rules:
                if rule.times != 0 and rule.match(request):
                    if rule.times is not None:
                        rule.times -= 1
                    chosen = rule.act
                    break
        return chosen(Exchange(request, self))


def edit_page(answer: Answer, filename: str, edit: Callable[[str], str | None]) -> Answer:
    """Give the file another sha256 on an HTML or JSON page, or (None) leave it out."""
    if answer.status != 200 or not isinstance(answer.body, bytes):
        return answer
    if b"{" in answer.body[:1]:
        page = json.loads(answer.body)
        kept = []
        for entry in page["files"]:
            if entry["filename"] == filename:
                digest = edit(entry["hashes"].get("sha256", ""))
                if digest is None:
                    continue
                entry["hashes"]["sha256"] = digest
            kept.append(entry)
        page["files"] = kept
        return Answer(200, json.dumps(page).encode(), answer.reason, answer.headers)

    def replace(link: re.Match[str]) -> str:
        if link["name"] != filename:
            return link[0]
        digest = edit("")
        return "" if digest is None else re.sub(r"sha256=[0-9a-f]+", f"sha256={digest}", link[0])

    html = re.sub(r"<a [^>]*>\s*(?P<name>[^<\s]+)\s*</a>", replace, answer.body.decode())
    return Answer(200, html.encode(), answer.reason, answer.headers)


def endless(chunk: bytes = b"<!-- more -->" * 5000) -> Iterator[bytes]:
    """A body that never ends."""
    while True:
        yield chunk


def gzip_bomb(size: int) -> bytes:
    """A small gzip body that expands to `size` bytes."""
    return gzip.compress(b"\0" * size, compresslevel=9)
