"""Takes away what earlier versions left, where nobody uses it any more."""

from __future__ import annotations

import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from poetry_publish_verified.guard.layout import UNPACKED
from poetry_publish_verified.guard.locks.holders import ENDING
from poetry_publish_verified.guard.ownership import Ground
from poetry_publish_verified.guard.ownership import of_checkout
from poetry_publish_verified.guard.ownership import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from poetry_publish_verified.guard.locks.resource import Resource

# Locks lay in a directory beside each thing, which pipx and others took for one of their own.
_LOCKS = ".poetry-locks-1"
_ALL = b"*"


def tidy_around(resource: Resource, is_free: Callable[[Path], bool]) -> None:
    """Remove what lies in the way of others around a resource, which this process holds.

    `is_free` tells of a lock file whether nobody holds it.
    """
    if resource.ground is not None and resource.ground / UNPACKED in resource.path.parents:
        tidy_ignore_file(resource.ground)
    if resource.thing is not None:
        for directory in dict.fromkeys((resource.thing.parent, resource.path.parent)):
            tidy_locks(directory / _LOCKS, is_free)


def tidy_locks(directory: Path, is_free: Callable[[Path], bool]) -> None:
    """Remove a directory of locks if nobody holds any of them."""
    with suppress(OSError):
        if directory.is_symlink() or not directory.is_dir():
            return
        # Whoever may exchange it for a link would have us empty any directory.
        Ground.of(directory.parent).believe(directory)
        found = list(directory.iterdir())
        kept = [one for one in found if one.suffix != ENDING and one.name != ".gitignore"]
        # Ours are empty: what is not is nothing that we made.
        if all(_is_empty_file(one) and is_free(one) for one in kept):
            for one in found:
                one.unlink()
            directory.rmdir()


def _is_empty_file(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and not found.st_size


def tidy_ignore_file(root: Path) -> None:
    """Remove `.poetry/.gitignore`, which some build backends pack, where nothing needs it."""
    directory = root / ".poetry"
    file = directory / ".gitignore"
    with suppress(OSError, ValueError):
        of_checkout(root).believe(directory)
        others = [one for one in directory.iterdir() if one.name not in {UNPACKED.name, file.name}]
        if not others and read_regular(file, len(_ALL)) == _ALL:
            file.unlink()
