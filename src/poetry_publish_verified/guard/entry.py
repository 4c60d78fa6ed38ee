"""Puts up the guard: the little that every Poetry command pays for.

In a project without project plugins this reads pyproject.toml once and imports nothing more.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from poetry_publish_verified.guard.poetry_seams import Application

SWITCH = "POETRY_PUBLISH_VERIFIED_GUARD"
_OFF = ("off", "0", "false", "no")
_ON = ("", "on", "1", "true", "yes")


class UnexpectedPoetryError(Exception):
    """Poetry's inside is not as the guard knows it."""


def put_up(application: Application) -> None:
    """Guard the project's plugins, if it has any and the guard is not switched off.

    Whatever fails in the guard itself becomes one warning, and Poetry goes on as stock; the
    errors of the project's plugins pass through, as they would without the guard.
    """
    switch = os.environ.get(SWITCH, "").strip().lower()
    if switch in _OFF:
        return
    if switch not in _ON:
        _say_unknown(application, switch)
    try:
        load = _decide(application)
    # A fault of the guard must never become one of Poetry.
    except Exception as error:  # noqa: BLE001
        from poetry_publish_verified.guard.poetry_seams import voice

        reason = f"{type(error).__name__}: {error}"
        voice(application).warn(
            f"poetry-publish-verified leaves the project's plugins to Poetry: {reason}."
            f" ({SWITCH}=off silences this.)"
        )
        return
    if load is not None:
        load()


def _say_unknown(application: Application, switch: str) -> None:
    from poetry_publish_verified.guard.poetry_seams import voice

    voice(application).warn(
        f"{SWITCH} is {switch!r}, which is neither on nor off: the guard stays on."
    )


def _decide(application: Application) -> Callable[[], None] | None:
    from poetry_publish_verified.guard import poetry_seams

    file = poetry_seams.project_file(application)
    settings = _settings(file) if file is not None else None
    if file is None or settings is None:
        return None
    mismatch = poetry_seams.mismatch(application)
    if mismatch is not None:
        raise UnexpectedPoetryError(mismatch)
    from poetry_publish_verified.guard.project_plugins import ProjectPlugins

    return ProjectPlugins(application, file, settings).begin()


def _settings(file: Path) -> dict[str, Any] | None:
    """`[tool.poetry]` of a project that seems to require plugins, else None; always with a name.

    Plugins that write pyproject.toml in place leave it empty or cut for a moment: it is read
    again a few times before that is believed. Raises ValueError if it stays no TOML.
    """
    for patience in range(10, -1, -1):
        content = file.read_bytes()
        # TOML is parsed only if these bytes are there.
        if content and b"requires-plugins" not in content:
            return None
        if content:
            import tomllib

            try:
                whole = tomllib.loads(content.decode())
                poetry: dict[str, Any] = whole.get("tool", {}).get("poetry", {})
                return {
                    **poetry,
                    "name": whole.get("project", {}).get("name") or poetry.get("name"),
                }
            except ValueError:
                if not patience:
                    raise
        time.sleep(0.02)
    return None
