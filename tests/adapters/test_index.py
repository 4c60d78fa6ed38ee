"""One index over HTTP: pages as each client requests them, validators, the root."""

from __future__ import annotations

import asyncio
import gzip
import json
import resource
import threading
import zlib
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, TypeVar

import pytest

from poetry_publish_verified.adapters import decoding
from poetry_publish_verified.adapters.http import Http
from poetry_publish_verified.adapters.index import SimpleIndex
from poetry_publish_verified.adapters.pace import Pace, SystemClock
from poetry_publish_verified.core.simple import parse_page
from poetry_publish_verified.core.urls import Access, IndexTarget
from poetry_publish_verified.core.variants import PIP, UNSEEN, Encodings, variants, version_variant
from poetry_publish_verified.core.verification import Download, NotDownloaded
from tests.adapters.archives import IN_SDIST, sdist
from tests.adapters.loopback import Request, answer, raw, serving
from tests.beds.processes import HANG
from tests.core.distributions import SDIST

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from poetry_publish_verified.core.distribution import Kind
    from poetry_publish_verified.core.simple.page import ProjectPage
    from poetry_publish_verified.core.variants import Client, Variant
    from poetry_publish_verified.core.visibility import Observation
    from tests.adapters.archives import Members

T = TypeVar("T")
JSON = "Content-Type: application/vnd.pypi.simple.v1+json"
SHA256 = "ab" * 32
NAME = "lantern-1.0-py3-none-any.whl"
ENTRY = {"filename": NAME, "url": f"/files/{NAME}", "hashes": {"sha256": SHA256}}
PAGE = json.dumps({"meta": {"api-version": "1.4"}, "name": "lantern", "files": [ENTRY]}).encode()
EMPTY = json.dumps({"meta": {"api-version": "1.4"}, "name": "lantern", "files": []}).encode()
VERSION_PAGE = json.dumps(
    {"urls": [{"filename": NAME, "url": f"http://f.example/{NAME}", "digests": {"sha256": SHA256}}]}
).encode()
VERSION = version_variant(Encodings())


def run(story: Coroutine[object, object, T]) -> T:
    """Run to completion."""
    return asyncio.run(asyncio.wait_for(story, HANG))


async def looks(
    url: str, *asked: Variant, pypi: bool = False, fresh: bool = False
) -> list[Observation]:
    """Look at an index once for each variant, in one run."""
    async with Http("tester/1", HANG, lambda _: None, Pace(SystemClock())) as http:
        index = SimpleIndex(http, IndexTarget(f"{url}simple/", Access(), pypi=pypi), HANG)
        return [await index.look("lantern", "1.0", variant, fresh=fresh) for variant in asked]


def test_page_and_its_headers() -> None:
    """The serial, Vary, and when a cache will drop the page."""
    headers = (
        JSON, "X-PyPI-Last-Serial: 42", "Vary: Accept, Accept-Encoding", "Age: 50",
        "Cache-Control: max-age=600, public", "X-Served-By: edge-7\x1b[2J", "Set-Cookie: x=y",
    )  # fmt: skip

    async def story() -> None:
        async with serving(answer(body=PAGE, headers=headers)) as server:
            (seen,) = await looks(server.url, PIP)
        assert seen.state == "page"
        assert seen.page is not None
        assert seen.page.files[NAME].sha256 == SHA256
        assert (seen.serial, seen.expires_in) == (42, 550.0)
        assert seen.vary == frozenset({"accept", "accept-encoding"})
        assert seen.edge is not None
        assert seen.edge["x-served-by"] == "edge-7 [2J"
        assert "set-cookie" not in seen.edge

    run(story())


def test_exact_client_headers() -> None:
    """Caches compare letters, so each client's headers are sent exactly."""

    async def story() -> None:
        encodings = Encodings(zstd=True, poetry="gzip, deflate, zstd")
        async with serving(answer(body=PAGE, headers=(JSON,))) as server:
            await looks(
                server.url, *variants(["pip", "uv", "poetry", "html"], encodings, pypi=False)
            )
        got = [(r.headers["accept"], r.headers["accept-encoding"]) for r in server.requests]
        json_type, html = (
            "application/vnd.pypi.simple.v1+json",
            "application/vnd.pypi.simple.v1+html",
        )
        assert got == [
            (f"{json_type}, {html}; q=0.1, text/html; q=0.01", "gzip, deflate"),
            (f"{json_type}, {html};q=0.2, text/html;q=0.01", "gzip, deflate, zstd"),
            (f"{json_type}, */*;q=0.1", "gzip, deflate, zstd"),
            ("text/html", "gzip, deflate"),
        ]
        assert not any("cache-control" in request.headers for request in server.requests)

    run(story())


