"""Finds the files that have changed since they were packed."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from packaging.version import Version

from poetry_publish_verified.adapters import archives
from poetry_publish_verified.adapters.git import tracked
from poetry_publish_verified.core.contents import ArchiveMember
from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.preflight.layout import without_dot
from poetry_publish_verified.core.preflight.origin import is_changed

# Files of source are smaller; larger ones are compared by their hashes alone.
_MAX_READ = 1024 * 1024
# What build backends write anew into an sdist.
_REWRITTEN = {"PKG-INFO", "setup.cfg", "Cargo.toml", "Cargo.lock"}


def changed_since(
    project: Path,
    dist_dir: Path,
    distributions: Iterable[Distribution],
    version: Version,
    *,
    untracked: bool = False,
) -> tuple[str, ...]:
    """The tracked files of a project that differ from those in the sdist, else in a wheel.

    Contents are compared, never times; a difference that is only the version does not count.
    Nothing outside git; what is not in the archive is not compared. `untracked`: whatever was
    packed into the sdist is compared, git or not, submodules and ignored files included.
    """
    readable = sorted(distributions, key=lambda each: each.parsed.kind != "sdist")
    if not readable or readable[0].contents is None:
        return ()
    archive, members = readable[0], readable[0].contents.members
    if archive.parsed.kind == "sdist":
        sources = _of_sdist(project, members, None if untracked else frozenset(tracked(project)))
    else:
        sources = _of_wheel(members, tracked(project))
    other = {
        member.name: names
        for member, names in sources
        if not any(_is_same(project / name, member) for name in names)
    }
    if not other:
        return ()
    changed = dict.fromkeys(other, True)
    try:
        # One at a time: together they may be more than there is room for.
        for member, packed in archives.contents_of(dist_dir / archive.filename, other, _MAX_READ):
            changed[member] = all(
                _is_changed(project / name, name, packed, version) for name in other[member]
            )
    except OSError:  # it has just gone
        return ()
    return tuple(min(names, key=len) for member, names in other.items() if changed[member])


_Sources = Iterator[tuple[ArchiveMember, Sequence[str]]]
"""Packed files, each with the files of the project that it may have been."""


def _of_sdist(
    project: Path, members: Iterable[ArchiveMember], names: Collection[str] | None
) -> _Sources:
    """Of the files in `names`, or of all that are there."""
    for member in members:
        name = without_dot(member.name).partition("/")[2]
        there = name in names if names is not None else name and (project / name).is_file()
        if there and member.digests and Path(name).name not in _REWRITTEN:
            yield member, (name,)


def _of_wheel(members: Iterable[ArchiveMember], names: Iterable[str]) -> _Sources:
    """By the end of the path: a wheel has packages without the directory that they come from."""
    ends: dict[str, list[str]] = {}
    for name in names:
        end = name
        while end:
            ends.setdefault(end, []).append(name)
            end = end.partition("/")[2]
    for member in members:
        if member.name in ends:
            yield member, ends[member.name]


def _is_same(file: Path, member: ArchiveMember) -> bool:
    try:
        if file.stat().st_size != member.size or not file.is_file():
            return False
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return False
    return digest == member.digests["sha256"]


def _is_changed(file: Path, name: str, packed: bytes | None, version: Version) -> bool:
    try:
        if packed is None or not file.is_file():
            return True
        with file.open("rb") as stream:
            content = stream.read(_MAX_READ + 1)
        return len(content) > _MAX_READ or is_changed(name, content, packed, version)
    except FileNotFoundError:
        return True
    except OSError:  # whether it has changed is unknown
        return False
