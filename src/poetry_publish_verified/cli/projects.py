"""The project at hand, or those of a workspace (`--projects`): found, read, and put in order."""

import functools
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple

from poetry.config.config import Config
from poetry.console.commands.command import Command
from poetry.factory import Factory
from poetry.plugins.plugin import Plugin
from poetry.poetry import Poetry

from poetry_publish_verified.adapters.directories import with_projects
from poetry_publish_verified.cli.settings import RunSettings
from poetry_publish_verified.core import release_order
from poetry_publish_verified.core.problems import project as project_problems
from poetry_publish_verified.core.problems import workspace as problems
from poetry_publish_verified.core.release_order import WorkspaceMember
from poetry_publish_verified.core.settings import resolve
from poetry_publish_verified.errors import Problem, ReleaseError, Verdict
from poetry_publish_verified.guard.plugin_sets.activation import missing_plugins
from poetry_publish_verified.poetry_api import project as poetry_project
from poetry_publish_verified.poetry_api.project import Project
from poetry_publish_verified.poetry_api.repositories import malformed_url


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
        problem = malformed_url(Config.create()) or project_problems.no_project(error)
        raise ReleaseError.refused(problem) from error
    project = poetry_project.read(poetry)
    refuse_missing_plugins(poetry)
    return project


def refuse_missing_plugins(poetry: Poetry) -> None:
    """Raise ReleaseError where plugins that the project requires are not active."""
    if missing := missing_plugins(poetry.pyproject_path):
        raise ReleaseError.refused(project_problems.plugins_not_active(missing))


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


class Checkout(NamedTuple):
    """One project, and what the graph of dependencies knows of it."""

    project: Project
    member: WorkspaceMember


@dataclass(frozen=True, slots=True)
class Workspace:
    """Projects in the order of their release, and the directories with nothing to publish."""

    root: Path
    checkouts: tuple[Checkout, ...]
    left_out: tuple[str, ...]

    @property
    def members(self) -> tuple[WorkspaceMember, ...]:
        """The nodes of the graph."""
        return tuple(each.member for each in self.checkouts)


def workspace_of(command: Command, settings: RunSettings) -> Workspace:
    """The projects that the setting `projects` names, else the one at hand."""
    patterns = settings.projects or (".",)
    return _read_workspace(command, settings.root, settings.base("projects"), patterns)


def found_projects(command: Command, settings: RunSettings) -> tuple[list[Checkout], list[str]]:
    """The projects that the setting `projects` names, and the directories with nothing to publish.

    Whether they could be released together does not matter.
    """
    checkouts, left_out, faults = _find(
        command, settings.root, settings.base("projects"), settings.projects
    )
    if faults:
        raise ReleaseError.refused(*faults)
    return checkouts, left_out


def _find(
    command: Command, root: Path, base: Path, patterns: Iterable[str]
) -> tuple[list[Checkout], list[str], list[Problem]]:
    """Projects, directories with nothing to publish, and everything wrong with any."""
    directories, unmatched = with_projects(base, patterns)
    faults = [problems.no_match(pattern, str(base)) for pattern in unmatched]
    checkouts, left_out = list[Checkout](), list[str]()
    for directory in directories:
        shown = os.path.relpath(directory, root)
        try:
            checkout = _read(command, directory, shown)
        except ReleaseError as error:
            faults += error.problems
            continue
        if checkout is None:
            left_out.append(shown)
        else:
            checkouts.append(checkout)
    if not (checkouts or faults):
        faults.append(problems.nothing_to_publish(left_out))
    return checkouts, left_out, faults


def _read_workspace(command: Command, root: Path, base: Path, patterns: Iterable[str]) -> Workspace:
    """Find and read the projects; raises ReleaseError with everything wrong with any.

    Directories are named relative to `root`; patterns are relative to `base`.
    """
    checkouts, left_out, faults = _find(command, root, base, patterns)
    members = [each.member for each in checkouts]
    faults += release_order.faults(members)
    if faults:
        raise ReleaseError.refused(*faults)
    place = {member.name: n for n, member in enumerate(release_order.in_order(members))}
    checkouts.sort(key=lambda each: place[each.member.name])
    return Workspace(root, tuple(checkouts), tuple(left_out))


def needed_by(
    command: Command, project: Project, settings: RunSettings
) -> tuple[WorkspaceMember, ...]:
    """The projects of the workspace that a project needs, directly or not.

    The setting `projects` names the workspace, here or in the nearest pyproject.toml above the
    project that has it. Raises ReleaseError where none does, or with everything wrong with any.
    """
    root, patterns = Path.cwd(), settings.projects
    if not settings.is_typed("projects"):
        root, patterns = _nearest_patterns(project.root)
    if not patterns:
        raise ReleaseError(Verdict.ERROR, problems.members_unknown())
    workspace = _read_workspace(command, root, root, patterns)
    by_name = {member.name: member for member in workspace.members}
    if project.identity.name not in by_name:
        problem = problems.not_a_member(project.identity.name, patterns, str(root))
        raise ReleaseError(Verdict.ERROR, problem)
    names = release_order.all_needed(project.identity.name, release_order.needs(by_name.values()))
    return tuple(by_name[name] for name in sorted(names))


def _nearest_patterns(directory: Path) -> tuple[Path, tuple[str, ...]]:
    """The nearest directory from here up whose pyproject.toml sets `projects`, and the setting."""
    for place in (directory, *directory.parents):
        with suppress(OSError, ValueError):
            table = poetry_project.settings_table(place / "pyproject.toml")
            if patterns := resolve({}, {}, table).found.projects:
                return place, patterns
    return directory, ()


def _read(command: Command, directory: Path, shown: str) -> Checkout | None:
    """A project; None where it is in non-package mode."""
    try:
        poetry = poetry_in(command, directory)
    except Exception as error:
        # RuntimeError and errors of Poetry's own, tomlkit's and the schema's.
        raise ReleaseError.refused(project_problems.member_unreadable(shown, error)) from error
    if not poetry.is_package_mode:
        return None
    refuse_missing_plugins(poetry)
    project = poetry_project.read(poetry)
    return Checkout(project, poetry_project.member(project, shown))
