"""The simple API: what a project's page lists, read by the standards alone.

Specification: https://packaging.python.org/en/latest/specifications/simple-repository-api/
(PEP 503, 592, 629, 658, 691, 700, 714, 740, 792), and PyPI's JSON page of one version ("JSON API"
in PyPI's own documentation). A page whose structure is malformed is unreadable. An entry that
violates the standards has a flaw, which counts for the expected files and is ignored in others.
What a client makes of a page beyond that is not emulated here; the real clients are asked.
"""

import re

from poetry_publish_verified.core.simple.html import read_html
from poetry_publish_verified.core.simple.json import read_json, read_version_json
from poetry_publish_verified.core.simple.page import ProjectPage, UnreadablePageError

MAX_PAGE_BYTES = 64 * 1024 * 1024

_JSON = "application/vnd.pypi.simple.v1+json"
_HTML = ("application/vnd.pypi.simple.v1+html", "text/html")
_CHARSET = re.compile(r""";[ \t]*charset=["']?([^\s;"']*)""")
_UTF8 = {"utf-8", "utf8"}
# Encodings that agree with UTF-8 on ASCII.
_ASCII = {"us-ascii", "ascii", "iso-8859-1", "latin-1", "latin1", "windows-1252"}


def media_type(content_type: str) -> str:
    """A Content-Type without its parameters, unchanged: clients compare it literally."""
    return content_type.split(";", 1)[0]


def parse_page(project: str, body: bytes, content_type: str, url: str) -> ProjectPage:
    """Read the page of `project` (its normalized name) that came from `url`.

    Raises UnreadablePageError if it is not such a page.
    """
    kind = media_type(content_type)
    if kind == _JSON:
        return read_json(_text(body, content_type), url, project)
    if kind in _HTML:
        return read_html(_text(body, content_type), url)
    raise UnreadablePageError(f"the content type {kind[:80]!r} is not that of a simple API")


def parse_version_page(body: bytes, content_type: str, url: str) -> ProjectPage:
    """Read PyPI's JSON page of one version, as far as its files go.

    Raises UnreadablePageError if it is not one.
    """
    return read_version_json(_text(body, content_type), url)


def _text(body: bytes, content_type: str) -> str:
    """A page must be in UTF-8; clients disagree on other encodings and where to find them."""
    declared = _CHARSET.findall(content_type.lower())
    if content_type.lower().count("charset") > len(declared[:1]):
        raise UnreadablePageError("its Content-Type declares no single charset")
    charset = "".join(declared) or "utf-8"
    try:
        if charset in _UTF8 or (charset in _ASCII and body.isascii()):
            return body.decode()
    except UnicodeDecodeError:
        raise UnreadablePageError("the page is not in UTF-8") from None
    raise UnreadablePageError(f"the page is encoded as {charset[:40]!r}, not as UTF-8")
