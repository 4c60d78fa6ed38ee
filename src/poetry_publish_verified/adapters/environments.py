"""Virtual environments of our own, with the pip that virtualenv (Poetry's own) carries."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import anyio

from poetry_publish_verified import isolated_python
from poetry_publish_verified.adapters.kept_directory import make_once
from poetry_publish_verified.core import client_words

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


class SetUpError(Exception):
    """An environment is not to be had; why, fit to print."""


def _python_in(place: Path) -> Path:
    """The Python of an environment."""
    directory, name = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return place / directory / name


async def _make(place: Path, environment: Mapping[str, str]) -> None:
    """Make an environment with pip in the new directory `place`; SetUpError where that fails.

    `environment` is all that virtualenv sees, which fetches nothing and keeps its files beside.
    """
    # venv would need ensurepip, which Debian leaves out.
    command = [
        *isolated_python.module("virtualenv", "--quiet", "--no-download"),
        # Else it looks for newer versions behind our back, and keeps files.
        *("--no-periodic-update", "--app-data", f"{place}-app-data"),
        str(place),
    ]
    # Nothing is built, so setuptools, half of all files, is no use. Not an option on the command
    # line: a virtualenv that had none would refuse it.
    own = {"VIRTUALENV_CONFIG_FILE": os.devnull, "VIRTUALENV_NO_SETUPTOOLS": "true"}
    await _run("virtualenv", command, {**environment, **own}, place.parent, _SETUP_TIMEOUT)


async def kept(
    directory: Path, requirement: str, check: str, environment: Mapping[str, str]
) -> Path:
    """The Python of an environment with `requirement`, in which the code `check` runs.

    It is made the first time, by the user's pip settings in `environment` (all variables), and
    kept in `directory`. Raises SetUpError or OSError where it is not to be had.
    """
    place = directory / _name(requirement)

    async def make(new: Path) -> None:
        home = dict.fromkeys(("HOME", "USERPROFILE"), str(new.parent))
        await _make(new, isolated_python.surroundings(environment) | home)
        await _install(new, requirement, environment)

    if not await make_once(place, make, partial(_works, check)):
        raise SetUpError(f"{requirement} was installed, but cannot be imported")
    return _python_in(place)


async def _install(place: Path, requirement: str, environment: Mapping[str, str]) -> None:
    command = [
        *(str(_python_in(place)), "-I", "-m", "pip", "install", "--no-user", "--no-input"),
        *("--disable-pip-version-check", "--progress-bar=off", requirement),
    ]
    settings = isolated_python.surroundings(environment, network=True) | _settings_of_pip(
        environment
    )
    await _run("pip", command, settings, place.parent, _INSTALL_TIMEOUT)


def _settings_of_pip(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables by which the user's own pip finds its settings, as seen from any directory."""
    return {
        name: str(Path(value).absolute()) if name in _PIPS_FILES and value else value
        for name, value in environment.items()
        if name.upper() in _PIPS or (name.startswith("PIP_") and name not in _ELSEWHERE)
    }


async def _works(check: str, place: Path) -> bool:
    command = [str(_python_in(place)), "-I", "-B", "-c", check]
    # pypiserver looks for its user's home, and an id without a name has none.
    variables = isolated_python.surroundings(os.environ) | {"HOME": str(place)}
    try:
        await _run("Python", command, variables, None, _SETUP_TIMEOUT)
    except (OSError, SetUpError):
        return False
    return True


async def _run(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    directory: Path | None,
    timeout: float,
) -> None:
    try:
        with anyio.fail_after(timeout):
            done = await anyio.run_process(
                command,
                cwd=directory or isolated_python.NEUTRAL,
                env=environment,
                stderr=subprocess.STDOUT,
                check=False,
            )
    except TimeoutError:
        raise SetUpError(f"{name} did not finish within {timeout:.0f} s") from None
    if done.returncode != 0:
        raise SetUpError(client_words.of_pip(done.stdout))


def _name(requirement: str) -> str:
    """One for each Python: an environment is of no use to another."""
    facts = (requirement, sys.version, sys.base_prefix, platform.machine(), platform.libc_ver())
    return hashlib.sha256(repr(facts).encode("utf-8", "surrogateescape")).hexdigest()[:16]
