"""What Poetry processes share, where the lock of each lies, and which command needs which.

Lock files stand beside what they protect, never inside what a command deletes, in a directory
with a version in its name; whoever cannot write there uses one in Poetry's cache directory.

Loaded by every command, so it is light: no dataclasses, whose making takes longer than most of
what is here.
"""

from __future__ import annotations

import hashlib
import os
import sys
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING
from typing import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from poetry_publish_verified.errors import Problem

# hatchling packs whatever the root's own .gitignore does not name, but nothing in a folder of this
# name; nor do other build backends.
UNPACKED = Path(".poetry", ".nox")
IN_PROJECT = UNPACKED / "locks-1"
ELSEWHERE = ".poetry-locks-1"


class Order(IntEnum):
    """In which order locks are taken, by one process and by what it starts."""

    CONFIG = 1
    POETRY = 2
    PROJECT = 3
    ENVIRONMENT = 4
    CACHE = 5
    ARCHIVE = 6


class Resource(NamedTuple):
    """What is locked: its name for people, its lock file, its place in the order."""

    name: str
    path: Path
    order: Order = Order.PROJECT
    fallback: Path | None = None
    """The lock file of whoever cannot make one at `path`."""
    saves_work: bool = False
    """Whether all is right without the lock, too, and only something is done twice."""


class LockRefusedError(Exception):
    """A lock that is needed is not to be had; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def held(
    resource: Resource, say: Callable[[str], None], *, only_if_free: bool = False
) -> AbstractContextManager[bool]:
    """`locks.held`, loaded only now: most commands come by here and want no lock."""
    from poetry_publish_verified.guard import locks

    return locks.held(resource, say, only_if_free=only_if_free)


class Needs(NamedTuple):
    """What one command holds from its beginning to its end."""

    poetry: bool = False
    """Poetry's configuration and Poetry's own environment."""
    project: bool = False
    """pyproject.toml and poetry.lock."""
    environment: bool = False
    """The project's virtual environment, once it is known which."""


# Whatever is not named here holds nothing for the whole of a command: a missing virtual
# environment is made, a setting written, an archive fetched under a lock of its own.
NEEDS = {
    "self add": Needs(poetry=True),
    "self install": Needs(poetry=True),
    "self lock": Needs(poetry=True),
    "self remove": Needs(poetry=True),
    "self sync": Needs(poetry=True),
    "self update": Needs(poetry=True),
    "add": Needs(project=True, environment=True),
    "remove": Needs(project=True, environment=True),
    "update": Needs(project=True, environment=True),
    "install": Needs(environment=True),
    "sync": Needs(environment=True),
    "lock": Needs(project=True),
    "source add": Needs(project=True),
    "source remove": Needs(project=True),
    "version": Needs(project=True),
}
# Commands of other plugins that install: as `update`, since they may rewrite everything.
OF_OTHER_INSTALLERS = NEEDS["update"]


class Places(NamedTuple):
    """Where locks lie; `cache` is Poetry's cache directory."""

    cache: Path

    def config(self, directory: Path) -> Resource:
        """The settings in Poetry's configuration directory."""
        lock = _resolved(directory) / ELSEWHERE / "config"
        return self._resource("Poetry's configuration", lock, Order.CONFIG)

    def poetry_environment(self, prefix: Path) -> Resource:
        """The environment that Poetry itself runs in."""
        return self._beside(_resolved(prefix), "Poetry's own environment", Order.POETRY)

    def project(self, root: Path) -> Resource:
        """A project's pyproject.toml and poetry.lock."""
        lock = _resolved(root) / IN_PROJECT / "project"
        return self._resource(f"the project {root.name}", lock, Order.PROJECT)

    def release(self, root: Path, repository_url: str) -> Resource:
        """The releasing of one project to one repository."""
        lock = _resolved(root) / IN_PROJECT / f"release-{_hash(repository_url)}"
        name = f"the release of {root.name} to this repository"
        return self._resource(name, lock, Order.PROJECT)

    def build(self, root: Path) -> Resource:
        """What is built of one project, until it is read and on its way."""
        lock = _resolved(root) / IN_PROJECT / "build"
        return self._resource(f"the build of {root.name}", lock, Order.PROJECT)

    def environment(self, path: Path) -> Resource:
        """A virtual environment, or the system's."""
        resolved = _resolved(path)
        if (resolved.parent / "pyproject.toml").is_file():
            lock = resolved.parent / IN_PROJECT / f"environment-{resolved.name}"
            return self._resource(f"the environment {path}", lock, Order.ENVIRONMENT)
        return self._beside(resolved, f"the environment {path}", Order.ENVIRONMENT)

    def environments_file(self, file: Path) -> Resource:
        """The list of the environments that projects use."""
        lock = _resolved(file.parent) / ELSEWHERE / file.name
        return self._resource("Poetry's list of environments", lock, Order.ENVIRONMENT)

    def fallback(self, lock: Path) -> Path:
        """The lock file of whoever cannot write where `lock` is."""
        return _resolved(self.cache) / ELSEWHERE / f"{lock.name}-{_hash(str(lock))}"

    def _beside(self, path: Path, name: str, order: Order) -> Resource:
        if path == _resolved(Path(sys.base_prefix)):
            # The system's own: beside it is no place for files of ours.
            return Resource(name, self.fallback(path), order)
        return self._resource(name, path.parent / ELSEWHERE / path.name, order)

    def _resource(self, name: str, lock: Path, order: Order) -> Resource:
        return Resource(name, lock, order, self.fallback(lock))


def _resolved(path: Path) -> Path:
    # One resource, one lock, however the path is spelled.
    return Path(os.path.realpath(path))


def _hash(text: str) -> str:
    # A path may hold bytes that are no text in this locale.
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
