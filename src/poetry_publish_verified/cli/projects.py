"""Reads projects as Poetry does: the one at hand, or the one in a directory."""

import functools
from importlib.metadata import entry_points
from pathlib import Path

from poetry.config.config import Config
from poetry.console.commands.command import Command
from poetry.factory import Factory
from poetry.plugins.plugin import Plugin
from poetry.poetry import Poetry

from poetry_publish_verified.core.problems import project as problems
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.guard.plugin_sets.activation import missing_plugins
from poetry_publish_verified.poetry_api import project as poetry_project
from poetry_publish_verified.poetry_api.project import Project


def poetry_if_any(command: Command) -> Poetry | None:
    """The project at hand; None where there is none, or it cannot be read."""
    try:
        return command.poetry
    except Exception:  # noqa: BLE001 - Poetry, tomlkit and the schema raise their own
        return None


def config_of(command: Command) -> Config:
    """Poetry's configuration, with that of the project at hand if there is one."""
    poetry = poetry_if_any(command)
    return poetry.config if poetry else Config.create()


def read_project(command: Command) -> Project:
    """The project at hand; raises ReleaseError where there is none to publish."""
    try:
        poetry = command.poetry
    except Exception as error:
        # RuntimeError and errors of Poetry's own, tomlkit's and the schema's.
        raise ReleaseError.refused(problems.no_project(error)) from error
    project = poetry_project.read(poetry)
    refuse_missing_plugins(poetry)
    return project


def refuse_missing_plugins(poetry: Poetry) -> None:
    """Raise ReleaseError where plugins that the project requires are not active."""
    if missing := missing_plugins(poetry.pyproject_path):
        raise ReleaseError.refused(problems.plugins_not_active(missing))


def poetry_in(command: Command, directory: Path) -> Poetry:
    """The project in a directory as Poetry reads it, with this command's plugins."""
    return Factory().create_poetry(
        directory,
        io=command.io,
        # Looking for project plugins takes longer than all the rest.
        disable_plugins=bool(command.option("no-plugins")) or not _plugins_of_projects(),
        disable_cache=bool(command.option("no-cache")),
    )


@functools.cache
def _plugins_of_projects() -> bool:
    return bool(entry_points(group=Plugin.group))
