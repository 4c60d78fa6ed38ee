"""Repositories, indexes, credentials and certificates, before anything is sent (PV3xx)."""

from __future__ import annotations

from poetry_publish_verified.core.problems.words import RERUN
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.sanitize import printable


def url_for_a_name() -> Problem:
    """`--repository` got a URL; it is not repeated, as it may hold a password."""
    return Problem(
        Code.REPOSITORY_UNKNOWN,
        "--repository expects the name of a repository, not a URL.",
        "Run poetry config repositories.<name> <upload URL>, then pass that name.",
    )


def unknown_repository(name: str, variable: str, error: object) -> Problem:
    """Poetry does not know the repository; `variable` is its name in environment variables."""
    return Problem(
        Code.REPOSITORY_UNKNOWN,
        f"{printable(str(error)).rstrip('.')}.",
        "Leave out --repository to publish to PyPI."
        if name.lower() == "pypi"
        else f"{_set_url(name)}, or set POETRY_REPOSITORIES_{variable}_URL.",
    )


def bad_repository_url(name: str, error: object) -> Problem:
    """The repository's URL is invalid."""
    return Problem(
        Code.REPOSITORY_URL,
        f"The URL of repository {printable(name)} is unusable: {error}.",
        f"{_set_url(name)}.",
    )


def repository_is_an_index(name: str, url: str) -> Problem:
    """The repository's URL is that of a simple API, which takes no uploads."""
    return Problem(
        Code.NOT_AN_UPLOAD_URL,
        f"The URL of repository {printable(name)}, {url}, belongs to a simple index, which does not"
        " accept uploads.",
        f"Set the upload URL, often the same without its last part: {_config_url(name)}.",
    )


def repository_unreachable(name: str, url: str, said: str) -> Problem:
    """No server answers at the upload URL."""
    where = "" if name.lower() == "pypi" else f"the URL ({_config_url(name)}), "
    return Problem(
        Code.REPOSITORY_NOT_REACHED,
        f"Cannot reach the upload URL {url} ({said}), so nothing was uploaded.",
        f"Check {where}the network, the proxy and the certificates, then {RERUN}.",
    )


def unknown_index_of(
    repository: str, url: str, *, guess: str | None = None, said: str = ""
) -> Problem:
    """Nothing says which index shows what is uploaded; it is not at `guess`, which `said` so."""
    tried = f": there is none at {guess} ({said})" if guess else ""
    return Problem(
        Code.INDEX_UNKNOWN,
        f"Cannot tell which index shows what is uploaded to {url}{tried}.",
        "Pass --index URL, set index in [tool.publish-verified], or add a Poetry source of the same"
        f" name: poetry source add {printable(repository)} <URL of its simple API>.",
    )


def unknown_index(name: str) -> Problem:
    """A name that is neither a source nor a repository."""
    return Problem(Code.INDEX_UNKNOWN, f"There is no index named {name!r}.", _NAME_AN_INDEX)


def bad_index_url(url: str, error: object) -> Problem:
    """An index's URL is invalid; `url` has no secrets in it."""
    return Problem(Code.INDEX_UNKNOWN, f"The index URL {url} is unusable: {error}.", _NAME_AN_INDEX)


def bad_source_url(source: str, error: object) -> Problem:
    """The URL of one of Poetry's sources is invalid."""
    return Problem(
        Code.INDEX_UNKNOWN,
        f"The URL of Poetry source {printable(source)} is unusable: {error}.",
        f"Correct the source {printable(source)} in pyproject.toml.",
    )


def index_state_unknown(index: str, detail: str, *, denied: bool = False) -> Problem:
    """The index does not say what it holds; unknown is never treated as absent."""
    if denied:
        remedy = (
            "Give Poetry credentials for this index: poetry config http-basic.<name> <user>, with"
            " the name of the repository or of a Poetry source for it as <name>."
        )
    elif "certificate" in detail.lower():
        remedy = (
            "Pass the certificates to trust with --cert, or set them with poetry config"
            " certificates.<name>.cert."
        )
    else:
        remedy = (
            "Check the index's URL, the proxy, and that the index is up, then run the same command"
            " again. To use another index, pass --index."
        )
    return Problem(
        Code.INDEX_STATE_UNKNOWN,
        f"Cannot tell what {index} holds of this release ({detail}), so nothing was uploaded.",
        remedy,
        index=index,
    )


def index_unreachable(index: str, said: str) -> Problem:
    """No server answers where the release must show."""
    return Problem(
        Code.INDEX_NOT_REACHED,
        f"Cannot reach {index} ({said}), so the release could not be verified there. Nothing was"
        " uploaded.",
        f"Check its URL and that it is up, then {RERUN}.",
        index=index,
    )


def bad_certificate(path: object, error: object) -> Problem:
    """A certificate file cannot be used."""
    return Problem(
        Code.CERTIFICATE,
        f"Cannot use the certificate file {printable(str(path))}: {printable(str(error))}.",
        "Pass a PEM file with --cert or --client-cert, or set one with poetry config"
        " certificates.<repository>.cert.",
    )


def half_login(repository: str, variable: str) -> Problem:
    """A user name without a password; the name is not repeated: it may be a token."""
    name = printable(repository)
    return Problem(
        Code.CREDENTIALS_MISSING,
        f"Repository {name} has a user name but no password.",
        f"Pass --password, set POETRY_HTTP_BASIC_{variable}_PASSWORD, or run poetry config"
        f" http-basic.{name} <user> <password>.",
    )


def no_credentials(repository: str, variable: str) -> Problem:
    """PyPI and TestPyPI accept no upload without credentials."""
    name = printable(repository)
    return Problem(
        Code.CREDENTIALS_MISSING,
        f"Repository {name} requires credentials, and none are set.",
        f"Create an API token on its website and run poetry config pypi-token.{name} <token>, or"
        f" set POETRY_PYPI_TOKEN_{variable}.",
    )


def plain_http(url: str) -> Problem:
    """Traffic that crosses the network unencrypted."""
    return Problem(
        Code.PLAIN_HTTP,
        f"{url} is plain HTTP: anyone on the network path can read and change credentials and"
        " files.",
        "Use the server's https URL.",
        severity="warning",
    )


_NAME_AN_INDEX = (
    "Name an index by the URL of its simple API, or by the name of a Poetry source or repository."
)


def _config_url(name: str) -> str:
    return f"poetry config repositories.{printable(name)} <upload URL>"


def _set_url(name: str) -> str:
    return f"Run {_config_url(name)}"
