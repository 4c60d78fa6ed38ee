"""Distributions: their file names, their metadata, and the order of their upload."""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import field
from functools import cached_property
from typing import Literal

from packaging.metadata import RawMetadata, parse_email
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.utils import NormalizedName, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from poetry_publish_verified.core.contents import Contents
from poetry_publish_verified.values import Value

# What names, versions and tags are made of (PEP 427, 440, 508, 625).
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*", re.ASCII)

Kind = Literal["wheel", "sdist"]

# The numbers of a version, after an epoch: int takes no more digits than 4300 at once.
_RELEASE = re.compile(r"\s*v?(?:\d+!)?(\d{1,300}(?:\.\d{1,300})*)", re.IGNORECASE)


def valid_version(text: str) -> Version | None:
    """None for anything but a version (PEP 440), and for absurdly long numbers."""
    try:
        return Version(text)
    except ValueError:
        return None


def valid_requirement(text: str) -> Requirement | None:
    """None for anything but a requirement (PEP 508), and for absurdly long numbers."""
    try:
        requirement = Requirement(text)
        hash(requirement)  # only now are such numbers found out
        return requirement
    except ValueError:
        return None


def comparable_specifiers(text: str | None) -> object:
    """The set of specifiers; if they are invalid, what equals the same words alone."""
    try:
        specifiers = SpecifierSet(text or "")
        hash(specifiers)  # the same
        return specifiers
    except ValueError:
        return ((text or "").strip(),)


class ParsedFilename(Value):
    """What a distribution's file name says; `tags` and `pyversion` are a wheel's."""

    kind: Kind
    name: NormalizedName
    version: Version
    pyversion: str = "source"
    tags: frozenset[Tag] = frozenset()


def parse_filename(filename: str) -> ParsedFilename:
    """Raises ValueError if it is neither a wheel's (PEP 427) nor an sdist's (PEP 625) name.

    Sdists from before PEP 625 (`my-pkg-1.0.zip`) are understood.
    """
    if not _FILENAME.fullmatch(filename):
        raise ValueError("it has characters that no distribution's name has")
    if filename.endswith(".whl"):
        name, version, _, tags = parse_wheel_filename(filename)
        pyversion = filename.removesuffix(".whl").split("-")[-3]
        return ParsedFilename("wheel", name, version, pyversion, tags)
    name, version = parse_sdist_filename(filename)
    return ParsedFilename("sdist", name, version)


def recognize(filename: str) -> ParsedFilename | None:
    """What a file name says; None if it is neither a wheel's nor an sdist's."""
    with suppress(ValueError):
        return parse_filename(filename)
    return None


def belongs_to(filename: str, name: NormalizedName, version: Version) -> bool:
    """Whether a file belongs to this release, by its name."""
    parsed = recognize(filename) if _may_belong_to(filename, version) else None
    return parsed is not None and (parsed.name, parsed.version) == (name, version)


def versions_among(filenames: Iterable[str], name: NormalizedName) -> frozenset[Version]:
    """The versions of a project that have files."""
    parsed = map(recognize, filenames)
    return frozenset(each.version for each in parsed if each is not None and each.name == name)


def _may_belong_to(filename: str, version: Version) -> bool:
    """Whether the release number is the same: a page may list many thousand files."""
    parts = filename.split("-")
    text = parts[1] if filename.endswith(".whl") and len(parts) > 1 else parts[-1]
    found = _RELEASE.match(text)
    if found is None:
        return False
    release = [int(part) for part in found.group(1).split(".")]
    return _without_zeros(release) == _without_zeros(list(version.release))


def _without_zeros(release: list[int]) -> list[int]:
    while release and release[-1] == 0:
        release.pop()
    return release


class Distribution(Value):
    """One built file. `metadata` holds the bytes of its METADATA or PKG-INFO; `size` in bytes.

    `sha256` is lower-case hexadecimal. `contents` is None if nobody looked.
    """

    filename: str
    size: int
    sha256: str
    metadata: bytes = field(repr=False)
    contents: Contents | None = field(default=None, repr=False, compare=False)

    @cached_property
    def parsed(self) -> ParsedFilename:
        """What the file name says."""
        return parse_filename(self.filename)

    @cached_property
    def raw_metadata(self) -> RawMetadata:
        """The archive's own metadata, unchecked (core metadata, PEP 566 and later).

        License-File is left out below version 2.4, which has it: setuptools wrote it for years
        before, and indexes refuse it there (twine leaves it out, too).
        """
        raw = parse_email(self.metadata)[0]
        version = valid_version(raw.get("metadata_version", ""))
        if version is not None and version < Version("2.4"):
            raw.pop("license_files", None)
        return raw


def in_upload_order(distributions: Iterable[Distribution]) -> tuple[Distribution, ...]:
    """Wheels before the sdist, so that nobody builds from source in between; smallest first."""
    return tuple(
        sorted(distributions, key=lambda d: (d.parsed.kind == "sdist", d.size, d.filename))
    )


def upload_batches(
    missing: Iterable[Distribution], *, release_exists: bool
) -> tuple[tuple[Distribution, ...], ...]:
    """What may be uploaded at the same time, batch after batch.

    The first file of a release goes alone, the smallest wheel if there is one: it creates project
    and release, which PyPI answers with 500 where several try. Then the wheels, the largest
    first, as it takes longest; the sdist last.
    """
    files = in_upload_order(missing)
    first = () if release_exists else files[:1]
    rest = files[len(first) :]
    wheels = tuple(each for each in reversed(rest) if each.parsed.kind == "wheel")
    sdists = tuple(each for each in rest if each.parsed.kind == "sdist")
    return tuple(batch for batch in (first, wheels, sdists) if batch)
