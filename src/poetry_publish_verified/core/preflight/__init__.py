"""Preflight: every fault of a release, before a byte leaves, all at once."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import replace

from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.preflight import agreement
from poetry_publish_verified.core.preflight import layout
from poetry_publish_verified.core.preflight import metadata
from poetry_publish_verified.core.preflight import origin
from poetry_publish_verified.core.preflight import record
from poetry_publish_verified.core.preflight.values import Circumstances
from poetry_publish_verified.core.preflight.values import Declared
from poetry_publish_verified.core.preflight.values import Identity
from poetry_publish_verified.core.urls import RepositoryTarget
from poetry_publish_verified.core.urls import goes_in_the_clear
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.sanitize import printable

__all__ = ["Circumstances", "Declared", "Identity", "check"]


def check(
    release: Identity,
    distributions: Iterable[Distribution],
    circumstances: Circumstances | None = None,
    *,
    public: bool,
    strict: bool = False,
) -> tuple[Problem, ...]:
    """Every fault of a release.

    `public`: it goes to PyPI or TestPyPI, whose rules are known; `strict`: no fault is a mere
    warning.
    """
    distributions = tuple(distributions)
    circumstances = circumstances or Circumstances()
    problems = [
        *circumstances.broken,
        *_whole(release, distributions, circumstances, public=public),
        *_credentials(circumstances.repository, public=public),
        *_in_the_clear(circumstances),
    ]
    for distribution in distributions:
        problems += metadata.of_one(release, distribution)
        problems += layout.of_one(release, distribution, public=public)
        problems += record.of_one(distribution)
    problems += metadata.of_all(distributions, public=public)
    problems += agreement.between(distributions)
    if circumstances.declared is not None:
        problems += agreement.with_project(distributions, circumstances.declared)
    problems += origin.of(release, circumstances)
    if strict:
        problems = [replace(problem, severity="error") for problem in problems]
    return tuple(problems)


def _whole(
    release: Identity,
    distributions: tuple[Distribution, ...],
    circumstances: Circumstances,
    *,
    public: bool,
) -> Iterator[Problem]:
    """What is wrong with the release as a whole."""
    if not distributions and not circumstances.broken:
        yield Problem(
            Code.NO_DISTRIBUTIONS,
            f"There is no distribution of {release.name} {release.version}"
            f" in {circumstances.place}.",
            "Run poetry build first, or add --build.",
        )
    sdists = [d.filename for d in distributions if d.parsed.kind == "sdist"]
    if len(sdists) > 1:
        yield Problem(
            Code.MORE_THAN_ONE_SDIST,
            f"{release.name} {release.version} has more than one sdist: {', '.join(sdists)}.",
            "Remove all but one: an index takes one sdist per release.",
        )
    if release.version.local and public:
        yield Problem(
            Code.LOCAL_VERSION,
            f"{release.version} is a local version (it has a +), which this index refuses.",
            "Give the release a public version, or publish it to an index of your own.",
        )


def _credentials(repository: RepositoryTarget | None, *, public: bool) -> Iterator[Problem]:
    """Credentials that are surely not enough; many servers of companies need none."""
    if repository is None:
        return
    name = printable(repository.name)
    if repository.half_login:
        # The name is not repeated: some servers take a token in its place.
        yield Problem(
            Code.CREDENTIALS_MISSING,
            f"For repository {name} there is a user name, but no password.",
            f"Give --password, set POETRY_HTTP_BASIC_{repository.variable}_PASSWORD, or run poetry"
            f" config http-basic.{name} <user> <password>.",
        )
    elif public and not repository.access.password:
        yield Problem(
            Code.CREDENTIALS_MISSING,
            f"There are no credentials for repository {name}, which takes no upload without.",
            f"Make an API token on its website and run poetry config pypi-token.{name} <token>,"
            f" or set POETRY_PYPI_TOKEN_{repository.variable}.",
        )


def _in_the_clear(circumstances: Circumstances) -> Iterator[Problem]:
    """What anyone on the way can read, credentials included, and change."""
    urls = [circumstances.repository.url] if circumstances.repository else []
    for url in dict.fromkeys([*urls, *circumstances.indexes]):
        if goes_in_the_clear(url):
            yield Problem(
                Code.PLAIN_HTTP,
                f"{url} is plain http: credentials and files can be read and changed on the way.",
                "Use the server's https address.",
                severity="warning",
            )
