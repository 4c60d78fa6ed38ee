"""The project, as Poetry has it: the only reader of Poetry's objects.

Tried with Poetry 2.0 to 2.5.
"""

from __future__ import annotations

import functools
import os
import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.preflight import Declared
from poetry_publish_verified.core.preflight import Identity
from poetry_publish_verified.core.problems import repository as problems
from poetry_publish_verified.core.problems.project import not_a_package
from poetry_publish_verified.core.release_order import WorkspaceMember
from poetry_publish_verified.core.settings import ENVIRONMENT_PREFIX
from poetry_publish_verified.core.urls import Access
from poetry_publish_verified.core.urls import InvalidUrlError
from poetry_publish_verified.core.urls import RepositoryTarget
from poetry_publish_verified.core.urls import in_variables
from poetry_publish_verified.core.urls import looks_like_an_index
from poetry_publish_verified.core.urls import split_credentials
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.sanitize import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.tags import Tag
    from poetry.poetry import Poetry

_POETRY_CORE = "poetry.core.masonry.api"
# Plugins that leave the requirements alone: this one, Poetry's own, one that sets the version.
_NO_HAND_IN_IT = (
    __name__.partition(".")[0] + ".",
    "poetry_plugin_export.",
    "poetry_plugin_shell.",
    "poetry_dynamic_versioning.",
)


@dataclass(frozen=True, slots=True)
class Project:
    """One project: its folder, and the release it would make.

    `declared` is what Poetry itself would write into the metadata; None where another build
    backend does that.
    """

    root: Path
    identity: Identity
    declared: Declared | None = None

    def dist_dir(self, option: str) -> Path:
        """The dist folder; a relative one is in the project's, as with `poetry publish`."""
        return self.root / option


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the command line says of credentials and certificates."""

    username: str | None = None
    password: str | None = None
    cert: Path | None = None
    client_cert: Path | None = None


def _refused(problem: Problem) -> ReleaseError:
    """The end of a run that sent nothing."""
    return ReleaseError(Verdict.PREFLIGHT_REFUSED, problem)


def read(poetry: Poetry) -> Project:
    """The project; ReleaseError where there is nothing to publish in it."""
    root = poetry.file.path.parent
    if not poetry.is_package_mode:
        raise _refused(not_a_package(str(root / "pyproject.toml")))
    identity = Identity(
        canonicalize_name(poetry.package.name), Version(poetry.package.version.to_string())
    )
    return Project(root, identity, _declared(poetry))


def member(poetry: Poetry, project: Project, folder: str) -> WorkspaceMember:
    """The project as one of several; `folder` is what people call where it lies."""
    requires = tuple(
        dependency.to_pep_508()
        for dependency in poetry.package.requires
        if not dependency.is_optional() or dependency.in_extras
    )
    named = _build_system(poetry).get("requires")
    builds_with = tuple(map(str, named)) if isinstance(named, list) else ()
    return WorkspaceMember(
        project.identity.name, project.identity.version, folder, requires, builds_with
    )


def _declared(poetry: Poetry) -> Declared | None:
    """The requirements as poetry-core would write them into METADATA, and as it is asked to."""
    from poetry.core.masonry.metadata import Metadata

    if _build_system(poetry).get("build-backend") != _POETRY_CORE:
        return None
    try:
        metadata = Metadata.from_package(poetry.package)
    except Exception:  # noqa: BLE001 - a missing README or licence: only a build has to say so
        return None
    surely = not _others_plugins(tuple(sys.path)) and not any(
        each.is_file() or each.is_directory() for each in poetry.package.all_requires
    )
    return Declared(metadata.requires_python, tuple(metadata.requires_dist), surely)


def _build_system(poetry: Poetry) -> Mapping[str, Any]:
    """`[build-system]`; Poetry's own way to it parses the file once more, far more slowly."""
    table = tomllib.loads(poetry.pyproject_path.read_text(encoding="utf-8")).get("build-system", {})
    return table if isinstance(table, dict) else {}


@functools.lru_cache(maxsize=1)
def _others_plugins(_path: tuple[str, ...]) -> bool:
    """Whether plugins are on `sys.path` that may have a hand in what is built."""
    points = (
        *entry_points(group="poetry.application.plugin"),
        *entry_points(group="poetry.plugin"),
    )
    return any(not point.value.startswith(_NO_HAND_IN_IT) for point in points)


def project_file(folder: Path) -> Path | None:
    """The pyproject.toml that Poetry reads in a folder: the one there, or the nearest above."""
    from poetry.core.factory import Factory

    try:
        return Factory.locate(folder)
    except RuntimeError:
        return None


def settings_table(file: Path) -> Any:
    """What a pyproject.toml, of Poetry's or not, has at `tool.publish-verified`.

    Raises OSError or ValueError where it cannot be read.
    """
    tool = tomllib.loads(file.read_text(encoding="utf-8")).get("tool")
    return tool.get("publish-verified", {}) if isinstance(tool, dict) else {}


