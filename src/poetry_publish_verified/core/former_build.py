"""What an earlier run built and began to send: whether it can be used again.

A build is not always reproducible. Once a file has been sent, building anew could make another
one under the same name, which no index takes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, field
from typing import Any

from packaging.tags import Tag

from poetry_publish_verified.core.distribution import Distribution, recognize
from poetry_publish_verified.core.events import Sources
from poetry_publish_verified.core.preflight.layout import without_dot
from poetry_publish_verified.core.receipt import is_written_by_runs
from poetry_publish_verified.values import Value

SCHEMA = "publish-verified.build/1"
Packed = Mapping[str, Mapping[str, str]]
"""sha256 by path in the project (in a wheel: in the wheel), by the name of the archive."""


class OtherSources(Value):
    """An earlier run built this release from sources (of this commit) that make other archives.

    `differing` are the members in which these differ, by their paths in the project.
    """

    commit: str | None
    differing: tuple[str, ...]


class FormerBuild(Value, kw_only=True):
    """The files (names to sha256) that were built from these sources.

    `packed` is what is in the sdist (without one: in each wheel), see `packed`. `made` are the
    files that the build left or changed among the sources, by their paths: they are none; `rest`
    is the digest of the others.
    """

    sources: Sources
    files: Mapping[str, str] = field(default_factory=dict)
    packed: Packed = field(default_factory=dict)
    made: tuple[str, ...] = ()
    rest: str

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {"schema": SCHEMA, **asdict(self)}

    def differing(self, now: Packed) -> tuple[str, ...]:
        """The members in which archives built `now` differ from these; none: the same sources."""
        common = self.packed.keys() & now.keys()
        if not common:
            return tuple(sorted(self.packed.keys() | now.keys()))
        found = set()
        for before, after in ((self.packed[name], now[name]) for name in common):
            found |= {name for name, _ in before.items() ^ after.items()}
        made = [f"/{name}" for name in self.made]
        return tuple(sorted(n for n in found if not any(m.endswith(f"/{n}") for m in made)))


def packed(distributions: Iterable[Distribution]) -> Packed:
    """What the sdists hold, or without one the wheels: what was built is decided by that.

    Contents alone count; times, order and compression may differ. What a run wrote does not
    count, nor does a RECORD, which is made from the other members.
    """
    archives = sorted(distributions, key=lambda each: each.parsed.kind != "sdist")
    return {
        archive.filename: dict(_members(archive))
        for archive in archives
        if archive.parsed.kind == archives[0].parsed.kind
    }


def _members(archive: Distribution) -> Iterator[tuple[str, str]]:
    for member in archive.contents.members if archive.contents else ():
        name = without_dot(member.name)
        if archive.parsed.kind == "sdist":
            name = name.partition("/")[2]
        if not (is_written_by_runs(name, member.start) or name.endswith(".dist-info/RECORD")):
            yield name, member.digests.get("sha256", f"a link to {member.target}")


def former_build(record: Any) -> FormerBuild | None:
    """Read such a record; None if it is damaged or useless."""
    try:
        if record["schema"] != SCHEMA:
            return None
        commit, digest = record["sources"]["commit"], record["sources"]["digest"]
        files = {str(name): str(sha256) for name, sha256 in record["files"].items()}
        packed = {str(name): dict(members) for name, members in record["packed"].items()}
        made, rest = tuple(str(name) for name in record["made"]), str(record["rest"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return None
    if not files or not isinstance(digest, str):
        return None
    commit = commit if isinstance(commit, str) else None
    sources = Sources(commit, digest)
    return FormerBuild(sources=sources, files=files, packed=packed, made=made, rest=rest)


def lack_one_for(filenames: Iterable[str], supported: Callable[[], frozenset[Tag]]) -> bool:
    """Whether a Python with these tags would build a wheel that is not among the files.

    Pure wheels come out the same everywhere. Of wheels for a machine, those of others may lie
    beside the own one.
    """
    for_machines = [
        parsed.tags
        for parsed in map(recognize, filenames)
        if parsed and any(tag.abi != "none" or tag.platform != "any" for tag in parsed.tags)
    ]
    return bool(for_machines) and not any(tags & supported() for tags in for_machines)
