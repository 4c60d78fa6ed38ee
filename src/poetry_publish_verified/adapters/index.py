"""One index: its pages of a project, and the files that those link to."""

import hashlib
import math
import re
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Literal
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from poetry_publish_verified.adapters.archives import own_metadata
from poetry_publish_verified.adapters.decoding import TooLargeError
from poetry_publish_verified.adapters.http import GIVEN, Asked, Http, Page
from poetry_publish_verified.adapters.http_errors import (
    HttpError,
    MovedError,
    SignInError,
    StatusError,
    UnreachableError,
    UntrustedError,
)
from poetry_publish_verified.core.caching import expires_in, retry_after, vary
from poetry_publish_verified.core.distribution import Kind
from poetry_publish_verified.core.provenance import MAX_BYTES
from poetry_publish_verified.core.simple import (
    MAX_PAGE_BYTES,
    media_type,
    parse_page,
    parse_version_page,
)
from poetry_publish_verified.core.simple.page import ProjectPage, UnreadablePageError
from poetry_publish_verified.core.urls import Access, IndexTarget, origin
from poetry_publish_verified.core.variants import PIP, Variant
from poetry_publish_verified.core.verification import Download, NotDownloaded
from poetry_publish_verified.core.visibility import Observation, RootState
from poetry_publish_verified.sanitize import printable
from poetry_publish_verified.values import Value

_INTEGRITY = "application/vnd.pypi.integrity.v1+json"
_EDGE_HEADERS = ("x-served-by", "x-cache", "age", "via", "x-pypi-last-serial", "x-devpi-serial")
_SERIALS = ("x-pypi-last-serial", "x-devpi-serial")
# One that can be sent back as it came.
_ETAG = re.compile(r"[!-~]{1,300}")
_VALIDATOR_USES = 5
_PAGE_TIMEOUT = 60.0
_ROOT_TIMEOUT = 10.0


class _Kept(Value):
    """A page and its validator (RFC 9110, 8.8.3), so that an unchanged one is not sent again."""

    etag: str
    page: ProjectPage
    used: int = 0


