"""Whether the files of a release agree with each other, and with the project as it is now."""

from collections.abc import Iterable, Iterator

from packaging.metadata import RawMetadata
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.distribution import (
    Distribution,
    comparable_specifiers,
    valid_requirement,
    valid_version,
)
from poetry_publish_verified.core.preflight.values import Declared
from poetry_publish_verified.core.problems import distributions as problems
from poetry_publish_verified.errors import Problem, Severity

_Range = tuple[NormalizedName, frozenset[NormalizedName], SpecifierSet]


def between(distributions: Iterable[Distribution]) -> Iterator[Problem]:
    """Where a wheel's requirements differ from the sdist's, or from the first wheel's.

    What the sdist declares Dynamic may differ; before metadata 2.2 it could not declare that,
    and is not held to what it says.
    """
    ordered = sorted(distributions, key=lambda d: d.parsed.kind != "sdist")
    if not ordered:
        return
    base, *others = ordered
    fixed = base.raw_metadata
    dynamic = {field.strip().lower() for field in fixed.get("dynamic", ())}
    version = valid_version(fixed.get("metadata_version", ""))
    if base.parsed.kind == "sdist" and (version is None or version < Version("2.2")):
        return
    for other in others:
        raw = other.raw_metadata
        differing = []
        if "requires-python" not in dynamic and _python(raw) != _python(fixed):
            differing.append("Requires-Python")
        if "requires-dist" not in dynamic and _requirements(raw) != _requirements(fixed):
            differing.append("Requires-Dist")
        if differing:
            yield problems.files_disagree(other.filename, base.filename, differing)


def with_project(distributions: Iterable[Distribution], declared: Declared) -> Iterator[Problem]:
    """Where a file differs from what Poetry would write into it now.

    Another Poetry may write version ranges differently, so these alone are no reason to refuse.
    """
    python = comparable_specifiers(declared.requires_python)
    ranges = _ranges(declared.requires_dist)
    names = {name for name, _, _ in ranges}
    for distribution in distributions:
        raw = distribution.raw_metadata
        said = _ranges(raw.get("requires_dist", []))
        severity: Severity = "error" if declared.surely else "warning"
        filename = distribution.filename
        if python != _python(raw):
            then, now = raw.get("requires_python"), declared.requires_python
            yield problems.python_has_changed(filename, then, now, severity)
        elif odd := names ^ {name for name, _, _ in said}:
            yield problems.dependencies_have_changed(filename, sorted(odd), severity)
        elif changed := {name for name, _, _ in ranges ^ said}:
            yield problems.ranges_have_changed(filename, sorted(changed))


def _python(raw: RawMetadata) -> object:
    return comparable_specifiers(raw.get("requires_python"))


def _requirements(raw: RawMetadata) -> set[object]:
    """Whole requirements; equal ones are equal however they are written."""
    return {valid_requirement(line) or line for line in raw.get("requires_dist", ())}


def _ranges(lines: Iterable[str]) -> set[_Range]:
    """Names, extras and versions; markers are left out, which Poetry simplifies ever better."""
    return {
        (
            canonicalize_name(requirement.name),
            frozenset(map(canonicalize_name, requirement.extras)),
            requirement.specifier,
        )
        for line in lines
        if (requirement := valid_requirement(line)) is not None
    }
