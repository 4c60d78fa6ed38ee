"""Removes what the guard keeps: of a checkout, and of this user."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from typing import NamedTuple

from poetry_publish_verified.guard.layout import IN_PROJECT
from poetry_publish_verified.guard.layout import LOCKS_OF_ARCHIVES
from poetry_publish_verified.guard.layout import UNPACKED
from poetry_publish_verified.guard.locks import holders
from poetry_publish_verified.guard.locks.legacy import tidy_locks
from poetry_publish_verified.guard.locks.lock import is_free
from poetry_publish_verified.guard.locks.places import ENDING
from poetry_publish_verified.guard.locks.places import Places
from poetry_publish_verified.guard.locks.places import personal_directory
from poetry_publish_verified.guard.ownership import of_checkout
from poetry_publish_verified.guard.plugin_sets.files import delete
from poetry_publish_verified.guard.plugin_sets.legacy import tidy_sets
from poetry_publish_verified.guard.plugin_sets.store import PluginSets
from poetry_publish_verified.guard.seams import application as seams

if TYPE_CHECKING:
    from collections.abc import Iterator


class Cleaned(NamedTuple):
    """One thing that was there, and why it still is; empty where it is not."""

    path: Path
    kept: str = ""


def clean(root: Path | None, cache: Path) -> Iterator[Cleaned]:
    """Remove the sets, locks and records of a checkout, if any, and this user's locks.

    `cache` is Poetry's cache directory. What somebody holds at the moment stays, and a checkout
    with it.
    """
    if root is not None:
        yield from _checkout(root)
    for lock in _locks_of_user():
        yield _lock(lock)
    archives = cache / "artifacts" / LOCKS_OF_ARCHIVES
    if archives.is_dir():
        tidy_locks(archives, is_free)
        yield Cleaned(archives, _why_there(archives))


def _checkout(root: Path) -> Iterator[Cleaned]:
    try:
        of_checkout(root).believe(root / ".poetry")
    except OSError as error:
        yield Cleaned(root / ".poetry", f"{error.filename} {error.strerror}")
        return
    sets = PluginSets.of_project(root)
    kept = dict.fromkeys((root / UNPACKED, sets.directory, root / ".poetry" / "plugin-sets"))
    locks = [
        lock
        for directory in (root / IN_PROJECT, sets.directory / ".locks-1")
        for lock in (directory.iterdir() if directory.is_dir() else ())
        if lock.suffix != holders.ENDING and lock.is_file() and not lock.is_symlink()
    ]
    held = next((lock for lock in locks if not is_free(lock)), None)
    for path in kept:
        if not path.exists():
            continue
        if held is None:
            delete(path)
        yield Cleaned(path, _in_use(held) if held else _why_there(path))
    if held is None:
        tidy_sets(root)
        # Poetry's own plugins may be there too.
        with suppress(OSError):
            (root / ".poetry").rmdir()


def _locks_of_user() -> list[Path]:
    places = Places(personal_directory())
    own = places.poetry_environment(seams.poetry_prefix()).path
    config = places.config(seams.config_directory()).path
    found = [own, config, *sorted(seams.environments_directory().glob(f".*{ENDING}"))]
    if places.personal is not None and places.personal.is_dir():
        found += [one for one in places.personal.iterdir() if one.suffix != holders.ENDING]
    return [lock for lock in dict.fromkeys(found) if lock.is_file()]


def _lock(lock: Path) -> Cleaned:
    if not is_free(lock):
        return Cleaned(lock, _in_use(lock))
    holders.erase(lock)
    delete(lock)
    return Cleaned(lock, _why_there(lock))


def remove(directory: Path) -> Iterator[Cleaned]:
    """Remove a directory that nobody locks, if it is there."""
    if directory.is_dir():
        delete(directory)
        yield Cleaned(directory, _why_there(directory))


def _in_use(lock: Path) -> str:
    if not os.access(lock, os.R_OK | os.W_OK):
        return f"{lock} cannot be opened, so whether somebody holds it is unknown"
    return f"in use by {holders.read(lock) or 'a process that left no name'}"


def _why_there(path: Path) -> str:
    return "it could not be removed" if path.exists() else ""
