"""Repositories, indexes, credentials and certificates, before anything is sent (PV3xx)."""

from collections.abc import Collection, Sequence

from poetry_publish_verified.core.problems.words import RERUN, Text, problem, words_of
from poetry_publish_verified.durations import in_words
from poetry_publish_verified.errors import Code
from poetry_publish_verified.sanitize import harmless, printable


@problem(Code.REPOSITORY_UNKNOWN)
def url_for_a_name(option: str) -> Text:
    """`option` got a URL; it is not repeated, as it may hold a password."""
    return Text(
        f"{option} expects the name of a repository, not a URL.",
        "Run poetry config repositories.<name> <upload URL>, then pass that name.",
    )


@problem(Code.REPOSITORY_UNKNOWN)
def unknown_repository(name: str, variable: str | None, error: object) -> Text:
    """Poetry does not know the repository; `variable` may have its URL, or None can."""
    setting = f", or set {variable}" if variable else ""
    return Text(
        f"{printable(str(error)).rstrip('.')}.",
        "Leave out --repository to publish to PyPI."
        if name.lower() == "pypi"
        else f"{_set_url(name)}{setting}.",
    )


@problem(Code.REPOSITORY_URL)
def bad_repository_url(name: str, error: object, variable: str | None) -> Text:
    """A repository's URL, which is from this environment variable if from any, is invalid."""
    source = f" (from {variable})" if variable else ""
    return Text(
        f"The URL of repository {harmless(name)}{source} is invalid: {error}.",
        f"Set {variable} to the upload URL." if variable else f"{_set_url(name)}.",
    )


@problem(Code.NOT_AN_UPLOAD_URL)
def repository_is_an_index(name: str, url: str) -> Text:
    return Text(
        f"The URL of repository {harmless(name)}, {url}, belongs to a simple index, which does not"
        " accept uploads.",
        f"Set the upload URL, often the same without its last part: {_config_url(name)}. If this"
        f" server does accept uploads there, add --index {url}.",
    )


@problem(Code.REPOSITORY_NOT_REACHED)
def repository_unreachable(name: str, url: str, said: str) -> Text:
    where = "" if name.lower() == "pypi" else f"the URL ({_config_url(name)}), "
    return Text(
        f"Cannot reach the upload URL {url} ({said}), so nothing was uploaded.",
        f"Check {where}the network, the proxy and the certificates, then {RERUN}.",
    )


@problem(Code.REDIRECTED)
def upload_url_redirects(name: str, url: str, target: str, *, sign_in: bool) -> Text:
    if sign_in:
        return Text(
            f"The upload URL {url} redirects to a sign-in page, {target}, so nothing was uploaded.",
            past_the_sign_in_page(name),
        )
    return Text(
        f"The upload URL {url} redirects to {target}, and uploads do not follow redirects, so"
        " nothing was uploaded.",
        f"Run poetry config repositories.{harmless(name)} {target}, then {RERUN}.",
    )


@problem(Code.INDEX_UNKNOWN)
def unknown_index_of(
    repository: str, url: str, *, guess: str | None = None, said: str = ""
) -> Text:
    """Nothing says which index shows what is uploaded; it is not at `guess`, which `said` so."""
    tried = f": there is none at {guess} ({said})" if guess else ""
    return Text(
        f"Cannot tell which index shows what is uploaded to {url}{tried}.",
        "Pass --index URL, set index in [tool.publish-verified], or add a Poetry source of the same"
        f" name: poetry source add {harmless(repository)} <URL of its simple API>.",
    )


@problem(Code.INDEX_UNKNOWN)
def unknown_index(name: str) -> Text:
    return Text(f"There is no index named {name!r}.", _NAME_AN_INDEX)


@problem(Code.INDEX_UNKNOWN)
def bad_index_url(url: str, error: object) -> Text:
    """An index's URL is invalid; `url` has no secrets in it."""
    return Text(f"The index URL {url} is invalid: {error}.", _NAME_AN_INDEX)


@problem(Code.INDEX_UNKNOWN)
def index_with_secret(url: str) -> Text:
    """A receipt's index, which lacks the secret in its URL."""
    return Text(
        f"The receipt has the index URL {url} without its secret.",
        "Pass the URL with --index, with the environment variable that holds the secret in braces:"
        " --index 'https://<host>/{TOKEN}/simple/'.",
    )


@problem(Code.INDEX_UNKNOWN)
def bad_source_url(source: str, error: object) -> Text:
    return Text(
        f"The URL of Poetry source {harmless(source)} is invalid: {error}.",
        f"Fix the source {harmless(source)} in pyproject.toml.",
    )


@problem(Code.INDEX_STATE_UNKNOWN)
def index_state_unknown(
    index: str, detail: str, *, name: str | None, denied: bool = False, malformed: bool = False
) -> Text:
    """The index does not say what it holds, which is never absent; `name` is that of its login.

    `malformed`: it has answered, against the standards.
    """
    return Text(
        f"Cannot tell which files of this release {index} has ({detail}), so nothing was uploaded.",
        f"{give_credentials(name)}."
        if denied
        else get_an_answer(detail, name, malformed=malformed),
    )


@problem(Code.INDEX_NOT_REACHED)
def index_unreachable(index: str, said: str) -> Text:
    return Text(
        f"Cannot reach {index} ({said}), so the release could not be verified there. Nothing was"
        " uploaded.",
        f"Check its URL and that it is up, then {RERUN}.",
    )


