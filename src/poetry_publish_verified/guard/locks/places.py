"""Where the lock of everything that Poetry processes share lies: it follows from the real path.

Whoever can write something comes to the same lock, whatever it is to them (the project's
environment, the active one, Poetry's own), and nobody who lists a directory finds one of ours:
beside an environment there is a hidden file at most, as pipx and Poetry keep some there too.
"""

import hashlib
import os
import socket
import sys
from pathlib import Path
from typing import NamedTuple

from poetry_publish_verified.guard.layout import ARCHIVE_LOCKS_DIR, LOCK_SUFFIX, LOCKS_DIR
from poetry_publish_verified.guard.locks.filesystems import filesystem_of
from poetry_publish_verified.guard.locks.resource import Order, Resource

_THIS_PLUGIN = "poetry_publish_verified/__init__.py"


def user_lock_directory() -> Path | None:
    """This user's own directory for locks; None where there is no home for it."""
    from platformdirs import user_data_path

    # Not the cache: anybody may clear that.
    try:
        found = user_data_path("poetry-publish-verified", appauthor=False) / "locks"
    except RuntimeError:
        return None
    # Older versions return a directory named `~` where there is no home.
    return found if found.is_absolute() else None


class LockPlaces(NamedTuple):
    """Where locks lie; `personal` is this user's own directory for what fits nowhere else."""

    personal: Path | None

    def config(self, directory: Path) -> Resource:
        """The settings in Poetry's configuration directory."""
        lock = _beside(_real(directory) / "config.toml")
        return self._resource("Poetry's configuration", lock, Order.CONFIG, lock.parent)

    def poetry_environment(self, prefix: Path) -> Resource:
        """The environment that Poetry itself runs in."""
        return self._environment(prefix, "Poetry's own environment", Order.POETRY)

    def environment(self, path: Path) -> Resource:
        """A virtual environment, or the system's."""
        return self._environment(path, f"the environment {path}", Order.ENVIRONMENT)

    def environments_file(self, file: Path) -> Resource:
        """The list of the environments that projects use."""
        lock = _beside(_real(file.parent) / file.name)
        return self._resource("Poetry's list of environments", lock, Order.ENVIRONMENT, lock.parent)

    def project(self, root: Path) -> Resource:
        """A project's pyproject.toml and poetry.lock."""
        return self._in_project(root, "project", f"the project {root.name}")

    def release(self, root: Path, repository_url: str) -> Resource:
        """Publishing one project to one repository."""
        name = f"the release of {root.name} to this repository"
        return self._in_project(root, f"release-{_hash(repository_url)}", name)

    def build(self, root: Path) -> Resource:
        """The build of one project, until its files are read and on their way."""
        return self._in_project(root, "build", f"the build of {root.name}")

    def history(self, root: Path, file: Path) -> Resource:
        """The file in which the runs of a project are recorded."""
        # Not beside it: git would show the lock.
        return self._in_project(root, f"history-{_hash(str(_real(file)))}", f"the file {file.name}")

    def _in_project(self, root: Path, lock: str, name: str) -> Resource:
        real = _real(root)
        path = real / LOCKS_DIR / lock
        return Resource(name, path, Order.PROJECT, real, real, self._fallback(path))

    def _environment(self, path: Path, name: str, order: Order) -> Resource:
        real = _real(path)
        project = _project_around(real)
        if project != real.parent:
            if _is_whole_python(real):
                # The system's: no place for files of ours, neither in it nor beside it.
                own = self._fallback(real)
                return Resource(name, own or _beside(real), order, real, fallback=own)
            if _is_poetrys_own(real):
                # Inside, as its parent often belongs to others; nor would Poetry, uv or venv clear
                # this one and make it anew under those who wait for it.
                return self._resource(name, real / LOCK_SUFFIX, order, real)
        if project is not None:
            unique = "" if project == real.parent else f"-{_hash(str(real.relative_to(project)))}"
            lock = project / LOCKS_DIR / f"environment-{real.name[:100]}{unique}"
            return Resource(name, lock, order, real, project, self._fallback(lock))
        return self._resource(name, _beside(real), order, real)

    def _resource(self, name: str, lock: Path, order: Order, protects: Path) -> Resource:
        return Resource(name, lock, order, protects, lock.parent, self._fallback(lock))

    def _fallback(self, path: Path) -> Path | None:
        """This user's own lock file for what is at `path`."""
        if self.personal is None:
            return None
        # Two hosts with one home each have local files of this name.
        host = "" if filesystem_of(path).is_shared else socket.gethostname()
        unique = _hash("\0".join([str(path), host]))
        return _real(self.personal) / f"{path.name[:40]}-{unique}"


def is_of_a_release(lock: Path) -> bool:
    """Whether the lock file is one that `publish-verified` requires."""
    return lock.name.partition("-")[0] in {"release", "build"}


def archive_lock(cache: Path, archive: Path) -> Resource:
    """The download of one archive into Poetry's cache."""
    # One of 4096 names, so that lock files do not pile up; the same one wherever a host has mounted
    # the cache.
    inside = os.fsencode(os.path.relpath(archive, cache))
    lock = cache / ARCHIVE_LOCKS_DIR / hashlib.sha256(inside).hexdigest()[:3]
    name = f"the download of {archive.name}"
    return Resource(name, lock, Order.ARCHIVE, base=cache, saves_work=True, subject=archive)


def _project_around(environment: Path) -> Path | None:
    """The project that an environment lies in, whose build, or git, would find a file beside it.

    git's own is not looked for further up: pyenv, with all its Pythons, is a clone.
    """
    if (environment.parent / ".git").exists():
        return environment.parent
    return next((one for one in environment.parents if (one / "pyproject.toml").is_file()), None)


def _is_poetrys_own(environment: Path) -> bool:
    """Whether a Poetry runs in it, this one or another one with this plugin."""
    if environment == _real(Path(sys.prefix)):
        return True
    return (
        any(environment.glob(f"lib/py*/site-packages/{_THIS_PLUGIN}"))
        or (environment / "Lib" / "site-packages" / _THIS_PLUGIN).is_file()
    )


def _is_whole_python(path: Path) -> bool:
    """Whether a Python is installed there: the system's, pyenv's or conda's."""
    if path == _real(Path(sys.base_prefix)):
        return True
    if (path / "pyvenv.cfg").is_file():
        return False
    return any(path.glob("lib/py*/os.py")) or (path / "Lib" / "os.py").is_file()


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}{LOCK_SUFFIX}")


def _real(path: Path) -> Path:
    # One resource, one lock, however its path is spelled.
    return Path(os.path.realpath(path))


def _hash(text: str) -> str:
    # A path may hold bytes that are not text in this locale.
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
