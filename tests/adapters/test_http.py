"""HTTP with servers that redirect, lie, drip, expand and hang up."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import email
import gzip
import hashlib
import os
import ssl
import subprocess
import sys
import tracemalloc
import zlib
from typing import TYPE_CHECKING, TypeVar

import pytest
import trustme

from poetry_publish_verified.adapters.http import Asked, Http, Page
from poetry_publish_verified.adapters.http_errors import (
    HttpError,
    MovedError,
    SignInError,
    StatusError,
)
from poetry_publish_verified.adapters.pace import Pace, SystemClock
from poetry_publish_verified.adapters.tls import tls_context
from poetry_publish_verified.adapters.uploads import post_file
from poetry_publish_verified.core.upload.outcomes import Answered, NoAnswer
from poetry_publish_verified.core.urls import Access
from poetry_publish_verified.core.verification import Download
from poetry_publish_verified.poetry_api.repositories import proxy_for
from poetry_publish_verified.sanitize import printable
from tests.adapters.loopback import Answer, Request, answer, raw, serving, silence
from tests.beds.processes import HANG

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

ResultT = TypeVar("ResultT")
MiB = 1024 * 1024
ME = Access("me", "p:ä/@")
MY_AUTHORIZATION = "Basic " + base64.b64encode("me:p:ä/@".encode()).decode()
HEADERS = {"Accept": "text/html"}
LIMIT = 100_000


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Isolate tests from the user's proxies."""
    for variable in [name for name in os.environ if name.upper().endswith("_PROXY")]:
        monkeypatch.delenv(variable)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file to upload."""
    path = tmp_path / "lantern-1.0.tar.gz"
    path.write_bytes(bytes(range(256)) * 1000)
    return path


def run(story: Coroutine[object, object, ResultT]) -> ResultT:
    """Run to completion."""

    async def bounded() -> ResultT:
        async with asyncio.timeout(HANG):
            return await story

    return asyncio.run(bounded())


async def page(url: str, access: Access = ME, *, limit: int = LIMIT, timeout: float = HANG) -> Page:
    """Request a page once."""
    async with Http("tester/1", HANG, proxy_for, Pace(SystemClock())) as http:
        return await http.page(url, HEADERS, access, Asked(limit, timeout))


async def download(
    url: str, home: str, limit: int | None = None, read_timeout: float = HANG
) -> Download:
    """Download a file once."""
    async with Http("tester/1", read_timeout, proxy_for, Pace(SystemClock())) as http:
        return await http.download(url, ME, home, limit, ["sha256"])


async def post(
    url: str, file: Path, access: Access = ME, *, read_timeout: float = HANG
) -> Answered | NoAnswer:
    """Upload a file once."""
    async with Http("tester/1", read_timeout, proxy_for, Pace(SystemClock())) as http:
        fields, digest = {":action": "file_upload"}, sha256_of(file)
        return await post_file(http, url, fields, file, access, lambda _: None, sha256=digest)


def sha256_of(file: Path) -> str:
    """A downloaded file's sha256, if there is one."""
    if not file.is_file():
        return ""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def to(place: str, status: int = 302) -> tuple[str, bytes, tuple[str, ...]]:
    """The parts of a redirect."""
    return f"{status} Moved", b"", (f"Location: {place}",)


# Pages


def test_page() -> None:
    """A page is requested with our headers; status, headers and body are returned."""

    async def story() -> None:
        async with serving(answer("203 Fine", b"light", ("X-Served-By: a", "ETag: b"))) as server:
            got = await page(f"{server.url}simple/")
            assert (got.url, got.status, got.body) == (f"{server.url}simple/", 203, b"light")
            assert got.headers["x-served-by"] == "a"
            (request,) = server.requests
            assert request.line == "GET /simple/ HTTP/1.1"
            assert request.headers["user-agent"] == "tester/1"
            assert request.headers["accept"] == "text/html"
            assert request.headers["authorization"] == MY_AUTHORIZATION

    run(story())