@pytest.mark.parametrize(
    ("status", "path", "state"),
    [
        ("303 See Other", "simple/lantern/", "absent"),  # pypiserver
        ("302 Found", "simple/lantern", "absent"),  # GitLab
        ("307 Temporary Redirect", "simple/lantern/", "absent"),
        ("301 Moved Permanently", "simple/lantern/", "moved"),
        ("308 Permanent Redirect", "simple/lantern/", "moved"),
        ("302 Found", "maintenance", "moved"),
        ("302 Found", "login?next=lantern/", "denied"),
    ],
)
def test_redirect_to_another_index(status: str, path: str, state: str) -> None:
    """Indexes refer to another one for projects that they lack; one that has moved says so."""

    async def story() -> None:
        async with serving(answer()) as other:
            place = f"Location: {other.url}{path}"
            async with serving(answer(status, headers=(place,))) as server:
                (seen,) = await looks(server.url, PIP)
            assert other.requests == []
        assert seen.state == state
        assert other.url in seen.detail
        assert seen.refers is (state == "absent")
        assert ("does not have the project" in seen.detail) is seen.refers

    run(story())


def test_conditional_request() -> None:
    """Each variant has its own validator; a 304 stands for that variant's page."""

    async def validating(request: Request) -> None:
        etag = '"json"' if "json" in request.headers["accept"] else 'W/"html"'
        if request.headers.get("if-none-match") == etag:
            await answer("304 Not Modified", headers=("X-PyPI-Last-Serial: 9",))(request)
        elif etag == '"json"':
            await answer(body=PAGE, headers=(JSON, f"ETag: {etag}"))(request)
        else:
            page = b'<a href="lantern-1.0.tar.gz">x</a>'
            await answer(body=page, headers=("Content-Type: text/html", f"ETag: {etag}"))(request)

    async def story() -> None:
        (html,) = variants(["html"], Encodings(), pypi=False)
        async with serving(validating) as server:
            seen = await looks(server.url, PIP, html, PIP, html)
        sent = [request.headers.get("if-none-match") for request in server.requests]
        assert sent == [None, None, '"json"', 'W/"html"']
        assert [set(one.page.files) for one in seen if one.page] == [
            {NAME}, {"lantern-1.0.tar.gz"}, {NAME}, {"lantern-1.0.tar.gz"},
        ]  # fmt: skip
        assert seen[2].serial == 9

    run(story())


def test_unexpected_304_is_not_a_page() -> None:
    """Without an earlier page a 304 stands for nothing."""

    async def story() -> None:
        async with serving(answer("304 Not Modified")) as server:
            (seen,) = await looks(server.url, PIP)
        assert seen.state == "unknown"

    run(story())


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("404 Not Found", "absent"), ("410 Gone", "absent"), ("401 No", "denied"),
        ("403 No", "denied"), ("429 Slow", "unknown"), ("503 Later", "unknown"),
    ],
)  # fmt: skip
def test_answers_without_a_page(status: str, state: str) -> None:
    """What each other answer means, and how long to stay away."""

    async def story() -> None:
        async with serving(answer(status, headers=("Retry-After: 7",))) as server:
            (seen,) = await looks(server.url, PIP)
        assert (seen.state, seen.retry_after) == (state, 7.0)

    run(story())


ODD = PAGE.replace(b'"hashes"', b'"size": "5", "hashes"')


