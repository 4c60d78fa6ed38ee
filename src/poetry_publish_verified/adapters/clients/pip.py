"""pip as a client, with neither caches nor settings of the user."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote
from urllib.parse import urlsplit
from urllib.parse import urlunsplit

import anyio
import anyio.to_thread

from poetry_publish_verified import isolated_python as children
from poetry_publish_verified.core import client_words
from poetry_publish_verified.core.urls import Access
from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.core.verification import ClientFailure
from poetry_publish_verified.core.verification import ClientFile
from poetry_publish_verified.core.verification import WheelWanted
from poetry_publish_verified.sanitize import printable


class Pip:
    """The pip that virtualenv, and so Poetry, brings along, unpacked and run as it is."""

    name = "pip"

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        indexes: Iterable[IndexTarget],
        *,
        proxies: bool = True,
    ) -> None:
        """`folder` is empty and may be thrown away; `environment` is the process's own.

        `indexes` are those that may be asked for; `proxies` whether the environment's are used.
        """
        self._folder = folder
        self._indexes = {index.url: index for index in indexes}
        self._environment = children.surroundings(environment, network=True, proxies=proxies)
        # Its own home too: pip and what it asks about the machine would write into the user's.
        self._environment |= {"HOME": str(folder), "USERPROFILE": str(folder)}
        self._place = folder / "pip"
        # Without `site`: pip brings all that it needs, and no other package gets in its way.
        self._command = [sys.executable, "-I", "-S", "-c", _run_from(self._place)]

    async def prepare(self) -> str | None:
        """Unpack pip: run from its wheel it takes a second longer, each time; why that failed."""
        try:
            await anyio.to_thread.run_sync(_unpack, self._place)
        except (ImportError, OSError, RuntimeError, zipfile.BadZipFile) as error:
            return printable(str(error))
        return None

    async def download(
        self, wheel: WheelWanted, index_url: str, timeout: float
    ) -> ClientFile | ClientFailure:
        """Have pip download one wheel from one index, for the machine of its target.

        `prepare` comes first.
        """
        try:
            with anyio.fail_after(timeout):
                return await self._download(wheel, self._indexes[index_url])
        except TimeoutError:
            return ClientFailure(f"pip did not finish within {timeout:.0f} s")
        except OSError as error:
            return ClientFailure(f"pip could not be run: {printable(str(error))}")

    async def stale_cache_remedy(self, *_: object) -> None:
        """The user's pip asks at least whether its page is still good."""

    async def _download(self, wheel: WheelWanted, index: IndexTarget) -> ClientFile | ClientFailure:
        goal = Path(self._folder, f"got-{os.urandom(4).hex()}")
        done = await anyio.run_process(
            [
                *(*self._command, "download", "--no-deps", "--no-input"),
                *("--no-cache-dir", "--disable-pip-version-check", "--progress-bar=off"),
                *("--only-binary=:all:", *wheel.target.arguments, "--dest", str(goal)),
                wheel.requirement,
            ],
            cwd=self._folder,
            env=self._environment | _settings(index),
            stderr=subprocess.STDOUT,
            check=False,
        )
        got = sorted(goal.iterdir()) if goal.is_dir() else []
        if done.returncode != 0 or len(got) != 1:
            return ClientFailure(client_words.of_pip(done.stdout))
        with got[0].open("rb") as stream:
            return ClientFile(got[0].name, hashlib.file_digest(stream, "sha256").hexdigest())


def _run_from(place: Path) -> str:
    run = "runpy.run_module('pip', run_name='__main__', alter_sys=True)"
    return f"import runpy, sys; sys.path.insert(0, {str(place)!a}); {run}"


def _unpack(place: Path) -> None:
    # The one part of virtualenv that says where distributions of Linux keep its wheels.
    from virtualenv.seed.wheels.embed import get_embed_wheel

    wheel = get_embed_wheel("pip", f"{sys.version_info.major}.{sys.version_info.minor}")
    if wheel is None:
        raise FileNotFoundError("virtualenv comes without a pip")
    with zipfile.ZipFile(wheel.path) as archive:
        archive.extractall(place)


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


def absolute(path: str) -> str:
    """A path as seen from any directory: clients run in one of their own."""
    return str(Path(path).absolute())


def with_credentials(url: str, access: Access) -> str:
    """`url` with user name and password, as pip and uv take them."""
    if access.basic is None:
        return url
    username, password = (quote(text, safe="") for text in access.basic)
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{username}:{password}@{parts.netloc}"))