def test_no_credentials_no_authorization() -> None:
    """Without a user name and password no Authorization is sent."""

    async def story() -> None:
        async with serving(answer()) as server:
            await page(server.url, Access())
            assert server.authorizations == [None]

    run(story())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_on_the_same_server(status: int) -> None:
    """It is followed with credentials, and the new URL is returned."""

    async def moving(request: Request) -> None:
        there = request.line.startswith("GET /new/")
        await (answer("200 OK", b"light") if there else answer(*to("/new/", status)))(request)

    async def story() -> None:
        async with serving(moving) as server:
            got = await page(f"{server.url}old")
            assert (got.url, got.body) == (f"{server.url}new/", b"light")
            assert server.authorizations == [MY_AUTHORIZATION] * 2

    run(story())


def test_redirect_to_another_server() -> None:
    """Another port is another server: it receives no request."""

    async def story() -> None:
        async with serving(answer()) as other:
            async with serving(answer(*to(f"{other.url}simple/lantern/", 303))) as server:
                with pytest.raises(MovedError, match="another server"):
                    await page(server.url)
            assert other.requests == []

    run(story())


@pytest.mark.parametrize("elsewhere", [False, True])
def test_redirect_to_a_sign_in_page(elsewhere: bool) -> None:
    """Such a page says nothing of what was asked for, so it is not even requested."""

    async def story() -> None:
        async with serving(answer()) as other:
            place = f"{other.url if elsewhere else '/'}users/sign_in?to=secret"
            async with serving(answer(*to(place))) as server:
                with pytest.raises(SignInError, match=r"sign-in page, http.*/users/sign_in$"):
                    await page(server.url)
                assert len(server.requests) == 1
            assert other.requests == []

    run(story())


def test_redirect_is_shown_without_credentials() -> None:
    """The message names the server but no password."""

    async def story() -> None:
        place = "https://me:secret@other.example/simple/"
        async with serving(answer(*to(place))) as server:
            with pytest.raises(HttpError) as caught:
                await page(server.url)
            said = str(caught.value)
            assert "other.example" in said
            assert "secret" not in said

    run(story())


@pytest.mark.parametrize(
    "place",
    [
        *("", "/", "http://[::", "http://host:99999/", "file:///etc/passwd", "//", "http://"),
        *("http://\xfc.example/", "javascript:x", "?" * 5000, "http://a\tb/"),
    ],
)
def test_endless_or_invalid_redirect(place: str) -> None:
    """A redirect loop, or one without a valid address, is an error."""

    async def story() -> None:
        async with serving(answer(*to(place))) as server:
            with pytest.raises(HttpError):
                await page(server.url)
            assert len(server.requests) <= 12

    run(story())


