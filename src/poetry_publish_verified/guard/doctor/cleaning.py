"""Removes what the guard keeps in a checkout and for this user."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from poetry_publish_verified.guard import problems
from poetry_publish_verified.guard.layout import (
    ARCHIVE_LOCKS_DIR,
    HOLDER_SUFFIX,
    LOCK_SUFFIX,
    LOCKS_DIR,
    STATE_DIR,
)
from poetry_publish_verified.guard.locks import holders
from poetry_publish_verified.guard.locks.attempt import is_free
from poetry_publish_verified.guard.locks.places import LockPlaces, user_lock_directory
from poetry_publish_verified.guard.ownership import checkout_directory
from poetry_publish_verified.guard.plugin_sets.store import PluginSets
from poetry_publish_verified.guard.removal import delete
from poetry_publish_verified.guard.seams import application as seams


class Cleaned(NamedTuple):
    """Something that was there, and why it still is; empty if it is not."""

    path: Path
    kept: str = ""


def clean(root: Path | None, cache: Path) -> Iterator[Cleaned]:
    """Remove the sets, locks and records of a checkout, if any, and this user's locks.

    `cache` is Poetry's cache directory. What somebody holds now stays, and the checkout with it.
    """
    if root is not None:
        yield from _clean_checkout(root)
    for lock in _locks_of_user():
        yield _remove_lock(lock)
    archives = cache / "artifacts" / ARCHIVE_LOCKS_DIR
    if archives.is_dir():
        if all(is_free(lock) for lock in archives.iterdir() if lock.suffix != HOLDER_SUFFIX):
            delete(archives)
        yield Cleaned(archives, _why_kept(archives))


def _clean_checkout(root: Path) -> Iterator[Cleaned]:
    try:
        checkout_directory(root).require_trusted(root / ".poetry")
    except OSError as error:
        yield Cleaned(root / ".poetry", f"{error.filename} {error.strerror}")
        return
    sets = PluginSets.of_project(root)
    locks = [
        lock
        for directory in (root / LOCKS_DIR, sets.directory / ".locks-1")
        for lock in (directory.iterdir() if directory.is_dir() else ())
        if lock.suffix != HOLDER_SUFFIX and lock.is_file() and not lock.is_symlink()
    ]
    held = next((lock for lock in locks if not is_free(lock)), None)
    for path in dict.fromkeys((root / STATE_DIR, sets.directory)):
        if not path.exists():
            continue
        if held is None:
            delete(path)
        yield Cleaned(path, _in_use(held) if held else _why_kept(path))
    if held is None:
        # Poetry's own plugins may be there too.
        with suppress(OSError):
            (root / ".poetry").rmdir()


def _locks_of_user() -> list[Path]:
    places = LockPlaces(user_lock_directory())
    own = places.poetry_environment(seams.poetry_prefix()).path
    config = places.config(seams.config_directory()).path
    found = [own, config, *sorted(seams.environments_directory().glob(f".*{LOCK_SUFFIX}"))]
    if places.personal is not None and places.personal.is_dir():
        found += [one for one in places.personal.iterdir() if one.suffix != HOLDER_SUFFIX]
    return [lock for lock in dict.fromkeys(found) if lock.is_file()]


def _remove_lock(lock: Path) -> Cleaned:
    if not is_free(lock):
        return Cleaned(lock, _in_use(lock))
    holders.erase_record(lock)
    delete(lock)
    return Cleaned(lock, _why_kept(lock))


def remove(directory: Path) -> Iterator[Cleaned]:
    """Remove a directory that nobody locks, if it is there."""
    if directory.is_dir():
        delete(directory)
        yield Cleaned(directory, _why_kept(directory))


def _in_use(lock: Path) -> str:
    if not os.access(lock, os.R_OK | os.W_OK):
        return problems.kept_unopened(lock)
    return problems.kept_in_use(holders.describe(lock))


def _why_kept(path: Path) -> str:
    return problems.NOT_REMOVED if path.exists() else ""
