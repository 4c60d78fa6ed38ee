"""What an earlier run built and began to send: whether it can be used again.

A build is not always reproducible. Once a file has been sent, building anew could make another
one under the same name, which no index takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from packaging.tags import Tag

from poetry_publish_verified.core.distribution import recognize
from poetry_publish_verified.core.events import Sources

SCHEMA = "publish-verified.build/1"


@dataclass(frozen=True, slots=True)
class FormerBuild:
    """The files (names to sha256) that were built from these sources.

    `made` are the files that the build left or changed among the sources, by their paths: they
    are none; `rest` is the digest of the others.
    """

    sources: Sources
    files: Mapping[str, str]
    made: tuple[str, ...]
    rest: str

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "schema": SCHEMA,
            "sources": {"commit": self.sources.commit, "digest": self.sources.digest},
            "files": dict(self.files),
            "made": list(self.made),
            "rest": self.rest,
        }


def former_build(record: Any) -> FormerBuild | None:
    """Read such a record; None if it is damaged or useless."""
    try:
        if record["schema"] != SCHEMA:
            return None
        commit, digest = record["sources"]["commit"], record["sources"]["digest"]
        files = {str(name): str(sha256) for name, sha256 in record["files"].items()}
        made, rest = tuple(str(name) for name in record["made"]), str(record["rest"])
    except (KeyError, TypeError, AttributeError, IndexError):
        return None
    if not files or not isinstance(digest, str):
        return None
    commit = commit if isinstance(commit, str) else None
    return FormerBuild(Sources(commit, digest), files, made, rest)


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