def test_connection_is_open_before_the_request() -> None:
    """What may not be asked yet waits with an open connection."""
    accepted, told = asyncio.Event(), list[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set()
        told.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    async def before() -> None:
        await accepted.wait()
        for _ in range(100):
            await asyncio.sleep(0)
        told.append(b"now")

    async def story() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1")
        port = server.sockets[0].getsockname()[1]
        async with server, Http("tester/1", HANG, proxy_for, Pace(SystemClock())) as http:
            asked = Asked(LIMIT, HANG, fresh=True, before=before)
            page = await http.page(f"http://127.0.0.1:{port}/simple/", HEADERS, ME, asked)
            assert (page.status, page.body) == (200, b"ok")

    run(story())
    assert told[0] == b"now"
    assert told[1].startswith(b"GET /simple/ ")


def test_no_cookie_is_kept(file: Path) -> None:
    """A balancer's cookie is sent back by no page, redirect, download or upload."""
    cookies = ("Set-Cookie: SERVERID=a; Path=/", "Set-Cookie: b=c; Max-Age=600")

    async def pinning(request: Request) -> None:
        first = request.line.startswith("GET /first")
        await answer("302 Moved" if first else "200 OK", b"", (*cookies, "Location: /x"))(request)

    async def story() -> None:
        async with (
            serving(pinning) as server,
            Http("tester/1", HANG, proxy_for, Pace(SystemClock())) as http,
        ):
            for fresh in (False, True) * 2:
                asked = Asked(LIMIT, HANG, fresh=fresh)
                await http.page(f"{server.url}first", HEADERS, ME, asked)
            for _ in range(2):
                await http.download(f"{server.url}first", ME, server.url, None, ["sha256"])
                await post_file(
                    http, server.url, {}, file, ME, lambda _: None, sha256=sha256_of(file)
                )
            assert len(server.requests) == 14
            assert not any("cookie" in request.headers for request in server.requests)

    run(story())


@pytest.mark.parametrize("length", [LIMIT, LIMIT + 1])
@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
def test_page_size_limit(length: int, encoding: str) -> None:
    """The limit counts decoded bytes: exactly the limit is fine, one more is not."""
    packed: dict[str, Callable[[bytes], bytes]] = {
        "identity": bytes,
        "gzip": gzip.compress,
        "deflate": zlib.compress,
    }
    body = packed[encoding](b"x" * length)

    async def story() -> None:
        async with serving(answer("200 OK", body, (f"Content-Encoding: {encoding}",))) as server:
            if length <= LIMIT:
                assert (await page(server.url)).body == b"x" * length
            else:
                with pytest.raises(HttpError, match="larger than"):
                    await page(server.url)

    run(story())


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_decompression_bomb(layers: int) -> None:
    """A small body that expands forever costs neither time nor memory."""
    body = gzip.compress(bytes(300 * MiB), 1)
    for _ in range(layers - 1):
        body = gzip.compress(body)

    async def story() -> None:
        encodings = ", ".join(["gzip"] * layers)
        async with serving(answer("200 OK", body, (f"Content-Encoding: {encodings}",))) as server:
            with pytest.raises(HttpError):
                await page(server.url)

    tracemalloc.start()
    try:
        run(story())
        assert tracemalloc.get_traced_memory()[1] < 160 * MiB
    finally:
        tracemalloc.stop()


async def endless(request: Request) -> None:
    """A body that never ends."""
    await request.body()
    await request.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await request.send(b"x" * 65536)


async def dripping(request: Request) -> None:
    """A body that arrives one byte at a time, always within the read time-out."""
    await request.body()
    await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        await request.send(b"x")
        await asyncio.sleep(0.02)


def test_endless_page() -> None:
    """A page without end is abandoned at the limit."""

    async def story() -> None:
        async with serving(endless) as server:
            with pytest.raises(HttpError, match="larger than 97 KiB"):
                await page(server.url)

    run(story())


@pytest.mark.parametrize("slow", [dripping, silence])
def test_slow_page(slow: Answer) -> None:
    """A page that takes too long is abandoned half-way."""

    async def story() -> None:
        async with serving(slow) as server:
            with pytest.raises(HttpError, match="within"):
                await page(server.url, timeout=0.3)

    run(story())


@pytest.mark.parametrize(
    "answered",
    [
        b"",
        b"not HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000,
        b"HTTP/1.1 999999 OK\r\n\r\n",
    ],
)
def test_broken_answer(answered: bytes) -> None:
    """A truncated or garbled answer, or one that is not HTTP, is a safely worded error."""

    async def story() -> None:
        async with serving(raw(answered)) as server:
            with pytest.raises(HttpError) as caught:
                await page(server.url)
            assert str(caught.value) == printable(str(caught.value))
            assert str(caught.value)

    run(story())


UNUSABLE = ["http://\u2603.example/", "http://xn--/", "http://a\x7fb/", "http://127.0.0.1:1/"]


@pytest.mark.parametrize("url", UNUSABLE)
def test_page_from_a_closed_port(url: str) -> None:
    """A bad address or a closed port is an error."""
    with pytest.raises(HttpError):
        run(page(url))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/", "connection refused"),
        ("https://localhost:1/", "connection refused"),
        ("http://lantern.invalid/", "cannot find the host"),
    ],
)
def test_cause_of_a_failed_connection(url: str, words: str) -> None:
    """The system's words are shown, not that "all attempts failed"."""
    with pytest.raises(HttpError, match=words):
        run(page(url))


