"""A throwaway index on loopback, for rehearsals."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import anyio
from packaging.requirements import Requirement

from poetry_publish_verified import isolated_python
from poetry_publish_verified.adapters.clients.shared import run
from poetry_publish_verified.adapters.embedded_pip import NOT_UNPACKED, command, unpacked
from poetry_publish_verified.adapters.kept_directory import make_once
from poetry_publish_verified.core import client_words
from poetry_publish_verified.core.problems.project import (
    rehearsal_index_not_started,
    rehearsal_index_unavailable,
)
from poetry_publish_verified.errors import ReleaseError

_PYPISERVER = Requirement("pypiserver>=2.4,<3")
# The directory of one that pip installs: what it needs depends on the Python.
_PLACE = f"{_PYPISERVER.name}-2-{sys.implementation.cache_tag}"
_SETUP_TIMEOUT = 120.0
_INSTALL_TIMEOUT = 600.0
# What the user's pip reads besides PIP_*: where its files lie, and whom it trusts.
_PIPS = {
    *("HOME", "USERPROFILE", "APPDATA", "PROGRAMDATA", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"),
    *("XDG_CACHE_HOME", "LOCALAPPDATA", "NETRC", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
}
# Where it would install instead.
_ELSEWHERE = {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_USER"}
_PIPS_FILES = {
    *("PIP_CONFIG_FILE", "PIP_CERT", "PIP_CLIENT_CERT"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
}
_START_TIMEOUT = 20.0
# The server ends with its standard input: it cannot outlive us, however we die.
_SERVE = """
import os, sys, threading
def end_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=end_with_parent, daemon=True).start()
from wsgiref.simple_server import make_server
import pypiserver
from pypiserver.config import Config
server = make_server("127.0.0.1", 0, pypiserver.app_from_config(Config.from_args(sys.argv[1:])))
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def throwaway_index(directory: Path, kept_in: Path) -> Iterator[str]:
    """Run pypiserver on the empty `directory`; yields its upload URL, and stops it on exit.

    Where none is installed beside Poetry, pip installs it into a directory in `kept_in`.
    Raises ReleaseError where it cannot be installed or does not start.
    """
    server = _server(kept_in)
    options = ["run", "--passwords", ".", "--authenticate", ".", "--disable-fallback"]
    process = subprocess.Popen(
        [*server, *options, "--hash-algo", "sha256", str(directory)],
        cwd=isolated_python.NEUTRAL,
        env=_variables(directory),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    too_late = threading.Timer(_START_TIMEOUT, process.kill)
    too_late.start()
    try:
        port = process.stdout.readline() if process.stdout else b""
        too_late.cancel()
        if not port:
            path = "" if _is_beside_poetry() else f"PYTHONPATH={kept_in / _PLACE} "
            raise ReleaseError.refused(rehearsal_index_not_started(f"{path}{sys.executable}"))
        yield f"http://127.0.0.1:{int(port)}/"
    finally:
        too_late.cancel()
        process.kill()
        process.communicate()


def _server(kept_in: Path) -> list[str]:
    """The command that runs pypiserver, to which arguments can be added."""
    if _is_beside_poetry():
        return isolated_python.python(["pypiserver"], _SERVE)
    place = kept_in / _PLACE
    try:
        anyio.run(make_once, place, _install, _works)
    except NOT_UNPACKED as error:
        problem = rehearsal_index_unavailable(str(_PYPISERVER), str(kept_in), error)
        raise ReleaseError.refused(problem) from error
    return isolated_python.alone(place, _SERVE)


async def _install(place: Path) -> None:
    """Have pip install it into the new directory `place`, by the user's own settings of pip."""
    pip = command(await unpacked(place.parent))
    arguments = [
        *("install", "--target", str(place), "--no-user", "--no-input", "--progress-bar=off"),
        *("--disable-pip-version-check", str(_PYPISERVER)),
    ]
    variables = isolated_python.surroundings(os.environ, network=True) | _settings_of_pip()
    await _run("pip", [*pip, *arguments], variables, place.parent, _INSTALL_TIMEOUT)


def _settings_of_pip() -> dict[str, str]:
    """The variables by which the user's own pip finds its settings, as seen from any directory."""
    settings = {
        name: str(Path(value).absolute()) if name in _PIPS_FILES and value else value
        for name, value in os.environ.items()
        if name.upper() in _PIPS or (name.startswith("PIP_") and name not in _ELSEWHERE)
    }
    return settings | {"PIP_REQUIRE_VIRTUALENV": "false"}


async def _works(place: Path) -> bool:
    check = isolated_python.alone(place, "import pypiserver.__main__")
    try:
        await _run(
            "Python", check, _variables(place), Path(isolated_python.NEUTRAL), _SETUP_TIMEOUT
        )
    except (OSError, RuntimeError):
        return False
    return True


async def _run(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    directory: Path,
    timeout: float,
) -> None:
    try:
        with anyio.fail_after(timeout):
            done = await run(command, environment, directory)
    except TimeoutError:
        raise RuntimeError(f"{name} did not finish within {timeout:.0f} s") from None
    if done.returncode != 0:
        raise RuntimeError(client_words.of_pip(done.stdout))


def _variables(home: Path) -> dict[str, str]:
    """Variables for pypiserver: it looks for its user's home, and an id without a name has none."""
    return isolated_python.surroundings(os.environ) | {"HOME": str(home)}


def _is_beside_poetry() -> bool:
    # Not by the module's name, which a module of the user's may have.
    found = metadata.distributions(name=_PYPISERVER.name)
    return any(_PYPISERVER.specifier.contains(each.version, prereleases=True) for each in found)
