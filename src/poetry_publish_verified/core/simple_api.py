"""The simple API: what a project's page lists.

Specification: https://packaging.python.org/en/latest/specifications/simple-repository-api/
(PEP 503, 592, 629, 658, 691, 700, 714, 792), and PyPI's JSON page of one version:
https://docs.pypi.org/api/json/. A page is foreign input: whatever does not fit is left out or
refused, never trusted.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
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
_TAG = re.compile(r"(a|base|meta)(?=[\s/])", re.IGNORECASE)
_ATTRIBUTES = re.compile(r"""(?:[^>"']|"[^"]*"|'[^']*')*""")
_ATTRIBUTE = re.compile(
    r"""([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""", re.IGNORECASE
)
_HASH = re.compile(r"(md5|sha1|sha224|sha256|sha384|sha512)=([0-9a-fA-F]+)")


class UnsafePageError(ValueError):
    """A page that is no simple API page, or one that tries something."""


@dataclass(frozen=True, slots=True)
class IndexFile:
    """One file of a page. `url` is absolute; None is what the page does not give.

    `yanked` (PEP 592) is the reason, an empty text where none is given, None where the file is
    not yanked; `metadata_sha256` is that of the `.metadata` file beside it (PEP 658, 714), if
    there is one (`has_metadata`) and its hash is told.
    """

    filename: str
    url: str
    sha256: str | None = None
    size: int | None = None
    requires_python: str | None = None
    yanked: str | None = None
    has_metadata: bool = False
    metadata_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """A project's page: its files by name; `ambiguous` are listed with two different hashes.

    `status` is the project's (PEP 792), `active` where the page says nothing.
    """

    files: Mapping[str, IndexFile]
    ambiguous: frozenset[str] = frozenset()
    status: str = "active"
    status_reason: str = ""


def parse_page(body: bytes, content_type: str, url: str) -> ProjectPage:
    """Read a JSON or HTML page that came from `url`.

    An entry that no installer could use (no usable URL, a path for a name) is left out.
    Raises UnsafePageError where the page is neither.
    """
    kind = content_type.split(";", 1)[0].strip().lower()
    if kind in {"application/vnd.pypi.simple.v1+json", "application/json"}:
        page = _json(body)
        version = str(_mapping(page.get("meta")).get("api-version", "1.0"))
        if not version.startswith("1."):
            raise UnsafePageError(f"the page is of simple API version {printable(version, 20)}")
        status = _mapping(page.get("project-status"))
        return _page(
            _files_of_json(page.get("files"), url), status.get("status"), status.get("reason")
        )
    if kind in {"text/html", "application/vnd.pypi.simple.v1+html", "application/xhtml+xml"}:
        text = _without_comments(body.decode("utf-8", "replace"))
        named = dict(_metas(text))
        return _page(
            _files_of_html(text, url),
            named.get("pypi:project-status"),
            named.get("pypi:project-status-reason"),
        )
    raise UnsafePageError(f"the content type {printable(kind, 80)!r} is no simple API page")


def parse_version_page(body: bytes, url: str) -> ProjectPage:
    """Read PyPI's JSON page of one version, as far as its files go.

    Raises UnsafePageError where it is none.
    """
    return _page(_files_of_json(_json(body).get("urls"), url))


def _page(
    listed: Iterable[IndexFile], status: object = None, status_reason: object = None
) -> ProjectPage:
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
    return ProjectPage(
        files,
        frozenset(ambiguous),
        status.strip().lower() if isinstance(status, str) else "active",
        status_reason if isinstance(status_reason, str) else "",
    )


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(body))
    except (ValueError, RecursionError):
        raise UnsafePageError("the page is not valid JSON") from None


def _files_of_json(entries: object, url: str) -> Iterator[IndexFile]:
    """The files of a simple page, or of a version's page, which has other names for some keys."""
    if not isinstance(entries, list):
        raise UnsafePageError("the page has no list of files")
    for entry in map(_mapping, entries):
        filename, address = entry.get("filename"), entry.get("url")
        if not isinstance(filename, str) or not isinstance(address, str):
            continue
        absolute, _ = _absolute(url, address)
        if absolute is None or not _is_filename(filename):
            continue
        hashes = _mapping(entry.get("hashes", entry.get("digests")))
        size = entry.get("size")
        requires_python = entry.get("requires-python", entry.get("requires_python"))
        yanked = entry.get("yanked_reason") or entry.get("yanked")
        metadata = entry.get("core-metadata", entry.get("dist-info-metadata"))
        yield IndexFile(
            filename,
            absolute,
            _digest(hashes.get("sha256")),
            size if isinstance(size, int) and not isinstance(size, bool) else None,
            requires_python if isinstance(requires_python, str) else None,
            (yanked if isinstance(yanked, str) else "") if entry.get("yanked") else None,
            bool(metadata),
            _digest(_mapping(metadata).get("sha256")),
        )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _files_of_html(text: str, url: str) -> Iterator[IndexFile]:
    base = url
    for tag, attributes in _tags(text):
        href = attributes.get("href", "")
        if tag == "meta" or not href or (tag == "a" and not _DISTRIBUTION.search(href)):
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
        metadata = attributes.get(
            "data-core-metadata", attributes.get("data-dist-info-metadata", "false")
        )
        yield IndexFile(
            filename,
            absolute,
            _digest(dict(_HASH.findall(fragment)).get("sha256")),
            requires_python=attributes.get("data-requires-python"),
            yanked=attributes.get("data-yanked"),
            has_metadata=metadata.strip().lower() != "false",
            metadata_sha256=_digest(dict(_HASH.findall(metadata)).get("sha256")),
        )


def _metas(text: str) -> Iterator[tuple[str, str]]:
    for tag, attributes in _tags(text):
        if tag == "meta":
            yield attributes.get("name", "").lower(), attributes.get("content", "")


def _tags(text: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The tags `a`, `base` and `meta` of a page, with their attributes, names in lower case.

    The standard library's parser takes quadratic time over broken markup, and pages may be
    large; this takes linear time over any.
    """
    for piece in text.split("<"):
        tag = _TAG.match(piece)
        if tag is None:
            continue
        attributes = _ATTRIBUTES.match(piece, tag.end())
        found: dict[str, str] = {}
        for match in _ATTRIBUTE.finditer(attributes.group() if attributes else ""):
            name, *values = match.groups()
            # The first of a name counts, as in any browser.
            found.setdefault(name.lower(), html.unescape(next(filter(None, values), "")))
        yield tag.group(1).lower(), found


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