def test_tls_for_a_server_without(file: Path) -> None:
    """The message says what to change in the URL."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()

    async def story() -> None:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            with pytest.raises(HttpError, match="may start with http, not https"):
                await page(url)
            got = await post(url, file)
            assert isinstance(got, NoAnswer)
            assert "may start with http, not https" in got.detail
            assert not got.passing

    run(story())


# Files


def test_download() -> None:
    """A file's size and hash are those of its raw bytes."""
    body = bytes(range(256)) * 300

    async def story() -> None:
        async with serving(answer("200 OK", body)) as server:
            got = await download(f"{server.url}a.whl", server.url, len(body))
            digests = {"sha256": hashlib.sha256(body).hexdigest()}
            assert got == Download(len(body), digests)
            assert server.requests[0].headers["accept-encoding"] == "identity"

    run(story())


def test_content_encoding_is_not_decoded() -> None:
    """A .tar.gz sent with `Content-Encoding: gzip` stays as it is, and is reported."""
    body = gzip.compress(b"light" * 1000)

    async def story() -> None:
        async with serving(answer("200 OK", body, ("Content-Encoding: x, GZIP",))) as server:
            got = await download(server.url, server.url, len(body))
            digests = {"sha256": hashlib.sha256(body).hexdigest()}
            assert got == Download(len(body), digests, coding="gzip")

    run(story())


def test_requested_digests() -> None:
    """All requested digests are computed during the download."""
    body = b"light" * 1000

    async def story() -> None:
        async with (
            serving(answer("200 OK", body)) as server,
            Http("tester/1", HANG, proxy_for, Pace(SystemClock())) as http,
        ):
            names = ("sha256", "md5", "sha512")
            got = await http.download(server.url, ME, server.url, None, names)
            assert got.digests == {
                "sha256": hashlib.sha256(body).hexdigest(),
                "md5": hashlib.md5(body, usedforsecurity=False).hexdigest(),
                "sha512": hashlib.sha512(body).hexdigest(),
            }

    run(story())


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "500 Oops", "206 Partial"])
def test_download_without_200(status: str) -> None:
    """Any other status is an error, and its body does not count as the file."""

    async def story() -> None:
        async with serving(answer(status, b"sorry")) as server:
            with pytest.raises(StatusError, match=f"the server answered {status[:3]}"):
                await download(server.url, server.url)

    run(story())


def test_endless_download() -> None:
    """A file longer than allowed is cut off there."""

    async def story() -> None:
        async with serving(endless) as server:
            got = await download(server.url, server.url, 1000)
            assert got.cut
            assert 1000 < got.size <= 10 * MiB

    run(story())


@pytest.mark.parametrize("elsewhere", [True, False])
def test_credentials_only_for_the_index_origin(elsewhere: bool) -> None:
    """Credentials go only to the index's own origin."""

    async def story() -> None:
        async with serving(answer()) as home, serving(answer()) as other:
            asked = other if elsewhere else home
            await download(f"{asked.url}a.whl", f"{home.url}simple/")
            assert asked.authorizations == [None if elsewhere else MY_AUTHORIZATION]

    run(story())


def test_download_redirected_away_and_back() -> None:
    """Another server gets no credentials, and the home server gets them again."""

    async def story() -> None:
        places: dict[str, str] = {}

        async def moving(request: Request) -> None:
            place = places.get(request.line.split()[1])
            await (answer("200 OK", b"light") if place is None else answer(*to(place)))(request)

        async with serving(moving) as home, serving(moving) as other:
            places["/first"] = f"{other.url}second"
            places["/second"] = f"{home.url}third"
            got = await download(f"{home.url}first", f"{home.url}simple/")
            assert got.size == 5
            assert home.authorizations == [MY_AUTHORIZATION, MY_AUTHORIZATION]
            assert other.authorizations == [None]

    run(story())


@pytest.mark.parametrize("place", ["", "file:///etc/passwd", "http://[::", "http://h:99999/"])
def test_download_with_an_invalid_redirect(place: str) -> None:
    """A redirect without a valid address is an error."""

    async def story() -> None:
        async with serving(answer(*to(place))) as server:
            with pytest.raises(HttpError):
                await download(server.url, server.url)

    run(story())