def environment_settings() -> dict[str, str]:
    """The variables `POETRY_PUBLISH_VERIFIED_*` as Poetry's own configuration reads them."""
    from poetry.config.config import Config

    config, found = Config.create(), {}
    for variable in os.environ:
        if variable.startswith(ENVIRONMENT_PREFIX):
            key = variable.removeprefix(ENVIRONMENT_PREFIX)
            value = config.get("publish-verified." + key.lower().replace("_", "-"))
            found[key] = os.environ[variable] if value is None else str(value)
    return found


class _Recorder:
    """Stands in for Poetry's uploader and keeps what it is given."""

    version = ""

    def __init__(self) -> None:
        self.username: str | None = None
        self.password: str | None = None
        self.url = ""
        self.cert: Path | bool = True
        self.client_cert: Path | None = None

    def auth(self, username: str | None, password: str | None) -> None:
        self.username, self.password = username, password

    def upload(
        self,
        url: str,
        cert: Path | bool = True,
        client_cert: Path | None = None,
        dry_run: bool = False,  # noqa: ARG002 - Poetry's signature
        skip_existing: bool = False,  # noqa: ARG002 - Poetry's signature
    ) -> None:
        self.url, self.cert, self.client_cert = url, cert, client_cert


def repository_name(option: str | None) -> str:
    """The repository's name; ReleaseError where a URL was given, which may hold a password."""
    if option and ("://" in option or "@" in option):
        raise _refused(problems.url_for_a_name())
    return option or "pypi"


def repository(poetry: Poetry, name: str | None, given: Credentials) -> RepositoryTarget:
    """Where Poetry would upload to, and with what: Poetry's own publisher decides.

    Its options, configuration, environment and keyring all count; instead of uploading, it
    tells. Raises ReleaseError for a repository that is not configured or has no usable URL.
    """
    from cleo.io.null_io import NullIO
    from poetry.publishing.publisher import Publisher

    recorder = _Recorder()
    publisher = Publisher(poetry, NullIO())
    publisher._uploader = recorder  # type: ignore[assignment]  # noqa: SLF001 - reading
    label = name or "pypi"
    try:
        publisher.publish(name, given.username, given.password, given.cert, given.client_cert)
    except RuntimeError as error:
        unknown = problems.unknown_repository(label, in_variables(printable(label)), error)
        raise _refused(unknown) from error
    try:
        url, username, password = split_credentials(recorder.url)
    except InvalidUrlError as error:
        raise _refused(problems.bad_repository_url(label, error)) from None
    if url.endswith("/legacy"):  # Poetry before 2.2 leaves the slash out
        url += "/"
    if looks_like_an_index(url):
        raise _refused(problems.repository_is_an_index(label, url))
    if recorder.username is not None and recorder.password is not None:
        username, password = recorder.username, recorder.password
    access = access_to(url, username, password, recorder.cert, recorder.client_cert)
    # Poetry itself forgets a user name that comes without a password.
    half = bool(given.username or recorder.username) and access.password is None
    return RepositoryTarget(label, url, access, half_login=half)


def access_to(
    url: str,
    username: str | None,
    password: str | None,
    cert: Path | bool,
    client_cert: Path | None,
) -> Access:
    """How to speak to a URL, `~/.netrc` and the usual variables for certificates included."""
    if username is None and password is None:
        # requests, and so Poetry, looks here last.
        from requests.utils import get_netrc_auth

        username, password = get_netrc_auth(url) or (None, None)
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
    """The Accept-Encoding that this very Poetry sends: it depends on what is installed beside."""
    from requests.utils import default_headers

    return str(default_headers()["Accept-Encoding"])


def proxy_for(url: str) -> str | None:
    """The proxy that Poetry would use for a URL: `*_proxy`, `no_proxy`, the system's settings."""
    from requests.utils import get_environ_proxies
    from requests.utils import prepend_scheme_if_needed
    from requests.utils import select_proxy

    proxy = select_proxy(url, get_environ_proxies(url))
    return prepend_scheme_if_needed(proxy, "http") if proxy else None


def pypi_index() -> str:
    """PyPI's simple API, at the address that Poetry has for it."""
    from poetry.repositories.pypi_repository import PyPiRepository

    return PyPiRepository(disable_cache=True).url.rstrip("/") + "/"


def supported_tags(poetry: Poetry) -> frozenset[Tag]:
    """The tags of the Python that would build: that of the project's environment."""
    from poetry.utils.env import EnvManager

    return frozenset(EnvManager(poetry).get().supported_tags)


def is_public(upload_url: str) -> bool:
    """Whether an upload goes to PyPI or TestPyPI, the indexes whose rules are known."""
    pypi = urlsplit(pypi_index()).hostname or ""
    host = urlsplit(upload_url).hostname or ""
    return host == pypi or host.endswith("." + pypi)


def project_page(index: str, name: str) -> str | None:
    """The project's page for people on PyPI or TestPyPI; None on other indexes, which vary."""
    if is_public(index) and index.endswith("/simple/"):
        return f"{index.removesuffix('simple/')}project/{name}/"
    return None
