"""The user's own settings of pip and uv, read where these would read them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import anyio

from poetry_publish_verified import isolated_python as children
from poetry_publish_verified.adapters.environments import settings_of_pip

_TIMEOUT = 30.0


async def pip_listed(environment: Mapping[str, str]) -> str:
    """What `pip config list` says under the user's environment; empty where it cannot be had.

    Asked is the pip beside Poetry, if there is one.
    """
    try:
        with anyio.fail_after(_TIMEOUT):
            done = await anyio.run_process(
                children.module("pip", "--disable-pip-version-check", "config", "list"),
                cwd=children.NEUTRAL,
                env=children.surroundings(environment) | settings_of_pip(environment),
                stderr=subprocess.DEVNULL,
                check=False,
            )
    except (TimeoutError, OSError):
        return ""
    return done.stdout.decode(errors="replace")


def uv_files(project: Path, environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """Name and text of the files that uv reads in `project`: its own one, and the user's.

    In a project uv.toml counts before pyproject.toml, UV_CONFIG_FILE before everything.
    """
    if environment.get("UV_NO_CONFIG", "").lower() in {"1", "true"}:
        return []
    own = project / "uv.toml"
    home = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME", "/"), ".config"))
    places = [
        own if own.is_file() else project / "pyproject.toml",
        Path(home, "uv", "uv.toml"),
    ]
    if named := environment.get("UV_CONFIG_FILE"):
        places = [Path(named)]
    found = []
    for place in places:
        try:
            found.append((str(place), place.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError):
            continue
    return found
