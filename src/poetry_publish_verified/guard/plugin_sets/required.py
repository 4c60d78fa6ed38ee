"""Which plugins a project requires, and which of them Poetry's own environment lacks."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from poetry.core.packages.dependency import Dependency
    from poetry.core.packages.package import Package


class Required(NamedTuple):
    """A project's required plugins, without those that markers exclude."""

    missing: tuple[Dependency, ...]
    """Not in Poetry's own environment."""
    unsatisfied: tuple[tuple[Dependency, str], ...]
    """In Poetry's own environment, but in this version, which the project excludes."""


def required_plugins(
    section: Mapping[str, Any], root: Path, environment: Mapping[str, str], *, quiet: bool = True
) -> Required:
    """Compare `requires-plugins` with Poetry's own environment (name → version).

    Unless `quiet`, Poetry warns of each path that no longer exists: only builders need that.
    Raises ValueError or TypeError where an entry is not a dependency.
    """
    from poetry.core.packages.package import Package
    from poetry.factory import Factory
    from poetry.utils.env import EnvManager

    relevant: dict[str, Dependency] = {}
    for name, constraints in section.items():
        for constraint in constraints if isinstance(constraints, list) else [constraints]:
            # Stock gives no root: its relative paths depend on where Poetry was called.
            with _silence() if quiet else nullcontext():
                dependency = Factory.create_dependency(name, constraint, root_dir=root)
            marker = dependency.marker
            # Few have a marker, and to know this environment's takes a millisecond.
            if marker.is_any() or marker.validate(EnvManager.get_system_env(naive=True).marker_env):
                relevant[dependency.name] = dependency
    missing, unsatisfied = [], []
    for name, dependency in relevant.items():
        version = environment.get(name)
        if version is None:
            missing.append(dependency)
        elif not _installed(name, version, dependency, Package).satisfies(dependency):
            unsatisfied.append((dependency, version))
    return Required(tuple(missing), tuple(unsatisfied))


@contextmanager
def _silence() -> Iterator[None]:
    # All loggers: which of Poetry's it is has changed before.
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _installed(name: str, version: str, dependency: Dependency, package: type[Package]) -> Package:
    # Only a path, URL or VCS requirement depends on where an installed package came from.
    if dependency.source_type is not None:
        for found in installed_packages():
            if found.name == name:
                return found
    return package(name, version)


def installed_packages() -> list[Package]:
    """What Poetry itself finds on the present `sys.path`."""
    from poetry.repositories.installed_repository import InstalledRepository
    from poetry.utils.env import EnvManager

    return InstalledRepository.load(EnvManager.get_system_env(naive=True)).packages


def names_required(requirements: Sequence[str]) -> list[str]:
    """The distributions that these requirements need in Poetry's environment, without extras.

    Raises ValueError where a requirement cannot be read.
    """
    from poetry.core.packages.dependency import Dependency
    from poetry.utils.env import EnvManager

    marker_env = EnvManager.get_system_env(naive=True).marker_env
    read = [Dependency.create_from_pep_508(requirement) for requirement in requirements]
    return [one.name for one in read if not one.in_extras and one.marker.validate(marker_env)]
