"""Faults of the metadata: what the specification forbids, and what PyPI also refuses."""

import re
from collections.abc import Iterable, Iterator

from packaging.metadata import InvalidMetadata, Metadata
from packaging.utils import canonicalize_name

from poetry_publish_verified.core.distribution import Distribution, valid_requirement, valid_version
from poetry_publish_verified.core.preflight import description, pypi_rules
from poetry_publish_verified.core.preflight.values import Identity
from poetry_publish_verified.core.problems import distributions as problems
from poetry_publish_verified.errors import Problem, Severity

# PyPI's own limits.
_MAX_SUMMARY = 512
_MAX_FILE = 100 * 1024 * 1024


def of_one(release: Identity, distribution: Distribution) -> Iterator[Problem]:
    """Faults that are one file's own."""
    yield from _disagreements(release, distribution)
    yield from _invalid_metadata(distribution)


def of_all(distributions: Iterable[Distribution], *, public: bool) -> Iterator[Problem]:
    """Faults that all files of a release usually share: each is reported once."""
    found: dict[Problem, list[str]] = {}
    for distribution in distributions:
        faults = [*_classifiers(distribution, public), *_summary(distribution, public)]
        if public:
            faults += [*_direct_urls(distribution), *pypi_rules.of_metadata(distribution)]
            if distribution.size > _MAX_FILE:
                faults.append(problems.file_large(distribution.size, _MAX_FILE))
        for problem in (*faults, *description.of_metadata(distribution)):
            found.setdefault(problem, []).append(distribution.filename)
    for problem, filenames in found.items():
        yield problems.in_files(problem, filenames)


def _disagreements(release: Identity, distribution: Distribution) -> Iterator[Problem]:
    """Where METADATA has a different name or version than the file name and the project."""
    raw = distribution.raw_metadata
    said_name, said_version = raw.get("name", ""), raw.get("version", "")
    said = canonicalize_name(said_name), valid_version(said_version)
    if said == (release.name, release.version):
        return
    yield problems.metadata_disagrees(
        distribution.filename,
        name=said_name,
        version=said_version,
        release=f"{release.name} {release.version}",
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
        make = problems.metadata_too_new if newer else problems.metadata_invalid
        yield make(distribution.filename, field, fault)


def _classifiers(distribution: Distribution, public: bool) -> Iterator[Problem]:
    """Classifiers that PyPI refuses: it accepts only those on its own list."""
    said = distribution.raw_metadata.get("classifiers")
    if not said:
        return
    from trove_classifiers import classifiers, deprecated_classifiers

    for classifier in said:
        if classifier in deprecated_classifiers:
            instead = deprecated_classifiers[classifier]
            yield problems.classifier_deprecated(classifier, instead, _severity(public))
        elif classifier.startswith("Private ::"):
            # Companies set it because they publish elsewhere.
            if public:
                yield problems.classifier_private(classifier)
        elif classifier not in classifiers:
            # The list that is installed here may be older than the server's.
            yield problems.classifier_unknown(classifier)


def _direct_urls(distribution: Distribution) -> Iterator[Problem]:
    """Dependencies on a URL; it is not shown, as it may hold a password."""
    for line in distribution.raw_metadata.get("requires_dist", ()):
        requirement = valid_requirement(line)
        if requirement is not None and requirement.url:
            yield problems.direct_url(requirement.name)


def _summary(distribution: Distribution, public: bool) -> Iterator[Problem]:
    summary = distribution.raw_metadata.get("summary", "")
    if len(summary) > _MAX_SUMMARY or len(summary.splitlines()) > 1:
        yield problems.summary_unfit(len(summary), _MAX_SUMMARY, _severity(public))


def _severity(public: bool) -> Severity:
    return "error" if public else "warning"
