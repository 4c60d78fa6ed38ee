"""Plugin sets: complete, never changed directories of project plugins, one per key.

The rules this file keeps:

- a set is built in a private directory on the same filesystem and published by one rename:
  at its own name it is whole or absent, so readers take no lock;
- a rename that finds the name taken means that someone else built it: theirs is used;
- nothing is ever changed in a published set, except the modification time of its record,
  which tells when it was last used;
- what is removed is renamed aside first, so that nobody finds half of it.
"""

from __future__ import annotations

import compileall
import hashlib
import json
import os
import py_compile
import re
import secrets
import shutil
import sys
import time
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from poetry_publish_verified.guard.environment import Builder
from poetry_publish_verified.guard.environment import distributions
from poetry_publish_verified.guard.locks import Resource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping

FORMAT = 1
DIRECTORY_VARIABLE = "POETRY_PUBLISH_VERIFIED_PLUGIN_SETS"
UNUSED_AFTER = 30 * 86400
_TOUCH_AFTER = 86400
_UNKNOWN_BUILDER_AFTER = 86400
_RECORD = "set.json"
_SITE = "site-packages"
_BUILDING = ".building-"
_TRASH = ".trash-"


@dataclass(frozen=True, slots=True)
class SetKey:
    """All that makes one plugin set differ from another."""

    interpreter: Mapping[str, str]
    poetry: str
    plugins: Mapping[str, Any]
    sources: Any
    environment: Mapping[str, str]
    project: str | None = None
    """The project's directory, where the set points into it (editable plugins)."""

    @property
    def directory(self) -> str:
        """The set's directory name: readable first, then what makes it unique."""
        content = [FORMAT, self.interpreter, self.poetry, self.plugins, self.sources]
        content += [self.environment, self.project]
        canonical = json.dumps(content, sort_keys=True, default=str)
        version = re.match(r"\d+\.\d+", self.interpreter["python"])
        return (
            f"py{version[0] if version else ''}-poetry{self.poetry}-"
            f"{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"
        )


@dataclass(frozen=True, slots=True)
class PluginSet:
    """One published set (or a private one, for this process alone)."""

    path: Path
    record: Mapping[str, Any]

    @property
    def site(self) -> Path:
        """The directory for `sys.path`."""
        return self.path / _SITE

    def is_whole(self) -> bool:
        """Whether every recorded file is there in its size: cleaners of /tmp take some."""
        try:
            return all(
                (self.path / name).stat().st_size == size
                for name, size in self.record["files"].items()
            )
        except OSError:
            return False

    def touch(self) -> None:
        """Note that the set is used: at most once a day, and only where that is allowed."""
        record = self.path / _RECORD
        with suppress(OSError):
            if time.time() - record.stat().st_mtime > _TOUCH_AFTER:
                os.utime(record)

    def serves(self, interpreter: Mapping[str, str], environment: Mapping[str, str]) -> bool:
        """Whether a process with another plugin list may use it until its own is built.

        Everything in Poetry's environment that it was built upon must still stand, and
        nothing in it may have come into Poetry's environment since: both would be loaded.
        """
        upon: Mapping[str, str] = self.record["environment"]
        return (
            self.record["interpreter"] == interpreter
            and all(environment.get(name) == version for name, version in upon.items())
            and not environment.keys() & self.record["distributions"].keys()
        )


