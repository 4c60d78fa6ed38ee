"""Lock files: where everybody looks who can write what they protect, or else where one can be."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from poetry_publish_verified.guard.layout import STATE_DIR
from poetry_publish_verified.guard.locks.resource import Resource
from poetry_publish_verified.guard.ownership import (
    SharedDirectory,
    UntrustedPathError,
    make_in_checkout,
)

# What the lock is for then fails by itself, or has nothing to write.
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class LockNotNeededError(OSError):
    """This process cannot write what the lock protects, or works without it: say nothing."""


def prepare_lock_file(resource: Resource, *, required: bool) -> tuple[Path, str]:
    """Create the lock file if need be; its path, and why another one's entry is not trusted.

    Raises LockNotNeededError, or OSError where there is no place for one.
    """
    untrusted = ""
    if resource.path != resource.fallback:
        try:
            return _create(resource.path, resource.base, resource.protects), ""
        except OSError as error:
            if not required and _is_not_needed(resource, error):
                raise LockNotNeededError from error
            if resource.protects is None or resource.fallback is None:
                raise
            untrusted = str(error) if isinstance(error, UntrustedPathError) else ""
    own = resource.fallback.parent
    try:
        # Private, whatever the umask.
        existing = next(one for one in (own, *own.parents) if one.is_dir())
        SharedDirectory.at(existing).make_directories(own, private=True)
        return _create(resource.fallback, own, None), untrusted
    except OSError as error:
        if error.errno in (*_DISK_FULL, errno.EROFS) and not required:
            raise LockNotNeededError from error
        raise


def _is_not_needed(resource: Resource, error: OSError) -> bool:
    if resource.saves_work and isinstance(error, (PermissionError, UntrustedPathError)):
        return True
    if resource.protects is None:
        return False
    return error.errno in _DISK_FULL or not _can_write(resource.protects)


def _create(path: Path, base: Path | None, protects: Path | None) -> Path:
    """Create the lock file at `path` if need be, and return it; OSError if it cannot be used."""
    base = base or path.parent
    _create_like_poetry(base)
    if base / STATE_DIR in path.parents:
        directory = make_in_checkout(base, path.parent)
    else:
        # Whatever lies deeper protects what is in `base`.
        subject = protects if path.parent == base else None
        directory = SharedDirectory.at(base, subject, base / "pyproject.toml")
        directory.make_directories(path.parent)
    directory.make_file(path)
    directory.require_trusted(path)
    if not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(errno.EINVAL, "is not a file", str(path))
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return path


def _create_like_poetry(directory: Path) -> None:
    """Create a directory of Poetry's, as private at the top as virtualenv, which comes next."""
    if directory.is_dir():
        return
    with suppress(RuntimeError):
        home = directory.home()
        if directory.is_relative_to(home) and directory != home and home.is_dir():
            (home / directory.relative_to(home).parts[0]).mkdir(0o700, exist_ok=True)
    directory.mkdir(parents=True, exist_ok=True)


def is_locked_privately(resource: Resource) -> bool:
    """Whether this user's lock of something they can change is where nobody else looks."""
    if resource.protects is None or not _can_write(resource.protects):
        return False
    return resource.path == resource.fallback or not _can_write(resource.path)


def _can_write(path: Path) -> bool:
    """Whether this process could change `path`, or create it."""
    try:
        while not path.exists() and path != path.parent:
            path = path.parent
    # It may be out of sight, or its server may have gone.
    except OSError:
        return False
    return os.access(path, os.W_OK)
