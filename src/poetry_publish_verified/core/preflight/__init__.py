"""Preflight: find every fault of a release at once, before a byte leaves."""

from collections.abc import Iterable, Iterator

from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.preflight import agreement, layout, metadata, origin, record
from poetry_publish_verified.core.preflight.values import Circumstances, Declared, Identity
from poetry_publish_verified.core.problems import distributions as problems
from poetry_publish_verified.core.problems import repository as repository_problems
from poetry_publish_verified.core.urls import (
    RepositoryTarget,
    credential_variables,
    goes_in_the_clear,
)
from poetry_publish_verified.errors import Problem

__all__ = ["Circumstances", "Declared", "Identity", "check", "credentials"]


def check(
    release: Identity,
    distributions: Iterable[Distribution],
    circumstances: Circumstances | None = None,
    *,
    public: bool,
) -> tuple[Problem, ...]:
    """Every fault of a release; `public`: it goes to PyPI or TestPyPI, whose rules are known."""
    distributions = tuple(distributions)
    circumstances = circumstances or Circumstances()
    found = [
        *circumstances.broken,
        *_whole(release, distributions, circumstances, public=public),
        *credentials(circumstances.repository, public=public),
        *_in_the_clear(circumstances),
    ]
    for distribution in distributions:
        found += metadata.of_one(release, distribution)
        found += layout.of_one(release, distribution, public=public)
        found += layout.of_records(distribution, circumstances.records)
        found += record.of_one(distribution)
    found += metadata.of_all(distributions, public=public)
    found += agreement.between(distributions)
    if circumstances.declared is not None:
        found += agreement.with_project(distributions, circumstances.declared)
    found += origin.of(release, circumstances)
    return tuple(found)


def _whole(
    release: Identity,
    distributions: tuple[Distribution, ...],
    circumstances: Circumstances,
    *,
    public: bool,
) -> Iterator[Problem]:
    """What is wrong with the release as a whole."""
    named = f"{release.name} {release.version}"
    if not distributions and not circumstances.broken:
        yield problems.none_found(named, circumstances.place, built=circumstances.built)
    sdists = [d.filename for d in distributions if d.parsed.kind == "sdist"]
    if len(sdists) > 1:
        yield problems.several_sdists(named, sdists)
    if release.version.local and public:
        yield problems.local_version(str(release.version))


def credentials(repository: RepositoryTarget | None, *, public: bool) -> Iterator[Problem]:
    """Credentials that cannot be enough; many company servers need none."""
    if repository is None or repository.trusted:
        return
    name, access = repository.name, repository.access
    variables = credential_variables(name)
    if repository.half_login:
        yield repository_problems.half_login(name, variables, repository.empty)
    elif public and not access.password:
        yield repository_problems.no_credentials(name, variables, repository.empty)
    elif access.basic is None and repository.empty:
        yield repository_problems.empty_credentials(name, repository.empty)
    password = access.password or ""
    if public and password.startswith("pypi-") and access.username != "__token__":
        yield repository_problems.token_without_its_user(name)
    if set(password) & {"\r", "\n"}:
        yield repository_problems.line_break_in_password(name)


def _in_the_clear(circumstances: Circumstances) -> Iterator[Problem]:
    """Traffic, credentials included, that anyone on the way can read and change."""
    urls = [circumstances.repository.url] if circumstances.repository else []
    for url in dict.fromkeys([*urls, *circumstances.indexes]):
        if goes_in_the_clear(url):
            yield repository_problems.plain_http(url)