@pytest.mark.parametrize(
    ("body", "coding", "reason"),
    [
        (ODD, "", f"'size' of {NAME} has the wrong type"),
        (gzip.compress(PAGE[:50]) + gzip.compress(PAGE[50:]), "gzip", "several members"),
        (zlib.compress(PAGE, wbits=-15), "deflate", "it is not valid deflate"),
        (gzip.compress(PAGE), "x-gzip", "its Content-Encoding is x-gzip"),
    ],
)
def test_unreadable_page(body: bytes, coding: str, reason: str) -> None:
    """It is unknown, with the reason, in whichever way it was asked for."""
    headers = (JSON, *((f"Content-Encoding: {coding}",) if coding else ()))

    async def story() -> None:
        asked = [UNSEEN, *variants(["pip", "uv", "poetry"], Encodings(), pypi=False)]
        async with serving(answer(body=body, headers=headers)) as server:
            seen = await looks(server.url, *asked)
        assert [(one.state, one.page) for one in seen] == [("unknown", None)] * 4
        assert all(reason in one.detail for one in seen)

    run(story())


@pytest.mark.parametrize(
    ("client", "state"), [("html", "unknown"), ("pip", "page"), ("poetry", "page")]
)
def test_content_type_that_was_not_requested(client: Client, state: str) -> None:
    """Old pips and simple tools ask for HTML, and read nothing else."""

    async def story() -> None:
        async with serving(answer(body=PAGE, headers=(JSON,))) as server:
            (seen,) = await looks(server.url, *variants([client], Encodings(), pypi=False))
        assert seen.state == state
        assert ("was not requested" in seen.detail) is seen.malformed is (state == "unknown")

    run(story())


def test_improperly_listed_file_is_on_the_page() -> None:
    """The page counts, with what is wrong with the file."""
    body = PAGE.replace(f"/files/{NAME}".encode(), b"/blobs/1")

    async def story() -> None:
        async with serving(answer(body=body, headers=(JSON,))) as server:
            (seen,) = await looks(server.url, PIP)
        assert seen.page is not None
        assert seen.page.files[NAME].flaw == "its URL does not end in the file's name"

    run(story())


def test_changed_page_is_parsed_again() -> None:
    """A parsed page is reused only for the same bytes of the same type."""
    html = b"<a href='lantern-1.0.tar.gz'>"

    async def changing(request: Request) -> None:
        number = len(bodies)
        bodies.append(request)
        kind = JSON if number < 3 else "Content-Type: text/html"
        await answer(body=[PAGE, PAGE, EMPTY, html][number], headers=(kind,))(request)

    bodies: list[Request] = []

    async def story() -> None:
        async with serving(changing) as server:
            seen = await looks(server.url, *[PIP] * 4)
        pages = [one.page for one in seen]
        assert pages[0] is pages[1]
        assert [set(page.files) for page in pages if page] == [
            {NAME}, {NAME}, set(), {"lantern-1.0.tar.gz"},
        ]  # fmt: skip

    run(story())


def test_constant_validator_is_dropped() -> None:
    """A validator that the server gives to every page is not used forever."""

    async def constant(request: Request) -> None:
        if "if-none-match" in request.headers:
            await answer("304 Not Modified", headers=('ETag: "0"',))(request)
        else:
            await answer(body=PAGE, headers=(JSON, 'ETag: "0"'))(request)

    async def story() -> None:
        async with serving(constant) as server:
            seen = await looks(server.url, *[PIP] * 8)
        named = ["if-none-match" in request.headers for request in server.requests]
        assert named == [False, True, True, True, True, True, False, True]
        assert all(one.page for one in seen)

    run(story())


def test_a_fresh_look_has_no_validator() -> None:
    """A look that confirms wants the page itself; a 304 to it says nothing."""

    async def stale(request: Request) -> None:
        came.append(request)
        if len(came) == 2 or "if-none-match" in request.headers:
            await answer("304 Not Modified", headers=('ETag: "0"',))(request)
        else:
            await answer(body=PAGE, headers=(JSON, 'ETag: "0"'))(request)

    async def story() -> None:
        async with (
            serving(stale) as server,
            Http("tester/1", HANG, lambda _: None, Pace(SystemClock())) as http,
        ):
            index = SimpleIndex(http, IndexTarget(f"{server.url}simple/", Access()), HANG)
            asked = (False, True, True, False)
            seen = [await index.look("lantern", "1.0", PIP, fresh=fresh) for fresh in asked]
        named = ["if-none-match" in request.headers for request in came]
        assert named == [False, False, False, True]
        assert [one.state for one in seen] == ["page", "unknown", "page", "page"]

    came: list[Request] = []
    run(story())