class SimpleIndex:
    """An index with a simple API."""

    def __init__(self, http: Http, target: IndexTarget, timeout: float) -> None:
        """`timeout` bounds one look at a page, in seconds."""
        self.url, self.name, self.pypi = target.url, target.name, target.pypi
        self.certain, self.guessed = target.certain, target.guessed
        self._use(target.access)
        self._http = http
        self._timeout = min(_PAGE_TIMEOUT, timeout)
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._reading = anyio.Lock()
        # The last page that was read, by where it came from and as what, with its digest.
        self._read_before: dict[tuple[str, str, str], tuple[bytes, ProjectPage]] = {}

    def _use(self, access: Access) -> None:
        self._access = access
        # A login, a client certificate and unchecked ones are for the index's own origin alone.
        for_home = access.basic or access.client_cert or not access.verify
        self.access: Hashable = (access, origin(self.url) if for_home else None)

    def sign_in(self, token: str) -> None:
        self._use(self._access.with_token(token))

    async def look(
        self,
        project: str,
        version: str,
        variant: Variant,
        *,
        fresh: bool = False,
        patience: float = math.inf,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> Observation:
        """Ask for a page of `project` (its normalized name) as `variant` does.

        `fresh`: on a connection of its own and without a validator, as a stale replica's 304
        would confirm what that replica does not have. `patience`: for how many seconds at most
        the server is left alone before, where it has asked for that. `before` is
        awaited once the connection is open.
        """
        url = f"{self.url}{project}/"
        if variant.page == "version":
            root = self._version_root()
            if root is None:
                return Observation("not-offered")
            url = f"{root}{project}/{version}/json"
        headers = {"Accept": variant.accept, "Accept-Encoding": variant.accept_encoding}
        key = (url, variant.name)
        kept = None if fresh else self._kept.get(key)
        if kept is not None:
            headers["If-None-Match"] = kept.etag
        patience = min(patience, self._timeout)
        asked = Asked(MAX_PAGE_BYTES, self._timeout, fresh=fresh, patience=patience, before=before)
        try:
            answer = await self._http.page(url, headers, self._access, asked)
        except HttpError as error:
            return _unseen(project, error)
        if variant.page == "version" and answer.status < 500 and not self._is_pypis(answer):
            return Observation("not-offered")
        try:
            page = await self._page(project, answer, variant, kept)
        except UnreadablePageError as error:
            unknown = _without_page(answer)
            return replace(unknown, state="unknown", detail=str(error), malformed=True)
        if page is None:
            return _without_page(answer)
        self._keep(key, answer, page)
        return replace(_without_page(answer), state="page", page=page, detail="")

    async def root(self) -> tuple[RootState, str]:
        headers = {"Accept": PIP.accept, "Accept-Encoding": "identity"}
        timeout = min(_ROOT_TIMEOUT, self._timeout)
        asked = Asked(0, timeout, patience=timeout)
        try:
            answer = await self._http.page(self.url, headers, self._access, asked)
        except UnreachableError as error:
            return "unreachable", str(error)
        except SignInError as error:
            return "denied", str(error)
        except HttpError as error:
            return "unknown", str(error)
        said = f"it answered {answer.status}"
        if answer.status in {404, 410}:
            return "none", said
        return ("denied", said) if answer.status in {401, 403} else ("there", said)

    async def fetch(
        self,
        url: str,
        limit: int | None,
        algorithms: frozenset[str] = frozenset(),
        *,
        patience: float = math.inf,
        opened: Kind | None = None,
    ) -> Download | NotDownloaded:
        """Download a file and hash it; of one longer than `limit` bytes only the start.

        `algorithms` are further ones, as `IndexFile.digests` names them; `patience` is that of
        `look`. With `opened`, it is kept for a moment, and read as such an archive.
        """
        algorithms, patience = algorithms | {"sha256"}, min(patience, self._timeout)
        get = partial(
            self._http.download, url, self._access, self.url, limit, algorithms, patience=patience
        )
        suffix = PurePosixPath(urlsplit(url).path).suffix
        try:
            return await get() if opened is None else await _opened(get, opened, suffix)
        except StatusError as error:
            return NotDownloaded(str(error), final=error.status in {401, 403})
        except HttpError as error:
            return NotDownloaded(str(error))
        except OSError as error:
            said = f"the temporary directory cannot hold it ({error.strerror or error})"
            return NotDownloaded(f"{said}; TMPDIR names another", final=True)

    async def provenance(self, url: str, *, patience: float = math.inf) -> bytes | NotDownloaded:
        """The document at `url` (PEP 740), which is final if it is too large for one."""
        timeout = min(_PAGE_TIMEOUT, self._timeout)
        asked = Asked(
            MAX_BYTES, timeout, patience=min(patience, timeout), home=self.url, anywhere=True
        )
        headers = {"Accept": _INTEGRITY, "Accept-Encoding": "identity"}
        try:
            answer = await self._http.page(url, headers, self._access, asked)
        except HttpError as error:
            return NotDownloaded(str(error), isinstance(error.__cause__, TooLargeError))
        kind = media_type(answer.headers.get("content-type", "")).strip().lower()
        if answer.status not in GIVEN:
            return NotDownloaded(f"the server answered {answer.status}")
        return NotDownloaded("a web page is in its place") if kind == "text/html" else answer.body

    async def _page(
        self, project: str, answer: Page, variant: Variant, kept: _Kept | None
    ) -> ProjectPage | None:
        if answer.status == 304 and kept is not None:
            return kept.page
        if answer.status not in GIVEN:
            return None
        kind = media_type(answer.headers.get("content-type", ""))
        if kind not in variant.accept and "*/*" not in variant.accept:
            raise UnreadablePageError(f"the content type {kind[:80]!r} was not requested")
        return await self._read(project, answer, variant)

    async def _read(self, project: str, answer: Page, variant: Variant) -> ProjectPage:
        """Read a page, or remember it: most variants get the same, again and again."""
        kind = answer.headers.get("content-type", "")
        key = (answer.url, kind, variant.page)
        async with self._reading:
            # Not in the event loop: a page of 64 MiB takes a while.
            digest = await anyio.to_thread.run_sync(_sha256, answer.body)
            known = self._read_before.get(key)
            if known is None or known[0] != digest:
                read = partial(parse_page, project, answer.body, kind, answer.url)
                if variant.page == "version":
                    read = partial(parse_version_page, answer.body, kind, answer.url)
                known = (digest, await anyio.to_thread.run_sync(read))
                self._read_before = {key: known}
            return known[1]

    def _keep(self, key: tuple[str, str], answer: Page, page: ProjectPage) -> None:
        """Keep a page for the next look, where that can name it.

        Servers may give one validator to every version of a page, so one that was named a few
        times without getting anywhere is not named again.
        """
        etag, kept = answer.headers.get("etag", ""), self._kept.pop(key, None)
        if answer.status == 304:
            if kept is not None and kept.used + 1 < _VALIDATOR_USES:
                self._kept[key] = replace(kept, used=kept.used + 1)
        # A weak validator (W/) will do: what counts is what the page says.
        elif _ETAG.fullmatch(etag):
            self._kept[key] = _Kept(etag, page)

    def _version_root(self) -> str | None:
        """Where PyPI-like indexes have their JSON pages: `/pypi/` beside `/simple/`."""
        base = self.url.removesuffix("simple/")
        return f"{base}pypi/" if base != self.url and base.endswith("/") else None

    def _is_pypis(self, answer: Page) -> bool:
        """Whether an answer comes from where such pages are: PyPI says even 404 in JSON."""
        if self.pypi or answer.status == 304:
            return True
        kind = answer.headers.get("content-type", "").split(";")[0].strip().lower()
        return kind == "application/json"


def _sha256(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


async def _opened(get: Callable[..., Awaitable[Download]], kind: Kind, suffix: str) -> Download:
    with TemporaryDirectory(prefix="publish-verified-") as directory:
        with NamedTemporaryFile(dir=directory, suffix=suffix, delete=False) as file:
            got = await get(to=file)
        metadata = await anyio.to_thread.run_sync(own_metadata, Path(file.name), kind)
    return replace(got, metadata=metadata)


def _unseen(project: str, error: HttpError) -> Observation:
    """What it says that no answer came from the index itself."""
    match error:
        case MovedError(place=place, passing=True) if place.rstrip("/").endswith(f"/{project}"):
            # pypiserver and GitLab do so with every project that they do not have.
            detail = f"it does not have the project and redirects to {place}"
            return Observation("absent", detail=detail, refers=True)
        case MovedError():
            return Observation("moved", detail=str(error))
        case SignInError():
            return Observation("denied", detail=str(error))
        case _:
            reached = not isinstance(error, UnreachableError)
            untrusted = isinstance(error, UntrustedError)
            return Observation("unknown", detail=str(error), reached=reached, untrusted=untrusted)


def _without_page(answer: Page) -> Observation:
    """What an answer says besides the page."""
    edge = {
        name: printable(answer.headers[name], 200)
        for name in _EDGE_HEADERS
        if name in answer.headers
    } or None
    state: Literal["absent", "denied", "unknown"] = "unknown"
    if answer.status in {404, 410}:
        state = "absent"
    elif answer.status in {401, 403}:
        state = "denied"
    return Observation(
        state,
        detail=f"it answered {answer.status}",
        edge=edge,
        serial=_serial(answer),
        expires_in=expires_in(answer.headers),
        retry_after=retry_after(answer.headers) if answer.status not in {*GIVEN, 304} else None,
        vary=vary(answer.headers),
    )


def _serial(answer: Page) -> int | None:
    for name in _SERIALS:
        text = answer.headers.get(name, "").strip()
        if text.isascii() and text.isdecimal() and len(text) < 20:
            return int(text)
    return None
