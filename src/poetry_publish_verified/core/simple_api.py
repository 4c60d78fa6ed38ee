"""The simple API: what clients ask for, and what a project's page lists.

Specification: https://packaging.python.org/en/latest/specifications/simple-repository-api/
(PEP 503, 629, 658, 691, 700, 714). A page is foreign input: whatever does not fit is left out
or refused, never trusted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote
from urllib.parse import urljoin
from urllib.parse import urlsplit
from urllib.parse import urlunsplit

from poetry_publish_verified.core.foreign import printable

MAX_PAGE_BYTES = 64 * 1024 * 1024

_HASH = re.compile(r"(md5|sha1|sha224|sha256|sha384|sha512)=([0-9a-fA-F]+)")
_HEX = re.compile(r"[0-9a-fA-F]{32,128}")


class UnsafePageError(ValueError):
    """A page that is no simple API page, or one that tries something."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way a client asks an index, hence one cached copy of a page."""

    name: str
    accept: str
    accept_encoding: str


PIP = Variant(
    "pip",
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1,"
    " text/html; q=0.01",
    "gzip, deflate",
)
# A copy that no installer reads: our look before the upload must not put an old page, or a
# 404, into the copies that they do read.
UNSEEN = Variant("unseen", PIP.accept, "identity")


@dataclass(frozen=True, slots=True)
class IndexFile:
    """One file of a page. `url` is absolute; `sha256` is None where the page gives none."""

    filename: str
    url: str
    sha256: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """A project's page: its files by name."""

    files: Mapping[str, IndexFile]


def parse_page(body: bytes, content_type: str, url: str) -> ProjectPage:
    """Read a JSON or HTML page that came from `url`.

    Raises UnsafePageError where it is neither, or names a file in a way no index should.
    """
    kind = content_type.split(";", 1)[0].strip().lower()
    if kind in {"application/vnd.pypi.simple.v1+json", "application/json"}:
        files = _files_of_json(body, url)
    elif kind in {"text/html", "application/vnd.pypi.simple.v1+html", "application/xhtml+xml"}:
        files = _files_of_html(body, url)
    else:
        raise UnsafePageError(f"the content type {printable(kind, 80)!r} is no simple API page")
    return ProjectPage({file.filename: file for file in files})


def _files_of_json(body: bytes, url: str) -> list[IndexFile]:
    try:
        page = json.loads(body)
    except (ValueError, RecursionError):
        raise UnsafePageError("the page is not valid JSON") from None
    version = str(_mapping(_mapping(page).get("meta")).get("api-version", "1.0"))
    if not version.startswith("1."):
        raise UnsafePageError(f"the page is of simple API version {printable(version, 20)}")
    entries = _mapping(page).get("files")
    if not isinstance(entries, list):
        raise UnsafePageError("the page has no list of files")
    files = []
    for entry in map(_mapping, entries):
        filename, address = entry.get("filename"), entry.get("url")
        if not isinstance(filename, str) or not isinstance(address, str):
            raise UnsafePageError("a file of the page has no name or no URL")
        sha256 = _mapping(entry.get("hashes")).get("sha256")
        size = entry.get("size")
        files.append(
            IndexFile(
                _safe_filename(filename),
                _absolute(url, address)[0],
                sha256.lower() if isinstance(sha256, str) and _HEX.fullmatch(sha256) else None,
                size if isinstance(size, int) and not isinstance(size, bool) else None,
            )
        )
    return files


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _files_of_html(body: bytes, url: str) -> list[IndexFile]:
    anchors = _Anchors()
    anchors.feed(body.decode("utf-8", "replace"))
    anchors.close()
    base = urljoin(url, anchors.base) if anchors.base else url
    files = []
    for href in anchors.hrefs:
        address, fragment = _absolute(base, href)
        filename = unquote(urlsplit(address).path.rsplit("/", 1)[-1])
        # Pages of whole directories hold other links too ("..", a home page).
        if not filename.endswith((".whl", ".tar.gz", ".zip", ".tar.bz2", ".egg")):
            continue
        hashes = dict(_HASH.findall(fragment))
        sha256 = hashes.get("sha256")
        files.append(
            IndexFile(_safe_filename(filename), address, sha256.lower() if sha256 else None)
        )
    return files


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.base: str | None = None
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if href and tag == "a":
            self.hrefs.append(href)
        elif href and tag == "base" and self.base is None:
            self.base = href


def _safe_filename(filename: str) -> str:
    if (
        not filename
        or filename != printable(filename, 300)
        or re.search(r"[/\\]|^\.\.?$", filename)
    ):
        raise UnsafePageError(f"the page names a file {printable(filename, 80)!r}")
    return filename


def _absolute(base: str, address: str) -> tuple[str, str]:
    """The URL without its fragment, and the fragment."""
    try:
        parts = urlsplit(urljoin(base, address.strip()))
        _ = parts.port
    except ValueError:
        raise UnsafePageError(f"the page links to {printable(address, 80)!r}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        # Links that are no downloads ("mailto:") have no file name that counts.
        if re.search(r"\.(whl|tar\.gz|zip)$", parts.path):
            raise UnsafePageError(f"the page links to {printable(address, 80)!r}")
        return base, ""
    return urlunsplit(parts._replace(fragment="")), parts.fragment
