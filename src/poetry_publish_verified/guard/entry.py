"""Installs the guard: the little that every Poetry command pays for.

In a project without project plugins this reads pyproject.toml once; what a command shares with
other processes is found out when it runs.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from poetry_publish_verified.guard.seams.application import IO, Application, Command

_OFF = ("off", "0", "false", "no")
_ON = ("", "on", "1", "true", "yes")
_SHARES_NOTHING = ("about", "help", "list")
# If these cannot be wrapped, that is worth a warning.
_CHANGES_SOMETHING = (
    "add", "config", "env", "install", "lock", "remove", "self", "source", "sync", "update",
)  # fmt: skip
_PROJECT_PLUGINS = "/.poetry/plugins/"
_READ_ATTEMPTS = 10


class UnexpectedPoetryError(Exception):
    """Poetry differs from what the guard relies on."""


def install_guard(application: Application) -> None:
    """Guard what this process shares with others, unless the guard is switched off.

    A failure of the guard itself becomes one warning, and Poetry runs as stock; errors of the
    project's plugins pass through, as they would without the guard.
    """
    if is_off():
        return
    switch = _switch()
    if switch not in _ON:
        _warn_of_switch(application, switch)
    load = None
    try:
        wrap = _command_wrapper(application)
        load = _plugin_loader(application)
        if wrap is not None:
            # After the plugins, so that it is the outermost of what is around a command.
            wrap()
    # A fault of the guard must never become one of Poetry.
    except Exception as error:  # noqa: BLE001
        _warn_of_failure(application, error)
    if load is not None:
        load()


def is_off() -> bool:
    """Whether the user has switched the guard off."""
    return _switch() in _OFF


def _switch() -> str:
    # By name: most commands never need the module that has it.
    return os.environ.get("POETRY_PUBLISH_VERIFIED_GUARD", "").strip().lower()


def _warn_of_switch(application: Application, switch: str) -> None:
    from poetry_publish_verified.guard import problems
    from poetry_publish_verified.guard.seams.application import notifier_of

    notifier_of(application).warn(problems.unknown_switch(switch))


def _warn_of_failure(application: Application, error: Exception) -> None:
    from poetry_publish_verified.guard import problems
    from poetry_publish_verified.guard.seams.application import notifier_of

    notifier_of(application).warn(problems.guard_failed(error))


def _plugin_loader(application: Application) -> Callable[[], None] | None:
    """What loads the project's plugins; None where there are none to load."""
    from poetry_publish_verified.guard.seams import application as seams

    file = seams.project_file(application)
    settings = plugin_settings(file) if file is not None else None
    if file is None or settings is None:
        return None
    mismatch = seams.mismatch(application)
    if mismatch is not None:
        raise UnexpectedPoetryError(mismatch)
    from poetry_publish_verified.guard import problems
    from poetry_publish_verified.guard.plugin_sets.activation import ProjectPlugins

    try:
        plugins = ProjectPlugins(application, file, settings)
    except (ValueError, TypeError) as error:
        # `install` reports an entry that is not a dependency; nothing else needs it.
        seams.notifier_of(application).detail(problems.project_left_to_poetry(file, error))
        return None
    return plugins.prepare_loading()


def _command_wrapper(application: Application) -> Callable[[], None] | None:
    """What puts each command under the locks it needs; None for one that shares nothing."""
    # A copy among the project's plugins is loaded too late for the others.
    if _PROJECT_PLUGINS in __file__.replace(os.sep, "/"):
        return None
    from poetry_publish_verified.guard.seams import application as seams

    words = seams.command_words(application)
    if not words or words[0] in _SHARES_NOTHING or seams.only_shows_version(application):
        return None
    if not seams.runs_commands_as_cleo(application):
        if words[0] in _CHANGES_SOMETHING:
            raise UnexpectedPoetryError("Application._run_command is not cleo's")
        return None

    def around(run: Callable[[], int], command: Command, io: IO) -> int:
        from poetry_publish_verified.guard.command_guard import CommandGuard

        try:
            guard = CommandGuard(application)
        # A fault of the guard must never become one of Poetry.
        except Exception as error:  # noqa: BLE001
            _warn_of_failure(application, error)
            return run()
        return guard.around(run, command, io)

    return lambda: seams.wrap_commands(application, around)


def plugin_settings(file: Path) -> dict[str, Any] | None:
    """`[tool.poetry]` of a project that seems to require plugins, else None; always with a name.

    Plugins that write pyproject.toml in place leave it empty or cut off for a moment, so it is read
    a few times. None, too, if it cannot be read or is not TOML: Poetry reports that itself
    wherever it matters.
    """
    for _ in range(_READ_ATTEMPTS):
        try:
            # Reading a pipe would not end.
            if not file.is_file():
                return None
            if _has_no_device(file):
                from poetry_publish_verified.guard.locks.fresh_view import see_whole

                see_whole(file)
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
                name = whole.get("project", {}).get("name") or poetry.get("name")
                return {**poetry, "name": name}
            except (ValueError, TypeError, AttributeError):
                pass
        time.sleep(0.02)
    return None


def _has_no_device(file: Path) -> bool:
    """Whether a program may serve its filesystem: then it is on no disk."""
    return hasattr(os, "major") and os.major(file.stat().st_dev) == 0