@pytest.mark.parametrize(
    "etag", [b'"\xe9"', b'"\xc3\xa9"', b'"a\tb"', b'"a b"', b'"%s"' % (b"x" * 300)]
)
def test_invalid_validator_is_not_sent(etag: bytes) -> None:
    """Only visible ASCII is sent back; otherwise the page is requested normally."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\nETag: %s\r\n\r\n"

    async def story() -> None:
        reply = raw(head % (len(PAGE), JSON.encode(), etag), PAGE)
        async with serving(reply) as server:
            seen = await looks(server.url, PIP, PIP)
        assert [one.state for one in seen] == ["page", "page"]
        assert not any("if-none-match" in request.headers for request in server.requests)

    run(story())


def test_large_page_does_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop goes on while a page is parsed."""

    async def story() -> None:
        loop, went_on = asyncio.get_running_loop(), threading.Event()

        def read(project: str, body: bytes, content_type: str, url: str) -> ProjectPage:
            loop.call_soon_threadsafe(went_on.set)
            assert went_on.wait(HANG)
            return parse_page(project, body, content_type, url)

        monkeypatch.setattr("poetry_publish_verified.adapters.index.parse_page", read)
        async with serving(answer(body=PAGE, headers=(JSON,))) as server:
            (seen,) = await looks(server.url, PIP)
        assert seen.page is not None
        assert went_on.is_set()

    run(story())


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_login_page_in_place_of_an_archive(kind: Kind) -> None:
    """What is opened says its own name and version, or why it is no archive."""

    async def story() -> None:
        page = answer(body=b"<html><title>Sign in</title></html>", headers=("X: y",))
        async with (
            serving(page) as server,
            Http("tester/1", HANG, lambda _: None, Pace(SystemClock())) as http,
        ):
            index = SimpleIndex(http, IndexTarget(f"{server.url}simple/", Access()), HANG)
            got = await index.fetch(f"{server.url}a.whl", None, opened=kind)
            assert isinstance(got, Download)
            assert got.metadata is not None
            assert f"it is not a valid {kind}" in got.metadata.flaw
            plain = await index.fetch(f"{server.url}a.whl", None)
            assert isinstance(plain, Download)
            assert plain.metadata is None
            assert plain.sha256 == got.sha256

    run(story())


def fetched(body: bytes, kind: Kind | None = None) -> Download | NotDownloaded:
    """What comes of a file with these bytes, opened as such an archive."""

    async def story() -> Download | NotDownloaded:
        async with (
            serving(answer(body=body, headers=("X: y",))) as server,
            Http("tester/1", HANG, lambda _: None, Pace(SystemClock())) as http,
        ):
            index = SimpleIndex(http, IndexTarget(f"{server.url}simple/", Access()), HANG)
            return await index.fetch(f"{server.url}lantern-1.0.tar.gz", None, opened=kind)

    return run(story())


