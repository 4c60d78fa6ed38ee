"""Faults of the metadata: what the specification forbids, and what PyPI refuses besides."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator

from packaging.metadata import InvalidMetadata
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.preflight.values import Identity
from poetry_publish_verified.core.preflight.words import some
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import Severity
from poetry_publish_verified.sanitize import printable

# PyPI's own limits.
_MAX_SUMMARY = 512
_MAX_FILE = 100 * 1024 * 1024

# Code, what is wrong, remedy, severity.
_Fault = tuple[Code, str, str, Severity]


def of_one(release: Identity, distribution: Distribution) -> Iterator[Problem]:
    """Faults that are one file's own."""
    yield from _disagreements(release, distribution)
    yield from _invalid_metadata(distribution)


def of_all(distributions: Iterable[Distribution], *, public: bool) -> Iterator[Problem]:
    """Faults that all files of a release have in common as a rule: each is told once."""
    finders: tuple[Callable[[Distribution, bool], Iterator[_Fault]], ...] = (
        _classifiers,
        _direct_urls,
        _summary,
        _size,
    )
    found: dict[_Fault, list[str]] = {}
    for distribution in distributions:
        for finder in finders:
            for fault in finder(distribution, public):
                found.setdefault(fault, []).append(distribution.filename)
    for (code, words, remedy, severity), filenames in found.items():
        yield Problem(
            code,
            f"{some(filenames)}: {words}",
            remedy,
            severity=severity,
            filename=filenames[0] if len(filenames) == 1 else None,
        )


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
        if field == "summary":
            continue  # not every index minds: see `_summary`
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


def _classifiers(distribution: Distribution, public: bool) -> Iterator[_Fault]:
    """Classifiers that PyPI refuses: it takes those of its own list alone."""
    said = distribution.raw_metadata.get("classifiers")
    if not said:
        return
    from trove_classifiers import classifiers
    from trove_classifiers import deprecated_classifiers

    for classifier in said:
        shown = repr(printable(classifier, 120))
        if classifier in deprecated_classifiers:
            instead = " or ".join(map(repr, deprecated_classifiers[classifier]))
            yield (
                Code.CLASSIFIER_UNFIT,
                f"the classifier {shown} is deprecated.",
                f"Write {instead} in its place in pyproject.toml, and build again."
                if instead
                else "Remove it from pyproject.toml, and build again.",
                "error" if public else "warning",
            )
        elif classifier.startswith("Private ::"):
            # Companies set it because they publish elsewhere.
            if public:
                yield (
                    Code.CLASSIFIER_UNFIT,
                    f"the classifier {shown} is there to keep this project from being published.",
                    "Name the company's repository with --repository, or remove the classifier.",
                    "error",
                )
        elif classifier not in classifiers:
            # The list that is installed here may be older than the server's.
            yield (
                Code.CLASSIFIER_UNKNOWN,
                f"the classifier {shown} is not among those known here.",
                "Check how it is spelt; if it is new, poetry self update trove-classifiers.",
                "warning",
            )


def _direct_urls(distribution: Distribution, public: bool) -> Iterator[_Fault]:
    """Dependencies on a URL; it is not shown, as it may hold a password."""
    for line in distribution.raw_metadata.get("requires_dist", ()) if public else ():
        try:
            requirement = Requirement(line)
        except ValueError:
            continue  # told as invalid metadata
        if requirement.url:
            yield (
                Code.DIRECT_URL,
                f"the dependency on {requirement.name} is a direct URL, which this index refuses.",
                "Depend on a version of it that is on an index, and build again.",
                "error",
            )


def _summary(distribution: Distribution, public: bool) -> Iterator[_Fault]:
    summary = distribution.raw_metadata.get("summary", "")
    if len(summary) > _MAX_SUMMARY:
        words = f"the summary has {len(summary)} characters, and {_MAX_SUMMARY} are allowed."
    elif len(summary.splitlines()) > 1:
        words = "the summary has more than one line."
    else:
        return
    yield (
        Code.SUMMARY,
        words,
        "Shorten the description in pyproject.toml to one sentence, and build again.",
        "error" if public else "warning",
    )


def _size(distribution: Distribution, public: bool) -> Iterator[_Fault]:
    if public and distribution.size > _MAX_FILE:
        yield (
            Code.FILE_LARGE,
            f"it has {distribution.size / 1024 / 1024:.0f} MB; usually this index takes 100 MB.",
            "Ask the index for a higher limit first if it has not, or make the file smaller.",
            "warning",
        )
