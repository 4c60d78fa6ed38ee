"""A project's page as values: what it lists, and which client could not use what."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin
from urllib.parse import urlsplit
from urllib.parse import urlunsplit

from packaging.specifiers import InvalidSpecifier
from packaging.specifiers import SpecifierSet

from poetry_publish_verified.sanitize import printable

# Several times what the largest projects have.
MAX_FILES = 200_000
# Those that pip, uv and Poetry know between them, by the hexadecimal digits of each.
LENGTHS = {
    "md5": 32,
    "sha1": 40,
    "sha224": 56,
    "sha256": 64,
    "sha384": 96,
    "sha512": 128,
    "sha3_224": 56,
    "sha3_256": 64,
    "sha3_384": 96,
    "sha3_512": 128,
    "blake2b": 128,
    "blake2s": 64,
}
# What uv means by blake2b.
SHORT_BLAKE = "blake2b-256"

Digests = tuple[tuple[str, str], ...]

_MAX_SPECIFIER = 1000
_STARRED = re.compile(r"((?:>=|<=|>|<)\s*)(\d+(?:\.\d+)*)\.\*")
_NO_COMMA = re.compile(r"([\d*])\s+(?=[<>=!~])")
# How far up the relative links of one page lead: one or two, mostly.
_MAX_ROOTS = 20

_HEX = re.compile(r"[0-9a-fA-F]+")
_USUAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,299}")
_NO_NAME = re.compile(r"[/\\]|^\.*$")
_PATH = r"[A-Za-z0-9/._~!$&'()*+,;=@%-]*"
_ABSOLUTE = re.compile(rf"https?://[a-z0-9.-]+(?::[0-9]{{1,4}})?/{_PATH}")
_RELATIVE = re.compile(rf"(/|(?:\.\./)*)([A-Za-z0-9]{_PATH})")
_LOWER_SHA256 = re.compile(r"[0-9a-f]{64}")


class UnsafePageError(ValueError):
    """A page that is no simple API page, or one that tries something."""


@dataclass(frozen=True, slots=True)
class IndexFile:
    """One file of a page. `url` is absolute; None is what the page does not give.

    `yanked` (PEP 592) is the reason, an empty text where none is given, None where the file is
    not yanked; `metadata_sha256` is that of the `.metadata` file beside it (PEP 658, 714), if
    there is one (`has_metadata`) and its hash is told. `digests` and `metadata_digests` are the
    other hashes that are told, by algorithm. `refused` says by client why it would not take this
    file as it is listed.
    """

    filename: str
    url: str
    sha256: str | None = None
    size: int | None = None
    requires_python: str | None = None
    yanked: str | None = None
    has_metadata: bool = False
    metadata_sha256: str | None = None
    digests: Digests = ()
    metadata_digests: Digests = ()
    refused: tuple[tuple[str, str], ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """A project's page: its files by name; `ambiguous` are listed in ways that contradict.

    `status` is the project's (PEP 792), `active` where the page says nothing. `copies` are
    further entries of a file, all to be as good as the first. `unreadable` says by client why it
    cannot read the page at all, `unusable` by file name why no client can use its link, and
    `refused`, of a page that was asked for as a client does, why that one would not take a file.
    """

    files: Mapping[str, IndexFile]
    ambiguous: frozenset[str] = frozenset()
    status: str = "active"
    status_reason: str = ""
    copies: Mapping[str, tuple[IndexFile, ...]] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def entries(self, filename: str) -> tuple[IndexFile, ...]:
        """Every entry of a file, none where it is not listed."""
        first = self.files.get(filename)
        return () if first is None else (first, *self.copies.get(filename, ()))

    def as_seen_by(self, client: str) -> ProjectPage:
        """The same page with what the client would not take of it."""
        copies = (file for files in self.copies.values() for file in files)
        refused = {
            file.filename: f"{client} does not take: {why}"
            for file in (*self.files.values(), *copies)
            for who, why in file.refused
            if who == client
        }
        return replace(self, refused=refused) if refused else self


class PageInTheMaking:
    """What is gathered while a page is read."""

    def __init__(self) -> None:
        self.unreadable: dict[str, str] = {}
        self._files: dict[str, IndexFile] = {}
        self._copies: dict[str, list[IndexFile]] = {}
        self._ambiguous: set[str] = set()
        self._unusable: dict[str, str] = {}
        self._count = 0

    def refuse(self, reason: str, *clients: str) -> None:
        """Note why clients cannot read the page; the first reason counts."""
        for client in clients:
            self.unreadable.setdefault(client, printable(reason, 200))

    def unusable(self, filename: str, reason: str) -> None:
        """Note a file whose link leads nowhere."""
        self._counted()
        if is_filename(filename):
            self._unusable.setdefault(filename, reason)

    def add(self, file: IndexFile, *, contradicts_itself: bool = False) -> None:
        """Take one entry in; raises UnsafePageError where there are too many."""
        self._counted()
        name = file.filename
        known = self._files.setdefault(name, file)
        if contradicts_itself:
            self._ambiguous.add(name)
        if known is file:
            return
        if _contradict(known, file):
            self._ambiguous.add(name)
        if known.sha256 is None and file.sha256 is not None:
            self._files[name], file = file, known
        if file not in (self._files[name], *self._copies.get(name, ())[-1:]):
            self._copies.setdefault(name, []).append(file)

    def page(self, status: object = None, status_reason: object = None) -> ProjectPage:
        """The page, all of it."""
        return ProjectPage(
            self._files,
            frozenset(self._ambiguous),
            status.strip().lower() if isinstance(status, str) else "active",
            status_reason if isinstance(status_reason, str) else "",
            {name: tuple(files) for name, files in self._copies.items()},
            self.unreadable,
            self._unusable,
        )

    def _counted(self) -> None:
        self._count += 1
        if self._count > MAX_FILES:
            raise UnsafePageError(f"the page lists more than {MAX_FILES} files")


def _contradict(one: IndexFile, other: IndexFile) -> bool:
    """Whether two entries of one file cannot both be meant, or may not be."""
    if (one.sha256 is None) != (other.sha256 is None):
        return one.url != other.url
    known = dict(one.digests)
    return one.sha256 != other.sha256 or any(
        known.get(name, value) != value for name, value in other.digests
    )


def digest(algorithm: str, value: Any) -> str | None:
    """A digest in lower case, None for what is none of that algorithm."""
    length = LENGTHS.get(algorithm)
    if not isinstance(value, str) or length is None or not _HEX.fullmatch(value):
        return None
    short = algorithm == "blake2b" and len(value) == 64
    return value.lower() if short or len(value) == length else None


def digests(hashes: Mapping[Any, Any]) -> tuple[str | None, Digests]:
    """The sha256 among hashes by algorithm, and the others, as far as they are any."""
    sha256 = digest("sha256", hashes.get("sha256"))
    if len(hashes) <= 1 and sha256 is not None:
        return sha256, ()
    others = []
    for algorithm, value in hashes.items():
        found = digest(algorithm, value) if algorithm != "sha256" else None
        if found is not None:
            short = algorithm == "blake2b" and len(found) == 64
            others.append((SHORT_BLAKE if short else algorithm, found))
    return sha256, tuple(others)


def hasher(algorithm: str) -> Any:
    """What computes a digest of `IndexFile.digests`."""
    if algorithm == SHORT_BLAKE:
        return hashlib.blake2b(digest_size=32)
    return hashlib.new(algorithm, usedforsecurity=False)


def is_lower_sha256(value: object) -> bool:
    """Whether a value is a sha256 as most write it."""
    return type(value) is str and _LOWER_SHA256.fullmatch(value) is not None


@functools.lru_cache(4096)
def uv_takes(requires_python: str) -> bool:
    """Whether uv understands a `requires-python`; it leaves files out where it does not.

    It forgives `>=3.8.*`, which many old releases have, and a comma that is missing.
    """
    mended = _STARRED.sub(r"\1\2", requires_python[:_MAX_SPECIFIER])
    mended = _NO_COMMA.sub(r"\1,", mended)
    try:
        SpecifierSet(mended)
    except InvalidSpecifier:
        return False
    return len(requires_python) <= _MAX_SPECIFIER


def refusal_by_uv(requires_python: object) -> tuple[tuple[str, str], ...]:
    """uv's refusal of a file for its `requires-python`, if it would refuse it."""
    if not isinstance(requires_python, str) or uv_takes(requires_python):
        return ()
    return (("uv", "its requires-python is none"),)


