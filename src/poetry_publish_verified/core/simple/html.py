"""A page in HTML (PEP 503, 592, 629, 658, 714, 740, 792): its links, as every parser sees them.

A page may lack the doctype, `html`, `head` and `body`, leave tags unclosed, quote attributes with
either quote or not at all, write names in any case, and contain other elements and links. The text
of a link is ignored, because directory listings truncate it.

A page is unreadable if it contains what parsers repair differently: a `<` that starts no tag, a tag
without an end, attributes without white space in between, two values for one attribute of a link, a
comment that ends with anything but `-->`, CDATA, markup in a title, elements whose links may be
text (such as `textarea`), a character reference without the semicolon where that matters, a
`<base>` that is relative, not the only one, or after a link, and more than 200 open elements.

This is a tokenizer because the standard library's parser needs quadratic time for broken markup,
and each version of Python repairs it differently.
"""

import html
import re
from collections.abc import Iterator, Mapping

from poetry_publish_verified.core.simple.page import (
    Hashes,
    IndexFile,
    Listing,
    ProjectPage,
    UnreadablePageError,
    absolute,
    check_version,
    last_segment,
    read_hash,
)

_S = r"[ \t\n\r\f]"
_NAME = "[a-z][a-z0-9:-]*"
_ATTRIBUTE = (
    rf"""{_S}+([^\s"'<>/=]+)(?:{_S}*={_S}*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`][^\s"'<>`]*)))?"""
)
_ATTRIBUTES = re.compile(_ATTRIBUTE)
_MARKUP = re.compile(
    r"<(?:!--(?!-?>)[^-]*+(?:-(?!-[!\s]*>)[^-]*+)*+--"  # a comment, which ends only in one way
    rf"|(?P<doctype>!doctype)(?:{_S}[^<>\[]*)?|\?[^<>]*|/(?P<end>{_NAME}){_S}*"
    rf"|(?P<name>{_NAME})(?P<attributes>(?:{_ATTRIBUTE})*+){_S}*/?)>",
    re.IGNORECASE,
)
# Elements whose content is text up to their end; and those in which only some parsers see links.
_TEXTS = {
    name: re.compile(rf"(?<!/>){text}</{name}{_S}*>", re.IGNORECASE)
    for name, text in {
        "title": "[^<]*+",
        "style": "[^<]*+(?:<(?!/)[^<]*+)*+",
        "script": "[^<]*+(?:<(?!!--|/script)[^<]*+)*+",
        **dict.fromkeys(("textarea", "xmp", "iframe", "noembed", "noframes"), "(?!)"),
        **dict.fromkeys(("plaintext", "template"), "(?!)"),
    }.items()
}
_REFERENCE = re.compile(r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]*);")
# Never closed; and links, as one ends where the next begins.
_EMPTY = {"a", "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "wbr"}
# Parsers with a limit of their own have a higher one, and refuse a page that exceeds it.
_MAX_DEPTH = 200
# What login pages and the like contain, and what every complete page contains.
_APPLICATION = {"form", "input", "script"}
_DOCUMENT = {"html", "head", "body", "title", "h1", "!doctype"}
# What a link to a file ends in, now or once.
_FILES = (".whl", ".gz", ".zip", ".bz2", ".xz", ".tgz", ".tar", ".egg", ".exe", ".rpm", ".msi")

_Attributes = Mapping[str, str]


def read_html(text: str, url: str) -> ProjectPage:
    """The files that a page links to; raises UnreadablePageError."""
    listing = Listing(url)
    metas: dict[str, str] = {}
    seen: set[str] = set()
    for name, attributes in _tags(text):
        if name == "a" and "href" in attributes:
            _read_link(attributes, listing)
        elif name == "meta":
            metas[attributes.get("name", "").lower()] = attributes.get("content", "")
        elif name == "base" and "href" in attributes:
            base = absolute("", attributes["href"])
            if base is None or "a" in seen or "base" in seen:
                raise UnreadablePageError(
                    "its <base> is not a single absolute URL before the first link"
                )
            listing = Listing(base)
        seen.add(name)
    # A login form or an empty answer lists no files either, but proves nothing.
    if not listing.count and seen & _APPLICATION:
        raise UnreadablePageError("the page is a form or a web application and lists no files")
    if not listing.count and not seen & _DOCUMENT:
        raise UnreadablePageError("the page is empty, or not a complete HTML page")
    check_version(metas.get("pypi:repository-version", "1.0"))
    return listing.page(metas.get("pypi:project-status"), metas.get("pypi:project-status-reason"))


def _read_link(attributes: _Attributes, listing: Listing) -> None:
    place, _, fragment = attributes["href"].partition("#")
    hashes = read_hash(fragment) if fragment else Hashes()
    filename = last_segment(place)
    if not filename.lower().endswith(_FILES):
        return
    metadata = attributes.get("data-core-metadata", attributes.get("data-dist-info-metadata"))
    listing.add(
        IndexFile(
            filename,
            place,
            hashes.sha256,
            requires_python=attributes.get("data-requires-python"),
            yanked=attributes.get("data-yanked"),
            metadata=None if metadata is None else _read_metadata(metadata),
            digests=hashes.others,
            flaw=hashes.flaw,
            provenance=attributes.get("data-provenance"),
        )
    )


def _read_metadata(value: str) -> Hashes:
    try:
        return Hashes() if value == "true" else read_hash(value)
    except UnreadablePageError as error:
        return Hashes(flaw=f"in its metadata, {error}")


def _tags(text: str) -> Iterator[tuple[str, _Attributes]]:
    """The name of every tag and, where they matter, its attributes; names in lower case."""
    at = 0
    opened: list[str] = []
    while (at := text.find("<", at)) >= 0:
        found = _MARKUP.match(text, at)
        if found is None:
            where = f"its markup is malformed at {text[at : at + 40]!r}"
            cut = text.find(">", at) < 0
            raise UnreadablePageError("the page ends in the middle of a tag" if cut else where)
        at = found.end()
        name, end = ((found[group] or "").lower() for group in ("name", "end"))
        yield (
            name or (found["doctype"] or "").lower(),
            _attributes(found["attributes"]) if name in {"a", "base", "meta"} else {},
        )
        if name in _TEXTS:
            found = _TEXTS[name].match(text, at)
            if found is None:
                raise UnreadablePageError(f"it is ambiguous what a <{name}> on the page contains")
            at = found.end()
        elif name and name not in _EMPTY:
            opened.append(name)
            if len(opened) > _MAX_DEPTH:
                raise UnreadablePageError(f"more than {_MAX_DEPTH} elements are open at once")
        elif end in opened:
            while opened.pop() != end:
                pass


def _attributes(text: str) -> _Attributes:
    found: dict[str, str] = {}
    for name, *values in _ATTRIBUTES.findall(text):
        value = _unescaped("".join(values))
        if found.setdefault(name.lower(), value) != value:
            raise UnreadablePageError(f"a tag has two values for {name}")
    return found


def _unescaped(value: str) -> str:
    """A value without character references. Parsers differ on those that lack their semicolon."""
    plain = _REFERENCE.sub(lambda match: html.unescape(match.group()), value)
    if plain != html.unescape(value):
        raise UnreadablePageError(f"{value[:100]!r} has a character reference without a semicolon")
    return plain
