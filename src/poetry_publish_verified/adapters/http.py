"""HTTP: the only importer of httpx.

HTTP/1.1 throughout: upload endpoints put their message into the reason phrase, which HTTP/2
does not have.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
)
from dataclasses import replace
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import IO
from urllib.parse import urljoin

import anyio
import httpx

from poetry_publish_verified.adapters.connection_failure import connection_failure, is_of_tls
from poetry_publish_verified.adapters.decoding import UNDONE, TooLargeError, decoded
from poetry_publish_verified.adapters.duplex import DuplexTransport
from poetry_publish_verified.adapters.http_errors import (
    HttpError,
    MovedError,
    SignInError,
    StatusError,
    UnreachableError,
    UntrustedError,
)
from poetry_publish_verified.adapters.pace import Pace
from poetry_publish_verified.adapters.progress import PORTION, STRETCH, Progress, bounded
from poetry_publish_verified.adapters.tls import tls_context
from poetry_publish_verified.core.caching import retry_after
from poetry_publish_verified.core.urls import (
    Access,
    is_sign_in,
    origin,
    same_host,
    without_credentials,
)
from poetry_publish_verified.core.verification import Download
from poetry_publish_verified.sanitize import printable
from poetry_publish_verified.values import Value

CONNECT_TIMEOUT = 10.0
# What is left of an answer is not worth a longer wait than a new connection takes.
_READ_OFF = 0.5
# An index may think long about a file that has arrived: unpack it, scan it, store it elsewhere.
_ANSWER_TIMEOUT = 300.0
# Answers that have what was asked for: 203 is what a proxy makes of 200, and clients take it.
GIVEN = frozenset({200, 203})
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 10
# Addresses and proxy settings that no request can be made with (a SOCKS proxy needs an extra
# package, which httpx tells by ImportError), and bodies that cannot be decoded.
UNUSABLE = (httpx.InvalidURL, ValueError, ImportError)
NEVER_ARRIVED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


# Their lines would bring foreign text and signed addresses to the terminal, as they are.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class Page(Value):
    """A whole answer. `url` is where it came from in the end; header names are lower case.

    `location`: where a redirect leads, fit to show.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    location: str = ""


class Asked(Value):
    """How a page is asked for.

    At most `limit` bytes of it (0: only its status and headers) in at most `timeout` seconds, on
    a connection of its own where it is to be `fresh`. Before that, the server is left alone as it
    has asked, for at most `patience` seconds; and `before` is awaited once a connection is open. A
    redirect is an answer unless it is to `follow`; with `anywhere`, to other servers too. With
    `post`, this is sent; or what is there is to `delete`. `access` is used only on the origin of
    `home`; None if that is the server of the page. Where an `upload_follows`, it may use the same
    connection.
    """

    limit: int
    timeout: float
    fresh: bool = False
    patience: float = math.inf
    follow: bool = True
    anywhere: bool = False
    post: bytes | None = None
    home: str | None = None
    delete: bool = False
    before: Callable[[], Awaitable[None]] | None = None
    upload_follows: bool = False

    @property
    def method(self) -> str:
        """HTTP's method."""
        return "DELETE" if self.delete else "GET" if self.post is None else "POST"


_DOWNLOAD = Asked(0, 0.0)