def test_interrupted_download() -> None:
    """A broken transfer is an error, not a short file."""

    async def story() -> None:
        cut = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x" * 500)
        async with serving(cut) as server:
            with pytest.raises(HttpError):
                await download(server.url, server.url)

    run(story())


def test_stalled_download() -> None:
    """A transfer that stalls is an error after the read time-out."""

    async def story() -> None:
        async def stopping(request: Request) -> None:
            await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
            await silence(request)

        async with serving(stopping) as server:
            with pytest.raises(HttpError, match="less than 64 KiB"):
                await download(server.url, server.url, read_timeout=0.2)

    run(story())


@pytest.mark.parametrize("url", UNUSABLE)
def test_download_from_a_closed_port(url: str) -> None:
    """A bad address or a closed port is an error."""
    with pytest.raises(HttpError):
        run(download(url, url))


# Uploads


def test_upload(file: Path) -> None:
    """The form arrives as given, lists item by item, with file, digests and credentials."""
    told: list[int] = []
    fields: dict[str, str | list[str]] = {
        "summary": "Größe\nzwei Zeilen",
        "classifiers": ["A :: B", "C"],
        ":action": "file_upload",
    }
    bodies = []

    async def story() -> None:
        async def taking(request: Request) -> None:
            bodies.append(await request.body())
            await request.send(b"HTTP/1.1 200 Thanks\r\nContent-Length: 2\r\n\r\nOK")

        async with (
            serving(taking) as server,
            Http("tester/1", HANG, proxy_for, Pace(SystemClock())) as http,
        ):
            got = await post_file(
                http, f"{server.url}legacy/", fields, file, ME, told.append, sha256=sha256_of(file)
            )
            assert got == Answered(200, b"Thanks", b"OK")
            (request,) = server.requests
            assert request.line == "POST /legacy/ HTTP/1.1"
            assert request.headers["authorization"] == MY_AUTHORIZATION
            kind = request.headers["content-type"].encode()
            form = email.message_from_bytes(b"Content-Type: " + kind + b"\r\n\r\n" + bodies[0])
            parts = [
                (
                    part.get_param("name", header="content-disposition"),
                    part.get_payload(decode=True),
                )
                for part in form.walk()
                if not part.is_multipart()
            ]
            # The action comes last: without it, no index stores anything of a request that is cut.
            content = file.read_bytes()
            assert parts == [
                ("content", content),
                ("md5_digest", hashlib.md5(content).hexdigest().encode()),  # noqa: S324
                (
                    "blake2_256_digest",
                    hashlib.blake2b(content, digest_size=32).hexdigest().encode(),
                ),
                ("summary", "Größe\nzwei Zeilen".encode()),
                ("classifiers", b"A :: B"),
                ("classifiers", b"C"),
                (":action", b"file_upload"),
            ]

    run(story())
    assert told == sorted(told)
    assert told[-1] == file.stat().st_size


def test_large_upload_is_streamed(tmp_path: Path) -> None:
    """A file is never in memory as a whole."""
    large = tmp_path / "lantern-1.0.tar.gz"
    with large.open("wb") as stream:
        stream.truncate(32 * MiB)

    async def story() -> None:
        async def swallowing(request: Request) -> None:
            left = int(request.headers["content-length"])
            while left > 0:
                left -= len(await request.reader.read(65536))
            await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        async with serving(swallowing) as server:
            assert await post(server.url, large) == Answered(200, b"OK", b"")

    tracemalloc.start()
    try:
        run(story())
        assert tracemalloc.get_traced_memory()[1] < 12 * MiB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "reason", [b"File already exists.", "Größe".encode(), "Größe".encode("latin-1"), b""]
)
def test_raw_reason_phrase(file: Path, reason: bytes) -> None:
    """The server's message is returned byte by byte, whatever its encoding."""

    async def story() -> None:
        async with serving(raw(b"HTTP/1.1 400 " + reason + b"\r\n\r\nbody")) as server:
            assert await post(server.url, file) == Answered(400, reason, b"body")

    run(story())


