"""Poetry as a client: its own repository classes, asked for what was released.

Tried with Poetry 2.0 to 2.5. Only public names of Poetry are used.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from poetry_publish_verified.adapters.clients import shared
from poetry_publish_verified.adapters.threads import in_daemon_thread
from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.core.verification import ClientFailure, ClientFile, ClientRequest
from poetry_publish_verified.sanitize import printable
from poetry_publish_verified.values import Value

if TYPE_CHECKING:
    from poetry.config.config import Config
    from poetry.core.packages.utils.link import Link
    from poetry.repositories.http_repository import HTTPRepository

T = TypeVar("T")

_SOURCE = "publish-verified"
# The name that Poetry's own class for PyPI has, under which it looks for credentials.
_PYPI = "PyPI"


class _Found(Value):
    """A release as Poetry reads it: its links, and the hash that it locks for each, by filename."""

    links: dict[str, Link]
    locked: dict[str, str]

    def has(self, request: ClientRequest) -> bool:
        """Whether the file is there, and a wheel with a hash."""
        name = request.filename
        return name in self.links and (request.target is None or name in self.locked)


class PoetryClient:
    """The Poetry that runs this, without its caches and without the user's settings."""

    name = "Poetry"
    optional = False

    def __init__(self, setup: shared.ClientSetup, pypi_index: str) -> None:
        """For `pypi_index` Poetry has a class of its own, which reads PyPI's other pages too."""
        self._setup = setup
        self._pypi_index = pypi_index
        # By index, name and version: its other wheels are on the same page.
        self._found: dict[tuple[str, str, str], _Found] = {}

    async def prepare(self) -> None:
        """It runs already."""

    async def download(
        self, request: ClientRequest, index_url: str, timeout: float
    ) -> ClientFile | ClientFailure:
        """Have Poetry find one wheel's version on one index, and download the wheel."""
        return await self._ask(lambda: self._download(request, index_url), index_url, timeout)

    async def resolve(
        self, request: ClientRequest, index_url: str, timeout: float
    ) -> ClientFailure | None:
        """Have Poetry find the version and the link; the other links come with the first."""
        return await self._ask(
            lambda: self._use(request, index_url, lambda *_: None), index_url, timeout
        )

    async def stale_cache_remedy(self, *_: object) -> None:
        """What Poetry's caches on this machine have of the release is dropped in the end."""

    async def _ask(
        self, call: Callable[[], T | ClientFailure], index_url: str, timeout: float
    ) -> T | ClientFailure:
        async with self._setup.pace.clients_turn(index_url, timeout):
            try:
                with anyio.fail_after(timeout):
                    return await in_daemon_thread(call)
            except TimeoutError:
                return ClientFailure(f"Poetry did not finish within {timeout:.0f} s")
            # Poetry, requests and what they use raise what they like on what a server may send.
            except Exception as error:  # noqa: BLE001
                return ClientFailure(f"{type(error).__name__}: {printable(str(error))}")

    def _download(self, request: ClientRequest, index_url: str) -> ClientFile | ClientFailure:
        file = self._setup.directory / f"poetry-{os.urandom(4).hex()}.whl"

        def download(repository: HTTPRepository, found: _Found) -> ClientFile | ClientFailure:
            link = found.links[request.filename]
            self._choose_proxies(repository, link.url)
            _download_file(link, file, repository)
            got = ClientFile(link.filename, shared.sha256_of(file))
            # Other bytes are the worse news.
            if got.sha256 != request.sha256:
                return got
            return _hash_failure(file, found.locked[request.filename]) or got

        try:
            return self._use(request, index_url, download)
        finally:
            file.unlink(missing_ok=True)

    def _use(
        self,
        request: ClientRequest,
        index_url: str,
        use: Callable[[HTTPRepository, _Found], T | ClientFailure],
    ) -> T | ClientFailure:
        """Find the release, with the file that is asked for, and use it."""
        key = (index_url, request.name, request.version)
        with self._repository(self._setup.indexes[index_url]) as repository:
            found = self._found.pop(key, None) or _find(repository, request)
            if not isinstance(found, ClientFailure) and not found.has(request):
                words = f"Poetry finds {request.name} {request.version} but not {request.filename}"
                found = ClientFailure(words)
            if isinstance(found, ClientFailure):
                return found
            outcome = use(repository, found)
        # After whatever failed it is read again, as links may expire.
        if not isinstance(outcome, ClientFailure):
            self._found[key] = found
        return outcome

    @contextmanager
    def _repository(self, index: IndexTarget) -> Iterator[HTTPRepository]:
        from poetry.repositories.legacy_repository import LegacyRepository
        from poetry.repositories.pypi_repository import PyPiRepository

        config = self._config(index)
        repository: HTTPRepository
        if index.url == self._pypi_index:
            root = index.url.removesuffix("simple/")
            repository = PyPiRepository(root, config=config, disable_cache=True)
        else:
            repository = LegacyRepository(_SOURCE, index.url, config=config, disable_cache=True)
        try:
            self._choose_proxies(repository, index.url)
            yield repository
        finally:
            repository.session.close()

    def _choose_proxies(self, repository: HTTPRepository, url: str) -> None:
        if not self._setup.proxies:
            repository.session.get_session(url).trust_env = False

    def _config(self, index: IndexTarget) -> Config:
        """Poetry's settings: one source's credentials and certificates, and no cool-down."""
        from poetry.config.config import Config

        access = index.access
        certificates: dict[str, Any] = {}
        if not access.verify:
            certificates["verify"] = False
        elif access.ca is not None:
            certificates["cert"] = access.ca
        if access.client_cert is not None:
            certificates["client-cert"] = access.client_cert
        settings: dict[str, Any] = {
            "cache-dir": str(self._setup.directory / "poetry-cache"),
            "keyring": {"enabled": False},
            "certificates": {_SOURCE: certificates, _PYPI: certificates},
        }
        if access.basic is not None:
            username, password = access.basic
            login = {"username": username, "password": password}
            settings["http-basic"] = {_SOURCE: login, _PYPI: login}
        config = Config(use_environment=False)
        config.merge(settings)
        return config


