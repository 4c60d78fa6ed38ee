"""URLs: credentials apart, origins, and which index shows what an upload URL takes."""

import ipaddress
import re
from dataclasses import field, replace
from typing import Literal, Self
from urllib.parse import unquote, urlsplit, urlunsplit

from poetry_publish_verified.values import Value

_DEFAULT_PORTS = {"http": 80, "https": 443}


# Whether what is at an upload URL takes uploads: a server is there; none is; or it redirects all
# requests, to its https twin or to a page to sign in.
RepositoryState = Literal["there", "unreachable", "https", "sign-in"]
# What the addresses of pages to sign in have in them, and hardly any other does.
_SIGN_IN = re.compile(
    r"/(?:_?(?:log|sign)[-_]?in|sso|idp|adfs|saml2?|auth|oauth2?|openid[^/]*|authenticat\w*"
    r"|authoriz\w*)(?:[/?.]|$)|://(?:log-?in|sign-?in|sso|auth|idp|accounts)\.",
    re.IGNORECASE,
)


class InvalidUrlError(ValueError):
    """Not an absolute http or https URL; the message never contains credentials."""


class Access(Value):
    """How to talk to one origin: credentials and TLS. Never printed whole.

    `ca` is a file or directory of trusted certificates (None: the usual ones),
    `client_cert` a PEM file with certificate and key.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: str | None = None
    verify: bool = True
    client_cert: str | None = None

    @property
    def basic(self) -> tuple[str, str] | None:
        """User name and password, where there is any of them."""
        if self.username is None and self.password is None:
            return None
        return self.username or "", self.password or ""

    def with_token(self, token: str | None) -> Self:
        """The same with an API token for a login; unchanged if there is none."""
        return replace(self, username="__token__", password=token) if token else self


def in_variables(name: str) -> str | None:
    """A repository's name as it appears in Poetry's environment variables.

    None for a name that cannot be in one, as Poetry leaves dots as they are.
    """
    fits = re.fullmatch(r"[A-Za-z0-9_-]+", name)
    return name.upper().replace("-", "_") if fits else None


def url_variable(repository: str) -> str | None:
    """The environment variable that Poetry reads a repository's URL from, if it may have one."""
    variable = in_variables(repository)
    return f"POETRY_REPOSITORIES_{variable}_URL" if variable else None


def credential_variables(repository: str) -> tuple[str, ...]:
    """The environment variables that Poetry reads a repository's credentials from."""
    variable = in_variables(repository)
    if variable is None:
        return ()
    basic = f"POETRY_HTTP_BASIC_{variable}"
    return f"POETRY_PYPI_TOKEN_{variable}", f"{basic}_USERNAME", f"{basic}_PASSWORD"


class RepositoryTarget(Value):
    """A repository by Poetry's name for it, its upload URL (no credentials) and access.

    `half_login`: there is a user name for it, without a password anywhere; `empty`: environment
    variables for credentials that are set to nothing; `source`: where the credentials are from;
    `trusted`: whether trusted publishing takes their place if it is offered, or always.
    """

    name: str
    url: str
    access: Access
    half_login: bool = False
    empty: tuple[str, ...] = ()
    source: str = ""
    trusted: Literal["auto", "always"] | None = None


class IndexTarget(Value):
    """Where an index is (its simple API's root, with a slash at the end) and how to speak to it.

    `certain`: its address is known from the kind of server, not a person's word and not a guess;
    `guessed`: only the shape of the upload URL suggests it; `pypi`: it is PyPI, which Poetry reads
    in a way of its own; `name`: that under which Poetry has its credentials, if any.
    """

    url: str
    access: Access
    certain: bool = False
    guessed: bool = False
    pypi: bool = False
    name: str | None = None


def split_credentials(url: str) -> tuple[str, str | None, str | None]:
    """`url` without `user:password@`, the user name and the password.

    Raises InvalidUrlError if it is not an absolute http(s) URL.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise InvalidUrlError("it is not a valid URL") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise InvalidUrlError("it is not an http:// or https:// URL")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    netloc = host if port is None else f"{host}:{port}"
    clean = urlunsplit((parts.scheme, netloc, parts.path, parts.query, ""))
    username = unquote(parts.username) if parts.username is not None else None
    password = unquote(parts.password) if parts.password is not None else None
    return clean, username, password


def without_credentials(url: str) -> str:
    """`url` without anything that may be a password; if malformed, the part after the last @."""
    try:
        return split_credentials(url)[0]
    except InvalidUrlError:
        return url.rpartition("@")[2]


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port (RFC 6454), the port being the scheme's own where none is named."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)


def is_loopback(host: str) -> bool:
    """Whether a host, by its name or address, is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def goes_in_the_clear(url: str) -> bool:
    """Whether traffic to a URL can be read and changed on the way: http beyond loopback."""
    scheme, host, _ = origin(url)
    return scheme == "http" and not is_loopback(host)


def same_host(url: str, other: str) -> bool:
    """Whether `other` is the same server as `url`, or that server's https twin."""
    here, there = origin(url), origin(other)
    return here == there or (
        here[1] == there[1] and here[::2] == ("http", 80) and there[::2] == ("https", 443)
    )


def moves_uploads(upload_url: str, target: str) -> Literal["https", "sign-in"] | None:
    """Whether a server that redirects a GET of the upload URL there surely does so with a POST.

    To the https twin of the same path, or to where one signs in on another server. Elsewhere,
    what people see at that URL may have moved, and not what takes uploads.
    """
    here, there = urlsplit(upload_url), urlsplit(target)
    if (
        (here.scheme, there.scheme) == ("http", "https")
        and here.hostname == there.hostname
        and here.path.rstrip("/") == there.path.rstrip("/")
    ):
        return "https"
    sign_in = is_sign_in(target) and not is_sign_in(upload_url)
    return "sign-in" if sign_in and origin(upload_url) != origin(target) else None


def is_sign_in(url: str) -> bool:
    """Whether an address reads like that of a page to sign in."""
    return _SIGN_IN.search(url) is not None


def looks_like_an_index(upload_url: str) -> bool:
    """Whether an upload URL is that of a simple index: a common mistake, and pypicloud's way."""
    return urlsplit(upload_url).path.rstrip("/").rsplit("/", 1)[-1] in {"simple", "+simple"}


# Path of the upload URL, its host where the path alone is not enough, path of the index, and
# whether that is surely what clients read: other servers may have a path of the same shape, and
# Artifactory and Nexus serve clients a virtual repository or group, while the one that takes
# uploads may not even be readable.
# Sources: each server's own documentation.
_INDEX_PATHS: tuple[tuple[str, str, str, bool], ...] = (
    (r"/legacy/", r"", "/simple/", False),
    (r"(?P<base>.*/\+?simple)/?", r"", "{base}/", False),  # pypicloud
    (r"(?P<base>.*/api/pypi/[^/]+)/?", r"", "{base}/simple/", False),  # Artifactory
    (r"(?P<base>.*/repository/[^/]+)/?", r"", "{base}/simple/", False),  # Nexus
    (r"(?P<base>.*/api/v4/projects/[^/]+/packages/pypi)/?", r"", "{base}/simple/", True),  # GitLab
    (r"(?P<base>.*/_packaging/[^/]+/pypi)/upload/?", r"", "{base}/simple/", True),  # Azure
    (r"(?P<base>/pypi/[^/]+)/?", r".*\.codeartifact\..*", "{base}/simple/", True),
    (r"(?P<base>/[^/]+/[^/]+)/?", r".*-python\.pkg\.dev", "{base}/simple/", True),
    (r"/?", r"", "/simple/", False),  # pypiserver
    (r"(?P<base>/[^/]+/[^/]+)/?", r"", "{base}/+simple/", False),  # devpi
)


class ImpliedIndex(Value):
    """The index that an upload URL implies; `certain`: the kind of server leaves no doubt."""

    url: str
    certain: bool


def index_of(upload_url: str) -> ImpliedIndex | None:
    """The simple index that shows what `upload_url` takes; None if that is not known.

    PyPI's shape is not certain by itself: only its own host makes it so.
    """
    try:
        parts = urlsplit(upload_url)
    except ValueError:
        return None
    for path, host, index, certain in _INDEX_PATHS:
        match = re.fullmatch(path, parts.path)
        if match and (not host or re.fullmatch(host, parts.hostname or "")):
            # PyPI takes uploads at upload.<host> and shows them at <host>.
            netloc = parts.netloc.removeprefix("upload.") if path == "/legacy/" else parts.netloc
            url = urlunsplit((parts.scheme, netloc, index.format(**match.groupdict()), "", ""))
            return ImpliedIndex(url, certain)
    return None


def own_index(upload_url: str, implied: ImpliedIndex | None, named: tuple[str, ...]) -> str | None:
    """The repository's own index, which is asked before the upload and before all others.

    A certain one always is: a mirror that is named beside it would keep the page that our first
    look makes it fetch. A guess yields to those `named`: of them the guess itself, or one on the
    upload URL's origin, or the first.
    """
    if implied is not None and (implied.certain or implied.url in named or not named):
        return implied.url
    for url in named:
        if origin(url) == origin(upload_url):
            return url
    return named[0] if named else None