def test_retry_headers_are_kept(file: Path) -> None:
    """Headers that say when to retry are kept, and no others."""
    told = {
        "retry-after": "7",
        "date": "Thu, 01 Jan 2026 00:00:00 GMT",
        "ratelimit": '"user";r=0;t=60',
        "ratelimit-reset": "60",
        "x-ratelimit-reset": "1767225660",
    }
    fields = "".join(f"{name.title()}: {value}\r\n" for name, value in told.items())

    async def story() -> None:
        head = f"HTTP/1.1 429 Wait\r\n{fields}Set-Cookie: a=b\r\n\r\n".encode()
        async with serving(raw(head)) as server:
            assert await post(server.url, file) == Answered(429, b"Wait", b"", told)

    run(story())


def test_upload_redirects_are_not_followed(file: Path) -> None:
    """A redirect of an upload is an answer that names its target; nothing is sent elsewhere."""

    async def story() -> None:
        async with serving(answer()) as other:
            place = other.url.replace("//", "//me:secret@") + "in?to=secret#secret"
            async with serving(answer(*to(place, 308))) as server:
                got = await post(server.url, file)
                assert got == Answered(308, b"Moved", location=f"{other.url}in")
                assert len(server.requests) == 1
            assert other.requests == []

    run(story())


@pytest.fixture
def larger_than_buffers(tmp_path: Path) -> Path:
    """A file larger than the system's socket buffers."""
    path = tmp_path / "lantern-1.0-py3-none-any.whl"
    with path.open("wb") as stream:
        stream.truncate(24 * MiB)
    return path


def test_answer_during_the_upload(larger_than_buffers: Path) -> None:
    """A refusal while the file is still being sent is received."""

    async def story() -> None:
        async def refusing(request: Request) -> None:
            await request.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
            while await request.reader.read(65536):
                pass

        async with serving(refusing) as server:
            assert await post(server.url, larger_than_buffers) == Answered(413, b"Too Large", b"no")

    run(story())