class Http:
    """One run's HTTP: a connection pool per way of access. An async context manager."""

    def __init__(
        self,
        user_agent: str,
        timeout: float,
        proxy_for: Callable[[str], str | None],
        pace: Pace,
    ) -> None:
        """`timeout` (seconds) lowers the bounds above; none of them is one on a whole transfer.

        `proxy_for` gives the proxy for a URL, or None; `pace` lets each host have its rest.
        """
        self._proxy_for = proxy_for
        self._pace = pace
        self._headers = {"User-Agent": user_agent}
        self.stretch = min(STRETCH, timeout)
        self.answer_timeout = min(_ANSWER_TIMEOUT, timeout)
        self._connect_timeout = min(CONNECT_TIMEOUT, timeout)
        self._clients: dict[Hashable, httpx.AsyncClient] = {}

    async def __aenter__(self) -> Http:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients.values():
            await client.aclose()

    async def page(
        self, url: str, headers: Mapping[str, str], access: Access, asked: Asked
    ) -> Page:
        """GET a page, decoded.

        Redirects are followed on the same server only, unless they may lead `anywhere`: MovedError
        for any other. HttpError where no whole answer came.
        """
        with self._errors_told(url):
            before = asked.before
            if before is None:
                await self._pace.turn(url, patience=asked.patience)
            with bounded(asked.timeout) as scope:

                async def once_it_is_open() -> None:
                    nonlocal before
                    if before is not None:
                        # The time for the answer begins only then.
                        scope.deadline = math.inf
                        await before()
                        await self._pace.turn(url, patience=asked.patience)
                        scope.deadline, before = anyio.current_time() + asked.timeout, None

                for _ in range(_MAX_REDIRECTS):
                    home = asked.home or url
                    asking = self._stream(url, headers, access, home, asked, once_it_is_open)
                    async with asking as answer:
                        status, fields = answer.status_code, plain(answer.headers)
                        if status not in _REDIRECTS or not asked.follow:
                            coding = fields.get("content-encoding", "identity")
                            chunks, limit = answer.aiter_raw(), asked.limit
                            body = await decoded(chunks, coding, limit) if limit else b""
                            if asked.upload_follows:
                                await _read_off(chunks)
                            return Page(url, status, fields, body, location_of(url, answer))
                        target = urljoin(url, fields.get("location", ""))
                    if is_sign_in(target) and not is_sign_in(url):
                        raise SignInError(f"it redirects to a sign-in page, {_place(target)}")
                    downgraded = url.startswith("https:") and not target.startswith("https:")
                    if not same_host(url, target) and (downgraded or not asked.anywhere):
                        raise MovedError(_place(target), passing=status not in {301, 308})
                    url = target
                    await self._pace.turn(url, patience=asked.patience)
        raise HttpError("it redirects without end")

    async def download(
        self,
        url: str,
        access: Access,
        home: str,
        limit: int | None,
        algorithms: Iterable[str],
        *,
        patience: float = math.inf,
        to: IO[bytes] | None = None,
    ) -> Download:
        """GET a file's raw bytes, at most `limit` of them, compute digests, and write them `to`.

        The file may be anywhere; `access` is used only on the origin of `home`. Raises
        HttpError where the transfer broke off. `patience` is that of `Asked`.
        """
        headers = {"Accept-Encoding": "identity"}
        with self._errors_told(url):
            for _ in range(_MAX_REDIRECTS):
                await self._pace.turn(url, patience=patience)
                with Progress(self.stretch).or_error() as progress:
                    async with self._stream(url, headers, access, home) as response:
                        if response.status_code not in _REDIRECTS:
                            return await _download(response, limit, algorithms, progress, to)
                        url = urljoin(url, response.headers.get("location", ""))
        raise HttpError("it redirects without end")

    @contextlib.asynccontextmanager
    async def _stream(
        self,
        url: str,
        headers: Mapping[str, str],
        access: Access,
        home: str,
        asked: Asked = _DOWNLOAD,
        once_it_is_open: Callable[[], Awaitable[None]] | None = None,
    ) -> AsyncIterator[httpx.Response]:
        at_home, method = origin(url) == origin(home), asked.method
        client = self._client(url, access, trust_usual=not at_home, fresh=asked.fresh)
        if asked.upload_follows:
            client = self._uploads(url, access)
        auth = httpx.BasicAuth(*access.basic) if at_home and access.basic else None
        extensions = {"trace": partial(_trace, once_it_is_open)} if once_it_is_open else {}
        request = client.build_request(
            method, url, headers=dict(headers), content=asked.post, extensions=extensions
        )
        response = await client.send(request, auth=auth, stream=True)
        if (pause := retry_after(plain(response.headers))) and response.status_code not in GIVEN:
            self._pace.hold(url, pause)
        try:
            yield response
        finally:
            await response.aclose()

    def _client(
        self, url: str, access: Access, *, trust_usual: bool, fresh: bool = False
    ) -> httpx.AsyncClient:
        proxy = self._proxy_for(url)
        key = (access, trust_usual, proxy, fresh)
        if key not in self._clients:
            transport = httpx.AsyncHTTPTransport(
                verify=tls_context(access, trust_usual=trust_usual),
                proxy=proxy,
                limits=httpx.Limits(max_keepalive_connections=0 if fresh else None),
                trust_env=False,
            )
            self._clients[key] = self._by(transport)
        return self._clients[key]

    @contextlib.contextmanager
    def _errors_told(self, url: str) -> Iterator[None]:
        try:
            yield
        except NEVER_ARRIVED as error:
            untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
            kind = UntrustedError if untrusted else UnreachableError
            raise kind(self.why_not_reached(error, url)) from error
        except (httpx.HTTPError, *UNUSABLE) as error:
            raise HttpError(said(error)) from error

    def why_not_reached(self, error: Exception, url: str) -> str:
        """Why nothing arrived at this URL, fit to print."""
        words = said(error)
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) and not is_of_tls(error):
            proxy = self._proxy_for(url)
            return f"cannot reach the proxy {_place(proxy)}: {words}" if proxy else words
        return words

    async def uploader(self, url: str, access: Access) -> httpx.AsyncClient:
        """The client for uploads to a URL, once it may be asked.

        What a page's answer asked for is no word on uploads, which keep to their own.
        """
        await self._pace.turn(url, patience=0.0)
        return self._uploads(url, access)

    def _uploads(self, url: str, access: Access) -> httpx.AsyncClient:
        proxy = self._proxy_for(url)
        # Each request has its own credentials, such as a newly minted token.
        key = (replace(access, username=None, password=None), proxy)
        if key not in self._clients:
            self._clients[key] = self._by(DuplexTransport(tls_context(access), proxy))
        return self._clients[key]

    def _by(self, transport: httpx.AsyncHTTPTransport) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=transport,
            headers=self._headers,
            # Whole exchanges are bounded, not single reads and writes, which may be drips.
            timeout=httpx.Timeout(None, connect=self._connect_timeout),
            # A balancer's session cookie would pin the whole run to one of its replicas.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            # httpx reads no_proxy in its own way; what counts is what Poetry does.
            trust_env=False,
        )


