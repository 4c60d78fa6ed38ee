"""Repositories, indexes, credentials and certificates, before anything is sent (PV3xx)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from poetry_publish_verified.core.problems.words import RERUN
from poetry_publish_verified.errors import Code, Problem
from poetry_publish_verified.sanitize import printable


def url_for_a_name() -> Problem:
    """`--repository` got a URL; it is not repeated, as it may hold a password."""
    return Problem(
        Code.REPOSITORY_UNKNOWN,
        "--repository expects the name of a repository, not a URL.",
        "Run poetry config repositories.<name> <upload URL>, then pass that name.",
    )


def unknown_repository(name: str, variable: str | None, error: object) -> Problem:
    """Poetry does not know the repository; `variable` is its name in environment variables.

    None where it cannot be in one.
    """
    setting = f", or set POETRY_REPOSITORIES_{variable}_URL" if variable else ""
    return Problem(
        Code.REPOSITORY_UNKNOWN,
        f"{printable(str(error)).rstrip('.')}.",
        "Leave out --repository to publish to PyPI."
        if name.lower() == "pypi"
        else f"{_set_url(name)}{setting}.",
    )


def bad_repository_url(name: str, error: object) -> Problem:
    return Problem(
        Code.REPOSITORY_URL,
        f"The URL of repository {printable(name)} is unusable: {error}.",
        f"{_set_url(name)}.",
    )


def repository_is_an_index(name: str, url: str) -> Problem:
    return Problem(
        Code.NOT_AN_UPLOAD_URL,
        f"The URL of repository {printable(name)}, {url}, belongs to a simple index, which does not"
        " accept uploads.",
        f"Set the upload URL, often the same without its last part: {_config_url(name)}. If this"
        f" server does accept uploads there, add --index {url}.",
    )


def repository_unreachable(name: str, url: str, said: str) -> Problem:
    where = "" if name.lower() == "pypi" else f"the URL ({_config_url(name)}), "
    return Problem(
        Code.REPOSITORY_NOT_REACHED,
        f"Cannot reach the upload URL {url} ({said}), so nothing was uploaded.",
        f"Check {where}the network, the proxy and the certificates, then {RERUN}.",
    )


def upload_url_redirects(name: str, url: str, target: str, *, sign_in: bool) -> Problem:
    """What is at the upload URL sends everybody elsewhere, and uploads do not follow."""
    if sign_in:
        return Problem(
            Code.REDIRECTED,
            f"The upload URL {url} redirects to a sign-in page, {target}, so nothing was uploaded.",
            past_the_sign_in_page(name),
        )
    return Problem(
        Code.REDIRECTED,
        f"The upload URL {url} redirects to {target}, and uploads do not follow redirects, so"
        " nothing was uploaded.",
        f"Run poetry config repositories.{printable(name)} {target}, then {RERUN}.",
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
    return Problem(Code.INDEX_UNKNOWN, f"There is no index named {name!r}.", _NAME_AN_INDEX)


def bad_index_url(url: str, error: object) -> Problem:
    """An index's URL is invalid; `url` has no secrets in it."""
    return Problem(Code.INDEX_UNKNOWN, f"The index URL {url} is unusable: {error}.", _NAME_AN_INDEX)


def bad_source_url(source: str, error: object) -> Problem:
    return Problem(
        Code.INDEX_UNKNOWN,
        f"The URL of Poetry source {printable(source)} is unusable: {error}.",
        f"Correct the source {printable(source)} in pyproject.toml.",
    )


def index_state_unknown(
    index: str, detail: str, *, name: str | None, denied: bool = False
) -> Problem:
    """The index does not say what it holds, which is never absent; `name` is that of its login."""
    remedy = f"{give_credentials(name)}." if denied else get_an_answer(detail, name)
    return Problem(
        Code.INDEX_STATE_UNKNOWN,
        f"Cannot tell what {index} holds of this release ({detail}), so nothing was uploaded.",
        remedy,
        index=index,
    )


def index_unreachable(index: str, said: str) -> Problem:
    return Problem(
        Code.INDEX_NOT_REACHED,
        f"Cannot reach {index} ({said}), so the release could not be verified there. Nothing was"
        " uploaded.",
        f"Check its URL and that it is up, then {RERUN}.",
        index=index,
    )


