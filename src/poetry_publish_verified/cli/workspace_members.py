"""Which projects `--projects` means: found, read, and put in order."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from poetry_publish_verified.adapters.folders import with_projects
from poetry_publish_verified.cli.projects import poetry_in
from poetry_publish_verified.cli.projects import refuse_missing_plugins
from poetry_publish_verified.cli.settings import RunSettings
from poetry_publish_verified.core import release_order
from poetry_publish_verified.core.settings import resolve
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.poetry_api import project as poetry_project
from poetry_publish_verified.sanitize import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poetry.console.commands.command import Command
    from poetry.poetry import Poetry

    from poetry_publish_verified.core.release_order import WorkspaceMember
    from poetry_publish_verified.poetry_api.project import Project


@dataclass(frozen=True, slots=True)
class Checkout:
    """One project, as Poetry and as the graph have it."""

    poetry: Poetry
    project: Project
    member: WorkspaceMember


@dataclass(frozen=True, slots=True)
class Workspace:
    """Projects in the order of their release, and the folders that have nothing to publish."""

    root: Path
    checkouts: tuple[Checkout, ...]
    left_out: tuple[str, ...]

    @property
    def members(self) -> tuple[WorkspaceMember, ...]:
        """The projects as the graph has them."""
        return tuple(each.member for each in self.checkouts)


def workspace_of(command: Command, settings: RunSettings) -> Workspace:
    """The projects that the setting `projects` names, else the one at hand."""
    patterns = settings.projects or (".",)
    return _read_workspace(command, settings.root, settings.base("projects"), patterns)


def _read_workspace(command: Command, root: Path, base: Path, patterns: Iterable[str]) -> Workspace:
    """Find and read the projects; ReleaseError with everything that is wrong with any.

    Folders are named as seen from `root`; relative patterns count from `base`.
    """
    folders = with_projects(base, patterns)
    problems = [_in_vain(pattern, base) for pattern in folders.in_vain]
    checkouts, left_out = [], []
    for folder in folders.found:
        shown = os.path.relpath(folder, root)
        try:
            checkout = _read(command, folder, shown)
        except ReleaseError as error:
            problems += error.problems
            continue
        if checkout is None:
            left_out.append(shown)
        else:
            checkouts.append(checkout)
    members = [each.member for each in checkouts]
    problems += release_order.faults(members)
    if not (checkouts or problems):
        problems.append(_nothing(left_out))
    if problems:
        raise ReleaseError(Verdict.PREFLIGHT_REFUSED, *problems)
    place = {member.name: n for n, member in enumerate(release_order.in_order(members))}
    checkouts.sort(key=lambda each: place[each.member.name])
    return Workspace(root, tuple(checkouts), tuple(left_out))


def needed_by(
    command: Command, project: Project, settings: RunSettings
) -> tuple[WorkspaceMember, ...]:
    """All that a project needs, by way of others too, of those that it is released with.

    Those are named by --projects, or by `projects` in a pyproject.toml above the project's.
    Raises ReleaseError where they are not, and with everything that is wrong with any.
    """
    root, patterns = Path.cwd(), settings.projects
    if not settings.is_typed("projects"):
        root, patterns = _nearest_patterns(project.root)
    if not patterns:
        raise ReleaseError(
            Verdict.ERROR,
            Problem(
                Code.MEMBERS_UNKNOWN,
                "Which projects --wait-for-dependencies is to wait for is not known.",
                "Name all projects of the repository with --projects, or set projects in"
                " [tool.publish-verified] of the pyproject.toml above them.",
            ),
        )
    workspace = _read_workspace(command, root, root, patterns)
    by_name = {member.name: member for member in workspace.members}
    if project.identity.name not in by_name:
        raise ReleaseError(
            Verdict.ERROR,
            Problem(
                Code.MEMBERS_UNKNOWN,
                f"{project.identity.name} is not among the projects that"
                f" {printable(', '.join(patterns))} names, seen from {root}.",
                "Name it with --projects too, or leave --wait-for-dependencies out.",
            ),
        )
    names = release_order.all_needed(project.identity.name, release_order.needs(by_name.values()))
    return tuple(by_name[name] for name in sorted(names))


def _nearest_patterns(folder: Path) -> tuple[Path, tuple[str, ...]]:
    """The folder, or the nearest above, whose pyproject.toml names `projects`; and these."""
    for place in (folder, *folder.parents):
        with suppress(OSError, ValueError):
            table = poetry_project.settings_table(place / "pyproject.toml")
            if patterns := resolve({}, {}, table).found.projects:
                return place, patterns
    return folder, ()


def _read(command: Command, folder: Path, shown: str) -> Checkout | None:
    """A project; None where it is in non-package mode."""
    try:
        poetry = poetry_in(command, folder)
    except Exception as error:
        # Poetry raises RuntimeError and its own errors, tomlkit and the schema theirs.
        raise ReleaseError(
            Verdict.PREFLIGHT_REFUSED,
            Problem(
                Code.NO_PROJECT,
                f"{printable(shown)}/pyproject.toml cannot be read: {printable(str(error))}",
                f"Mend it (poetry check -C {printable(shown)} tells more), or leave it out of"
                " --projects.",
            ),
        ) from error
    if not poetry.is_package_mode:
        return None
    refuse_missing_plugins(poetry)
    project = poetry_project.read(poetry)
    return Checkout(poetry, project, poetry_project.member(poetry, project, shown))


def _in_vain(pattern: str, base: Path) -> Problem:
    return Problem(
        Code.NO_PROJECTS,
        f"No project is where --projects {printable(pattern)} looks, seen from {base}.",
        "Name folders that hold a pyproject.toml, as a shell would: --projects 'packages/*'.",
    )


def _nothing(left_out: list[str]) -> Problem:
    return Problem(
        Code.NO_PROJECTS,
        f"All projects found are in non-package mode ({printable(', '.join(left_out))}), so there"
        " is nothing to publish.",
        "Name the folders of packages with --projects.",
    )
