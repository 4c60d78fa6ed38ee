"""Removes what the guard keeps in a checkout and for this user."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from poetry_publish_verified.guard import problems
from poetry_publish_verified.guard.layout import (
    ARCHIVE_LOCKS_DIR,
    BROKEN,
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
from poetry_publish_verified.guard.removal import delete, who_can_remove
from poetry_publish_verified.guard.seams import application as seams


class Cleaned(NamedTuple):
    """Something that was there, and why it still is; empty if it is not."""

    path: Path
    kept: str = ""


def clean(root: Path | None, cache: Path) -> Iterator[Cleaned]:
    """Remove the sets, locks and records of a checkout, if any, and this user's locks.

    `cache` is Poetry's cache directory. Of a checkout all goes or nothing: nothing where somebody
    holds a lock there now, or this user may not remove everything.
    """
    if root is not None:
        yield from _clean_checkout(root)
    for lock in _locks_of_user():
        yield from remove([lock], [lock])
        if not lock.exists():
            holders.erase_record(lock)
    archives = cache / "artifacts" / ARCHIVE_LOCKS_DIR
    yield from remove([archives], _locks_in(archives))


def _clean_checkout(root: Path) -> Iterator[Cleaned]:
    directory = root / ".poetry"
    try:
        checkout_directory(root).require_trusted(directory)
    except OSError as error:
        yield Cleaned(directory, f"{error.filename} {error.strerror}")
        return
    sets = PluginSets.of_project(root).directory
    paths = [root / STATE_DIR, *([] if sets.is_relative_to(root / STATE_DIR) else [sets])]
    locks = [*_locks_in(root / LOCKS_DIR), *_locks_in(sets / ".locks-1")]
    yield from remove(paths, locks, root)
    # Poetry's own plugins may be there too.
    with suppress(OSError):
        directory.rmdir()


def _locks_in(directory: Path) -> list[Path]:
    found = sorted(directory.iterdir()) if directory.is_dir() else []
    return [
        one
        for one in found
        if one.suffix != HOLDER_SUFFIX and one.is_file() and not one.is_symlink()
    ]


def _locks_of_user() -> list[Path]:
    places = LockPlaces(user_lock_directory())
    own = places.poetry_environment(seams.poetry_prefix()).path
    config = places.config(seams.config_directory()).path
    found = [own, config]
    # The server of a mount may have gone.
    with suppress(OSError):
        found += sorted(seams.environments_directory().glob(f".*{LOCK_SUFFIX}"))
    if places.personal is not None:
        found += _locks_in(places.personal)
    # Unlike that of Path, it raises nothing.
    return [lock for lock in dict.fromkeys(found) if os.path.isfile(lock)]  # noqa: PTH113


def remove(
    paths: Iterable[Path], locks: Iterable[Path] = (), root: Path | None = None
) -> Iterator[Cleaned]:
    """Remove all of these paths that are there, or none if something keeps one of them."""
    paths = [path for path in paths if os.path.lexists(path)]
    others = [problems.kept_for_owner(*who, root) for who in map(who_can_remove, paths) if who]
    kept = next(filter(None, (*others, *map(_why_in_use, locks))), "")
    for path in paths:
        if not kept:
            delete(path)
        yield Cleaned(path, kept or (problems.NOT_REMOVED if os.path.lexists(path) else ""))


def _why_in_use(lock: Path) -> str:
    # Nobody looks at a broken one, whoever may still hold it.
    if BROKEN in lock.name or is_free(lock):
        return ""
    if not os.access(lock, os.R_OK | os.W_OK):
        return problems.kept_unopened(lock)
    return problems.kept_in_use(holders.describe(lock))