async def _trace(
    once_it_is_open: Callable[[], Awaitable[None]], event: str, _: Mapping[str, object]
) -> None:
    """httpcore awaits this at each step; at this one, the connection is open."""
    if event == "http11.send_request_headers.started":
        await once_it_is_open()


def plain(headers: httpx.Headers) -> dict[str, str]:
    """With names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


async def _download(
    response: httpx.Response,
    limit: int | None,
    algorithms: Iterable[str],
    progress: Progress,
    to: IO[bytes] | None,
) -> Download:
    hashers = {each: hashlib.new(each, usedforsecurity=False) for each in algorithms}
    size, cut = 0, False
    if response.status_code not in GIVEN:
        raise StatusError(response.status_code)
    # Raw, as pip reads it; uv and Poetry undo what a server says of it, even where it is
    # not so, as with a .tar.gz that is labelled "Content-Encoding: gzip".
    async for chunk in response.aiter_raw():
        size += len(chunk)
        progress.moved(len(chunk))
        for each in hashers.values():
            each.update(chunk)
        if to is not None:
            to.write(chunk)
        if limit is not None and size > limit:
            cut = True
            break
    codings = response.headers.get("content-encoding", "").lower().split(",")
    undone = next((coding for coding in map(str.strip, codings) if coding in UNDONE), "")
    digests = {algorithm: each.hexdigest() for algorithm, each in hashers.items()}
    return Download(size, digests, cut, undone)


async def _read_off(rest: AsyncIterator[bytes]) -> None:
    """What is left of an answer, if that is little: only then the connection can be used again."""
    with contextlib.suppress(httpx.HTTPError, TooLargeError), anyio.move_on_after(_READ_OFF):
        await decoded(rest, "identity", PORTION)


def location_of(url: str, response: httpx.Response) -> str:
    """Where a redirect of `url` leads, fit to show; empty where nobody is sent elsewhere."""
    location = response.headers.get("location")
    if response.status_code not in _REDIRECTS or not location:
        return ""
    try:
        return _place(urljoin(url, location))
    except ValueError:
        return ""


def _place(url: str) -> str:
    """A foreign URL fit to show: without credentials, query (signatures) and control characters."""
    return printable(without_credentials(url).split("?", 1)[0], 200)


_WORDS: dict[type[BaseException], str] = {
    httpx.ConnectTimeout: "the server did not accept the connection in time",
    httpx.ReadError: "the connection was lost",
    httpx.WriteError: "the connection was lost",
}


def said(error: Exception) -> str:
    """What went wrong, fit to print."""
    text = printable(str(error)).rstrip(".")
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"the server's certificate is not trusted: {text}"
    if isinstance(error, httpx.ConnectError) and (reason := connection_failure(error)):
        return reason
    if isinstance(error, ImportError):
        return f"the proxy cannot be used: {text}"
    return _WORDS.get(type(error), text or type(error).__name__)