class PluginSets:
    """The plugin sets of one project."""

    def __init__(self, root: Path, directory: Path) -> None:
        self._root = root
        self.directory = directory
        self.stock = root / ".poetry" / "plugins"

    @classmethod
    def of_project(cls, root: Path) -> PluginSets:
        """Those of the project at `root`: in its `.poetry`, or where the variable says."""
        elsewhere = os.environ.get(DIRECTORY_VARIABLE)
        if not elsewhere:
            return cls(root, root / ".poetry" / "plugin-sets")
        resolved = root.resolve()
        unique = hashlib.sha256(str(resolved).encode()).hexdigest()[:12]
        name = re.sub(r"[^\w.-]", "_", resolved.name) or "project"
        return cls(root, root / Path(elsewhere).expanduser() / f"{name}-{unique}")

    def find(self, key: SetKey) -> PluginSet | None:
        """The set for `key`, if it is built and can be read."""
        return _read(self.directory / key.directory)

    def newest_serving(
        self, interpreter: Mapping[str, str], environment: Mapping[str, str]
    ) -> PluginSet | None:
        """The set built last among those that may stand in for one not built yet."""
        serving = [found for found in self._all() if found.serves(interpreter, environment)]
        return max(serving, key=lambda found: found.record["built"], default=None)

    def lock(self, key: SetKey) -> Resource:
        """The lock that saves building one set twice; no set's wholeness depends on it."""
        path = self.directory / ".locks-1" / key.directory
        return Resource("the project's plugin set", path, saves_work=True)

    @contextmanager
    def private(self) -> Iterator[Path]:
        """A new directory beside the sets, removed at the end if it is still there.

        Raises OSError where the sets' directory cannot be written.
        """
        self._prepare()
        name = f"{_BUILDING}{Builder.this_process()}-{secrets.token_hex(4)}"
        private = self.directory / name
        private.mkdir()
        try:
            yield private
        finally:
            shutil.rmtree(private, ignore_errors=True)

    def publish(self, key: SetKey, private: Path) -> PluginSet | None:
        """Move a finished directory to the key's name; whoever was first there wins.

        None where the name is taken by something that this process cannot read (yet).
        """
        target = self.directory / key.directory
        if _is_damaged(target):
            self._remove(target)
        try:
            private.rename(target)
        except OSError:
            # Listing makes a network filesystem forget that the name did not exist.
            with suppress(OSError):
                sorted(self.directory.iterdir())
            return _read(target)
        return _read(target)

    def discard(self, found: PluginSet) -> None:
        """Take a damaged set out of the way."""
        self._remove(found.path)

    def sweep(self, in_use: PluginSet | None) -> None:
        """Remove what dead builders left, what is half removed, and sets long unused."""
        with suppress(OSError):
            for item in self.directory.glob(f"{_TRASH}*"):
                shutil.rmtree(item, ignore_errors=True)
        for item in self.abandoned():
            self._remove(item)
        mine = [found for found in self._all() if _is_mine(found.path)]
        for found in mine:
            if in_use is not None and found.path == in_use.path:
                continue
            newer = any(
                other.record["interpreter"] == found.record["interpreter"]
                and other.record["built"] > found.record["built"]
                for other in mine
            )
            if newer and _age(found.path / _RECORD) > UNUSED_AFTER:
                self._remove(found.path)

    def abandoned(self) -> list[Path]:
        """Private directories whose builder is dead, or unknown and silent for a day."""
        return sorted(item for item in self.directory.glob(f"{_BUILDING}*") if _is_abandoned(item))

    def damaged(self) -> list[Path]:
        """What has a set's name and is none, or has lost files."""
        lost = [found.path for found in self._all() if not found.is_whole()]
        named = self.directory.glob("py*") if self.directory.is_dir() else ()
        return sorted([*lost, *(path for path in named if _is_damaged(path))])

    def is_writable(self) -> bool:
        """Whether sets can be built here; makes the directory."""
        try:
            self._prepare()
        except OSError:
            return False
        return os.access(self.directory, os.W_OK | os.X_OK)

    def _all(self) -> list[PluginSet]:
        try:
            paths = sorted(self.directory.iterdir())
        except OSError:
            return []
        found = (_read(path) for path in paths if not path.name.startswith("."))
        return [one for one in found if one is not None]

    def _prepare(self) -> None:
        if not self.directory.is_dir():
            self.directory.mkdir(parents=True, exist_ok=True)
            # Whoever may read or write the project may use and build sets: umask or not.
            for made in (self.directory, *self.directory.parents):
                if made == self._root or not made.is_relative_to(self._root):
                    break
                _add_mode(made, self._root.stat().st_mode & 0o077)
        ignored = self._root / ".poetry" / ".gitignore"
        if ignored.parent.is_dir() and not ignored.exists():
            ignored.write_text("*", encoding="utf-8")

    def retire_stock(self) -> bool:
        """Remove Poetry's own `.poetry/plugins`; whether there was one to remove."""
        kept = self.stock.parent
        with suppress(OSError):
            for left in kept.glob(f"{_TRASH}*"):
                shutil.rmtree(left, ignore_errors=True)
        return _remove_by_way_of(kept, self.stock)

    def _remove(self, path: Path) -> None:
        _remove_by_way_of(self.directory, path)