def past_the_sign_in_page(repository: str) -> str:
    return (
        f"Check the credentials (poetry config http-basic.{harmless(repository)} <user>). If they"
        " are right, ask the administrators for an upload URL that accepts them without a sign-in"
        f" page, then {RERUN}."
    )


def give_credentials(name: str | None) -> str:
    if name is None:
        return (
            "Give Poetry credentials for this index: add a Poetry source for it (poetry source"
            " add), and run poetry config http-basic.<its name> <user> <password>"
        )
    return (
        "Give Poetry credentials with read access to this index: poetry config"
        f" http-basic.{harmless(name)} <user> <password>"
    )


def trust_certificate(name: str | None) -> str:
    if name is None:
        return (
            "Trust the certificate: set REQUESTS_CA_BUNDLE, or add a Poetry source for the"
            " index (poetry source add), and run poetry config certificates.<its name>.cert <file>"
        )
    return (
        "Trust the certificate: pass --cert, or run poetry config"
        f" certificates.{harmless(name)}.cert <file>"
    )


def get_an_answer(detail: str, name: str | None, *, malformed: bool) -> str:
    """Advice: an index whose answers are errors or `malformed`; `detail` is the last one."""
    if malformed:
        return (
            "Check the index's URL, and that no proxy answers in its place. If so, ask the operator"
            f" of the index to fix its page, then {RERUN}."
        )
    if "certificate" in detail.lower():
        return f"{trust_certificate(name)}, then {RERUN}."
    return f"Check the index's URL, the proxy, and that the index is up, then {RERUN}."


@problem(Code.CLOCK_WRONG, "warning")
def clock_wrong(url: str, ahead: float) -> Text:
    """`ahead`: seconds that the clock is ahead of that of the server."""
    way = "ahead of" if ahead > 0 else "behind"
    return Text(
        f"The clock is {in_words(abs(ahead))} {way} that of {url}. Certificates and trusted"
        " publishing depend on it.",
        "Set the clock of this machine, with NTP for example.",
    )


@problem(Code.CERTIFICATE)
def bad_certificate(path: object, error: object, name: str | None) -> Text:
    """A certificate file cannot be used; `name` is that of the repository or source."""
    setting = f", or set one with poetry config certificates.{harmless(name)}.cert" if name else ""
    return Text(
        f"Cannot use the certificate file {harmless(str(path))}: {words_of(error)}.",
        f"Pass a PEM file with --cert or --client-cert{setting}.",
    )


@problem(Code.CREDENTIALS_MISSING)
def half_login(repository: str, variables: Sequence[str], empty: Collection[str]) -> Text:
    """A user name without a password; the name is not repeated: it may be a token.

    `variables` are those that Poetry reads, `empty` those of them that are set to nothing.
    """
    name = harmless(repository)
    setting = f", set {variables[-1]}" if variables else ""
    return Text(
        f"Repository {name} has a user name but no password.{_set_but_empty(empty)}",
        f"Pass --password{setting}, or run poetry config http-basic.{name} <user> <password>.",
    )


@problem(Code.CREDENTIALS_MISSING)
def no_credentials(repository: str, variables: Sequence[str], empty: Collection[str]) -> Text:
    name = harmless(repository)
    setting = f", or set {variables[0]}" if variables else ""
    return Text(
        f"Repository {name} requires credentials, and none are set.{_set_but_empty(empty)}",
        f"Create an API token on its website, then run poetry config pypi-token.{name} <token>"
        f"{setting}.",
    )


@problem(Code.CREDENTIALS_MISSING, "warning")
def empty_credentials(repository: str, empty: Collection[str]) -> Text:
    return Text(
        f"No credentials were found for repository {harmless(repository)}.{_set_but_empty(empty)}",
        "Set them, or unset them if the repository needs none. In CI, a secret is empty if the job"
        " may not read it.",
    )


@problem(Code.CREDENTIALS_MISSING)
def token_without_its_user(repository: str) -> Text:
    """PyPI accepts an API token as the password of one user name only."""
    name = harmless(repository)
    return Text(
        f"The password of repository {name} is an API token, but the user name is not __token__.",
        f"Run poetry config pypi-token.{name} <token>, or pass --username __token__.",
    )


@problem(Code.CREDENTIALS_MISSING, "warning")
def line_break_in_password(repository: str) -> Text:
    return Text(
        f"The password of repository {harmless(repository)} contains a line break.",
        "If the repository refuses it, store it again without the line break.",
    )


def _set_but_empty(variables: Collection[str]) -> str:
    if not variables:
        return ""
    return f" {' and '.join(variables)} {'is' if len(variables) == 1 else 'are'} set but empty."


@problem(Code.PLAIN_HTTP, "warning")
def plain_http(url: str) -> Text:
    return Text(
        f"{url} is plain HTTP: anyone on the network path can read and change credentials and"
        " files.",
        "Use the server's https URL.",
    )


_NAME_AN_INDEX = (
    "Name an index by the URL of its simple API, or by the name of a Poetry source or repository."
)


def _config_url(name: str) -> str:
    return f"poetry config repositories.{harmless(name)} <upload URL>"


def _set_url(name: str) -> str:
    return f"Run {_config_url(name)}"
