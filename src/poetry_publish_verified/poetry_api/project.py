"""The project as Poetry reads it, and its settings.

Tried with Poetry 2.0 to 2.5.
"""

import functools
import os
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from packaging.tags import Tag
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import Version
from poetry.poetry import Poetry

from poetry_publish_verified.core.preflight import Declared, Identity
from poetry_publish_verified.core.preflight.origin import version_tool
from poetry_publish_verified.core.problems.project import invalid_name, not_a_package
from poetry_publish_verified.core.release_order import WorkspaceMember
from poetry_publish_verified.core.settings import ENVIRONMENT_PREFIX
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.values import Value

_POETRY_CORE = "poetry.core.masonry.api"
# Plugins that do not change requirements: this one, Poetry's own, and one that sets the version.
_NO_HAND_IN_IT = (
    __name__.partition(".")[0] + ".",
    "poetry_plugin_export.",
    "poetry_plugin_shell.",
    "poetry_dynamic_versioning.",
)


class Project(Value):
    """One project: Poetry's view of it, its directory, and the release it would make.

    `declared` is what Poetry itself would write into the metadata; None where another build
    backend does that.
    """

    poetry: Poetry
    root: Path
    identity: Identity
    declared: Declared | None = None


def read(poetry: Poetry) -> Project:
    """The project; raises ReleaseError where it has nothing to publish."""
    root = poetry.file.path.parent
    if not poetry.is_package_mode:
        raise ReleaseError.refused(not_a_package(str(root / "pyproject.toml")))
    try:
        # Poetry takes any name, even a path.
        name = canonicalize_name(poetry.package.name, validate=True)
    except InvalidName:
        raise ReleaseError.refused(invalid_name(poetry.package.name)) from None
    identity = Identity(name, Version(poetry.package.version.to_string()))
    return Project(poetry, root, identity, _declared(poetry))


def member(project: Project, directory: str) -> WorkspaceMember:
    """The project as one of several; `directory` is its place as people name it."""
    requires = tuple(
        dependency.to_pep_508()
        for dependency in project.poetry.package.requires
        if not dependency.is_optional() or dependency.in_extras
    )
    named = _build_system(project.poetry).get("requires")
    builds_with = tuple(map(str, named)) if isinstance(named, list) else ()
    return WorkspaceMember(
        project.identity.name, project.identity.version, directory, requires, builds_with
    )


def _declared(poetry: Poetry) -> Declared | None:
    """The requirements as poetry-core would write them into METADATA; None for other backends."""
    from poetry.core.masonry.metadata import Metadata

    if _build_system(poetry).get("build-backend") != _POETRY_CORE:
        return None
    try:
        metadata = Metadata.from_package(poetry.package)
    except Exception:  # noqa: BLE001 - a missing README or license: only a build has to say so
        return None
    surely = not _others_plugins(tuple(sys.path)) and not any(
        each.is_file() or each.is_directory() for each in poetry.package.all_requires
    )
    return Declared(metadata.requires_python, tuple(metadata.requires_dist), surely)


def versioned_by(poetry: Poetry) -> str | None:
    """What makes the project's version from the state of git; None if nothing is known to."""
    return version_tool(_pyproject(poetry))


def _build_system(poetry: Poetry) -> Mapping[str, Any]:
    table = _pyproject(poetry).get("build-system", {})
    return table if isinstance(table, dict) else {}


def _pyproject(poetry: Poetry) -> Mapping[str, Any]:
    """The whole file, without Poetry, which would parse it again, far more slowly."""
    return tomllib.loads(poetry.pyproject_path.read_text(encoding="utf-8"))


@functools.lru_cache(maxsize=1)
def _others_plugins(_path: tuple[str, ...]) -> bool:
    """Whether any plugin on `sys.path` may change what is built."""
    points = (
        *entry_points(group="poetry.application.plugin"),
        *entry_points(group="poetry.plugin"),
    )
    return any(not point.value.startswith(_NO_HAND_IN_IT) for point in points)


def project_file(directory: Path) -> Path | None:
    """The pyproject.toml that Poetry reads in a directory: the one there, or the nearest above."""
    from poetry.core.factory import Factory

    try:
        return Factory.locate(directory)
    except RuntimeError:
        return None


def settings_table(file: Path) -> Any:
    """The value of `tool.publish-verified` in a pyproject.toml, of a Poetry project or not.

    Raises OSError or ValueError where it cannot be read.
    """
    tool = tomllib.loads(file.read_text(encoding="utf-8")).get("tool")
    return tool.get("publish-verified", {}) if isinstance(tool, dict) else {}


def environment_settings() -> dict[str, str]:
    """The variables `POETRY_PUBLISH_VERIFIED_*` as Poetry's own configuration reads them."""
    from poetry.config.config import Config

    config, found = Config.create(), {}
    for variable in os.environ:
        if variable.startswith(ENVIRONMENT_PREFIX):
            key = variable.removeprefix(ENVIRONMENT_PREFIX)
            value = config.get("publish-verified." + key.lower().replace("_", "-"))
            found[key] = os.environ[variable] if value is None else str(value)
    return found


def supported_tags(poetry: Poetry) -> frozenset[Tag]:
    """The tags of the Python that builds: the one in the project's environment."""
    from poetry.utils.env import EnvManager

    return frozenset(EnvManager(poetry).get().supported_tags)