@pytest.mark.parametrize(
    ("members", "half", "bare"),
    [(IN_SDIST[1:], False, True), (IN_SDIST[1:], True, False), (IN_SDIST, True, False)],
)
def test_sdist_without_metadata_is_no_damaged_one(members: Members, half: bool, bare: bool) -> None:
    """Old sdists have no PKG-INFO; what was cut on its way is no sdist."""
    whole = sdist(members)
    got = fetched(whole[: len(whole) // 2] if half else whole, "sdist")
    assert isinstance(got, Download)
    assert got.metadata is not None
    assert got.metadata.bare is bare
    assert bool(got.metadata.flaw_as(SDIST, may_be_bare=True)) is not bare


@pytest.mark.parametrize("full", [False, True])
def test_temporary_directory_that_cannot_hold_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, full: bool
) -> None:
    """The reason is given, and nothing is left over."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path if full else tmp_path / "gone"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]) if full else limits)
    try:
        got = fetched(sdist(), "sdist")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert isinstance(got, NotDownloaded)
    assert ("File too large" if full else "No such file") in got.detail
    assert "TMPDIR" in got.detail
    assert got.final
    assert not list(tmp_path.iterdir())


def test_answers_that_a_proxy_changed() -> None:
    """203 is what a proxy may make of 200: pip, uv and Poetry read such pages and files."""

    async def story() -> None:
        reply = answer("203 Non-Authoritative Information", PAGE, (JSON, "Retry-After: 60"))
        async with (
            serving(reply) as server,
            Http("tester/1", HANG, lambda _: None, Pace(SystemClock())) as http,
        ):
            index = SimpleIndex(http, IndexTarget(f"{server.url}simple/", Access()), HANG)
            seen = await index.look("lantern", "1.0", PIP)
            assert (seen.state, seen.retry_after) == ("page", None)
            got = await index.fetch(f"{server.url}a.whl", None)
            assert isinstance(got, Download)
            assert got.size == len(PAGE)

    run(story())


@pytest.mark.parametrize(
    ("access", "alike"),
    [
        (Access(), True),
        (Access(ca="/company.pem"), False),
        (Access("me", "secret"), False),
        (Access("other", "secret"), False),
        (Access(username="token"), False),
        (Access(client_cert="/me.pem"), False),
        (Access(verify=False), False),
    ],
)
def test_which_indexes_fetch_alike(access: Access, alike: bool) -> None:
    """With another login or other certificates a file is fetched in another way."""

    async def story() -> None:
        async with Http("tester/1", HANG, lambda _: None, Pace(SystemClock())) as http:
            bare, other, elsewhere = (
                SimpleIndex(http, IndexTarget(f"https://{host}/simple/", with_), HANG).access
                for host, with_ in [("a.example", Access()), ("a.example", access), ("b", access)]
            )
            assert (bare == other) == alike
            # A login is for the index's own origin only.
            assert (other == elsewhere) == (access in {Access(), Access(ca="/company.pem")})

    run(story())


# The version page for Poetry, on PyPI.


@pytest.mark.parametrize(
    ("pypi", "status", "kind", "body", "state"),
    [
        (True, "200 OK", "application/json", VERSION_PAGE, "page"),
        (False, "200 OK", "application/json", VERSION_PAGE, "page"),
        (True, "404 No", "application/json", b"{}", "absent"),
        (False, "404 No", "application/json", b"{}", "absent"),
        (True, "404 No", "text/html", b"", "absent"),
        (False, "404 No", "text/html", b"", "not-offered"),
        (False, "403 No", "text/html", b"", "not-offered"),
        (False, "200 OK", "text/html", b"<p>all is well", "not-offered"),
        (True, "200 OK", "text/html", b"<p>all is well", "unknown"),
        (False, "503 No", "text/html", b"", "unknown"),
    ],
)
def test_version_page(pypi: bool, status: str, kind: str, body: bytes, state: str) -> None:
    """PyPI always has one, a PyPI-like index may; a 404 elsewhere means not offered."""

    async def story() -> None:
        reply = answer(status, body, (f"Content-Type: {kind}",))
        async with serving(reply) as server:
            (seen,) = await looks(server.url, VERSION, pypi=pypi)
            assert server.lines == ["GET /pypi/lantern/1.0/json HTTP/1.1"]
            assert server.requests[0].headers["accept"] == "*/*"
        assert seen.state == state
        assert (seen.page is not None) is (state == "page")
        if seen.page:
            assert seen.page.files[NAME].sha256 == SHA256

    run(story())


def test_no_version_page_elsewhere() -> None:
    """devpi's `+simple/` has no `/pypi/` next to it and is not asked."""

    async def story() -> None:
        async with (
            serving(answer()) as server,
            Http("tester/1", HANG, lambda _: None, Pace(SystemClock())) as http,
        ):
            target = IndexTarget(f"{server.url}user/prod/+simple/", Access())
            seen = await SimpleIndex(http, target, HANG).look("lantern", "1.0", VERSION)
            assert server.lines == []
        assert seen.state == "not-offered"

    run(story())


# The root.


@pytest.mark.parametrize(
    ("status", "state"),
    [("200 OK", "there"), ("404 No", "none"), ("401 No", "denied"), ("500 Oh", "there")],
)
def test_root(status: str, state: str) -> None:
    """Only its status is read: PyPI's root has half a million lines."""

    async def story() -> None:
        async def endless(request: Request) -> None:
            await request.send(f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\n\r\n".encode())
            while True:
                await request.send(b"<a href='x'>x</a>" * 1000)

        async with (
            serving(endless) as server,
            Http("tester/1", HANG, lambda _: None, Pace(SystemClock())) as http,
        ):
            index = SimpleIndex(http, IndexTarget(f"{server.url}simple/", Access()), HANG)
            assert (await index.root())[0] == state
            assert server.lines == ["GET /simple/ HTTP/1.1"]

    run(story())


def test_root_after_a_page_that_is_not_there() -> None:
    """It is asked for on the same connection."""

    async def story() -> None:
        async def keeping(request: Request) -> None:
            await request.send(b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno")
            assert b"GET /simple/ " in await request.reader.readuntil(b"\r\n\r\n")
            await request.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")

        async with (
            serving(keeping) as server,
            Http("tester/1", HANG, lambda _: None, Pace(SystemClock())) as http,
        ):
            index = SimpleIndex(http, IndexTarget(f"{server.url}simple/", Access()), HANG)
            assert (await index.look("lantern", "1.0", UNSEEN)).state == "absent"
            assert (await index.root())[0] == "there"
            assert server.lines == ["GET /simple/lantern/ HTTP/1.1"]

    run(story())


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://index.invalid/"])
def test_unreachable_root(url: str) -> None:
    """A closed port and an unknown host differ from a server that refuses."""

    async def story() -> None:
        async with Http("tester/1", HANG, lambda _: None, Pace(SystemClock())) as http:
            state, words = await SimpleIndex(http, IndexTarget(url, Access()), HANG).root()
        assert state == "unreachable"
        assert words

    run(story())


# Connections and codings.


def test_second_look_uses_a_new_connection() -> None:
    """An edge of several machines may answer each connection from another one."""
    peers: list[tuple[str, int]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            peers.append(self.client_address)
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/"

        async def story() -> None:
            await looks(url, PIP, PIP)
            await looks(url, PIP, PIP, fresh=True)

        run(story())
    finally:
        server.shutdown()
        server.server_close()
    assert peers[0] == peers[1]
    assert len(set(peers)) == 3


needs_zstd = pytest.mark.skipif(
    not decoding.ZSTD_IS_KNOWN, reason="nothing here decodes zstd, so it is not asked for either"
)


def zstd(body: bytes) -> bytes:
    """The body as uv prefers it."""
    packed: bytes = decoding._ZSTD.compress(body)  # noqa: SLF001 - the library that was found
    return packed


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "deflate": zlib.compress,
    "gzip": gzip.compress,
    "zstd": zstd,
}


@pytest.mark.parametrize("coding", ["deflate", "gzip", pytest.param("zstd", marks=needs_zstd)])
def test_content_codings(coding: str) -> None:
    """Bodies are decoded; broken, truncated and huge ones are refused in bounded memory."""
    pack = CODINGS[coding]

    async def body(packed: bytes, limit: int = 1000) -> bytes:
        async def pieces() -> object:
            for start in range(0, len(packed), 7):
                yield packed[start : start + 7]

        return await decoding.decoded(pieces(), coding, limit)  # type: ignore[arg-type]

    async def story() -> None:
        assert await body(pack(b"light" * 100)) == b"light" * 100
        faults: list[Awaitable[bytes]] = [
            body(pack(b"light" * 100)[:-3]), body(b"no such thing at all"),
            body(pack(bytes(50 * 1024 * 1024))), body(pack(b"x" * 1001)),
        ]  # fmt: skip
        for fault in faults:
            with pytest.raises(decoding.DecodingError):
                await fault

    run(story())


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_content_codings_of_real_servers(size: int) -> None:
    """Bytes after the end are ignored in any pieces; what some client cannot decode is refused."""

    async def body(packed: bytes, coding: str) -> bytes:
        async def pieces() -> object:
            for start in range(0, len(packed), size):
                yield packed[start : start + size]

        return await decoding.decoded(pieces(), coding, 10_000)  # type: ignore[arg-type]

    async def story() -> None:
        member, light = gzip.compress(b"light"), b"light"
        assert await body(zlib.compress(light), "deflate") == light
        for after in (b"", b"garbage", b"\0" * 20, b"\x1f"):
            assert await body(member + after, "gzip") == light
        assert await body(b"", "gzip") == b""
        headless = zlib.compress(light, wbits=-15)
        refused = [(headless, "deflate"), (member, "deflate"), (member, "x-gzip"), (member, "GZIP")]
        truncated = (member[:-3], member[:1], b"x", b"xx")
        several = (member * 2, member * 2 + member[:-3], member + b"\x1f\x8b")
        refused += [(broken, "gzip") for broken in (*truncated, *several)]
        for packed, coding in refused:
            with pytest.raises(decoding.DecodingError):
                await body(packed, coding)

    run(story())


@needs_zstd
def test_several_zstd_frames() -> None:
    """They are refused, rather than read in part."""

    async def pieces() -> object:
        yield zstd(b"light") * 2

    async def story() -> None:
        with pytest.raises(decoding.DecodingError, match="several members"):
            await decoding.decoded(pieces(), "zstd", 1000)  # type: ignore[arg-type]

    run(story())


def test_endless_gzip_members() -> None:
    """Endless tiny members are refused."""

    async def pieces() -> object:
        for _ in range(100):
            yield gzip.compress(b"") * 1000

    async def story() -> None:
        with pytest.raises(decoding.DecodingError, match="members"):
            await decoding.decoded(pieces(), "gzip", 1000)  # type: ignore[arg-type]

    run(story())


INTEGRITY = "Content-Type: application/vnd.pypi.integrity.v1+json"
DOCUMENT = b'{"version": 1}'


async def provenance(server: str, url: str) -> bytes | NotDownloaded:
    """Get a document for the index at `server`, which has a login."""
    async with Http("tester/1", HANG, lambda _: None, Pace(SystemClock())) as http:
        index = SimpleIndex(http, IndexTarget(f"{server}simple/", Access("me", "pw")), HANG)
        return await index.provenance(url)


@pytest.mark.parametrize(
    ("status", "kind", "body", "got"),
    [
        ("200 OK", INTEGRITY, DOCUMENT, DOCUMENT),
        ("203 Fine", INTEGRITY, DOCUMENT, DOCUMENT),
        # A static server does not know the type.
        ("200 OK", "Content-Type: application/octet-stream", DOCUMENT, DOCUMENT),
        ("200 OK", INTEGRITY, b"", b""),
        (
            "200 OK",
            "Content-Type: text/html",
            b"Sign in",
            NotDownloaded("a web page is in its place"),
        ),
        ("404 Not Found", INTEGRITY, b"{}", NotDownloaded("the server answered 404")),
        ("403 Forbidden", INTEGRITY, b"{}", NotDownloaded("the server answered 403")),
        ("500 Oh", INTEGRITY, b"{}", NotDownloaded("the server answered 500")),
        (
            *("200 OK", INTEGRITY, b"x" * (2 * 1024 * 1024 + 1)),
            NotDownloaded("it is larger than 2 MiB", final=True),
        ),
        (
            *("302 Found", "Location: /login", b""),
            NotDownloaded("it redirects to a sign-in page, {url}login"),
        ),
    ],
)
def test_provenance(status: str, kind: str, body: bytes, got: bytes | NotDownloaded) -> None:
    """A document as it came, or why there is none; only one that is too large is final."""

    async def story() -> None:
        async with serving(answer(status, body, (kind,))) as server:
            found = await provenance(server.url, f"{server.url}integrity/x")
            wanted = got
            if isinstance(got, NotDownloaded):
                wanted = NotDownloaded(got.detail.format(url=server.url), got.final)
            assert found == wanted
        (request,) = server.requests
        assert request.headers["accept"] == "application/vnd.pypi.integrity.v1+json"
        assert request.headers["authorization"].startswith("Basic ")

    run(story())


def test_provenance_on_another_server() -> None:
    """It may be anywhere, as files may, and redirect; the index's login stays at home."""

    async def story() -> None:
        async with (
            serving(answer(body=DOCUMENT, headers=(INTEGRITY,))) as store,
            serving(answer("302 Found", b"", (f"Location: {store.url}deep/x",))) as other,
            serving(answer("307 Moved", b"", (f"Location: {other.url}x",))) as home,
        ):
            assert await provenance(home.url, f"{other.url}x") == DOCUMENT
            assert await provenance(home.url, f"{home.url}x") == DOCUMENT
        assert [each is not None for each in home.authorizations] == [True]
        assert {*other.authorizations, *store.authorizations} == {None}

    run(story())


def test_provenance_out_of_reach() -> None:
    """A refused connection is no answer, and so is no URL that can be asked."""

    async def story() -> None:
        for url in ("http://127.0.0.1:1/x", "http://[/x"):
            found = await provenance("http://127.0.0.1:1/", url)
            assert isinstance(found, NotDownloaded)
            assert not found.final

    run(story())
