"""A project's page as values, and what the standards require of every entry, HTML or JSON."""

import functools
import re
from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from packaging.specifiers import SpecifierSet

from poetry_publish_verified.core.distribution import comparable_specifiers
from poetry_publish_verified.sanitize import printable
from poetry_publish_verified.values import Value

# Several times what the largest projects have.
MAX_FILES = 200_000
_MAX_SPECIFIER = 1000
# The hash algorithms that all installers know, with their hexadecimal digits. hashlib has more, but
# clients disagree on their names and lengths.
DIGITS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
_HEX = "[0-9a-fA-F]"
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,299}")
# RFC 3986, absolute or relative, http and https only, without user information and fragment.
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?"
_ADDRESS = re.compile(
    rf"(?:(?i:https?:)?//{_HOST}(?=[/?]|$)|(?!//)(?![^/?]*:))"
    r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]++|%[0-9A-Fa-f]{2})*+"
)
_VERSION = re.compile(r"1\.[0-9]{1,9}")
_WEB = re.compile(r"https?://", re.IGNORECASE)

Digests = tuple[tuple[str, str], ...]


class UnreadablePageError(ValueError):
    """The page violates the standards; the message is printable."""

    def __init__(self, reason: str) -> None:
        super().__init__(printable(reason, 300))


class Hashes(Value):
    """The hashes of one file; `flaw` says how they violate the standards."""

    sha256: str | None = None
    others: Digests = ()
    flaw: str = ""


class IndexFile(Value):
    """One file of a page. `url` is absolute; what the page does not say is None.

    `yanked` (PEP 592) is the reason, empty if none is given, None if the file is not yanked;
    `metadata` are the hashes of the `.metadata` file beside it (PEP 658, 714), if there is one.
    `digests` are its own other hashes, by algorithm; `provenance` is the URL of its provenance
    (PEP 740), absolute, or empty if the page gives an invalid one. `flaw` says why the standards do
    not allow this entry, and is empty if the file is properly listed; only then can `url` be relied
    on. `ambiguous`: another entry has other hashes for it. `uploaded`: the moment (PEP 700).
    """

    filename: str
    url: str
    sha256: str | None = None
    size: int | None = None
    requires_python: str | None = None
    yanked: str | None = None
    metadata: Hashes | None = None
    digests: Digests = ()
    flaw: str = ""
    ambiguous: bool = False
    provenance: str | None = None
    uploaded: datetime | None = field(default=None, compare=False)


class ProjectPage(Value):
    """A project's page: its files by name, and its status (PEP 792), `active` if none is given."""

    files: Mapping[str, IndexFile]
    status: str = "active"
    status_reason: str = ""


class Listing:
    """The files of a page while it is read; `count` is the number of entries so far."""

    def __init__(self, base: str) -> None:
        """`base` is what relative URLs are relative to."""
        self._base = base
        self._files: dict[str, IndexFile] = {}
        self.count = 0

    def add(self, file: IndexFile) -> None:
        """Take an entry in, whose `url` is as the page gives it.

        Raises UnreadablePageError if there are too many.
        """
        self.count += 1
        if self.count > MAX_FILES:
            raise UnreadablePageError(f"the page lists more than {MAX_FILES} files")
        segment = last_segment(file.url)
        if not _FILENAME.fullmatch(file.filename):
            return
        url, python = absolute(self._base, file.url), file.requires_python
        flaw = file.flaw or (file.metadata.flaw if file.metadata else "")
        if not flaw and url is None:
            flaw = "its URL is not a valid http or https URL, or contains credentials"
        if not flaw and segment != file.filename:
            flaw = "its URL does not end in the file's name"
        if not flaw and python is not None and not _is_specifier(python):
            flaw = f"its requires-python {printable(python, 100)!r} is not valid"
        provenance = file.provenance and (absolute(self._base, file.provenance) or "")
        file = replace(file, url=url or "", flaw=flaw, provenance=provenance)
        known = self._files.setdefault(file.filename, file)
        if known != file:
            # PEP 503: one anchor for each file.
            self._files[file.filename] = replace(
                known,
                flaw="it is listed twice with different details",
                ambiguous=known.ambiguous or _contradict(known, file),
            )

    def page(self, status: str | None = None, reason: str | None = None) -> ProjectPage:
        """The page with all entries, and the project's status."""
        status = (status or "active").strip().lower()
        return ProjectPage(self._files, status, reason or "")


def check_version(version: str) -> None:
    """Raises UnreadablePageError for another major version than 1 (PEP 629)."""
    if not _VERSION.fullmatch(version):
        raise UnreadablePageError(f"the page has simple API version {version[:20]!r}")


def _contradict(one: IndexFile, other: IndexFile) -> bool:
    known, seen = (dict([*file.digests, ("sha256", file.sha256)]) for file in (one, other))
    return any(known[n] and seen[n] and known[n] != seen[n] for n in known.keys() & seen)


def read_hashes(given: Mapping[str, Any]) -> Hashes:
    """Hashes by algorithm: lower-case hexadecimal (PEP 503, 691).

    Raises UnreadablePageError if a value is not a hash at all.
    """
    found: dict[str, str] = {}
    flaw = ""
    for algorithm, value in given.items():
        digits = DIGITS.get(algorithm)
        if type(value) is not str or (digits and not re.fullmatch(f"{_HEX}{{{digits}}}", value)):
            raise UnreadablePageError(f"{str(value)[:200]!r} on the page is no {algorithm} hash")
        if digits is None:
            flaw = f"{printable(algorithm, 40)!r} is not a hash algorithm that all installers know"
            continue
        found[algorithm] = value.lower()
        if found[algorithm] != value:
            flaw = f"its {algorithm} hash is not in lower case"
    sha256 = found.pop("sha256", None)
    return Hashes(sha256, tuple(found.items()), flaw)


def read_hash(text: str) -> Hashes:
    """One hash as in fragments and attributes: `sha256=…`.

    Raises UnreadablePageError if a name and a value are not a hash.
    """
    name, equals, value = text.partition("=")
    if not equals:
        return Hashes(flaw=f"{printable(text, 100)!r} is not a hash")
    if name not in DIGITS:
        raise UnreadablePageError(f"{text[:100]!r} on the page is not a hash")
    return read_hashes({name: value})


def last_segment(address: str) -> str:
    """The name at the end of a URL's path.

    Raises UnreadablePageError if the URL is malformed, or the name is not UTF-8.
    """
    try:
        return unquote(urlsplit(address).path.rpartition("/")[2], errors="strict")
    except ValueError:
        raise UnreadablePageError(f"{address[:200]!r} is not a URL in UTF-8") from None


@functools.lru_cache(4096)
def _is_specifier(requires_python: str) -> bool:
    """Whether it is valid (PEP 440). An empty one allows every Python."""
    return (
        len(requires_python) <= _MAX_SPECIFIER
        and requires_python.isascii()
        and isinstance(comparable_specifiers(requires_python), SpecifierSet)
    )


def absolute(base: str, address: str) -> str | None:
    """The http(s) URL of an address that has no fragment; None if it is not a valid one."""
    if not _ADDRESS.fullmatch(address):
        return None
    try:
        url = address if _WEB.match(address) else urljoin(base, address)
        _ = urlsplit(url).port
    except ValueError:
        return None
    return url if _WEB.match(url) else None
