"""Preflight: every fault of what was built, before a byte leaves, all at once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.metadata import InvalidMetadata
from packaging.metadata import Metadata
from packaging.utils import NormalizedName
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.foreign import printable
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem


@dataclass(frozen=True, slots=True)
class Identity:
    """The release as the project names it."""

    name: NormalizedName
    version: Version


def check(
    release: Identity,
    distributions: Iterable[Distribution],
    *,
    local_versions: bool,
    place: str = "the dist folder",
) -> tuple[Problem, ...]:
    """Every fault of these distributions.

    `local_versions` says whether the index takes any, `place` where the files were looked for.
    """
    distributions = tuple(distributions)
    problems: list[Problem] = []
    if not distributions:
        problems.append(
            Problem(
                Code.NO_DISTRIBUTIONS,
                f"There is no distribution of {release.name} {release.version} in {place}.",
                "Run poetry build first, or add --build.",
            )
        )
    sdists = [d.filename for d in distributions if d.parsed.kind == "sdist"]
    if len(sdists) > 1:
        problems.append(
            Problem(
                Code.MORE_THAN_ONE_SDIST,
                f"{release.name} {release.version} has more than one sdist: {', '.join(sdists)}.",
                "Remove all but one: an index takes one sdist per release.",
            )
        )
    if release.version.local and not local_versions:
        problems.append(
            Problem(
                Code.LOCAL_VERSION,
                f"{release.version} is a local version (it has a +), which this index refuses.",
                "Give the release a public version, or publish it to an index of your own.",
            )
        )
    for distribution in distributions:
        problems += _disagreements(release, distribution)
        problems += _invalid_metadata(distribution)
    return tuple(problems)


def _disagreements(release: Identity, distribution: Distribution) -> Iterator[Problem]:
    """Where METADATA says another name or version than the file name and the project."""
    raw = distribution.raw_metadata
    said_name, said_version = raw.get("name", ""), raw.get("version", "")
    try:
        agrees = Version(said_version) == release.version
    except ValueError:
        agrees = False
    if canonicalize_name(said_name) == release.name and agrees:
        return
    yield Problem(
        Code.METADATA_DISAGREES,
        f"{distribution.filename}: its metadata says {printable(said_name, 80)!r}"
        f" {printable(said_version, 80)!r}, the project says {release.name!r} {release.version}.",
        "Delete the file and build again; do not rename distributions by hand.",
        filename=distribution.filename,
    )


def _invalid_metadata(distribution: Distribution) -> Iterator[Problem]:
    """What the core metadata specification forbids, field by field."""
    raw = distribution.raw_metadata
    try:
        Metadata.from_raw(raw, validate=True)
        return
    except ExceptionGroup as group:
        faults = group.exceptions
    except ValueError as error:
        faults = (error,)
    for fault in faults:
        field = fault.field if isinstance(fault, InvalidMetadata) else "unknown"
        # Newer metadata than the installed `packaging` knows is not the release's fault.
        newer = field == "metadata-version" and re.fullmatch(
            r"\d+\.\d+", raw.get("metadata_version", "")
        )
        yield Problem(
            Code.METADATA_UNKNOWN if newer else Code.METADATA_INVALID,
            f"{distribution.filename}: metadata field {field}: {printable(str(fault))}.",
            "Check that the index knows this version of the core metadata."
            if newer
            else "Mend that field in pyproject.toml and build again.",
            severity="warning" if newer else "error",
            filename=distribution.filename,
        )