def _remove_by_way_of(directory: Path, path: Path) -> bool:
    aside = directory / f"{_TRASH}{secrets.token_hex(8)}"
    try:
        path.rename(aside)
    except OSError:
        return False
    shutil.rmtree(aside, ignore_errors=True)
    return True


def finish(private: Path, key: SetKey, final: Path, mode: int) -> PluginSet:
    """Make a directory that plugins were installed into a set: compile it, record it.

    `mode` is that of the project's directory: who may read that may read the set.
    """
    site = private / _SITE
    site.mkdir(exist_ok=True)
    _compile(site, final / _SITE)
    files = {
        str(Path(folder, name).relative_to(private)): Path(folder, name).stat().st_size
        for folder, _, names in os.walk(private)
        for name in names
    }
    record = {
        "format": FORMAT,
        "built": time.time(),
        "interpreter": dict(key.interpreter),
        "poetry": key.poetry,
        "plugins": dict(key.plugins),
        "environment": dict(key.environment),
        "distributions": distributions([str(site)]),
        "files": files,
    }
    text = json.dumps(record, indent=1, default=str)
    (private / _RECORD).write_text(text, encoding="utf-8")
    _open_to_readers(private, mode)
    return PluginSet(private, record)


def site_of(private: Path) -> Path:
    """Where in a private directory modules go."""
    return private / _SITE


def _compile(site: Path, final: Path) -> None:
    # Readers must find nothing to write. Unchecked: a set never changes, and a comparison
    # of times would fail between filesystems of different precision.
    prefix, sys.pycache_prefix = sys.pycache_prefix, None
    try:
        compileall.compile_dir(
            site,
            ddir=str(final),
            quiet=2,
            force=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    finally:
        sys.pycache_prefix = prefix


def _open_to_readers(private: Path, mode: int) -> None:
    for folder, _, names in os.walk(private):
        _add_mode(Path(folder), mode & 0o055)
        for name in names:
            _add_mode(Path(folder, name), mode & 0o044)


def _add_mode(path: Path, wanted: int) -> None:
    with suppress(OSError):
        present = path.lstat().st_mode & 0o7777
        if wanted & ~present:
            path.chmod(present | wanted)


def _read(path: Path) -> PluginSet | None:
    try:
        record = json.loads((path / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return PluginSet(path, record) if record.get("format") == FORMAT else None


def _is_damaged(path: Path) -> bool:
    """Whether a directory at a set's name is none: it has lost its record since."""
    try:
        return path / _RECORD not in list(path.iterdir())
    # Absent, or not ours to read.
    except OSError:
        return False


def _is_abandoned(building: Path) -> bool:
    name = building.name.removeprefix(_BUILDING).rpartition("-")[0]
    builder = Builder.parse(name)
    dead = builder.is_dead() if builder else None
    # Another host's builder cannot be asked: a day without a word is enough.
    return _age(building) > _UNKNOWN_BUILDER_AFTER if dead is None else dead


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _is_mine(path: Path) -> bool:
    if not hasattr(os, "geteuid"):
        return True
    try:
        return path.stat().st_uid == os.geteuid()
    except OSError:
        return False
