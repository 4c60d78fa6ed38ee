"""The indexes of a project, a repository or a command line, as Poetry would reach them.

Tried with Poetry 2.0 to 2.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from poetry.config.config import Config
from poetry.poetry import Poetry
from poetry.utils.authenticator import Authenticator

from poetry_publish_verified.core.problems import repository as problems
from poetry_publish_verified.core.urls import Access
from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.core.urls import InvalidUrlError
from poetry_publish_verified.core.urls import RepositoryTarget
from poetry_publish_verified.core.urls import index_of
from poetry_publish_verified.core.urls import is_guess
from poetry_publish_verified.core.urls import origin
from poetry_publish_verified.core.urls import own_index
from poetry_publish_verified.core.urls import split_credentials
from poetry_publish_verified.core.urls import without_credentials
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.poetry_api.repositories import access_to
from poetry_publish_verified.poetry_api.repositories import pypi_index
from poetry_publish_verified.sanitize import printable
from poetry_publish_verified.sanitize import without_secrets


@dataclass(frozen=True, slots=True)
class Indexes:
    """The repository's own index, and every index that must show the release."""

    own: IndexTarget
    shown_by: tuple[IndexTarget, ...]


@dataclass(frozen=True, slots=True)
class Targets:
    """Where a release goes and which indexes must show it; `proxies`: whether to use any proxy."""

    repository: RepositoryTarget
    indexes: Indexes
    proxies: bool = True


def indexes(poetry: Poetry, upload: RepositoryTarget, named: tuple[str, ...]) -> Indexes:
    """The indexes of a repository.

    Those named, else the Poetry source with the repository's name, else the one that the upload
    URL implies. Raises ReleaseError with everything that cannot be found.
    """
    finder = _Finder(poetry.config, sources(poetry), upload)
    targets = finder.find_all(named)
    derived = finder.implied(upload)
    own = own_index(
        upload.url,
        derived.url if derived else None,
        tuple(targets),
        guessed=derived is not None
        and derived.url == index_of(upload.url)
        and is_guess(derived.url),
    )
    own_target = targets.get(own or "", derived)
    if own_target is None:
        problem = problems.unknown_index_of(upload.name, upload.url)
        raise ReleaseError.refused(problem)
    return Indexes(own_target, tuple(targets.values()) or (own_target,))


def sources(poetry: Poetry) -> dict[str, str]:
    """A project's sources: URLs by their names in lower case."""
    return {source.name.lower(): source.url for source in poetry.get_sources() if source.url}


def indexes_to_read(
    config: Config, known: Mapping[str, str], named: tuple[str, ...]
) -> tuple[IndexTarget, ...]:
    """The indexes with these names or URLs; PyPI where none is named.

    `known` are a project's sources. Raises ReleaseError with everything that cannot be found.
    """
    finder = _Finder(config, known, None)
    return tuple(finder.find_all(named or ("pypi",)).values())


class _Finder:
    """Finds index URLs and how to access them."""

    def __init__(
        self, config: Config, known: Mapping[str, str], upload: RepositoryTarget | None
    ) -> None:
        self._config = config
        self._upload = upload
        self._sources = known

    def find_all(self, names: tuple[str, ...]) -> dict[str, IndexTarget]:
        """The indexes by URL; raises ReleaseError with all that cannot be found."""
        found = [self.find(name) for name in names]
        unknown = [item for item in found if isinstance(item, Problem)]
        if unknown:
            raise ReleaseError.refused(*unknown)
        return {item.url: item for item in found if isinstance(item, IndexTarget)}

    def find(self, name: str) -> IndexTarget | Problem:
        """An index by URL, or by the name of a source, a repository, or PyPI."""
        if "://" in name:
            try:
                return self._target(name)
            except InvalidUrlError as error:
                shown = printable(without_secrets(name))
                return problems.bad_index_url(shown, error)
        if name.lower() in self._sources:
            return self._of_source(name.lower())
        if name.lower() == "pypi":
            return self._target(pypi_index())
        if self._upload is not None and name == self._upload.name:
            implied: str | None = index_of(self._upload.url)
        else:
            upload_url = self._config.get(f"repositories.{name}.url")
            implied = index_of(without_credentials(upload_url)) if upload_url else None
        if implied is None:
            return problems.unknown_index(printable(without_credentials(name)))
        return self._target(implied)

    def implied(self, upload: RepositoryTarget) -> IndexTarget | None:
        """The index of the repository itself; None where it is unknown."""
        if upload.name.lower() in self._sources:
            return self._of_source(upload.name.lower())
        url = index_of(upload.url)
        return self._target(url) if url else None

    def _of_source(self, name: str) -> IndexTarget:
        try:
            return self._target(self._sources[name], name)
        except InvalidUrlError as error:
            problem = problems.bad_source_url(name, error)
            raise ReleaseError.refused(problem) from None

    def _target(self, url: str, source: str | None = None) -> IndexTarget:
        url, username, password = split_credentials(url)
        if urlsplit(url).query:
            raise InvalidUrlError("it has a query, which the address of an index cannot have")
        url = url.rstrip("/") + "/"
        access = self._access(url, username, password, source)
        implied = index_of(self._upload.url) if self._upload else None
        pypi = url == pypi_index()
        certain = pypi or (url == implied and not is_guess(url))
        return IndexTarget(url, access, certain, pypi)

    def _access(
        self, url: str, username: str | None, password: str | None, source: str | None
    ) -> Access:
        source = source or next(
            (name for name, at in self._sources.items() if _same_index(at, url)), None
        )
        upload = self._upload
        own = upload.access if upload and origin(url) == origin(upload.url) else None
        cert: Path | bool = True
        client_cert = None
        if source is not None:
            from poetry.utils.authenticator import Authenticator

            authenticator = Authenticator(self._config)
            authenticator.add_repository(source, url)
            if username is None:
                username, password = _credentials(authenticator, source)
            certificates = authenticator.get_certs_for_repository(source)
            cert = certificates.cert or certificates.verify
            client_cert = certificates.client_cert
        if own is not None:
            if username is None:
                username, password = own.username, own.password
            if cert is True and client_cert is None:
                return replace(own, username=username, password=password)
        return access_to(url, username, password, cert, client_cert)


def _same_index(source_url: str, url: str) -> bool:
    return without_credentials(source_url).rstrip("/") == url.rstrip("/")


def _credentials(authenticator: Authenticator, source: str) -> tuple[str | None, str | None]:
    credential = authenticator.get_http_auth(source)
    if credential is None or credential.password is None:
        return None, None
    return credential.username, credential.password
