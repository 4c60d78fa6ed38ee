"""Where this user's Poetry locks: what the filesystems' locks are worth, and who holds which."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from poetry_publish_verified.guard import problems
from poetry_publish_verified.guard.doctor.lock_trial import Trial, try_locks
from poetry_publish_verified.guard.locks import holders
from poetry_publish_verified.guard.locks.files import is_locked_privately
from poetry_publish_verified.guard.locks.filesystems import filesystem_of
from poetry_publish_verified.guard.locks.holders import Holder
from poetry_publish_verified.guard.locks.places import LockPlaces, user_lock_directory
from poetry_publish_verified.guard.locks.problems import LOCKS_OF_ONE_HOST
from poetry_publish_verified.guard.locks.resource import Resource
from poetry_publish_verified.guard.seams import application as seams


class FilesystemCheck(NamedTuple):
    """The locks of one filesystem, and what of Poetry's lies on it."""

    names: tuple[str, ...]
    trial: Trial | None
    error: OSError | None = None
    """Why nothing could be tried: no lock is taken there either."""

    @property
    def words(self) -> str:
        """One or two sentences for people."""
        what = ", ".join(self.names)
        if self.trial is None:
            return problems.locks_untested(f"of {what}", self.error)
        filesystem, trial = self.trial.filesystem, self.trial
        where = f"on {filesystem} ({what})"
        if trial.unknown is not None:
            return problems.locks_untested(where, trial.unknown)
        if trial.error is not None:
            return problems.locks_absent(where, trial.error)
        return problems.filesystem_locks(
            where,
            why_local=filesystem.why_local,
            excludes=trial.excludes,
            frees=trial.frees,
            is_shared=filesystem.is_shared,
        )

    @property
    def state(self) -> Literal["ok", "warning", "error"]:
        """Locks of one host alone are worth something; where none can be taken, none is needed."""
        if self.trial is None:
            return "warning"
        if self.trial.is_sound:
            return "ok"
        return "warning" if self.trial.works_here else "error"

    @property
    def remedy(self) -> str:
        """What follows from it, and what to do."""
        if self.trial is None or self.trial.is_sound or self.trial.unknown is not None:
            return ""
        if self.trial.error is not None:
            return problems.LOCKS_ABSENT
        return LOCKS_OF_ONE_HOST if self.trial.works_here else problems.LOCKS_DO_NOT_WORK


def _resources(root: Path | None) -> dict[str, Resource]:
    """By name for people, what is locked of the project, if any, and of this user."""
    places = LockPlaces(user_lock_directory())
    environments = seams.environments_directory() / "envs.toml"
    found = {
        "Poetry's configuration": places.config(seams.config_directory()),
        "Poetry's own environment": places.poetry_environment(seams.poetry_prefix()),
        "virtual environments": places.environments_file(environments),
    }
    return {"the project": places.project(root), **found} if root else found


def lock_directories(root: Path | None) -> dict[str, Path]:
    """By name for people, each directory of locks of the project, if any, and of this user."""
    found = {name: resource.path.parent for name, resource in _resources(root).items()}
    own = user_lock_directory()
    return found if own is None else {**found, "your own locks": own}


def locked_privately(root: Path | None) -> list[str]:
    """By name, what this user can change but not lock where others who change it would look."""
    return [name for name, resource in _resources(root).items() if is_locked_privately(resource)]


def check_filesystems(directories: Mapping[str, Path]) -> list[FilesystemCheck]:
    """Try the locks of each filesystem once."""
    by_filesystem: dict[str, list[str]] = {}
    for name, directory in directories.items():
        by_filesystem.setdefault(str(filesystem_of(directory)), []).append(name)
    found = []
    for names in by_filesystem.values():
        trial, error = None, None
        # One directory may be read-only where another is not.
        for name in names:
            try:
                trial, error = try_locks(directories[name]), None
                break
            except OSError as why:
                error = why
        found.append(FilesystemCheck(tuple(names), trial, error))
    return found


def holders_in(directories: Mapping[str, Path]) -> dict[Path, Holder]:
    """By lock file, the recorded holders, including those that were killed since."""
    found: dict[Path, Holder] = {}
    for directory in dict.fromkeys(directories.values()):
        found |= holders.records_in(directory)
    return found
