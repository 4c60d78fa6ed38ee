"""One index: its pages of a project, and the files that those link to."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace
from typing import Literal

from poetry_publish_verified.adapters.http import Asked
from poetry_publish_verified.adapters.http import Http
from poetry_publish_verified.adapters.http import HttpError
from poetry_publish_verified.adapters.http import MovedError
from poetry_publish_verified.adapters.http import Page
from poetry_publish_verified.adapters.http import UnreachableError
from poetry_publish_verified.core.caching import expires_in
from poetry_publish_verified.core.caching import retry_after
from poetry_publish_verified.core.caching import vary
from poetry_publish_verified.core.foreign import printable
from poetry_publish_verified.core.simple_api import MAX_PAGE_BYTES
from poetry_publish_verified.core.simple_api import ProjectPage
from poetry_publish_verified.core.simple_api import UnsafePageError
from poetry_publish_verified.core.simple_api import parse_page
from poetry_publish_verified.core.simple_api import parse_version_page
from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.core.variants import PIP
from poetry_publish_verified.core.variants import Variant
from poetry_publish_verified.core.verification import Fetched
from poetry_publish_verified.core.verification import NotFetched
from poetry_publish_verified.core.visibility import Observation
from poetry_publish_verified.core.visibility import RootState

_EDGE_HEADERS = ("x-served-by", "x-cache", "age", "via", "x-pypi-last-serial", "x-devpi-serial")
_SERIALS = ("x-pypi-last-serial", "x-devpi-serial")
_PAGE_TIMEOUT = 60.0
_ROOT_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class _Kept:
    """A page and its validator (RFC 9110, 8.8.3), so that an unchanged one is not sent again."""

    etag: str
    page: ProjectPage


class SimpleIndex:
    """An index with a simple API."""

    def __init__(self, http: Http, target: IndexTarget, timeout: float) -> None:
        """`timeout` bounds one look at a page, in seconds."""
        self._http = http
        self._target = target
        self._timeout = min(_PAGE_TIMEOUT, timeout)
        self._kept: dict[tuple[str, str], _Kept] = {}

    @property
    def url(self) -> str:
        """The root of the simple API, without credentials."""
        return self._target.url

    @property
    def certain(self) -> bool:
        """Whether there surely is an index: its address is not a person's word, nor a guess."""
        return self._target.certain

    @property
    def pypi(self) -> bool:
        """Whether this is PyPI, which Poetry reads in a way of its own."""
        return self._target.pypi

    async def look(
        self, project: str, version: str, variant: Variant, *, fresh: bool = False
    ) -> Observation:
        """Ask for a page of `project` (its normalised name) as `variant` does.

        `fresh`: on a connection of its own.
        """
        url = f"{self._target.url}{project}/"
        if variant.page == "version":
            root = self._version_root()
            if root is None:
                return Observation("not-offered")
            url = f"{root}{project}/{version}/json"
        headers = {"Accept": variant.accept, "Accept-Encoding": variant.accept_encoding}
        kept = self._kept.get((url, variant.name))
        if kept is not None:
            headers["If-None-Match"] = kept.etag
        asked = Asked(MAX_PAGE_BYTES, self._timeout, fresh=fresh)
        try:
            answer = await self._http.page(url, headers, self._target.access, asked)
        except MovedError as error:
            return Observation("moved", detail=str(error))
        except HttpError as error:
            return Observation("unknown", detail=str(error))
        if variant.page == "version" and answer.status < 500 and not self._is_pypis(answer):
            return Observation("not-offered")
        try:
            page = self._page(answer, variant, kept)
        except UnsafePageError as error:
            return replace(_without_page(answer), state="unknown", detail=str(error))
        if page is None:
            return _without_page(answer)
        if answer.status == 200:
            self._keep(url, variant, answer, page)
        return replace(_without_page(answer), state="page", page=page, detail="")

    async def root(self) -> tuple[RootState, str]:
        """Whether the index itself is there, without looking at any project; and in words."""
        headers = {"Accept": PIP.accept, "Accept-Encoding": "identity"}
        asked = Asked(0, min(_ROOT_TIMEOUT, self._timeout), fresh=True)
        try:
            answer = await self._http.page(self._target.url, headers, self._target.access, asked)
        except UnreachableError as error:
            return "unreachable", str(error)
        except HttpError as error:
            return "unknown", str(error)
        said = f"it answered {answer.status}"
        if answer.status in {404, 410}:
            return "none", said
        return ("denied", said) if answer.status in {401, 403} else ("there", said)

    async def fetch(self, url: str, limit: int | None) -> Fetched | NotFetched:
        """Download a file and hash it; of one longer than `limit` bytes only the start."""
        try:
            status, size, sha256, cut = await self._http.download(
                url,
                {"Accept-Encoding": "identity"},
                self._target.access,
                self._target.url,
                limit,
            )
        except HttpError as error:
            return NotFetched(str(error))
        if status != 200:
            return NotFetched(f"the server answered {status}", final=status in {401, 403})
        return Fetched(size, sha256, cut)

    def _page(self, answer: Page, variant: Variant, kept: _Kept | None) -> ProjectPage | None:
        if answer.status == 304 and kept is not None:
            return kept.page
        if answer.status != 200:
            return None
        if variant.page == "version":
            return parse_version_page(answer.body, answer.url)
        return parse_page(answer.body, answer.headers.get("content-type", ""), answer.url)

    def _keep(self, url: str, variant: Variant, answer: Page, page: ProjectPage) -> None:
        etag = answer.headers.get("etag", "")
        # A weak validator (W/) will do: what counts is what the page says.
        if etag and etag == printable(etag, 300):
            self._kept[url, variant.name] = _Kept(etag, page)
        else:
            self._kept.pop((url, variant.name), None)

    def _version_root(self) -> str | None:
        """Where PyPI-like indexes have their JSON pages: `/pypi/` beside `/simple/`."""
        base = self._target.url.removesuffix("simple/")
        return f"{base}pypi/" if base != self._target.url and base.endswith("/") else None

    def _is_pypis(self, answer: Page) -> bool:
        """Whether an answer comes from where such pages are: PyPI says even 404 in JSON."""
        if self._target.pypi or answer.status == 304:
            return True
        kind = answer.headers.get("content-type", "").split(";")[0].strip().lower()
        return kind == "application/json"


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
        retry_after=retry_after(answer.headers) if answer.status not in {200, 304} else None,
        vary=vary(answer.headers),
    )


def _serial(answer: Page) -> int | None:
    for name in _SERIALS:
        text = answer.headers.get(name, "").strip()
        if text.isascii() and text.isdecimal() and len(text) < 20:
            return int(text)
    return None
