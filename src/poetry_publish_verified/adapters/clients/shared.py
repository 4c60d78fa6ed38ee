"""What every client is set up with, and how those that are programs are run."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit, urlunsplit

import anyio
import anyio.to_thread

from poetry_publish_verified.core.urls import Access, IndexTarget

# Of all clients together: each is a process, or a thread that hashes.
_AT_ONCE = 3
# What a client asks for a wheel: its page, its metadata, the file.
_REQUESTS = 3


class _Pace(Protocol):
    async def turn(self, url: str, *, patience: float, requests: int) -> None: ...


class Turns:
    """When a client may be asked: few at once, and at the pace that a run keeps with each host."""

    def __init__(self, pace: _Pace) -> None:
        self._pace = pace
        self._slots = anyio.CapacityLimiter(_AT_ONCE)

    @asynccontextmanager
    async def at(self, url: str, timeout: float) -> AsyncIterator[None]:
        """Wait for a turn at the host of `url`, its rest at most `timeout` seconds, and keep it."""
        async with self._slots:
            await self._pace.turn(url, patience=timeout, requests=_REQUESTS)
            yield


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSetup:
    """What a client is given.

    `directory` may be thrown away, what is in `kept_in` is there for the next run; `environment` is
    that of this process, `indexes` are those that may be asked, by URL; `proxies`: whether those
    of the environment are used.
    """

    directory: Path
    kept_in: Path
    environment: Mapping[str, str]
    indexes: Mapping[str, IndexTarget]
    turns: Turns
    proxies: bool = True


@asynccontextmanager
async def deleted_at_once(directory: Path) -> AsyncIterator[Path]:
    """A new directory inside `directory` for what one client downloads once."""
    place = Path(tempfile.mkdtemp(dir=directory))
    try:
        yield place
    finally:
        delete = partial(shutil.rmtree, place, ignore_errors=True)
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(delete)


async def run(
    command: Sequence[str], environment: Mapping[str, str], directory: Path | None
) -> subprocess.CompletedProcess[bytes]:
    """Run a program; standard error is in its output, as the errors are what matters."""
    return await anyio.run_process(
        command, cwd=directory, env=environment, stderr=subprocess.STDOUT, check=False
    )


def temporary_files_in(directory: Path) -> dict[str, str]:
    """Variables that keep a program's temporary files in `directory`, however it ends."""
    return dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(directory))


def home_in(directory: Path) -> dict[str, str]:
    """Variables that keep a program away from the user's home."""
    return dict.fromkeys(("HOME", "USERPROFILE"), str(directory))


def sha256_of(file: Path) -> str:
    """The digest of a file, in hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
