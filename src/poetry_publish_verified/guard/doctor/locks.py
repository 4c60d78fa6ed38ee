"""Where this user's Poetry locks: what the filesystems' locks are worth, and who holds which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from poetry_publish_verified.guard.doctor.lock_trial import try_locks
from poetry_publish_verified.guard.locks import holders
from poetry_publish_verified.guard.locks.files import is_locked_apart
from poetry_publish_verified.guard.locks.filesystems import filesystem_of
from poetry_publish_verified.guard.locks.places import Places
from poetry_publish_verified.guard.locks.places import personal_directory
from poetry_publish_verified.guard.seams import application as seams

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from poetry_publish_verified.guard.doctor.lock_trial import Trial
    from poetry_publish_verified.guard.locks.holders import Holder
    from poetry_publish_verified.guard.locks.resource import Resource


@dataclass(frozen=True, slots=True)
class Tried:
    """The locks of one filesystem, and what of Poetry's lies on it."""

    names: tuple[str, ...]
    trial: Trial | None
    error: OSError | None = None
    """Why nothing could be tried: no lock is made there either."""

    @property
    def words(self) -> str:
        """One or two sentences for people."""
        what = ", ".join(self.names)
        if self.trial is None:
            return f"Locks for {what} cannot be tried: {self.error}."
        filesystem, trial = self.trial.filesystem, self.trial
        where = f"on {filesystem} ({what})"
        if trial.unknown is not None:
            return f"Could not test the locks {where}: {trial.unknown}."
        if trial.error is not None:
            return f"There are no locks {where}: {trial.error}"
        if filesystem.option_without_locks:
            return (
                f"Locks {where} work on this host only: the filesystem is mounted with"
                f" {filesystem.option_without_locks}."
            )
        if not trial.excludes:
            return f"Locks {where} do not work: two processes held the same one at once."
        if not trial.frees:
            return f"A lock {where} was still taken after its holder was killed."
        sound = f"Locks {where} work between processes on this host, and after kill -9."
        unknown = " Whether they work between hosts cannot be tested from one host."
        return sound + (unknown if filesystem.is_shared else "")


def resources(root: Path | None) -> dict[str, Resource]:
    """By its name for people, what is locked of the project, if any, and of this user."""
    places = Places(personal_directory())
    found = {
        "Poetry's configuration": places.config(seams.config_directory()),
        "Poetry's own environment": places.poetry_environment(seams.poetry_prefix()),
        "virtual environments": places.environments_file(
            seams.environments_directory() / "envs.toml"
        ),
    }
    return {"the project": places.project(root), **found} if root else found


def directories(root: Path | None) -> dict[str, Path]:
    """By its name for people, each directory of locks of the project, if any, and of this user."""
    found = {name: resource.path.parent for name, resource in resources(root).items()}
    personal = personal_directory()
    return found if personal is None else {**found, "your own locks": personal}


def locked_apart(root: Path | None) -> list[str]:
    """By name, what this user can change but not lock where others who change it would look."""
    return [name for name, resource in resources(root).items() if is_locked_apart(resource)]


def try_all(places: Mapping[str, Path]) -> list[Tried]:
    """Try each filesystem once."""
    by_filesystem: dict[str, list[str]] = {}
    for name, directory in places.items():
        by_filesystem.setdefault(str(filesystem_of(directory)), []).append(name)
    found = []
    for names in by_filesystem.values():
        error = None
        # One of them may be read-only where another is not.
        for name in names:
            try:
                found.append(Tried(tuple(names), try_locks(places[name])))
                break
            except OSError as why:
                error = why
        else:
            found.append(Tried(tuple(names), None, error))
    return found


def holders_of(places: Mapping[str, Path]) -> dict[Path, Holder]:
    """By lock file, who says to hold it, also those that were killed since."""
    found: dict[Path, Holder] = {}
    for directory in dict.fromkeys(places.values()):
        found |= holders.of_directory(directory)
    return found
