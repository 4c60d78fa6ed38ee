"""What Poetry processes share, and which command needs which of it.

Loaded by every command, so it is light: no dataclasses, whose making takes longer than most of
what is here.
"""

from __future__ import annotations

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
    thing: Path | None = None
    """What is protected: who can write it may lock it, and nobody else need."""
    ground: Path | None = None
    """The directory below which all is the guard's own; `path.parent` where it is not given."""
    fallback: Path | None = None
    """The lock file of whoever cannot have one at `path`."""
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
    from poetry_publish_verified.guard.locks import lock as locks

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
