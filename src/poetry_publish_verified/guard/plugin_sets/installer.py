"""Which plugins a project requires, and how Poetry's own solver installs them into a set.

Poetry's public classes only; whatever is private of Poetry stands in `poetry_seams`.
"""

from __future__ import annotations

import functools
import logging
from contextlib import contextmanager
from contextlib import nullcontext
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING
from typing import Any

from poetry_publish_verified.guard.python_environment import canonical
from poetry_publish_verified.guard.seams.application import redirect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping
    from collections.abc import Sequence
    from pathlib import Path

    from cleo.io.io import IO
    from poetry.core.packages.dependency import Dependency
    from poetry.core.packages.package import Package
    from poetry.repositories import RepositoryPool


@dataclass(frozen=True, slots=True)
class Required:
    """A project's required plugins, those that markers exclude left out."""

    missing: tuple[Dependency, ...]
    """Not in Poetry's own environment."""
    unsatisfied: tuple[tuple[Dependency, str], ...]
    """In Poetry's own environment, but in this version, which the project rules out."""


def required_plugins(
    section: Mapping[str, Any], root: Path, environment: Mapping[str, str], *, quiet: bool = True
) -> Required:
    """Judge `requires-plugins` against Poetry's own environment (name → version).

    Poetry warns of each path that has gone: unless `quiet`, for only who builds needs it.

    Raises ValueError or TypeError where an entry is no dependency.
    """
    from poetry.core.packages.package import Package
    from poetry.factory import Factory
    from poetry.utils.env import EnvManager

    marker_env = EnvManager.get_system_env(naive=True).marker_env
    relevant: dict[str, Dependency] = {}
    for name, constraints in section.items():
        for constraint in constraints if isinstance(constraints, list) else [constraints]:
            # Stock gives no root: its relative paths depend on where Poetry was called.
            with _silence() if quiet else nullcontext():
                dependency = Factory.create_dependency(name, constraint, root_dir=root)
            if dependency.marker.validate(marker_env):
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
    if dependency.source_type is not None:
        # Only a path, URL or VCS requirement asks where an installed package came from.
        for found in installed_packages():
            if found.name == name:
                return found
    return package(name, version)


def installed_packages() -> list[Package]:
    """What Poetry itself finds on the present `sys.path`."""
    from poetry.repositories.installed_repository import InstalledRepository
    from poetry.utils.env import EnvManager

    return InstalledRepository.load(EnvManager.get_system_env(naive=True)).packages


def install_plugins(
    root: Path, io: IO, plugins: Sequence[Dependency], into: Path, without: str | None = None
) -> None:
    """Resolve and install `plugins` and what they need beyond Poetry's environment.

    The distribution named `without` counts as not there. Modules go to `into/site-packages`,
    everything else beside it. Raises what Poetry's solver raises, and RuntimeError where an
    installation failed (Poetry has said why).
    """
    from poetry.core.packages.package import Package
    from poetry.core.packages.project_package import ProjectPackage
    from poetry.factory import Factory
    from poetry.installation import Installer
    from poetry.installation.executor import Executor
    from poetry.packages import Locker
    from poetry.repositories.installed_repository import InstalledRepository
    from poetry.utils.env import EnvManager

    poetry = Factory().create_poetry(cwd=root, io=io)
    env = EnvManager.get_system_env(naive=True)
    redirect(env.paths, into)

    # Without their origin: what was installed from a file must not be asked for again there.
    facts = [
        Package(found.name, found.version)
        for found in installed_packages()
        if found.name != without
    ]
    project = ProjectPackage(name="poetry-project-instance", version="0")
    project.python_versions = ".".join(str(part) for part in env.version_info[:3])
    for plugin in plugins:
        project.add_dependency(plugin)
    installer = Installer(
        io,
        env,
        project,
        Locker(into / "poetry.lock", {}),
        _pool_with_facts(poetry.pool, facts, poetry.config),
        poetry.config,
        InstalledRepository(facts),
        Executor(env, poetry.pool, poetry.config, io, disable_cache=poetry.disable_cache),
    )
    installer.update(True)
    if installer.run() != 0:
        raise RuntimeError("Failed to install the Poetry plugins that the project requires")


def _pool_with_facts(real: RepositoryPool, facts: Sequence[Package], config: Any) -> RepositoryPool:
    """The project's repositories, except that `facts` answer for their own names.

    Given to the solver as pins instead, each would have to be on the project's index:
    this very plugin, pip or xattr often are not.
    """
    from poetry.repositories import RepositoryPool

    versions: dict[str, Any] = {fact.name: fact.version for fact in facts}

    # Only those that are asked for: reading all requirements took a third of a set's building.
    @functools.cache
    def known(name: str) -> Package | None:
        return _fact(name, versions[name]) if name in versions else None

    class PoolWithFacts(RepositoryPool):
        def find_packages(self, dependency: Dependency) -> list[Package]:
            fact = known(dependency.name)
            if fact is None:
                return super().find_packages(dependency)
            return [fact] if dependency.constraint.allows(fact.version) else []

        # 2.0 has one more argument between version and repository_name.
        def package(self, name: str, version: Any, *args: Any, **kwargs: Any) -> Package:
            fact = known(canonical(name))
            if fact is not None and fact.version == version:
                return fact
            return super().package(name, version, *args, **kwargs)

    pool = PoolWithFacts(config=config)
    for repository in real.all_repositories:
        pool.add_repository(repository, priority=real.get_priority(repository.name))
    return pool


def _fact(name: str, version: Any) -> Package:
    """An installed package without requirements, but for those of extras it may lack."""
    from poetry.core.packages.dependency import Dependency
    from poetry.core.packages.package import Package

    fact = Package(name, version)
    extras: dict[Any, list[Dependency]] = {}
    optional = (one for one in metadata.requires(name) or [] if "extra" in one)
    for requirement in optional:
        # What cannot be read was no hindrance to installing it.
        with suppress(ValueError):
            dependency = Dependency.create_from_pep_508(requirement)
            for extra in dependency.in_extras:
                extras.setdefault(extra, []).append(dependency)
            if dependency.in_extras:
                fact.add_dependency(dependency)
    fact.extras = extras
    return fact


def names_required(requirements: Sequence[str]) -> list[str]:
    """The distributions that these requirements ask for in Poetry's environment, without extras.

    Raises ValueError where a requirement cannot be read.
    """
    from poetry.core.packages.dependency import Dependency
    from poetry.utils.env import EnvManager

    marker_env = EnvManager.get_system_env(naive=True).marker_env
    read = [Dependency.create_from_pep_508(requirement) for requirement in requirements]
    return [one.name for one in read if not one.in_extras and one.marker.validate(marker_env)]
