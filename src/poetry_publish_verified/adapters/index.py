"""One index: its page of a project, and the files that page links to."""

from __future__ import annotations

from typing import Protocol

from poetry_publish_verified.adapters.http import Http
from poetry_publish_verified.adapters.http import HttpError
from poetry_publish_verified.adapters.http import MovedError
from poetry_publish_verified.core.foreign import printable
from poetry_publish_verified.core.simple_api import MAX_PAGE_BYTES
from poetry_publish_verified.core.simple_api import IndexFile
from poetry_publish_verified.core.simple_api import UnsafePageError
from poetry_publish_verified.core.simple_api import Variant
from poetry_publish_verified.core.simple_api import parse_page
from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.core.verification import Fetched
from poetry_publish_verified.core.verification import NotFetched
from poetry_publish_verified.core.visibility import Observation

_EDGE_HEADERS = ("x-served-by", "x-cache", "age", "via", "x-pypi-last-serial", "x-devpi-serial")
_PAGE_TIMEOUT = 60.0
_SECONDS_BETWEEN_LOOKS = 1.05


class _Clock(Protocol):
    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class SimpleIndex:
    """An index with a simple API."""

    def __init__(self, http: Http, target: IndexTarget, clock: _Clock, timeout: float) -> None:
        """`timeout` bounds one look at a page, in seconds."""
        self._http = http
        self._target = target
        self._clock = clock
        self._timeout = min(_PAGE_TIMEOUT, timeout)
        self._next_look: dict[str, float] = {}

    @property
    def url(self) -> str:
        """The root of the simple API, without credentials."""
        return self._target.url

    async def look(self, project: str, variant: Variant) -> Observation:
        """Ask for the page of `project` (its normalised name) as `variant` does."""
        await self._take_turns(project)
        headers = {
            "Accept": variant.accept,
            "Accept-Encoding": variant.accept_encoding,
            "Cache-Control": "max-age=0",  # as pip does
        }
        try:
            page = await self._http.page(
                f"{self._target.url}{project}/",
                headers,
                self._target.access,
                MAX_PAGE_BYTES,
                self._timeout,
            )
        except MovedError as error:
            return Observation("moved", detail=str(error))
        except HttpError as error:
            return Observation("unknown", detail=str(error))
        edge = {
            name: printable(page.headers[name], 200)
            for name in _EDGE_HEADERS
            if name in page.headers
        } or None
        if page.status in {404, 410}:
            return Observation("absent", detail=f"it answered {page.status}", edge=edge)
        if page.status in {401, 403}:
            return Observation("denied", detail=f"it answered {page.status}", edge=edge)
        if page.status != 200:
            return Observation("unknown", detail=f"it answered {page.status}", edge=edge)
        try:
            listed = parse_page(page.body, page.headers.get("content-type", ""), page.url)
        except UnsafePageError as error:
            return Observation("unknown", detail=str(error), edge=edge)
        return Observation("page", listed, edge=edge)

    async def fetch(self, file: IndexFile, limit: int | None) -> Fetched | NotFetched:
        """Download a file and hash it; of a file longer than `limit` bytes only the start."""
        try:
            status, size, sha256, cut = await self._http.download(
                file.url,
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

    async def _take_turns(self, project: str) -> None:
        """At most one request a second for one page."""
        now = self._clock.monotonic()
        turn = max(now, self._next_look.get(project, now))
        self._next_look[project] = turn + _SECONDS_BETWEEN_LOOKS
        if turn > now:
            await self._clock.sleep(turn - now)
