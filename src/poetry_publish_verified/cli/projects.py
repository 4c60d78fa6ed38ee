"""The project at hand, or those of a workspace (`--projects`): found, read, and put in order."""

import functools
import os
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple, Self

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
from poetry_publish_verified.core.release_order import LeftOut, WorkspaceMember
from poetry_publish_verified.core.settings import Settings, resolve
from poetry_publish_verified.errors import Problem, ReleaseError, Verdict
from poetry_publish_verified.poetry_api import project as poetry_project
from poetry_publish_verified.poetry_api.project import Project
from poetry_publish_verified.poetry_api.repositories import is_public_repository, malformed_url
from poetry_publish_verified.values import Value


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
    if not poetry.local_config.get("requires-plugins"):
        return
    from poetry_publish_verified.guard.plugin_sets.activation import missing_plugins

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


def project_or_member(command: Command, root: Path, settings: Settings) -> Poetry:
    """The first package that the setting `projects` names, or the project at `root`.

    All have the same repositories and credentials. Raises what Poetry does if there is none.
    """
    wanted = [each for each in settings.projects if not each.startswith("!")]
    for directory in with_projects(root, wanted)[0]:
        if (member := poetry_in(command, directory)).is_package_mode:
            return member
    return poetry_in(command, root)


class Checkout(NamedTuple):
    """One project, and what the graph of dependencies knows of it."""

    project: Project
    member: WorkspaceMember


