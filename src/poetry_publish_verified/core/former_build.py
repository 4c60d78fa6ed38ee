"""What an earlier run built and began to send: whether it can be used again.

A build is not always reproducible. Once a file has been sent, building anew could make another
one under the same name, which no index takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packaging.tags import Tag

from poetry_publish_verified.core.distribution import InvalidFilenameError
from poetry_publish_verified.core.distribution import parse_filename
from poetry_publish_verified.core.events import Sources

SCHEMA = "publish-verified.build/1"


@dataclass(frozen=True, slots=True)
class FormerBuild:
    """The files (names to sha256) that were built from these sources.

    `made` are the files that the build left among the sources, by their paths: they are none.
    """

    sources: Sources
    files: Mapping[str, str]
    made: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON values."""
        return {
            "schema": SCHEMA,
            "sources": {"commit": self.sources.commit, "digest": self.sources.digest},
            "files": dict(self.files),
            "made": list(self.made),
        }


def former_build(record: Any) -> FormerBuild | None:
    """Read such a record; None where it is damaged or holds nothing of use."""
    try:
        if record["schema"] != SCHEMA:
            return None
        commit, digest = record["sources"]["commit"], record["sources"]["digest"]
        files = {str(name): str(sha256) for name, sha256 in record["files"].items()}
        made = tuple(str(name) for name in record["made"])
    except (KeyError, TypeError, AttributeError, IndexError):
        return None
    if not files or not isinstance(digest, str):
        return None
    return FormerBuild(Sources(commit if isinstance(commit, str) else None, digest), files, made)


def depend_on_the_machine(filenames: Iterable[str]) -> bool:
    """Whether another Python or machine would build another wheel in place of one of these."""
    return any(
        tag.abi != "none" or tag.platform != "any" for name in filenames for tag in _tags(name)
    )


def are_for(filenames: Iterable[str], supported: frozenset[Tag]) -> bool:
    """Whether a Python of these tags could use every wheel of these, as it could its own build."""
    return all(not (tags := _tags(name)) or tags & supported for name in filenames)


def _tags(filename: str) -> frozenset[Tag]:
    try:
        return parse_filename(filename).tags
    except InvalidFilenameError:
        return frozenset()
