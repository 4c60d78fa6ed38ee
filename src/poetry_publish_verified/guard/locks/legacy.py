"""Removes what earlier versions left behind, once nobody uses it any more."""

from __future__ import annotations

import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from poetry_publish_verified.guard.layout import HOLDER_SUFFIX, STATE_DIR
from poetry_publish_verified.guard.locks.resource import Resource
from poetry_publish_verified.guard.ownership import (
    SharedDirectory,
    checkout_directory,
    read_regular_file,
)

# Locks used to lie in a directory beside what they protect, which pipx took for one of its own.
_LOCKS_DIR = ".poetry-locks-1"
_IGNORE_ALL = b"*"


def remove_legacy_around(resource: Resource, is_free: Callable[[Path], bool]) -> None:
    """Remove what gets in the way of others around a resource that this process holds.

    `is_free` says of a lock file whether nobody holds it.
    """
    if resource.base is not None and resource.base / STATE_DIR in resource.path.parents:
        remove_needless_gitignore(resource.base)
    if resource.protects is not None:
        for directory in {resource.protects.parent, resource.path.parent}:
            remove_lock_directory(directory / _LOCKS_DIR, is_free)


def remove_lock_directory(directory: Path, is_free: Callable[[Path], bool]) -> None:
    """Remove a directory of locks if nobody holds any of them."""
    with suppress(OSError):
        if directory.is_symlink() or not directory.is_dir():
            return
        # Whoever may exchange it for a link could have us empty any directory.
        SharedDirectory.at(directory.parent).require_trusted(directory)
        found = list(directory.iterdir())
        locks = [one for one in found if one.suffix != HOLDER_SUFFIX and one.name != ".gitignore"]
        # Ours are empty: anything else is not ours.
        if all(_is_empty_file(one) and is_free(one) for one in locks):
            for one in found:
                one.unlink()
            directory.rmdir()


def _is_empty_file(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and not found.st_size


def remove_needless_gitignore(root: Path) -> None:
    """Remove `.poetry/.gitignore`, which some build backends pack, if nothing else needs it."""
    directory = root / ".poetry"
    file = directory / ".gitignore"
    with suppress(OSError, ValueError):
        checkout_directory(root).require_trusted(directory)
        if {one.name for one in directory.iterdir()} - {STATE_DIR.name, file.name}:
            return
        if read_regular_file(file, len(_IGNORE_ALL)) == _IGNORE_ALL:
            file.unlink()