def past_the_sign_in_page(repository: str) -> str:
    return (
        "The server shows its sign-in page to anyone it does not know: check the credentials"
        f" (poetry config http-basic.{printable(repository)} <user>). If they are right, ask the"
        f" administrators for an upload URL that accepts them without a browser, then {RERUN}."
    )


def give_credentials(name: str | None) -> str:
    if name is None:
        return (
            "Give Poetry credentials for this index: add a Poetry source for it (poetry source"
            " add), and run poetry config http-basic.<its name> <user> <password>"
        )
    return (
        "Give Poetry credentials that may read this index: poetry config"
        f" http-basic.{printable(name)} <user> <password>"
    )


def trust_certificate(name: str | None) -> str:
    if name is None:
        return (
            "Have the certificate trusted: set REQUESTS_CA_BUNDLE, or add a Poetry source for the"
            " index (poetry source add), and run poetry config certificates.<its name>.cert <file>"
        )
    return (
        "Have the certificate trusted: pass --cert, or run poetry config"
        f" certificates.{printable(name)}.cert <file>"
    )


def get_an_answer(detail: str, name: str | None) -> str:
    """Advice: an index whose answers are errors; `detail` is the last one."""
    if "certificate" in detail.lower():
        return f"{trust_certificate(name)}, then {RERUN}."
    return (
        f"Check the index's URL, the proxy, and that the index is up, then {RERUN}. To use another"
        " index, pass --index."
    )


def bad_certificate(path: object, error: object, name: str | None) -> Problem:
    """A certificate file cannot be used; `name` is that of the repository or source."""
    setting = f", or set one with poetry config certificates.{printable(name)}.cert" if name else ""
    return Problem(
        Code.CERTIFICATE,
        f"Cannot use the certificate file {printable(str(path))}: {printable(str(error))}.",
        f"Pass a PEM file with --cert or --client-cert{setting}.",
    )


def half_login(repository: str, variables: Sequence[str], empty: Collection[str]) -> Problem:
    """A user name without a password; the name is not repeated: it may be a token.

    `variables` are those that Poetry reads, `empty` those of them that are set to nothing.
    """
    name = printable(repository)
    setting = f", set {variables[-1]}" if variables else ""
    return Problem(
        Code.CREDENTIALS_MISSING,
        f"Repository {name} has a user name but no password.{_set_but_empty(empty)}",
        f"Pass --password{setting}, or run poetry config http-basic.{name} <user> <password>.",
    )


def no_credentials(repository: str, variables: Sequence[str], empty: Collection[str]) -> Problem:
    name = printable(repository)
    setting = f", or set {variables[0]}" if variables else ""
    return Problem(
        Code.CREDENTIALS_MISSING,
        f"Repository {name} requires credentials, and none are set.{_set_but_empty(empty)}",
        f"Create an API token on its website and run poetry config pypi-token.{name} <token>"
        f"{setting}.",
    )


def empty_credentials(repository: str, empty: Collection[str]) -> Problem:
    return Problem(
        Code.CREDENTIALS_MISSING,
        f"No credentials were found for repository {printable(repository)}.{_set_but_empty(empty)}",
        "If the repository needs none, unset them. A CI system sets a secret that a job may not"
        " read to nothing.",
        severity="warning",
    )


def token_without_its_user(repository: str) -> Problem:
    """PyPI accepts an API token as the password of one user name only."""
    name = printable(repository)
    return Problem(
        Code.CREDENTIALS_MISSING,
        f"The password of repository {name} is an API token, which belongs to the user name"
        " __token__, and the user name is another.",
        f"Run poetry config pypi-token.{name} <token>, or pass --username __token__.",
    )


def line_break_in_password(repository: str) -> Problem:
    return Problem(
        Code.CREDENTIALS_MISSING,
        f"The password of repository {printable(repository)} contains a line break.",
        "If the repository refuses it, store it again without the line break.",
        severity="warning",
    )


def _set_but_empty(variables: Collection[str]) -> str:
    if not variables:
        return ""
    return f" {' and '.join(variables)} {'is' if len(variables) == 1 else 'are'} set but empty."


def plain_http(url: str) -> Problem:
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
