"""Poetry as a client: its own repository classes, asked for what was released.

Tried with Poetry 2.0 to 2.5. Only public names of Poetry are used.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import anyio
import anyio.to_thread

from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.core.verification import ClientAbstains
from poetry_publish_verified.core.verification import ClientFailure
from poetry_publish_verified.core.verification import ClientFile
from poetry_publish_verified.core.verification import WheelWanted
from poetry_publish_verified.sanitize import printable

if TYPE_CHECKING:
    from poetry.config.config import Config
    from poetry.core.packages.utils.link import Link
    from poetry.repositories.http_repository import HTTPRepository

_SOURCE = "publish-verified"
# The name that Poetry's own class for PyPI has, under which it looks for credentials.
_PYPI = "PyPI"


class PoetryClient:
    """The Poetry that runs this, without its caches and without the user's settings."""

    name = "Poetry"

    def __init__(
        self,
        folder: Path,
        indexes: Iterable[IndexTarget],
        pypi_index: str,
        *,
        proxies: bool = True,
    ) -> None:
        """`folder` may be thrown away; `indexes` are those that may be asked for.

        `pypi_index` is the one for which Poetry has a class of its own, which reads PyPI's
        other pages too; `proxies` whether the environment's are used.
        """
        self._folder = folder
        self._indexes = {index.url: index for index in indexes}
        self._pypi_index = pypi_index
        self._proxies = proxies

    async def download(
        self, wheel: WheelWanted, index_url: str, timeout: float
    ) -> ClientFile | ClientFailure | ClientAbstains:
        """Have Poetry find one wheel's version on one index, and download the wheel."""
        index = self._indexes[index_url]
        try:
            with anyio.fail_after(timeout):
                return await _in_thread(lambda: self._download(wheel, index))
        except TimeoutError:
            return ClientFailure(f"Poetry did not finish within {timeout:.0f} s")
        # Poetry, requests and what they use raise what they like on what a server may send.
        except Exception as error:  # noqa: BLE001
            return ClientFailure(f"{type(error).__name__}: {printable(str(error))}")

    async def stale_cache_remedy(self, *_: object) -> None:
        """What Poetry's caches on this machine had of the release is dropped in the end."""

    def _download(self, wheel: WheelWanted, index: IndexTarget) -> ClientFile | ClientFailure:
        try:
            from poetry.utils.download import download_file
        except ImportError:  # before 2.5
            from poetry.utils.helpers import download_file  # type: ignore[no-redef]

        repository = self._repository(index)
        try:
            if not self._proxies:
                repository.session.get_session(index.url).trust_env = False
            found = _find(repository, wheel)
            if isinstance(found, ClientFailure):
                return found
            link, locked = found
            if not self._proxies:
                repository.session.get_session(link.url).trust_env = False
            file = self._folder / f"poetry-{os.urandom(4).hex()}.whl"
            download_file(link.url, file, session=repository.session)
        finally:
            repository.session.close()
        with file.open("rb") as stream:
            got = ClientFile(link.filename, hashlib.file_digest(stream, "sha256").hexdigest())
        # Of other bytes there is worse to tell.
        failure = _hash_failure(file, locked) if got.sha256 == wheel.sha256 else None
        return failure or got

    def _repository(self, index: IndexTarget) -> HTTPRepository:
        from poetry.repositories.legacy_repository import LegacyRepository
        from poetry.repositories.pypi_repository import PyPiRepository

        config = self._config(index)
        if index.url == self._pypi_index:
            root = index.url.removesuffix("simple/")
            return PyPiRepository(root, config=config, disable_cache=True)
        return LegacyRepository(_SOURCE, index.url, config=config, disable_cache=True)

    def _config(self, index: IndexTarget) -> Config:
        """What Poetry is told: one source's credentials and certificates, and no cool-down."""
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
            "cache-dir": str(self._folder / "poetry-cache"),
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


def _find(repository: HTTPRepository, wheel: WheelWanted) -> tuple[Link, str] | ClientFailure:
    """The wheel's link, found as Poetry does to solve and to install, and the hash it locks."""
    from poetry.core.constraints.version import Version
    from poetry.core.packages.dependency import Dependency

    version = Version.parse(wheel.version)
    candidates = repository.find_packages(Dependency(wheel.name, version))
    if not any(package.version == version for package in candidates):
        return ClientFailure(f"Poetry finds no {wheel.name} {wheel.version} there")
    package = repository.package(wheel.name, version)
    locked = {file["file"]: file["hash"] for file in package.files}
    links = repository.find_links_for_package(package)
    link = next((link for link in links if link.filename == wheel.filename), None)
    if link is None or wheel.filename not in locked:
        return ClientFailure(f"Poetry finds {wheel.name} {wheel.version} but not {wheel.filename}")
    return link, locked[wheel.filename]


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


async def _in_thread(call: Callable[[], ClientFile | ClientFailure]) -> ClientFile | ClientFailure:
    """`call`'s answer, from a thread that is left alone when its time is up.

    anyio's own threads are waited for when the process ends, which a server that hangs could
    put off for minutes; so the call has a daemon thread, and anyio's only waits for that.
    """
    results: list[ClientFile | ClientFailure] = []
    faults: list[Exception] = []
    done = threading.Event()

    def work() -> None:
        try:
            results.append(call())
        except Exception as error:  # noqa: BLE001 - raised again where it is awaited
            faults.append(error)
        finally:
            done.set()

    threading.Thread(target=work, name="poetry-client", daemon=True).start()
    try:
        await anyio.to_thread.run_sync(done.wait, abandon_on_cancel=True)
    finally:
        done.set()
    if faults:
        raise faults[0]
    return results[0]