@pytest.mark.parametrize(
    "answered", [b"", b"HTTP/1.1 2", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-"]
)
def test_lost_answer(file: Path, answered: bytes) -> None:
    """A connection that ends without an answer is doubtful: the file may be there."""

    async def story() -> None:
        async with serving(raw(answered)) as server:
            got = await post(server.url, file)
            assert isinstance(got, NoAnswer)
            assert got.sent
            assert got.detail

    run(story())


def test_hanging_server(file: Path, larger_than_buffers: Path) -> None:
    """A server that takes the file and says nothing, or takes nothing, is doubtful."""

    async def story() -> None:
        for each in (file, larger_than_buffers):
            async with serving(silence) as server:
                got = await post(server.url, each, read_timeout=1)
                assert isinstance(got, NoAnswer)
                assert got.sent
                assert "server" in got.detail

    run(story())


def test_status_without_a_complete_body(file: Path) -> None:
    """Once the status is known, a broken body does not change it."""

    async def story() -> None:
        cut = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart")
        async with serving(cut) as server:
            got = await post(server.url, file)
            assert isinstance(got, Answered)
            assert got.status == 200

    run(story())


def test_endless_answer(file: Path) -> None:
    """Only the start of an endless answer is read."""

    async def story() -> None:
        async with serving(endless) as server:
            got = await post(server.url, file)
            assert isinstance(got, Answered)
            assert 0 < len(got.body) <= 256 * 1024

    run(story())


@pytest.mark.parametrize("url", UNUSABLE)
def test_upload_to_a_closed_port(file: Path, url: str) -> None:
    """A bad address or a closed port surely took nothing."""
    got = run(post(url, file))
    assert isinstance(got, NoAnswer)
    assert not got.sent
    assert got.detail


def test_upload_of_a_missing_file(tmp_path: Path) -> None:
    """A missing file is an OSError for the caller."""
    with pytest.raises(FileNotFoundError):
        run(post("http://127.0.0.1:1/", tmp_path / "gone"))


# Proxies


def test_environment_proxy(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and uploads use HTTP_PROXY, except for hosts in NO_PROXY."""

    async def story() -> None:
        async with serving(answer("200 OK", b"light")) as proxy, serving(answer()) as direct:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
            assert (await page("http://index.example/simple/")).body == b"light"
            assert isinstance(await post("http://index.example/legacy/", file), Answered)
            assert proxy.lines == [
                "GET http://index.example/simple/ HTTP/1.1",
                "POST http://index.example/legacy/ HTTP/1.1",
            ]
            await page(direct.url)
            assert len(proxy.lines) == 2
            assert len(direct.lines) == 1

    run(story())


def test_proxies_can_be_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A throwaway index on loopback is reached directly, whatever the environment."""

    async def story() -> None:
        async with serving(answer()) as proxy, serving(answer()) as direct:
            for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
                monkeypatch.setenv(variable, proxy.url)
            async with Http("tester/1", HANG, lambda _: None, Pace(SystemClock())) as http:
                await http.page(direct.url, HEADERS, ME, Asked(LIMIT, HANG))
            assert proxy.lines == []

    run(story())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_out_of_reach(file: Path, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy is named, without its password: the index itself was not asked."""
    for variable in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://me:hidden@127.0.0.1:1")
    words = "cannot reach the proxy http://127.0.0.1:1: connection refused"

    async def story() -> None:
        with pytest.raises(HttpError, match=words) as refused:
            await page(f"{scheme}://index.example/simple/")
        assert str(refused.value) == words
        got = await post(f"{scheme}://index.example/legacy/", file)
        assert got == NoAnswer(words, sent=False, passing=True)

    run(story())


@pytest.mark.parametrize("status", ["403 Forbidden", "407 Proxy Authentication Required", "502 No"])
def test_refusing_proxy(file: Path, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the proxy refuses, the upload surely never arrived."""

    async def story() -> None:
        async with serving(answer(status)) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            with pytest.raises(HttpError):
                await page("https://index.example/simple/")
            got = await post("https://index.example/legacy/", file)
            assert isinstance(got, NoAnswer)
            assert not got.sent
            # It got only a CONNECT, and nothing that is meant for the index.
            assert set(proxy.lines) == {"CONNECT index.example:443 HTTP/1.1"}
            assert set(proxy.authorizations) == {None}

    run(story())


@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://127.0.0.1:1",
        "nonsense://x",
        "http://[::",
        "http://me:lamp:oil/light@@[::",
        "http://me:lamp/oil@127.0.0.1:1",
        "http://me@lamp:oil",
        "http://me:x@127.0.0.1:lamp",
    ],
)
def test_unusable_proxy(file: Path, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unsupported proxy is an error for pages and uploads alike, and quotes nothing of it."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(HttpError) as of_page:
        run(page("http://index.example/"))
    with pytest.raises(HttpError) as of_file:
        run(download("http://index.example/a.whl", "http://index.example/"))
    got = run(post("http://index.example/", file))
    assert isinstance(got, NoAnswer)
    assert not got.sent
    for said in (str(of_page.value), str(of_file.value), got.detail):
        assert "lamp" not in said
        assert "prox" in said


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that nobody trusts by default."""
    return trustme.CA()


@pytest.fixture
def ca(tmp_path: Path, authority: trustme.CA) -> str:
    """Its certificate as a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def test_custom_ca_replaces_the_default_ones(ca: str) -> None:
    """With a certificate file, only that authority is trusted for the index."""
    assert len(tls_context(Access(ca=ca)).get_ca_certs()) == 1
    assert len(tls_context(Access()).get_ca_certs()) > 1


def test_other_hosts_may_use_default_cas(ca: str) -> None:
    """Hosts that an index links to may be trusted by either."""
    assert len(tls_context(Access(ca=ca), trust_usual=True).get_ca_certs()) > 1


def test_verification_can_be_disabled() -> None:
    """Verification is off only if the user turns it off."""
    checked, unchecked = tls_context(Access()), tls_context(Access(verify=False))
    assert (checked.verify_mode, checked.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (unchecked.verify_mode, unchecked.check_hostname) == (ssl.CERT_NONE, False)


def test_what_differs_in_credentials_alone_shares_its_certificates() -> None:
    """They are loaded once, however many pools and tokens a run has."""
    assert tls_context(Access("harbour", "secret")) is tls_context(Access())
    assert tls_context(Access("harbour", "secret"), trust_usual=True) is tls_context(Access())
    assert tls_context(Access(verify=False)) is not tls_context(Access())


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_loaded_early(tmp_path: Path, content: str | None) -> None:
    """The thread that loads them says nothing; who needs them gets the error."""
    path = tmp_path / "usual.pem"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    program = """
import sys, threading
import certifi
certifi.where = lambda: sys.argv[1]
from poetry_publish_verified.adapters.tls import load_usual_certificates, tls_context
from poetry_publish_verified.core.urls import Access
load_usual_certificates()
for thread in threading.enumerate()[1:]:
    thread.join()
try:
    tls_context(Access())
except OSError as error:
    print(type(error).__name__)
"""
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=HANG)
    assert done.stdout.strip() == ("FileNotFoundError" if content is None else "SSLError")
    assert done.stderr == ""


@pytest.mark.parametrize("which", ["ca", "client_cert"])
@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_unreadable_certificate(tmp_path: Path, which: str, content: str | None) -> None:
    """A missing, empty or garbled certificate file is an OSError."""
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    access = Access(ca=str(path)) if which == "ca" else Access(client_cert=str(path))
    with pytest.raises(OSError, match=r"."):
        tls_context(access)


def test_client_certificate_only_for_its_origin(tmp_path: Path) -> None:
    """Other hosts do not get the client certificate, so it is not even read."""
    gone = Access(client_cert=str(tmp_path / "gone.pem"))
    with pytest.raises(FileNotFoundError):
        tls_context(gone)
    tls_context(gone, trust_usual=True)


def test_untrusted_certificate(file: Path, authority: trustme.CA, ca: str) -> None:
    """An untrusted server gets nothing; with its authority configured it does."""

    async def story() -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(tls)

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlight")
                await writer.drain()
            writer.close()

        async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=tls) as listener:
            url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
            with pytest.raises(HttpError, match=r"(?i)certificate"):
                await page(url, Access())
            got = await post(url, file, Access())
            assert isinstance(got, NoAnswer)
            assert not got.sent
            assert (await page(url, Access(ca=ca))).body == b"light"

    run(story())


def test_changed_file_is_not_sent_completely(tmp_path: Path) -> None:
    """If the file changed after it was read, the upload breaks off before its end."""
    file = tmp_path / "lantern-1.0.tar.gz"
    file.write_bytes(b"x" * 300_000)
    whole: list[bool] = []

    async def story() -> None:
        async def taking(request: Request) -> None:
            with contextlib.suppress(Exception):
                whole.append(len(await request.body()) > 0)
                await request.send(b"HTTP/1.1 200 Thanks\r\nContent-Length: 2\r\n\r\nOK")

        async with (
            serving(taking) as server,
            Http("tester/1", HANG, proxy_for, Pace(SystemClock())) as http,
        ):
            url = f"{server.url}legacy/"
            got = await post_file(http, url, {}, file, ME, lambda _: None, sha256="0" * 64)
        assert isinstance(got, NoAnswer)
        assert (got.changed, got.sent) == (True, False)

    run(story())
    assert whole == []


def test_file_that_shrinks_is_not_sent_completely(tmp_path: Path) -> None:
    """If the file is cut while it is sent, no server gets what would make it store the rest."""
    file = tmp_path / "lantern-1.0.tar.gz"
    with file.open("w+b") as sparse:
        sparse.truncate(40_000_000)
        sha256 = hashlib.file_digest(sparse, "sha256").hexdigest()
    end = b""

    async def story() -> None:
        async def taking(request: Request) -> None:
            nonlocal end
            os.truncate(file, 30_000_000)
            while piece := await request.reader.read(65536):
                end = (end + piece)[-10_000:]

        async with (
            serving(taking) as server,
            Http("tester/1", HANG, proxy_for, Pace(SystemClock())) as http,
        ):
            fields: dict[str, str | list[str]] = {":action": "file_upload"}
            got = await post_file(http, server.url, fields, file, ME, lambda _: None, sha256=sha256)
        assert isinstance(got, NoAnswer)
        assert (got.changed, got.sent) == (True, False)

    run(story())
    assert end
    assert b"file_upload" not in end