def is_usual_name(name: str) -> bool:
    """Whether a file name is one for sure."""
    return _USUAL_NAME.fullmatch(name) is not None


def is_filename(name: str) -> bool:
    """Whether a name is one: no path, and nothing hidden that would make it look like another."""
    return is_usual_name(name) or (name == printable(name, 300) and _NO_NAME.search(name) is None)


class Addresses:
    """Turns the addresses of one page into absolute ones."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._roots: dict[str, str | None] = {}

    def usual(self, address: str) -> str | None:
        """The same as `absolute` in far less time, for most; None where it is of another kind."""
        if _ABSOLUTE.fullmatch(address):
            return address
        found = _RELATIVE.fullmatch(address)
        if found is None or "/." in found.group(2):
            return None
        up, rest = found.groups()
        if up not in self._roots and len(self._roots) < _MAX_ROOTS:
            self._roots[up] = self.absolute(up or ".")
        root = self._roots.get(up)
        return None if root is None else root + rest

    def absolute(self, address: str) -> str | None:
        """The http(s) URL of an address without fragment, None where it is no such."""
        try:
            parts = urlsplit(urljoin(self._base, address.strip()))
            _ = parts.port
        except ValueError:
            return None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            return None
        return urlunsplit(parts._replace(fragment=""))


def why_unusable(address: str) -> str:
    """Why an address leads to no file on the web."""
    parts = _split(address)
    scheme = parts.scheme if parts is not None else ""
    return f"{scheme}:" if scheme and scheme not in {"http", "https"} else "no address on the web"


def can_be_split(address: str) -> bool:
    """Whether Python takes a URL apart; pip stumbles over any that it does not."""
    return _split(address) is not None


def _split(address: str) -> Any:
    try:
        return urlsplit(address)
    except ValueError:
        return None