class Workspace(Value):
    """Projects in the order of their release, those that are left out, and what that entails."""

    root: Path
    checkouts: tuple[Checkout, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[Problem, ...] = ()

    @property
    def members(self) -> tuple[WorkspaceMember, ...]:
        """The nodes of the graph."""
        return tuple(each.member for each in self.checkouts)


class _Chosen(Value):
    """Patterns of projects below `base`; and those to leave out: as an option, base, pattern.

    `public`: the projects go to PyPI or TestPyPI.
    """

    base: Path
    wanted: tuple[str, ...]
    excluded: tuple[tuple[str, Path, str], ...]
    public: bool

    @classmethod
    def of(cls, base: Path, settings: Settings, beside: Path, *, public: bool) -> Self:
        """Patterns of projects are relative to `base`, those of `exclude` to `beside`."""
        projects = settings.projects or (".",)
        return cls(
            base,
            tuple(each for each in projects if not each.startswith("!")),
            (
                *((f"--projects {p}", base, p[1:]) for p in projects if p.startswith("!")),
                *((f"--exclude {p}", beside, p) for p in settings.exclude),
            ),
            public,
        )


def workspace_of(command: Command, settings: RunSettings) -> Workspace:
    """The projects that the setting `projects` names, else the one at hand."""
    public = _goes_to_pypi(command, settings)
    return _read_workspace(command, settings.root, _chosen(settings, public=public))


def _goes_to_pypi(command: Command, settings: RunSettings) -> bool:
    """Whether PyPI or TestPyPI get the projects, if only as a stage."""
    config, stages = config_of(command), settings.resolved.found.stages
    return any(is_public_repository(config, n) for n in (command.option("repository"), *stages))


def _chosen(settings: RunSettings, *, public: bool) -> _Chosen:
    base, beside = settings.base("projects"), settings.base("exclude")
    return _Chosen.of(base, settings.resolved.found, beside, public=public)


def found_projects(
    command: Command, settings: RunSettings, *, public: bool
) -> tuple[list[Checkout], list[LeftOut]]:
    """The projects that the setting `projects` names, and those that are left out.

    Whether they could be released together does not matter.
    """
    found = _find(command, settings.root, _chosen(settings, public=public))
    if found.faults:
        raise ReleaseError.refused(*found.faults)
    return found.checkouts, found.left_out


@dataclass(slots=True)
class _Found:
    """Projects, those that are left out (and of which of these more is known), and all faults."""

    checkouts: list[Checkout] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    marked: list[WorkspaceMember] = field(default_factory=list)
    faults: list[Problem] = field(default_factory=list)


def _find(command: Command, root: Path, chosen: _Chosen) -> _Found:
    """Read what is chosen and not excluded; directories are named relative to `root`."""
    found, excluded = _Found(), dict[str, str]()
    for option, base, pattern in chosen.excluded:
        matches, unmatched = with_projects(base, [pattern])
        found.faults += [problems.no_match(option, str(base)) for _ in unmatched]
        excluded |= {os.path.realpath(each): option for each in matches}
    directories, unmatched = with_projects(chosen.base, chosen.wanted)
    options = [f"--projects {pattern}" for pattern in unmatched]
    found.faults += [problems.no_match(option, str(chosen.base)) for option in options]
    for directory in directories:
        shown = os.path.relpath(directory, root)
        if reason := excluded.get(os.path.realpath(directory)):
            found.left_out.append(LeftOut(shown, reason))
            continue
        try:
            _read(command, directory, shown, found, public=chosen.public)
        except ReleaseError as error:
            found.faults += error.problems
    if not (found.checkouts or found.faults):
        found.faults.append(problems.nothing_to_publish([str(each) for each in found.left_out]))
    return found


def _read_workspace(command: Command, root: Path, chosen: _Chosen) -> Workspace:
    """Find and read the projects; raises ReleaseError with everything wrong with any.

    Directories are named relative to `root`.
    """
    found = _find(command, root, chosen)
    checkouts, members = found.checkouts, [each.member for each in found.checkouts]
    faults = [*found.faults, *release_order.faults(members)]
    if faults:
        raise ReleaseError.refused(*faults)
    place = {member.name: n for n, member in enumerate(release_order.in_order(members))}
    checkouts.sort(key=lambda each: place[each.member.name])
    warnings = tuple(each for left in found.marked for each in release_order.needing(members, left))
    return Workspace(root, tuple(checkouts), tuple(found.left_out), warnings)


def needed_by(
    command: Command, project: Project, settings: RunSettings
) -> tuple[WorkspaceMember, ...]:
    """The projects of the workspace that a project needs, directly or not.

    The setting `projects` names the workspace, here or in the nearest pyproject.toml above the
    project that has it. Raises ReleaseError where none does, or with everything wrong with any.
    """
    public = _goes_to_pypi(command, settings)
    root, found = Path.cwd(), settings.resolved.found
    if not settings.is_typed("projects"):
        root, found = _nearest_settings(project.root)
    if not found.projects:
        raise ReleaseError(Verdict.ERROR, problems.members_unknown())
    beside = settings.base("exclude") if settings.is_typed("projects") else root
    chosen = _Chosen.of(root, found, beside, public=public)
    workspace = _read_workspace(command, root, chosen)
    by_name = {member.name: member for member in workspace.members}
    if project.identity.name not in by_name:
        problem = problems.not_a_member(project.identity.name, found.projects, str(root))
        raise ReleaseError(Verdict.ERROR, problem)
    names = release_order.all_needed(project.identity.name, release_order.needs(by_name.values()))
    return tuple(by_name[name] for name in sorted(names))


def _nearest_settings(directory: Path) -> tuple[Path, Settings]:
    """The nearest directory from here up whose pyproject.toml sets `projects`, and its settings."""
    for place in (directory, *directory.parents):
        with suppress(OSError, ValueError):
            table = poetry_project.settings_table(place / "pyproject.toml")
            found = resolve({}, {}, table).found
            if found.projects:
                return place, found
    return directory, Settings()


def _read(command: Command, directory: Path, shown: str, found: _Found, *, public: bool) -> None:
    """Read a project, and add it where it belongs; raises ReleaseError."""
    try:
        poetry = poetry_in(command, directory)
        table = poetry_project.settings_table(poetry.pyproject_path)
    except Exception as error:
        # RuntimeError and errors of Poetry's own, tomlkit's and the schema's.
        raise ReleaseError.refused(project_problems.member_unreadable(shown, error)) from error
    resolved = resolve({}, {}, table)
    if resolved.problems:
        faults = (problems.of_member(shown, each) for each in resolved.problems)
        raise ReleaseError(Verdict.ERROR, *faults)
    if not poetry.is_package_mode:
        found.left_out.append(LeftOut(shown, "package-mode = false"))
        return
    refuse_missing_plugins(poetry)
    project = poetry_project.read(poetry)
    member = poetry_project.member(project, shown)
    private = [each for each in poetry.package.classifiers if each.startswith("Private ::")]
    if not resolved.found.publish or (public and private):
        reason = private[0] if resolved.found.publish else "publish = false"
        found.left_out.append(LeftOut(shown, reason))
        found.marked.append(member)
    else:
        found.checkouts.append(Checkout(project, member))
