"""What Poetry processes share.

Loaded by every command, so it is light: no dataclasses, whose making takes longer than most of
what is here.
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING
from typing import NamedTuple

if TYPE_CHECKING:
    from poetry_publish_verified.errors import Problem


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
