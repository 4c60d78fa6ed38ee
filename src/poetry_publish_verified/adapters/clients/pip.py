"""Real clients, asked to fetch what was released."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote
from urllib.parse import urlsplit
from urllib.parse import urlunsplit

import anyio

from poetry_publish_verified import isolated_python as children
from poetry_publish_verified.adapters.environments import SetUpError
from poetry_publish_verified.adapters.environments import errors_in
from poetry_publish_verified.adapters.environments import make
from poetry_publish_verified.adapters.environments import python_in
from poetry_publish_verified.core.urls import Access
from poetry_publish_verified.core.urls import IndexTarget
from poetry_publish_verified.core.verification import ClientFailure
from poetry_publish_verified.core.verification import ClientFile
from poetry_publish_verified.core.verification import WheelWanted
from poetry_publish_verified.sanitize import printable


class Pip:
    """pip in an environment of its own, without caches and without the user's settings."""

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
        self._python = Path(sys.executable)  # until `prepare` has made its own

    async def prepare(self) -> str | None:
        """Set pip up; why that failed, None where it did not."""
        place = self._folder / "pip"
        self._python = python_in(place)
        try:
            await make(place, self._environment)
        except (SetUpError, OSError) as error:
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
                *(str(self._python), "-I", "-m", "pip", "download", "--no-deps", "--no-input"),
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
            return ClientFailure(errors_in(done.stdout))
        with got[0].open("rb") as stream:
            return ClientFile(got[0].name, hashlib.file_digest(stream, "sha256").hexdigest())


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
