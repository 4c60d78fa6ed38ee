"""Repositories as Poetry reaches them: URL, credentials, certificates and proxy.

Tried with Poetry 2.0 to 2.5.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

from poetry.config.config import Config
from poetry.poetry import Poetry

from poetry_publish_verified.core.problems import repository as problems
from poetry_publish_verified.core.urls import (
    Access,
    InvalidUrlError,
    RepositoryTarget,
    credential_variables,
    split_credentials,
    url_variable,
)
from poetry_publish_verified.errors import Problem, ReleaseError
from poetry_publish_verified.sanitize import learn, learn_login, learn_url
from poetry_publish_verified.values import Value


class Credentials(Value, kw_only=True):
    """Credentials and certificates from the command line."""

    username: str | None = None
    password: str | None = None
    cert: Path | None = None
    client_cert: Path | None = None


class _Recorder:
    """Stands in for Poetry's uploader, and records what it gets."""

    version = url = ""
    username: str | None = None
    password: str | None = None
    cert: Path | bool = True
    client_cert: Path | None = None

    def auth(self, username: str | None, password: str | None) -> None:
        self.username, self.password = username, password

    def upload(
        self,
        url: str,
        cert: Path | bool = True,
        client_cert: Path | None = None,
        *_: object,
        **__: object,
    ) -> None:
        self.url, self.cert, self.client_cert = url, cert, client_cert


def repository_name(value: str | None, option: str = "--repository") -> str:
    """The repository's name; raises ReleaseError for a URL, which may hold a password."""
    if value and ("://" in value or "@" in value):
        raise ReleaseError.refused(problems.url_for_a_name(option))
    return value or "pypi"


def repository(poetry: Poetry, name: str | None, given: Credentials) -> RepositoryTarget:
    """Where Poetry would upload to, and with what: Poetry's own publisher decides.

    Options, configuration, environment and keyring all count; its uploader is replaced by a
    recorder. Raises ReleaseError for a repository that is not configured or has no usable URL.
    """
    from cleo.io.null_io import NullIO
    from poetry.publishing.publisher import Publisher

    learn(given.password)
    recorder = _Recorder()
    publisher = Publisher(poetry, NullIO())
    publisher._uploader = recorder  # type: ignore[assignment]  # noqa: SLF001 - reading
    label = name or "pypi"
    try:
        publisher.publish(name, given.username, given.password, given.cert, given.client_cert)
    except RuntimeError as error:
        unknown = problems.unknown_repository(label, url_variable(label), error)
        raise ReleaseError.refused(unknown) from error
    learn_url(recorder.url)
    try:
        url, username, password = split_credentials(recorder.url)
    except InvalidUrlError as error:
        raise ReleaseError.refused(_bad_url(label, error)) from None
    if url.endswith("/legacy"):  # Poetry before 2.2 leaves the slash out
        url += "/"
    empty = tuple(name for name in credential_variables(label) if os.environ.get(name) == "")
    # Poetry before 2.1 takes an empty variable for an empty password.
    unset = recorder.password == "" and bool(empty)
    if recorder.username is not None and recorder.password is not None and not unset:
        username, password = recorder.username, recorder.password
    if username == "__token__" and password is not None:
        # A secret of a CI often ends with the line break of the file it came from.
        password = password.strip()
    cert, client_cert = recorder.cert, recorder.client_cert
    access = access_to(url, username, password, cert=cert, client_cert=client_cert)
    # Poetry itself forgets a user name that comes without a password.
    half = bool(given.username or recorder.username) and access.password is None
    source = _source(label, given, recorder) if access.basic else ""
    return RepositoryTarget(label, url, access, half_login=half, empty=empty, source=source)


def malformed_url(config: Config) -> Problem | None:
    """Which repository's URL keeps Poetry from reading any project, if one does."""
    for name, repository in (config.get("repositories") or {}).items():
        url = str(repository.get("url", ""))
        learn_url(url)
        try:
            urlsplit(url)
        except ValueError:  # its message may hold a password
            return _bad_url(name, "it is not a valid URL")
    return None


def _bad_url(name: str, error: object) -> Problem:
    variable = url_variable(name)
    return problems.bad_repository_url(name, error, variable if variable in os.environ else None)


def _source(name: str, given: Credentials, recorder: _Recorder) -> str:
    """Where a repository's credentials are from, in Poetry's own order."""
    if given.username or given.password:
        return "the command line"
    variables = [each for each in credential_variables(name) if os.environ.get(each)]
    if variables:
        return f"the environment ({', '.join(variables)})"
    if recorder.password is not None:
        return f"Poetry's configuration or keyring (pypi-token.{name} or http-basic.{name})"
    in_url = split_credentials(recorder.url)[1:] != (None, None)
    return "the repository's URL" if in_url else "~/.netrc"


def access_to(
    url: str,
    username: str | None,
    password: str | None,
    *,
    cert: Path | bool,
    client_cert: Path | None,
) -> Access:
    """How to access a URL, with `~/.netrc` and the usual variables for certificates."""
    if username is None and password is None:
        # requests, and so Poetry, looks here last.
        from requests.utils import get_netrc_auth

        username, password = get_netrc_auth(url) or (None, None)
    learn_login(username, password)
    if isinstance(cert, Path):
        ca: str | None = str(cert)
    else:
        ca = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return Access(
        username=username,
        password=password,
        ca=ca if cert is not False else None,
        verify=cert is not False,
        client_cert=str(client_cert) if client_cert else None,
    )


def accept_encoding() -> str:
    """The Accept-Encoding that this Poetry sends: it depends on what is installed beside it."""
    from requests.utils import default_headers

    return str(default_headers()["Accept-Encoding"])


def proxy_for(url: str) -> str | None:
    """The proxy that Poetry would use for a URL: `*_proxy`, `no_proxy`, the system's settings.

    Raises ValueError if that is malformed.
    """
    from requests.utils import get_environ_proxies, prepend_scheme_if_needed, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url))
    learn_url(proxy or "")
    try:
        return prepend_scheme_if_needed(proxy, "http") if proxy else None
    except ValueError:
        # Its words quote what they take for the host, which may be half of a password.
        raise ValueError("the proxy is not a valid URL") from None


def pypi_index() -> str:
    """The URL of PyPI's simple API, as Poetry knows it."""
    from poetry.repositories.pypi_repository import PyPiRepository

    return PyPiRepository(disable_cache=True).url.rstrip("/") + "/"


def project_page(index: str, name: str) -> str | None:
    """The project's page for people on PyPI or TestPyPI; None on other indexes, which vary."""
    if is_public(index) and index.endswith("/simple/"):
        return f"{index.removesuffix('simple/')}project/{name}/"
    return None


def is_public_repository(config: Config, name: str | None) -> bool:
    """Whether a repository or index, by its name or URL, is PyPI's or TestPyPI's; None is PyPI."""
    if name is None or name.lower() == "pypi":
        return True
    return is_public(name if "://" in name else str(config.get(f"repositories.{name}.url") or ""))


def is_public(upload_url: str) -> bool:
    """Whether an upload goes to PyPI or TestPyPI, the indexes whose rules are known."""
    pypi = urlsplit(pypi_index()).hostname or ""
    host = urlsplit(upload_url).hostname or ""
    return host == pypi or host.endswith("." + pypi)
