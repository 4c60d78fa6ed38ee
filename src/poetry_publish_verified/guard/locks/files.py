"""The lock file of a thing: where all look who can write the thing, or else where it can be."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from poetry_publish_verified.guard.layout import UNPACKED
from poetry_publish_verified.guard.ownership import Ground
from poetry_publish_verified.guard.ownership import NotBelievedError
from poetry_publish_verified.guard.ownership import keep_in_checkout
from poetry_publish_verified.guard.ownership import nearest_existing

if TYPE_CHECKING:
    from pathlib import Path

    from poetry_publish_verified.guard.locks.resource import Resource

# Whatever would be locked for fails by itself then, or has nothing to write.
_FULL = (errno.ENOSPC, errno.EDQUOT)


class NeedlessError(OSError):
    """Who asks cannot write what the lock is for, or can do without it: nobody need hear of it."""


def usable(resource: Resource, *, needed: bool) -> tuple[Path, str]:
    """The lock file to take, made if need be; why not the first one, if others may have made it.

    Raises NeedlessError, or OSError where there is no place for one.
    """
    not_believed = ""
    if resource.path != resource.fallback:
        try:
            return _made(resource.path, resource.ground, resource.thing), ""
        except OSError as error:
            if resource.saves_work and isinstance(error, (PermissionError, NotBelievedError)):
                raise NeedlessError from error
            if resource.thing is None:
                raise
            is_full = error.errno in _FULL
            if not needed and (is_full or not _may_write(resource.thing)):
                raise NeedlessError from error
            if resource.fallback is None:
                raise
            if isinstance(error, NotBelievedError):
                not_believed = str(error)
    # Nobody else's business, whatever the umask.
    own = resource.fallback.parent
    try:
        nearest_existing(own).make_directories(own, private=True)
        return _made(resource.fallback, own, None), not_believed
    except OSError as error:
        if error.errno in (*_FULL, errno.EROFS) and not needed:
            raise NeedlessError from error
        raise


def _made(path: Path, base: Path | None, thing: Path | None) -> Path:
    """The lock file at `path`, which is there and can be used then; OSError where it cannot."""
    base = base or path.parent
    _make_as_poetry(base)
    if base / UNPACKED in path.parents:
        ground = keep_in_checkout(base, path.parent)
    else:
        # What lies deeper is for whatever is in `base`.
        ground = Ground.of(base, thing if path.parent == base else None, base / "pyproject.toml")
        ground.make_directories(path.parent)
    ground.make_file(path)
    ground.believe(path)
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(errno.EINVAL, "is not a file", str(path))
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return path


def _make_as_poetry(directory: Path) -> None:
    """Make a directory of Poetry's, as private at the top as virtualenv does, which comes next."""
    if directory.is_dir():
        return
    with suppress(RuntimeError):
        home = directory.home()
        if directory.is_relative_to(home) and directory != home and home.is_dir():
            (home / directory.relative_to(home).parts[0]).mkdir(0o700, exist_ok=True)
    directory.mkdir(parents=True, exist_ok=True)


def is_locked_apart(resource: Resource) -> bool:
    """Whether this user's lock of what they can change is where nobody else looks."""
    if resource.thing is None or not _may_write(resource.thing):
        return False
    return resource.path == resource.fallback or not _may_write(resource.path)


def _may_write(thing: Path) -> bool:
    """Whether this process could change `thing`, or make it where it is not there yet."""
    try:
        while not thing.exists() and thing != thing.parent:
            thing = thing.parent
    except PermissionError:
        return False
    return os.access(thing, os.W_OK)
