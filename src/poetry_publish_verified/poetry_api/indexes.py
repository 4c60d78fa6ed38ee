"""The indexes of a project, a repository or a command line, as Poetry would reach them.

Tried with Poetry 2.0 to 2.5.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlsplit

from poetry.config.config import Config
from poetry.poetry import Poetry
from poetry.utils.authenticator import Authenticator

from poetry_publish_verified.core.problems import repository as problems
from poetry_publish_verified.core.urls import (
    Access,
    ImpliedIndex,
    IndexTarget,
    InvalidUrlError,
    RepositoryTarget,
    index_of,
    looks_like_an_index,
    origin,
    own_index,
    split_credentials,
    without_credentials,
)
from poetry_publish_verified.errors import Problem, ReleaseError
from poetry_publish_verified.poetry_api.repositories import access_to, is_public, pypi_index
from poetry_publish_verified.sanitize import learn, learn_url, printable
from poetry_publish_verified.values import Value

_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Targets(Value):
    """Where a release goes, the repository's own index, and every index that must show it.

    `proxies`: whether to use any proxy.
    """

    repository: RepositoryTarget
    own: IndexTarget
    shown_by: tuple[IndexTarget, ...]
    proxies: bool = True


def targets(poetry: Poetry, upload: RepositoryTarget, named: tuple[str, ...]) -> Targets:
    """A repository with its indexes.

    Its own is the Poetry source with its name, else the one that the upload URL implies for
    certain, else one of those named, else a guess. Raises ReleaseError with everything that
    cannot be found, and for an upload URL that is an index's. (pypicloud takes uploads at that
    URL: it counts where it is also named as an index.)
    """
    finder = _Finder(poetry.config, sources(poetry), upload)
    found = finder.find_all(named)
    if looks_like_an_index(upload.url) and f"{upload.url.rstrip('/')}/" not in found:
        raise ReleaseError.refused(problems.repository_is_an_index(upload.name, upload.url))
    source = finder.source_of(upload.name)
    if source is not None:
        own: IndexTarget | None = found.get(source.url, source)
    else:
        implied = finder.implied
        url = own_index(upload.url, implied, tuple(found))
        own = found.get(url or "") or (finder.guess() if implied and url else None)
    if own is None:
        problem = problems.unknown_index_of(upload.name, upload.url)
        raise ReleaseError.refused(problem)
    return Targets(upload, own, tuple(found.values()) or (own,))


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
        self.implied = index_of(upload.url) if upload else None
        if upload and self.implied and is_public(upload.url):
            self.implied = replace(self.implied, certain=True)

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
                return self._target(_with_secrets(name))
            except InvalidUrlError as error:
                shown = printable(name)
                return problems.bad_index_url(shown, error)
        if name.lower() in self._sources:
            return self._of_source(name.lower())
        if name.lower() == "pypi":
            return self._target(pypi_index())
        if self._upload is not None and name == self._upload.name:
            implied = self.implied
        else:
            upload_url = self._config.get(f"repositories.{name}.url")
            implied = index_of(without_credentials(upload_url)) if upload_url else None
        if implied is None:
            return problems.unknown_index(printable(without_credentials(name)))
        return self._target(implied.url)

    def source_of(self, repository: str) -> IndexTarget | None:
        """The index of the Poetry source with a repository's name."""
        name = repository.lower()
        return self._of_source(name) if name in self._sources else None

    def guess(self) -> IndexTarget | None:
        """The index that the upload URL implies, which nobody has named."""
        if self.implied is None:
            return None
        target = self._target(self.implied.url)
        return replace(target, guessed=not target.certain)

    def _of_source(self, name: str) -> IndexTarget:
        try:
            return self._target(self._sources[name], name)
        except InvalidUrlError as error:
            problem = problems.bad_source_url(name, error)
            raise ReleaseError.refused(problem) from None

    def _target(self, url: str, source: str | None = None) -> IndexTarget:
        learn_url(url)
        url, username, password = split_credentials(url)
        if urlsplit(url).query:
            raise InvalidUrlError("an index URL cannot have a query")
        url = url.rstrip("/") + "/"
        for known, place in self._sources.items():
            if without_credentials(place).rstrip("/") == url.rstrip("/"):
                source = source or known
        access = self._access(url, username, password, source)
        upload = self._upload
        beside = upload is not None and origin(url) == origin(upload.url)
        name = upload.name if upload and beside and source is None else source
        pypi = url == pypi_index()
        certain = pypi or self.implied == ImpliedIndex(url, certain=True)
        return IndexTarget(url, access, certain, pypi=pypi, name=name)

    def _access(
        self, url: str, username: str | None, password: str | None, source: str | None
    ) -> Access:
        upload = self._upload
        own = upload.access if upload and origin(url) == origin(upload.url) else None
        cert: Path | bool = True
        client_cert = None
        if source is not None:
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
        return access_to(url, username, password, cert=cert, client_cert=client_cert)


def _with_secrets(url: str) -> str:
    """`url` with the value of each environment variable that it names in braces.

    Raises InvalidUrlError where one is not set.
    """

    def value(variable: re.Match[str]) -> str:
        secret = os.environ.get(variable[1], "").strip()
        if not secret:
            raise InvalidUrlError(f"the environment variable {variable[1]} is not set")
        learn(secret, shown=variable[0])
        return quote(secret, safe="")

    return _VARIABLE.sub(value, url)


def _credentials(authenticator: Authenticator, source: str) -> tuple[str | None, str | None]:
    credential = authenticator.get_http_auth(source)
    if credential is None or credential.password is None:
        return None, None
    return credential.username, credential.password
