"""The simple API: what clients ask for, and what a project's page lists.

Specification: https://packaging.python.org/en/latest/specifications/simple-repository-api/
(PEP 503, 629, 658, 691, 700, 714). A page is foreign input: whatever does not fit is left out
or refused, never trusted.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote
from urllib.parse import urljoin
from urllib.parse import urlsplit
from urllib.parse import urlunsplit

from poetry_publish_verified.core.foreign import printable

MAX_PAGE_BYTES = 64 * 1024 * 1024
# Several times what the largest projects have.
_MAX_FILES = 200_000

_DISTRIBUTION = re.compile(r"\.(?:whl|tar\.gz|zip|tar\.bz2|egg)(?:[#?]|$)", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_TAG = re.compile(r"(a|base)(?=[\s/])", re.IGNORECASE)
_ATTRIBUTES = re.compile(r"""(?:[^>"']|"[^"]*"|'[^']*')*""")
_HREF = re.compile(r"""(?<![\w-])href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_HASH = re.compile(r"(md5|sha1|sha224|sha256|sha384|sha512)=([0-9a-fA-F]+)")


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
    """A project's page: its files by name; `ambiguous` are listed with two different hashes."""

    files: Mapping[str, IndexFile]
    ambiguous: frozenset[str] = frozenset()


def parse_page(body: bytes, content_type: str, url: str) -> ProjectPage:
    """Read a JSON or HTML page that came from `url`.

    An entry that no installer could use (no usable URL, a path for a name) is left out.
    Raises UnsafePageError where the page is neither.
    """
    kind = content_type.split(";", 1)[0].strip().lower()
    if kind in {"application/vnd.pypi.simple.v1+json", "application/json"}:
        listed = _files_of_json(body, url)
    elif kind in {"text/html", "application/vnd.pypi.simple.v1+html", "application/xhtml+xml"}:
        listed = _files_of_html(body, url)
    else:
        raise UnsafePageError(f"the content type {printable(kind, 80)!r} is no simple API page")
    files: dict[str, IndexFile] = {}
    ambiguous = set()
    for number, file in enumerate(listed):
        if number >= _MAX_FILES:
            raise UnsafePageError(f"the page lists more than {_MAX_FILES} files")
        known = files.setdefault(file.filename, file)
        if known.sha256 is None:
            files[file.filename] = file
        elif file.sha256 not in {None, known.sha256}:
            ambiguous.add(file.filename)
    return ProjectPage(files, frozenset(ambiguous))


def _files_of_json(body: bytes, url: str) -> Iterator[IndexFile]:
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
    for entry in map(_mapping, entries):
        filename, address = entry.get("filename"), entry.get("url")
        if not isinstance(filename, str) or not isinstance(address, str):
            continue
        absolute, _ = _absolute(url, address)
        if absolute is None or not _is_filename(filename):
            continue
        sha256 = _mapping(entry.get("hashes")).get("sha256")
        size = entry.get("size")
        yield IndexFile(
            filename,
            absolute,
            _digest(sha256),
            size if isinstance(size, int) and not isinstance(size, bool) else None,
        )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _files_of_html(body: bytes, url: str) -> Iterator[IndexFile]:
    base = url
    for tag, href in _links(_without_comments(body.decode("utf-8", "replace"))):
        if tag == "a" and not _DISTRIBUTION.search(href):
            continue
        absolute, fragment = _absolute(base, href)
        if absolute is None:
            continue
        if tag == "base":
            base = absolute if base == url else base
            continue
        filename = unquote(urlsplit(absolute).path.rsplit("/", 1)[-1])
        if not _is_filename(filename):
            continue
        yield IndexFile(filename, absolute, _digest(dict(_HASH.findall(fragment)).get("sha256")))


def _links(text: str) -> Iterator[tuple[str, str]]:
    """The links of a page: `a` or `base`, and the href.

    The standard library's parser takes quadratic time over broken markup, and pages may be
    large; this takes linear time over any.
    """
    for piece in text.split("<"):
        tag = _TAG.match(piece)
        if tag is None:
            continue
        attributes = _ATTRIBUTES.match(piece, tag.end())
        href = _HREF.search(attributes.group()) if attributes else None
        if href:
            yield tag.group(1).lower(), html.unescape(next(filter(None, href.groups()), ""))


def _without_comments(text: str) -> str:
    kept, start = [], 0
    while (comment := text.find("<!--", start)) >= 0:
        kept.append(text[start:comment])
        end = text.find("-->", comment + 4)
        start = len(text) if end < 0 else end + 3
    return "".join([*kept, text[start:]])


def _digest(value: Any) -> str | None:
    """A sha256 in lower case, None for what is none."""
    return value.lower() if isinstance(value, str) and _SHA256.fullmatch(value) else None


def _is_filename(name: str) -> bool:
    # Hidden characters would let one name look like another.
    return name == printable(name, 300) and re.search(r"[/\\]|^\.*$", name) is None


def _absolute(base: str, address: str) -> tuple[str | None, str]:
    """The http(s) URL without its fragment, None where it is no such; and the fragment."""
    try:
        parts = urlsplit(urljoin(base, address.strip()))
        _ = parts.port
    except ValueError:
        return None, ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None, ""
    return urlunsplit(parts._replace(fragment="")), parts.fragment
