"""What every client is set up with, and how those that are programs are run."""

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import anyio
import anyio.to_thread

from poetry_publish_verified import isolated_python
from poetry_publish_verified.adapters.pace import Pace
from poetry_publish_verified.core.urls import Access, IndexTarget
from poetry_publish_verified.core.verification import ClientFailure
from poetry_publish_verified.sanitize import printable
from poetry_publish_verified.values import Value


class ClientSetup(Value, kw_only=True):
    """What a client is given.

    `directory` may be thrown away, what is in `kept_in` is there for the next run; `environment` is
    that of this process, `indexes` are those that may be asked, by URL; `proxies`: whether those
    of the environment are used.
    """

    directory: Path
    kept_in: Path
    environment: Mapping[str, str]
    indexes: Mapping[str, IndexTarget]
    pace: Pace
    proxies: bool = True

    @property
    def variables(self) -> dict[str, str]:
        """A program's environment: what it needs for the network, and another home.

        A client, and what it asks about the machine, would write into the user's.
        """
        home = dict.fromkeys(("HOME", "USERPROFILE"), str(self.directory))
        network = isolated_python.surroundings(self.environment, network=True, proxies=self.proxies)
        return network | home

    async def ask(
        self,
        client: str,
        run: Callable[[], Awaitable[subprocess.CompletedProcess[bytes]]],
        index_url: str,
        timeout: float,
    ) -> subprocess.CompletedProcess[bytes] | ClientFailure:
        """`run` the program of a client, which asks one index, once it has its turn."""
        async with self.pace.clients_turn(index_url, timeout):
            try:
                with anyio.fail_after(timeout):
                    return await run()
            except TimeoutError:
                return ClientFailure(f"{client} did not finish within {timeout:.0f} s")
            except OSError as error:
                return ClientFailure(f"{client} could not be run: {printable(str(error))}")


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
