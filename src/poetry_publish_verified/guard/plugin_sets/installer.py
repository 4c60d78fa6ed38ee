"""Installs the plugins of a set with Poetry's own solver and installer.

Poetry's public classes only; the seams have what is private.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poetry_publish_verified.guard.plugin_sets.required import installed_packages
from poetry_publish_verified.guard.python_environment import canonical_name
from poetry_publish_verified.guard.seams.application import redirect_installation

if TYPE_CHECKING:
    from cleo.io.io import IO
    from poetry.core.packages.dependency import Dependency
    from poetry.core.packages.package import Package
    from poetry.repositories import RepositoryPool


def install_plugins(
    root: Path, io: IO, plugins: Sequence[Dependency], into: Path, without: str | None = None
) -> None:
    """Resolve and install `plugins` and what they need beyond Poetry's environment.

    The distribution named `without` counts as absent. Modules go to `into/site-packages`,
    everything else beside it. Raises what Poetry's solver raises, and RuntimeError where an
    installation fails (Poetry has said why).
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
    redirect_installation(env.paths, into)

    # Without their origin: Poetry must not look again for what was installed from a file.
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

    As pins, each would have to be on the project's index: this very plugin, pip or xattr often
    are not.
    """
    from poetry.repositories import RepositoryPool

    versions: dict[str, Any] = {fact.name: fact.version for fact in facts}

    # On demand: reading all requirements takes a third of the time to build a set.
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
            fact = known(canonical_name(name))
            if fact is not None and fact.version == version:
                return fact
            return super().package(name, version, *args, **kwargs)

    pool = PoolWithFacts(config=config)
    for repository in real.all_repositories:
        pool.add_repository(repository, priority=real.get_priority(repository.name))
    return pool


def _fact(name: str, version: Any) -> Package:
    """An installed package without requirements, except those of extras that it may lack."""
    from poetry.core.packages.dependency import Dependency
    from poetry.core.packages.package import Package

    fact = Package(name, version)
    extras: dict[Any, list[Dependency]] = {}
    optional = (one for one in metadata.requires(name) or [] if "extra" in one)
    for requirement in optional:
        # Nor did what cannot be read keep it from being installed.
        with suppress(ValueError):
            dependency = Dependency.create_from_pep_508(requirement)
            for extra in dependency.in_extras:
                extras.setdefault(extra, []).append(dependency)
            if dependency.in_extras:
                fact.add_dependency(dependency)
    fact.extras = extras
    return fact
