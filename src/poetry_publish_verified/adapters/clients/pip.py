"""pip as a client, without the user's caches and settings. Tried with pip 24.0 to 26.3."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from packaging.version import InvalidVersion, Version

from poetry_publish_verified import isolated_python
from poetry_publish_verified.adapters.clients.setup import (
    ClientSetup,
    absolute,
    deleted_at_once,
    home_in,
    run,
    sha256_of,
    temporary_files_in,
    with_credentials,
)
from poetry_publish_verified.adapters.kept_directory import make_once
from poetry_publish_verified.core import client_words
from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.core.verification import ClientFailure, ClientFile, ClientRequest
from poetry_publish_verified.sanitize import decoded, printable

_COMMON = ("--no-input", "--no-cache-dir", "--disable-pip-version-check")
_WHEELS = "--only-binary=:all:"
_VERSIONS = "Available versions:"
_NOT_UNPACKED = (ImportError, OSError, RuntimeError, zipfile.BadZipFile)


class Pip:
    """The pip that virtualenv, and so Poetry, carries, unpacked and run as it is."""

    name = "pip"
    optional = False

    def __init__(self, setup: ClientSetup) -> None:
        """`prepare` comes before all else."""
        self._setup = setup
        self._command: list[str] = []
        # Its own home too: pip and what it asks about the machine would write into the user's.
        self._environment = home_in(setup.directory) | isolated_python.surroundings(
            setup.environment, network=True, proxies=setup.proxies
        )

    async def prepare(self) -> str | None:
        """Unpack pip, for good if possible; why that failed.

        Run from its wheel it takes a second longer, each time.
        """
        fault = ""
        for directory in (self._setup.kept_in, self._setup.directory):
            try:
                place = await _unpacked(directory)
            except _NOT_UNPACKED as error:
                fault = printable(str(error))
                continue
            # Without `site`: pip brings all that it needs, and no other package gets in its way.
            self._command = [sys.executable, "-I", "-S", "-c", _run_from(place)]
            return None
        return fault

    async def download(
        self, request: ClientRequest, index_url: str, timeout: float
    ) -> ClientFile | ClientFailure:
        """`pip download` of one wheel from one index, for the machine of its target."""
        async with deleted_at_once(self._setup.directory) as place:
            goal = place / "downloaded"
            arguments = ["download", *_COMMON, "--no-deps", "--progress-bar=off"]
            arguments += ["--dest", str(goal), *_target(request), request.requirement]
            done = await self._ask(arguments, place, index_url, timeout)
            if isinstance(done, ClientFailure):
                return done
            files = sorted(goal.iterdir()) if goal.is_dir() else []
            if len(files) != 1:
                return ClientFailure(client_words.of_pip(done.stdout))
            return ClientFile(files[0].name, await anyio.to_thread.run_sync(sha256_of, files[0]))

    async def resolve(
        self, request: ClientRequest, index_url: str, timeout: float
    ) -> ClientFailure | None:
        """`pip index versions`, which downloads nothing on any index, for the same machine."""
        async with deleted_at_once(self._setup.directory) as place:
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
        environment = self._environment | _settings(self._setup.indexes[index_url])
        environment |= temporary_files_in(place)
        async with self._setup.turns.at(index_url, timeout):
            try:
                with anyio.fail_after(timeout):
                    done = await run(
                        [*self._command, *arguments], environment, self._setup.directory
                    )
            except TimeoutError:
                return ClientFailure(f"pip did not finish within {timeout:.0f} s")
            except OSError as error:
                return ClientFailure(f"pip could not be run: {printable(str(error))}")
        return done if done.returncode == 0 else ClientFailure(client_words.of_pip(done.stdout))


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


def _run_from(place: Path) -> str:
    run_pip = "runpy.run_module('pip', run_name='__main__', alter_sys=True)"
    return f"import runpy, sys; sys.path.insert(0, {str(place)!a}); {run_pip}"


def _wheel() -> Path:
    # The one part of virtualenv that says where distributions of Linux keep its wheels.
    from virtualenv.seed.wheels.embed import get_embed_wheel

    wheel = get_embed_wheel("pip", f"{sys.version_info.major}.{sys.version_info.minor}")
    if wheel is None:
        raise FileNotFoundError("virtualenv comes without a pip")
    return Path(wheel.path)


async def _unpacked(directory: Path) -> Path:
    """The place in `directory` where pip is, whole."""
    wheel = await anyio.to_thread.run_sync(_wheel)
    place = directory / f"{wheel.stem}-{sha256_of(wheel)[:16]}"
    with zipfile.ZipFile(wheel) as archive:

        async def unpack(new: Path) -> None:
            await anyio.to_thread.run_sync(archive.extractall, new)

        async def is_whole(place: Path) -> bool:
            sizes = {place / file.filename: file.file_size for file in archive.infolist()}
            return all(f.is_file() and f.stat().st_size == size for f, size in sizes.items())

        if not await make_once(place, unpack, is_whole):
            raise FileNotFoundError(f"{place} is not whole")
    return place


def _settings(index: IndexTarget) -> dict[str, str]:
    """pip's settings, all of them: any file of settings could name other places to look.

    In the environment, since arguments are for every user to see.
    """
    settings = {
        "PIP_CONFIG_FILE": os.devnull,  # turns off the machine's, the user's and the site's
        "PIP_INDEX_URL": with_credentials(index.url, index.access),
    }
    parts = urlsplit(index.url)
    if parts.scheme == "http" or not index.access.verify:
        settings["PIP_TRUSTED_HOST"] = parts.netloc
    if index.access.ca is not None:
        settings["PIP_CERT"] = absolute(index.access.ca)
    if index.access.client_cert is not None:
        settings["PIP_CLIENT_CERT"] = absolute(index.access.client_cert)
    return settings
