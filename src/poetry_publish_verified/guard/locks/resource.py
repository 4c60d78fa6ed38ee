"""What Poetry processes share and lock.

Loaded by every command, so it is light: creating a dataclass takes longer than all of this.
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from poetry_publish_verified.errors import Problem


class Order(IntEnum):
    """The order in which a process, and what it starts, takes locks."""

    CONFIG = 1
    POETRY = 2
    PROJECT = 3
    ENVIRONMENT = 4
    CACHE = 5
    ARCHIVE = 6


class Resource(NamedTuple):
    """Something that is locked: its name for people, its lock file, its place in the order."""

    name: str
    path: Path
    order: Order = Order.PROJECT
    protects: Path | None = None
    """What the lock is for: whoever can write it may lock it, and nobody else needs to."""
    base: Path | None = None
    """The directory below which everything is the guard's own; by default `path.parent`."""
    fallback: Path | None = None
    """The lock file of a user who cannot have one at `path`."""
    saves_work: bool = False
    """Whether everything is right without the lock too, and only some work is done twice."""
    subject: Path | None = None
    """What the holder looks at next; by default `protects`."""


class LockRefusedError(Exception):
    """A required lock is not available; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem
