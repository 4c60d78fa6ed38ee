"""The simple API: what a project's page lists.

Specification: https://packaging.python.org/en/latest/specifications/simple-repository-api/
(PEP 503, 592, 629, 658, 691, 700, 714, 792), and PyPI's JSON page of one version ("JSON API" in
PyPI's own documentation). A page is foreign input: whatever does not fit is left out or
refused, never trusted.
"""

from __future__ import annotations

from packaging.utils import canonicalize_name

from poetry_publish_verified.core.simple.html import read_html
from poetry_publish_verified.core.simple.html import text_of
from poetry_publish_verified.core.simple.json import check_status
from poetry_publish_verified.core.simple.json import mapping
from poetry_publish_verified.core.simple.json import read_files
from poetry_publish_verified.core.simple.json import read_json
from poetry_publish_verified.core.simple.page import IndexFile
from poetry_publish_verified.core.simple.page import PageInTheMaking
from poetry_publish_verified.core.simple.page import ProjectPage
from poetry_publish_verified.core.simple.page import UnsafePageError
from poetry_publish_verified.core.simple.page import hasher
from poetry_publish_verified.sanitize import printable

__all__ = [
    "MAX_PAGE_BYTES",
    "IndexFile",
    "ProjectPage",
    "UnsafePageError",
    "hasher",
    "parse_page",
    "parse_version_page",
]

MAX_PAGE_BYTES = 64 * 1024 * 1024

_JSON = "application/vnd.pypi.simple.v1+json"
_KNOWN = (_JSON, "application/vnd.pypi.simple.v1+html", "text/html")
_JSONS = {_JSON, "application/json"}
_HTMLS = {*_KNOWN[1:], "application/xhtml+xml"}

# What is on login pages and the like, and what every whole page has some of.
_OTHER_PAGES = (b"<form", b"<input", b"<script")
_WHOLE_PAGES = (b"</html>", b"</body>", b"<!doctype", b"<html", b"<title>links for")


def parse_page(body: bytes, content_type: str, url: str) -> ProjectPage:
    """Read a JSON or HTML page that came from `url`.

    An entry that no installer could use (no usable URL, a path for a name) is left out; the page
    tells which clients cannot read it as it is. Raises UnsafePageError where the page is neither.
    """
    kind = content_type.split(";", 1)[0].strip().lower()
    page = PageInTheMaking()
    if kind not in _JSONS | _HTMLS:
        raise UnsafePageError(f"the content type {printable(kind, 80)!r} is no simple API page")
    _check_content_type(kind, content_type, page)
    if kind in _HTMLS:
        named = read_html(text_of(body, content_type, page), url, page)
        return page.page(named.get("pypi:project-status"), named.get("pypi:project-status-reason"))
    found = read_json(body, page)
    _check_version(mapping(found.get("meta")).get("api-version"))
    read_files(found.get("files"), url, page)
    if "project-status" in found:
        check_status(found["project-status"], page)
    status = mapping(found.get("project-status"))
    return page.page(status.get("status"), status.get("reason"))


def why_not_of(project: str, body: bytes, content_type: str, page: ProjectPage) -> str | None:
    """Why an answer is no page of `project`, though it is in the right form; else None.

    A login form, an empty answer or half a page lists nothing as well, and must not be taken for
    an index that has nothing.
    """
    if content_type.split(";", 1)[0].strip().lower() in _JSONS:
        # No client minds the name; but a page that lists nothing tells nothing else.
        name = None if page.files else read_json(body).get("name")
        if name and isinstance(name, str) and canonicalize_name(name) != project:
            return f"the page is of another project, {printable(name, 80)!r}"
        return None
    text = body.rstrip()
    if text.rfind(b"<") > text.rfind(b">"):
        return "the page breaks off in the middle of a tag"
    if page.files or page.unusable:
        return None
    lower = text.lower()
    if any(sign in lower for sign in _OTHER_PAGES):
        return "the page is a form or an application, and lists nothing"
    if not any(sign in lower for sign in _WHOLE_PAGES):
        return "the page is empty" if not text else "the page is no whole HTML page"
    return None


def parse_version_page(body: bytes, url: str) -> ProjectPage:
    """Read PyPI's JSON page of one version, as far as its files go.

    Raises UnsafePageError where it is none.
    """
    page = PageInTheMaking()
    read_files(read_json(body).get("urls"), url, page)
    return page.page()


def _check_content_type(kind: str, content_type: str, page: PageInTheMaking) -> None:
    """Tell who would not take the page for one: uv and Poetry compare to the letter."""
    reason = f"its content type is {printable(content_type, 80)!r}"
    to_the_letter = content_type.split(";", 1)[0]
    if kind not in _KNOWN:
        page.refuse(reason, "pip", "html")
    if to_the_letter not in _KNOWN:
        page.refuse(reason, "uv")
    if kind in _JSONS:
        page.refuse(reason, "html")
        if to_the_letter.strip() != _JSON:
            page.refuse(reason, "poetry")


def _check_version(version: object) -> None:
    """Clients read whatever version a page says it is of; a later one may mean anything else."""
    if version is None:
        return
    text = str(version)
    if text.split(".", 1)[0] != "1":
        raise UnsafePageError(f"the page is of simple API version {printable(text, 20)}")
