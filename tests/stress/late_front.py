"""A proxy in front of an index that serves stale pages and records what it showed."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.beds.proxy import Answer, Exchange, FaultProxy, Request, edit_page, is_page, is_upload

_UPLOADED = re.compile(rb' filename="([^"]+)"')
_LISTED = re.compile(rb'(?:>|"filename":\s*")\s*([\w.+!-]+\.(?:whl|tar\.gz))\s*[<"]')
_DOWNLOAD = re.compile(r"/([^/?]+\.(?:whl|tar\.gz))(?:\?|$)")


@dataclass(frozen=True)
class Upload:
    """An upload that reached the index: when, and the index's answer."""

    filename: str
    begun: float
    ended: float
    status: int


@dataclass(frozen=True)
class Page:
    """A page as it was served: for which request headers, when, and the files on it."""

    project: str
    form: tuple[str, str]
    at: float
    filenames: frozenset[str]


@dataclass
class LateFront:
    """The proxy; its pages are `late` seconds old. All times are monotonic."""

    proxy: FaultProxy
    late: float
    uploads: list[Upload] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    fetched: dict[str, float] = field(default_factory=dict)
    _stored: dict[str, float] = field(default_factory=dict)

    def begun(self, filenames: Iterable[str]) -> float:
        """When the first upload of these began."""
        wanted = set(filenames)
        return min(each.begun for each in self.uploads if each.filename in wanted)

    def proven(self, project: str, filenames: Iterable[str]) -> float:
        """When every installer had been shown all of these, and each had been downloaded.

        Infinity if that has not happened. The headers that no installer sends, with which the
        plugin looks before an upload, do not count.
        """
        wanted = frozenset(filenames)
        whole: dict[tuple[str, str], float] = {}
        for page in self.pages:
            if page.project == project and page.form[1] != "identity":
                at = page.at if wanted <= page.filenames else float("inf")
                whole[page.form] = min(whole.get(page.form, float("inf")), at)
        downloads = [self.fetched.get(name, float("inf")) for name in wanted]
        return max([*whole.values(), *downloads]) if whole else float("inf")

    def take(self, exchange: Exchange) -> Answer:
        """Hand an upload on."""
        answer = exchange.forward()
        match = _UPLOADED.search(exchange.request.body)
        assert match is not None
        filename = match[1].decode()
        ended = time.monotonic()
        if answer.status == 200:
            self._stored.setdefault(filename, ended)
        self.uploads.append(Upload(filename, exchange.request.at, ended, answer.status))
        return answer

    def show(self, exchange: Exchange) -> Answer:
        """Serve a page as it was `late` seconds ago, or 404 if it had no file yet."""
        answer = exchange.forward()
        project = exchange.request.path.rstrip("/").rsplit("/", 1)[-1]
        fresh = [n for n, at in self._stored.items() if time.monotonic() - at < self.late]
        before = _listed(answer)
        for filename in before & frozenset(fresh):
            answer = edit_page(answer, filename, lambda _: None)
        if before and not _listed(answer):
            answer = Answer(404)
        form = _form(exchange.request)
        self.pages.append(Page(project, form, time.monotonic(), _listed(answer)))
        return answer

    def fetch(self, exchange: Exchange) -> Answer:
        """Pass a download on."""
        answer = exchange.forward()
        match = _DOWNLOAD.search(exchange.request.path)
        if match and answer.status == 200:
            self.fetched.setdefault(match[1], time.monotonic())
        return answer


def _form(request: Request) -> tuple[str, str]:
    return request.headers.get("accept", ""), request.headers.get("accept-encoding", "")


def _listed(answer: Answer) -> frozenset[str]:
    """The files on a page."""
    if answer.status != 200 or not isinstance(answer.body, bytes):
        return frozenset()
    return frozenset(name.decode() for name in _LISTED.findall(answer.body))


def _is_download(request: Request) -> bool:
    return request.method == "GET" and _DOWNLOAD.search(request.path) is not None


@contextlib.contextmanager
def late_front(origin: str, late: float, address: str = "127.0.0.1") -> Iterator[LateFront]:
    """Put a proxy in front of an index; `address` is the local address to listen on."""
    with FaultProxy(origin, address=address) as proxy:
        front = LateFront(proxy, late)
        proxy.on(_is_download, front.fetch)
        proxy.on(is_page, front.show)
        proxy.on(is_upload, front.take)
        yield front
