"""The links of an HTML page (PEP 503), and what pip, uv and Poetry make of each.

The standard library's parser takes quadratic time over broken markup, differs between Python
versions, and pages may be large; this takes linear time over any, and sees a link only where all
of them do. Tried with pip 26.3, uv 0.13 and Poetry 2.5.
"""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from urllib.parse import unquote
from urllib.parse import unquote_to_bytes
from urllib.parse import urlsplit

from poetry_publish_verified.core.simple.page import Addresses
from poetry_publish_verified.core.simple.page import IndexFile
from poetry_publish_verified.core.simple.page import PageInTheMaking
from poetry_publish_verified.core.simple.page import can_be_split
from poetry_publish_verified.core.simple.page import digest
from poetry_publish_verified.core.simple.page import digests
from poetry_publish_verified.core.simple.page import is_filename
from poetry_publish_verified.core.simple.page import is_lower_sha256
from poetry_publish_verified.core.simple.page import refusal_by_uv
from poetry_publish_verified.core.simple.page import why_unusable
from poetry_publish_verified.sanitize import printable

_EVERYONE = ("pip", "uv", "poetry", "html")
_DISTRIBUTION = re.compile(r"\.(?:whl|tar\.gz|zip|tar\.bz2|egg)(?:[#?]|$)", re.IGNORECASE)
_START = re.compile(r"<(?:!--|!\[|[!?/]|([a-zA-Z][^\s/>]*))")
_ATTRIBUTE = re.compile(
    r"""[\s/]*(?:(>)|([^\s/>][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"'][^\s>]*)?))?)"""
)
_COMMENT_END = re.compile(r"--(!?)>")
# What is in them is text; not for older Pythons, but nobody means a link there.
_TEXTS = {
    name: re.compile(rf"</{name}\s*>", re.IGNORECASE)
    for name in (
        *("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"),
        "plaintext",
    )
}
_FRAGMENT_HASH = re.compile(r"(?:^|&)(sha512|sha384|sha256|sha224|sha1|md5|blake2b)=([^&]*)")
_HASH_FOR_PIP = re.compile(r"(?:^|&)(sha512|sha384|sha256|sha224|sha1|md5)=([^&]*)")
_HASH_FOR_POETRY = re.compile(r"(?:sha1|sha224|sha384|sha256|sha512|md5)=([a-f0-9]+)")
_UV_DIGESTS = {"md5": 32, "sha256": 64, "sha384": 96, "sha512": 128, "blake2b": 64}
_EGG = re.compile(r"[#&]egg=([^&]*)")
_EGG_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([^\s;"']*)""", re.IGNORECASE)
# Codecs for text that take linear time; others are for host names and the like.
_CHARSET_NAME = re.compile(
    r"utf-?8|(?:us-)?ascii|latin-?1|iso-?8859-?\d{1,2}|(?:windows-|cp)\d{3,5}|koi8-[rtu]"
    r"|utf-?(?:16|32)(?:-?[lb]e)?|shift_?jis|euc-?(?:jp|kr)|gb(?:2312|k|18030)|big5",
    re.IGNORECASE,
)
_ABSOLUTE = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Tag:
    """`a`, `base` or `meta`, its attributes by their names in lower case.

    `twice`: it has two different `href`, of which each client takes another.
    """

    name: str
    attributes: Mapping[str, str]
    twice: bool = False


@dataclass(slots=True)
class _Bases:
    """Where relative links start from: the first `<base>` with an `href`, for pip and Poetry."""

    href: str | None = None
    number: int = 0
    late: bool = False
    links: list[_Tag] = field(default_factory=list)


def text_of(body: bytes, content_type: str, page: PageInTheMaking) -> str:
    """The text of a page; tells who could not decode it.

    pip goes by the declared charset, else by UTF-8, and takes no other byte; uv reads UTF-8.
    """
    declared = _CHARSET.search(content_type)
    charset = (declared.group(1) if declared else "") or "utf-8"
    if not _CHARSET_NAME.fullmatch(charset):
        page.refuse(f"its charset {printable(charset, 40)!r} is not known", "pip")
        charset = "utf-8"
    try:
        name = codecs.lookup(charset).name
        text = body.decode(name)
    except (LookupError, UnicodeError):
        page.refuse(f"it is not the {charset} that it is said to be", "pip")
        return body.decode("utf-8", "replace")
    if name.startswith(("utf-16", "utf-32")):
        page.refuse(f"it is encoded as {charset}", "uv")
    return text


def read_html(text: str, url: str, page: PageInTheMaking) -> Mapping[str, str]:
    """Read the links of a page, and answer its `<meta>` by their names in lower case."""
    bases, metas = _Bases(), {}
    for tag in _tags(text, page):
        href = tag.attributes.get("href")
        if tag.name == "meta":
            metas[tag.attributes.get("name", "").lower()] = tag.attributes.get("content", "")
        elif tag.name == "a":
            if href:
                bases.links.append(tag)
        else:
            bases.number += 1
            if bases.href is None and href is not None:
                bases.href, bases.late = href, bool(bases.links) or bases.number > 1
    addresses = Addresses(_base(url, bases, page))
    for link in bases.links:
        _read_link(link, addresses, page)
    return metas


def _base(url: str, bases: _Bases, page: PageInTheMaking) -> str:
    if bases.href is None:
        return url
    relative = any(not _ABSOLUTE.match(link.attributes["href"]) for link in bases.links)
    if not _ABSOLUTE.match(bases.href.strip()):
        if not bases.late:
            page.refuse("its <base> is relative", "uv")
        if relative and bases.href:
            page.refuse("its <base> is relative", "pip", "poetry", "html")
    if relative and bases.late:
        page.refuse("its <base> is not before all links, and the only one", "uv")
    return Addresses(url).absolute(bases.href.partition("#")[0]) or url


def _read_link(link: _Tag, addresses: Addresses, page: PageInTheMaking) -> None:
    attributes, href = link.attributes, link.attributes["href"]
    place, _, fragment = href.partition("#")
    usual = fragment[:7] == "sha256=" and is_lower_sha256(fragment[7:])
    if "[" in href and not can_be_split(href):
        page.refuse("a link is no URL", "pip")
    if fragment and not usual:
        _check_fragment(href, fragment, page)
    if not _DISTRIBUTION.search(place.strip()):
        return
    filename = _name_of(place)
    absolute = addresses.usual(place) or addresses.absolute(place)
    if absolute is None or link.twice:
        page.unusable(filename, "two addresses in one link" if link.twice else why_unusable(href))
        return
    if "%" in place:
        filename = _name_of(absolute)
        _check_name(absolute, page)
    if not is_filename(filename):
        return
    told, contradicts = {"sha256": fragment[7:]}, False
    if not usual:
        told, contradicts = fragment_digests(fragment)
    sha256, others = digests(told)
    metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata"))
    metadata_told, _ = fragment_digests(metadata or "")
    metadata_sha256, metadata_others = digests(metadata_told)
    file = IndexFile(
        filename,
        absolute,
        sha256,
        requires_python=attributes.get("data-requires-python"),
        yanked=attributes.get("data-yanked"),
        has_metadata=metadata is not None,
        metadata_sha256=metadata_sha256,
        digests=others,
        metadata_digests=metadata_others,
        refused=(
            *(() if usual else _refused(fragment)),
            *refusal_by_uv(attributes.get("data-requires-python")),
        ),
    )
    page.add(file, contradicts_itself=contradicts)


def _name_of(place: str) -> str:
    """The file name at the end of a URL."""
    parts = place.strip()
    if "?" in parts and can_be_split(parts):
        parts = urlsplit(parts).path
    return unquote(parts.rsplit("/", 1)[-1])


def _check_name(absolute: str, page: PageInTheMaking) -> None:
    try:
        unquote_to_bytes(urlsplit(absolute).path.rsplit("/", 1)[-1]).decode()
    except UnicodeDecodeError:
        page.refuse("a file's name is not in UTF-8", "uv")


def _check_fragment(href: str, fragment: str, page: PageInTheMaking) -> None:
    """Tell whom a fragment keeps from the whole page."""
    if is_bad_egg(href):
        page.refuse("egg= in a link is no name", "pip")
    if fragment.count("=") == 1:
        algorithm, _, value = fragment.partition("=")
        length = _UV_DIGESTS.get(algorithm)
        if digest(algorithm, value) is None or len(value) != length:
            page.refuse(f"the end of a link, #{printable(fragment, 80)}, is no hash", "uv")


def is_bad_egg(address: str) -> bool:
    """Whether pip stumbles over the `egg=` of a URL."""
    found = _EGG.search(address)
    return found is not None and _EGG_NAME.fullmatch(found.group(1)) is None


def fragment_digests(fragment: str) -> tuple[dict[str, str], bool]:
    """The hashes of a URL's fragment by algorithm, and whether they contradict each other."""
    told: dict[str, str] = {}
    contradicts = False
    for algorithm, value in _FRAGMENT_HASH.findall(fragment):
        known = told.setdefault(algorithm, value)
        contradicts |= known.lower() != value.lower()
    return told, contradicts


def _refused(fragment: str) -> tuple[tuple[str, str], ...]:
    """Who would not take a file with this fragment, and why."""
    refused = []
    if "egg=" in fragment:
        refused.append(("pip", "its link ends in egg="))
    first = _HASH_FOR_PIP.search(fragment)
    if first is not None:
        algorithm, value = first.groups()
        if digest(algorithm, value) is None:
            refused.append(("pip", "the hash in its link is none"))
        read = _HASH_FOR_POETRY.search(fragment)
        if read is not None and digest(algorithm, value) != read.group(1):
            refused.append(("poetry", "the hash in its link is not in lower case"))
    return tuple(refused)


def _tags(text: str, page: PageInTheMaking) -> Iterator[_Tag]:
    """The tags `a`, `base` and `meta` of a page that are in no comment and in no plain text."""
    at = 0
    while (start := _START.search(text, at)) is not None:
        at = start.end()
        if start.group(1) is None:
            at = _after_other_markup(text, start, page)
        else:
            name = start.group(1).lower()
            attributes, twice, at = _attributes(text, at)
            if at < 0:
                return
            if name in {"a", "base", "meta"}:
                yield _Tag(name, attributes, twice)
            elif name in _TEXTS:
                end = _TEXTS[name].search(text, at)
                at = end.end() if end else -1
        if at < 0:
            return


def _after_other_markup(text: str, start: re.Match[str], page: PageInTheMaking) -> int:
    """The end of a comment, a declaration or an end tag; -1 where it has none."""
    kind, at = start.group(), start.end()
    if kind == "<!--":
        # The two dashes may be those that it begins with.
        end = _COMMENT_END.search(text, at - 2)
        if end is None:
            return -1
        if end.start() < at or end.group(1):
            page.refuse("older Pythons see no end of a comment in it", "pip", "poetry")
        return end.end()
    closing = "]]>" if kind == "<![" and text.startswith("CDATA[", at) else ">"
    place = text.find(closing, at)
    return place + len(closing) if place >= 0 else -1


def _attributes(text: str, at: int) -> tuple[dict[str, str], bool, int]:
    """A tag's attributes, whether `href` is there twice, and the end of the tag, -1 for none."""
    found: dict[str, str] = {}
    twice = False
    while (match := _ATTRIBUTE.match(text, at)) is not None:
        at = match.end()
        closed, name, *values = match.groups()
        if closed:
            return found, twice, at
        value = next((value for value in values if value is not None), "")
        value = html.unescape(value) if "&" in value else value
        # The first of a name counts, as in any browser.
        known = found.setdefault(name.lower(), value)
        twice = twice or (known != value and name.lower() == "href")
    return found, twice, -1
