"""Which projects `--projects` means: found, read, and put in order."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from poetry_publish_verified.adapters.folders import with_projects
from poetry_publish_verified.cli.projects import poetry_if_any
from poetry_publish_verified.cli.projects import poetry_in
from poetry_publish_verified.cli.projects import refuse_missing_plugins
from poetry_publish_verified.core import release_order
from poetry_publish_verified.core import settings as core_settings
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.poetry_api import project as poetry_project
from poetry_publish_verified.sanitize import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping

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


def read_workspace(command: Command, root: Path, base: Path, patterns: Iterable[str]) -> Workspace:
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


def needed_by(command: Command, project: Project) -> tuple[WorkspaceMember, ...]:
    """All that a project needs, by way of others too, of those that it is released with.

    Those are named by --projects, or by `projects` in a pyproject.toml above the project's.
    Raises ReleaseError where they are not, and with everything that is wrong with any.
    """
    typed = typed_patterns(command)
    root = Path.cwd() if typed else _root_of(project.root)
    patterns = typed or (_patterns_in(root) if root else ())
    if root is None or not patterns:
        raise ReleaseError(
            Verdict.ERROR,
            Problem(
                Code.MEMBERS_UNKNOWN,
                "Which projects --wait-for-dependencies is to wait for is not known.",
                "Name all projects of the repository with --projects, or set projects in"
                " [tool.publish-verified] of the pyproject.toml above them.",
            ),
        )
    workspace = read_workspace(command, root, root, patterns)
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


def root_table(command: Command, *, strict: bool = False) -> Mapping[str, Any]:
    """`[tool.publish-verified]` above many projects, whose folder need be none of Poetry's.

    `strict`: ReleaseError where it cannot be read; else it is told later.
    """
    poetry = poetry_if_any(command)
    if poetry is None:
        # Poetry wants more of a pyproject.toml than is needed here.
        return _raw_table(Path.cwd() / "pyproject.toml", strict=strict)
    try:
        return poetry_project.settings_table(poetry)
    except ReleaseError:
        if strict:
            raise
        return {}


def _raw_table(file: Path, *, strict: bool) -> Mapping[str, Any]:
    try:
        tool = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
        table = tool.get("publish-verified", {})
        return {**table}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        if not strict:
            return {}
        raise ReleaseError(
            Verdict.PREFLIGHT_REFUSED,
            Problem(
                Code.NO_PROJECT,
                f"{file} cannot be read: {printable(str(error))}",
                "Mend it; poetry check tells what is wrong with it.",
            ),
        ) from error


def typed_patterns(command: Command) -> tuple[str, ...]:
    """What the command line names, or the environment; seen from the working directory."""
    variable = core_settings.ENVIRONMENT_PREFIX + "PROJECTS"
    typed = command.option("projects") or os.environ.get(variable, "")
    return core_settings.patterns(typed)


def _root_of(folder: Path) -> Path | None:
    places = (folder, *folder.parents)
    return next((place for place in places if _patterns_in(place)), None)


def _patterns_in(folder: Path) -> tuple[str, ...]:
    """What `[tool.publish-verified] projects` names in a folder's pyproject.toml."""
    named = _raw_table(folder / "pyproject.toml", strict=False).get("projects", [])
    return tuple(map(str, named)) if isinstance(named, list) else (str(named),)


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
