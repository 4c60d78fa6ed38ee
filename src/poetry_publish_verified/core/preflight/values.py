"""What preflight gets besides the files themselves."""

from dataclasses import dataclass

from packaging.utils import NormalizedName
from packaging.version import Version

from poetry_publish_verified.core.urls import RepositoryTarget
from poetry_publish_verified.errors import Problem


@dataclass(frozen=True, slots=True)
class Identity:
    """The release as the project names it."""

    name: NormalizedName
    version: Version


@dataclass(frozen=True, slots=True)
class Declared:
    """What Poetry would now write into METADATA: fields of the core metadata.

    `surely`: nothing but Poetry itself has a hand in it, neither plugins nor dependencies on
    paths, which some plugins replace while they build.
    """

    requires_python: str | None
    requires_dist: tuple[str, ...]
    surely: bool = True


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of a release beside its files; nothing of what is not known.

    `indexes` are the URLs of those that must show the release; `broken` are the files that could
    not be read; `declared` is what the project says now; `changed` are the tracked files that are
    no longer as they were packed; `tags` are the commit's; `place` tells people where the files
    were looked for; `built`: this very run has built them. `records` are files in the project that
    runs write, by their paths, and `tracked` those of them that git tracks; `versioned_by` is what
    makes the version from git's state, if anything does.
    """

    place: str = "the dist directory"
    built: bool = False
    repository: RepositoryTarget | None = None
    indexes: tuple[str, ...] = ()
    broken: tuple[Problem, ...] = ()
    declared: Declared | None = None
    changed: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    tracked: tuple[str, ...] = ()
    versioned_by: str | None = None
