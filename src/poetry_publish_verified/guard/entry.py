"""Puts up the guard: the little that every Poetry command pays for.

In a project without project plugins this reads pyproject.toml once; what a command shares with
other processes is found out when it is run.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from poetry_publish_verified.guard.seams.application import IO
    from poetry_publish_verified.guard.seams.application import Application
    from poetry_publish_verified.guard.seams.application import Command

SWITCH = "POETRY_PUBLISH_VERIFIED_GUARD"
_OFF = ("off", "0", "false", "no")
_ON = ("", "on", "1", "true", "yes")
_SHARES_NOTHING = ("about", "help", "list")
# Where nothing can be put around these, that is worth a word.
_CHANGES_SOMETHING = (
    "add", "config", "env", "install", "lock", "remove", "self", "source", "sync", "update",
)  # fmt: skip
_PROJECT_PLUGINS = "/.poetry/plugins/"
_PATIENCE = 10


class UnexpectedPoetryError(Exception):
    """Poetry's inside is not as the guard knows it."""


def put_up(application: Application) -> None:
    """Guard what this process shares with others, unless the guard is switched off.

    Whatever fails in the guard itself becomes one warning, and Poetry goes on as stock; the
    errors of the project's plugins pass through, as they would without the guard.
    """
    switch = os.environ.get(SWITCH, "").strip().lower()
    if switch in _OFF:
        return
    if switch not in _ON:
        _say_unknown(application, switch)
    load = None
    try:
        locks = _locks(application)
        load = _project_plugins(application)
        if locks is not None:
            # The outermost of what is put around a command.
            locks()
    # A fault of the guard must never become one of Poetry.
    except Exception as error:  # noqa: BLE001
        from poetry_publish_verified.guard.seams.application import voice

        voice(application).step_aside(f"{type(error).__name__}: {error}")
    if load is not None:
        load()


def _say_unknown(application: Application, switch: str) -> None:
    from poetry_publish_verified.guard.seams.application import voice

    voice(application).warn(
        f"{SWITCH} is {switch!r}, which is neither on nor off: the guard stays on."
    )


def _project_plugins(application: Application) -> Callable[[], None] | None:
    from poetry_publish_verified.guard.seams import application as poetry_seams

    file = poetry_seams.project_file(application)
    settings = _settings(file) if file is not None else None
    if file is None or settings is None:
        return None
    mismatch = poetry_seams.mismatch(application)
    if mismatch is not None:
        raise UnexpectedPoetryError(mismatch)
    from poetry_publish_verified.guard.plugin_sets.activation import ProjectPlugins

    try:
        plugins = ProjectPlugins(application, file, settings)
    except (ValueError, TypeError) as error:
        # An entry that is no dependency: `install` says so, and nothing else needs it.
        poetry_seams.voice(application).explain(f"{file} is left to Poetry: {error}")
        return None
    return plugins.begin()


def _locks(application: Application) -> Callable[[], None] | None:
    """What puts each command under the locks it needs; None for those that share nothing."""
    # A copy among the project's plugins came too late for the rest of them.
    if _PROJECT_PLUGINS in __file__.replace(os.sep, "/"):
        return None
    from poetry_publish_verified.guard.seams import application as poetry_seams

    words = poetry_seams.command_words(application)
    if not words or words[0] in _SHARES_NOTHING or poetry_seams.only_shows_version(application):
        return None
    if not poetry_seams.runs_commands_as_cleo(application):
        if words[0] in _CHANGES_SOMETHING:
            raise UnexpectedPoetryError("Application._run_command is not cleo's")
        return None

    def around(run: Callable[[], int], command: Command, io: IO) -> int:
        from poetry_publish_verified.guard.command_guard import CommandLocks

        try:
            locks = CommandLocks(application)
        # A fault of the guard must never become one of Poetry.
        except Exception as error:  # noqa: BLE001
            poetry_seams.voice(application).step_aside(f"{type(error).__name__}: {error}")
            return run()
        return locks.around(run, command, io)

    return lambda: poetry_seams.put_around_commands(application, around)


def _settings(file: Path) -> dict[str, Any] | None:
    """`[tool.poetry]` of a project that seems to require plugins, else None; always with a name.

    Plugins that write pyproject.toml in place leave it empty or cut for a moment: it is read
    again a few times before that is believed. None, too, where it cannot be read or is no TOML:
    Poetry says so itself wherever that matters.
    """
    for _ in range(_PATIENCE):
        try:
            # A pipe would be waited for.
            if not file.is_file():
                return None
            content = file.read_bytes()
        except OSError:
            return None
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
            except (ValueError, TypeError, AttributeError):
                pass
        time.sleep(0.02)
    return None