def _find(repository: HTTPRepository, request: ClientRequest) -> _Found | ClientFailure:
    """A release, found as Poetry does to solve and to install."""
    from poetry.core.constraints.version import Version
    from poetry.core.packages.dependency import Dependency

    version = Version.parse(request.version)
    candidates = repository.find_packages(Dependency(request.name, version))
    package = next((each for each in candidates if each.version == version), None)
    if package is None:
        return ClientFailure(f"Poetry finds no {request.name} {request.version} there")
    # The first of several links counts.
    links = {link.filename: link for link in reversed(repository.find_links_for_package(package))}
    # For more of an sdist alone, Poetry would build it.
    files = [] if request.target is None else repository.package(package.name, version).files
    return _Found(links, {file["file"]: file["hash"] for file in files})


def _download_file(link: Link, file: Path, repository: HTTPRepository) -> None:
    try:
        from poetry.utils.download import download_file
    except ImportError:  # before 2.5
        from poetry.utils.helpers import download_file  # type: ignore[no-redef]

    download_file(link.url, file, session=repository.session)


def _hash_failure(file: Path, locked: str) -> ClientFailure | None:
    """Why Poetry would not install what it downloaded under the hash of its lock file.

    It compares to the letter.
    """
    algorithm = locked.partition(":")[0]
    with file.open("rb") as stream:
        # Unknown names raise what Poetry would raise too.
        found = f"{algorithm}:{hashlib.file_digest(stream, algorithm).hexdigest()}"
    if found == locked:
        return None
    return ClientFailure(f"Poetry would lock {printable(locked, 200)}, but the file has {found}")
