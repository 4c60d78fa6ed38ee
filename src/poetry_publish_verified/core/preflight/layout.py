"""Faults of an archive's layout: names, directories, where its files would go, license files."""

import contextlib
import posixpath
import re
from collections.abc import Collection, Iterator

from packaging.tags import Tag, parse_tag

from poetry_publish_verified.core.contents import ArchiveMember, Contents
from poetry_publish_verified.core.distribution import Distribution, belongs_to, valid_version
from poetry_publish_verified.core.preflight import pypi_rules
from poetry_publish_verified.core.preflight.values import Identity
from poetry_publish_verified.core.problems import distributions as problems
from poetry_publish_verified.errors import Problem, Severity

# PyPI's own rule for zip bombs: more than 50 times as much, and more than 64 MiB.
_MOST_FOLD = 50
_LEAST_UNPACKED = 64 * 1024 * 1024
# It has to fit into a file's name; a longer one may be spread out to millions.
_LONGEST_TAG = 256


def of_one(release: Identity, distribution: Distribution, *, public: bool) -> Iterator[Problem]:
    """Every fault of one file's form."""
    yield from _filename(distribution, public=public)
    contents = distribution.contents
    if contents is None:
        return
    if out := [member.name for member in contents.members if _leads_out(member)]:
        yield problems.leads_out(distribution.filename, out)
    yield from _poetrys(distribution, contents)
    yield from _directories(release, distribution, contents)
    yield from _licenses(distribution, contents)
    if distribution.parsed.kind == "wheel":
        if contents.wheel is not None:
            yield from _tags(distribution, contents.wheel)
        fold = contents.unpacked / max(distribution.size, 1)
        if public and contents.unpacked > _LEAST_UNPACKED and fold > _MOST_FOLD:
            yield problems.unpacks_to_too_much(distribution.filename, fold, _MOST_FOLD)


def of_records(distribution: Distribution, records: Collection[str]) -> Iterator[Problem]:
    """Files that runs write: packed, they would make each build another one.

    A wheel has packages without the directory that they come from.
    """
    members = distribution.contents.members if distribution.contents is not None else ()
    names = [without_dot(member.name) for member in members]
    if distribution.parsed.kind == "sdist":
        packed = [name for name in names if name.partition("/")[2] in records]
    else:
        packed = [
            name for name in names if any(f"/{each}".endswith(f"/{name}") for each in records)
        ]
    if packed:
        yield problems.record_packed(distribution.filename, packed)


def without_dot(name: str) -> str:
    """A member's name without `./` before it, which means nothing."""
    return name.removeprefix("./")


def _filename(distribution: Distribution, *, public: bool) -> Iterator[Problem]:
    """PEP 625 and the wheel specification: name and version in their normalized forms."""
    filename, parsed = distribution.filename, distribution.parsed
    name, version = parsed.name.replace("-", "_"), str(parsed.version)
    if parsed.kind == "wheel":
        normalized = "-".join((name, version, *filename.split("-")[2:]))
    else:
        normalized = f"{name}-{version}.tar.gz"
    if filename != normalized:
        severity: Severity = "error" if public else "warning"
        yield problems.filename_not_normalized(filename, normalized, severity)
    if public:
        yield from pypi_rules.of_filename(distribution)


def _poetrys(distribution: Distribution, contents: Contents) -> Iterator[Problem]:
    """Plugins and locks, which Poetry keeps in the project, but for its .gitignore."""
    depth = 1 if distribution.parsed.kind == "sdist" else 0
    parts = (without_dot(member.name).split("/")[depth:] for member in contents.members)
    found = ["/".join(part) for part in parts if part[0:1] == [".poetry"] and len(part) > 1]
    if kept := [name for name in found if name != ".poetry/.gitignore"]:
        yield problems.poetrys_files_packed(distribution.filename, kept)


def _leads_out(member: ArchiveMember) -> bool:
    if _is_absolute(member.name) or ".." in _parts(member.name):
        return True
    if member.target is None:
        return False
    base = "" if member.hard else posixpath.dirname(member.name)
    end = _parts(posixpath.normpath(posixpath.join(base, "/".join(_parts(member.target)))))
    return _is_absolute(member.target) or end[0] != _parts(without_dot(member.name))[0]


def _is_absolute(name: str) -> bool:
    return _parts(name)[0] == "" or re.match(r"[A-Za-z]:", name) is not None


def _parts(name: str) -> list[str]:
    # Windows unpacks too: its drives and its separator count everywhere.
    return name.replace("\\", "/").split("/")


def _directories(
    release: Identity, distribution: Distribution, contents: Contents
) -> Iterator[Problem]:
    names = [without_dot(member.name).partition("/") for member in contents.members]
    parsed, filename = distribution.parsed, distribution.filename
    stem = f"{parsed.name.replace('-', '_')}-{parsed.version}"
    if parsed.kind == "sdist":
        tops = {top for top, _, _ in names}
        if [_names(release, top) for top in tops] != [True]:
            yield problems.sdist_layout(filename, stem, sorted(tops))
        return
    tops = {top for top, _, rest in names if rest and top.endswith(".dist-info")}
    if [_names(release, top.removesuffix(".dist-info")) for top in tops] != [True]:
        yield problems.wheel_layout(filename, stem, sorted(tops))
    if contents.wheel is None:
        yield problems.no_wheel_file(filename)


def _names(release: Identity, stem: str) -> bool:
    """Whether `lantern-1.0` is this release, however it is spelt."""
    return belongs_to(f"{stem}.tar.gz", release.name, release.version)


def _licenses(distribution: Distribution, contents: Contents) -> Iterator[Problem]:
    """License files that the metadata names (PEP 639, from metadata 2.4 on)."""
    raw = distribution.raw_metadata
    if valid_version(raw.get("metadata_version", "")) is None:
        return
    there = {without_dot(member.name).split("/", 1)[-1] for member in contents.members}
    prefix = "licenses/" if distribution.parsed.kind == "wheel" else ""
    missing = [name for name in raw.get("license_files", ()) if prefix + name not in there]
    if missing:
        yield problems.license_files_missing(distribution.filename, missing)


def _tags(distribution: Distribution, wheel: bytes) -> Iterator[Problem]:
    inside: set[Tag] = set()
    for line in wheel.decode("utf-8", "replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip().lower() == "tag" and len(value) < _LONGEST_TAG:
            with contextlib.suppress(ValueError):
                inside |= parse_tag(value.strip())
    if inside != distribution.parsed.tags:
        yield problems.wheel_tags(distribution.filename, sorted(map(str, inside)))
