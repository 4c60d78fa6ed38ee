"""pip as a client, without the user's caches and settings. Tried with pip 24.0 to 26.3."""

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from packaging.version import InvalidVersion, Version

from poetry_publish_verified.adapters import embedded_pip
from poetry_publish_verified.adapters.clients import shared
from poetry_publish_verified.adapters.clients.pip_server import CAN_FORK, NoServerError, PipServer
from poetry_publish_verified.core import client_words
from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.core.verification import ClientFailure, ClientFile, ClientRequest
from poetry_publish_verified.sanitize import decoded, printable

_COMMON = ("--no-input", "--no-cache-dir", "--disable-pip-version-check")
_WHEELS = "--only-binary=:all:"
_VERSIONS = "Available versions:"


class Pip:
    """The pip that virtualenv, and so Poetry, carries, unpacked and run as it is."""

    name = "pip"
    optional = False

    def __init__(self, setup: shared.ClientSetup, early: PipServer | None = None) -> None:
        """`prepare` comes before all else, `close` after it; `early` may have begun already."""
        self._setup = setup
        self._place = Path()
        self._early = early
        self._server: PipServer | None = None

    async def prepare(self) -> str | None:
        """Unpack pip, for good if possible, and have it imported; why that failed."""
        return await self._prepare(self._setup.kept_in, self._setup.directory)

    async def _prepare(self, *directories: Path) -> str | None:
        fault = ""
        for directory in directories:
            try:
                self._place = await embedded_pip.unpacked(directory)
                if CAN_FORK:
                    is_early = self._early is not None and self._early.is_of(self._place)
                    self._server = self._early if is_early else _server(self._setup, self._place)
            except embedded_pip.NOT_UNPACKED as error:
                fault = printable(str(error))
            else:
                return None
        return fault

    async def close(self) -> None:
        """End what waits for further requests."""
        for server in (self._server, self._early):
            if server is not None:
                server.close()

    async def download(
        self, request: ClientRequest, index_url: str, timeout: float
    ) -> ClientFile | ClientFailure:
        """`pip download` of one wheel from one index, for the machine of its target."""
        async with shared.deleted_at_once(self._setup.directory) as place:
            goal = place / "downloaded"
            arguments = ["download", *_COMMON, "--no-deps", "--progress-bar=off"]
            arguments += ["--dest", str(goal), *_target(request), request.requirement]
            done = await self._ask(arguments, place, index_url, timeout)
            if isinstance(done, ClientFailure):
                return done
            files = sorted(goal.iterdir()) if goal.is_dir() else []
            if len(files) != 1:
                return ClientFailure(client_words.of_pip(done.stdout))
            return ClientFile(
                files[0].name, await anyio.to_thread.run_sync(shared.sha256_of, files[0])
            )

    async def resolve(
        self, request: ClientRequest, index_url: str, timeout: float
    ) -> ClientFailure | None:
        """`pip index versions`, which downloads nothing on any index, for the same machine."""
        async with shared.deleted_at_once(self._setup.directory) as place:
            arguments = ["index", "versions", *_COMMON, "--pre", *_target(request), request.name]
            done = await self._ask(arguments, place, index_url, timeout)
        if isinstance(done, ClientFailure):
            return done
        lines = decoded(done.stdout).splitlines()
        versions = [line.removeprefix(_VERSIONS) for line in lines if line.startswith(_VERSIONS)]
        if any(_same(text, request.version) for text in " ".join(versions).split(",")):
            return None
        return ClientFailure(f"pip index versions does not list it: {printable(' '.join(lines))}")

    async def stale_cache_remedy(self, *_: object) -> None:
        """The user's pip at least asks whether its page is still current."""

    async def _ask(
        self, arguments: list[str], place: Path, index_url: str, timeout: float
    ) -> subprocess.CompletedProcess[bytes] | ClientFailure:
        environment = _settings(self._setup.indexes[index_url])
        environment |= shared.temporary_files_in(place)
        run = partial(self._run, arguments, environment)
        done = await self._setup.ask(self.name, run, index_url, timeout)
        if isinstance(done, ClientFailure) or done.returncode == 0:
            return done
        if done.returncode < 0:
            return ClientFailure(f"pip was ended by signal {-done.returncode}")
        return ClientFailure(client_words.of_pip(done.stdout))

    async def _run(
        self, arguments: list[str], environment: dict[str, str]
    ) -> subprocess.CompletedProcess[bytes]:
        if self._server is None:
            command = [*embedded_pip.command(self._place), *arguments]
            variables = _variables(self._setup) | environment
            return await shared.run(command, variables, self._setup.directory)
        try:
            return await self._server.ask(arguments, environment)
        except NoServerError as error:
            if error.crashed:
                # What was compiled is compared with nothing, and may be damaged.
                shutil.rmtree(self._place, ignore_errors=True)
        if (fault := await self._prepare(self._setup.directory)) is not None:
            raise OSError(fault)
        return await self._server.ask(arguments, environment)


def begun_early(setup: shared.ClientSetup) -> PipServer | None:
    """The pip that an earlier run has kept, on its way; None where there is none, or no fork.

    It takes longer to import than the files take to be checked, and is compared with its wheel
    before anything is asked.
    """
    place = embedded_pip.left_there(setup.kept_in) if CAN_FORK else None
    return _server(setup, place) if place is not None else None


def _server(setup: shared.ClientSetup, place: Path) -> PipServer:
    server = PipServer(place, _variables(setup), setup.directory)
    server.start()
    return server


def _variables(setup: shared.ClientSetup) -> dict[str, str]:
    # Else it runs `lsb_release` and `rustc`, only to name their versions to the index.
    return setup.variables | {"PATH": str(setup.directory)}


def _target(request: ClientRequest) -> list[str]:
    """The machine of a wheel; an sdist is for any, whatever it requires of Python."""
    if request.target is None:
        return ["--ignore-requires-python"]
    return [_WHEELS, *request.target.arguments]


def _same(text: str, version: str) -> bool:
    try:
        return Version(text.strip()) == Version(version)
    except InvalidVersion:
        return False


def _settings(index: IndexTarget) -> dict[str, str]:
    """pip's settings, all of them: any file of settings could name other places to look.

    In the environment, since arguments are for every user to see.
    """
    settings = {
        "PIP_CONFIG_FILE": os.devnull,  # turns off the machine's, the user's and the site's
        "PIP_INDEX_URL": shared.with_credentials(index.url, index.access),
    }
    parts = urlsplit(index.url)
    if parts.scheme == "http" or not index.access.verify:
        settings["PIP_TRUSTED_HOST"] = parts.netloc
    if index.access.ca is not None:
        settings["PIP_CERT"] = shared.absolute(index.access.ca)
    if index.access.client_cert is not None:
        settings["PIP_CLIENT_CERT"] = shared.absolute(index.access.client_cert)
    return settings
