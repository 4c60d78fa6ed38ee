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

import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import time
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from poetry_publish_verified.guard.layout import UNPACKED
from poetry_publish_verified.guard.locks.resource import Resource
from poetry_publish_verified.guard.ownership import Ground
from poetry_publish_verified.guard.ownership import NotBelievedError
from poetry_publish_verified.guard.ownership import keep_in_checkout
from poetry_publish_verified.guard.ownership import of_checkout
from poetry_publish_verified.guard.plugin_sets import record as set_record
from poetry_publish_verified.guard.plugin_sets.files import age
from poetry_publish_verified.guard.plugin_sets.files import compile_modules
from poetry_publish_verified.guard.plugin_sets.files import delete
from poetry_publish_verified.guard.plugin_sets.files import is_mine
from poetry_publish_verified.guard.plugin_sets.files import open_to_readers
from poetry_publish_verified.guard.plugin_sets.record import FORMAT
from poetry_publish_verified.guard.plugin_sets.record import RECORD
from poetry_publish_verified.guard.plugin_sets.record import State
from poetry_publish_verified.guard.python_environment import Builder
from poetry_publish_verified.guard.python_environment import canonical
from poetry_publish_verified.guard.python_environment import distributions
from poetry_publish_verified.guard.seams.application import PLUGIN_GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping

DIRECTORY_VARIABLE = "POETRY_PUBLISH_VERIFIED_PLUGIN_SETS"
UNUSED_AFTER = 30 * 86400
_TOUCH_AFTER = 86400
_UNKNOWN_BUILDER_AFTER = 86400
_SITE = "site-packages"
_BUILDING = ".building-"
_TRASH = ".trash-"
_NOT_WRITABLE = " cannot be written"


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
        # ValueError: a name that can be none.
        except (OSError, ValueError):
            return False

    def touch(self) -> None:
        """Note that the set is used: at most once a day, and only where that is allowed."""
        record = self.path / RECORD
        with suppress(OSError):
            if time.time() - record.stat().st_mtime > _TOUCH_AFTER:
                os.utime(record)

    def serves(self, interpreter: Mapping[str, str], environment: Mapping[str, str]) -> bool:
        """Whether a process with another plugin list may use it until its own is built.

        Everything in Poetry's environment that it was built upon must still stand, and no
        plugin of it may have come into Poetry's environment since: both would be loaded. Any
        other distribution may be there twice: the set's comes first, as stock Poetry's would.
        """
        upon: Mapping[str, str] = self.record["environment"]
        twice = environment.keys() & self.record["distributions"].keys()
        return (
            self.record["interpreter"] == interpreter
            and all(environment.get(name) == version for name, version in upon.items())
            and not (twice and twice & self._plugins())
        )

    def _plugins(self) -> set[str]:
        return {
            canonical(one.name)
            for one in metadata.distributions(path=[str(self.site)])
            if any(point.group in PLUGIN_GROUPS for point in one.entry_points)
        }


class PluginSets:
    """The plugin sets of one project."""

    def __init__(self, root: Path, directory: Path, base: Path | None = None) -> None:
        """Sets in `directory`, for the project at `root`; below `base` all is the guard's own."""
        self._root = root
        self._base = base or directory
        self.directory = directory
        self.stock = root / ".poetry" / "plugins"
        self.not_believed = ""
        """What lies there and may be others' work, once it was met."""

    @classmethod
    def of_project(cls, root: Path) -> PluginSets:
        """Those of the project at `root`: in its `.poetry`, or where the variable says."""
        elsewhere = os.environ.get(DIRECTORY_VARIABLE)
        if not elsewhere:
            return cls(root, root / UNPACKED / "plugin-sets", root)
        resolved = root.resolve()
        path = str(resolved).encode("utf-8", "surrogateescape")
        unique = hashlib.sha256(path).hexdigest()[:12]
        name = re.sub(r"[^\w.-]", "_", resolved.name) or "project"
        base = root / os.path.expanduser(elsewhere)  # noqa: PTH111 - which fails without a home
        return cls(root, base / f"{name}-{unique}", base)

    def find(self, key: SetKey) -> PluginSet | None:
        """The set for `key`, if it is built and can be read."""
        return self._read(self.directory / key.directory)

    def _ground(self) -> Ground:
        if self.directory.is_relative_to(self._root):
            return of_checkout(self._root)
        # Whoever names another place trusts it; not what all the world can put there.
        return Ground.of(self._base, None, self._root, closed=stat.S_ISVTX | stat.S_IWOTH)

    def _is_believed(self) -> bool:
        """Whether what lies in the directory is this project's, and nobody led us astray."""
        try:
            self._ground().believe(self.directory)
        except OSError:
            return False
        return True

    def _read(self, path: Path) -> PluginSet | None:
        """The set at `path`, if it is whole, and nobody's work who may not have built it."""
        if not os.path.exists(path):  # noqa: PTH110 - of what may not be looked at, too
            return None
        try:
            ground = self._ground()
            for part in (path / RECORD, path / _SITE):
                ground.believe(part)
        except NotBelievedError as error:
            self.not_believed = str(error)
            return None
        except OSError:
            return None
        return _read(path)

    def hindrance(self) -> str:
        """Why sets cannot be kept here, as far as looking tells; empty where nothing does."""
        for path in reversed((self.directory, *self.directory.parents)):
            if os.path.lexists(path) and not path.is_dir():
                return f"{path} is not a directory"
        nearest = next(path for path in (self.directory, *self.directory.parents) if path.is_dir())
        try:
            if self._base.is_dir():
                self._ground().believe(self.directory)
        except OSError as error:
            return f"{error.filename} {error.strerror}"
        return "" if os.access(nearest, os.W_OK | os.X_OK) else f"{nearest}{_NOT_WRITABLE}"

    def holds(
        self,
        interpreter: Mapping[str, str],
        environment: Mapping[str, str],
        plugins: Mapping[str, Any],
        sources: Any,
    ) -> bool:
        """Whether a set of this very list, from these sources, is built for such a process."""
        wanted = json.loads(json.dumps([plugins, sources], default=str))
        return any(
            [found.record["plugins"], found.record.get("sources", sources)] == wanted
            and found.serves(interpreter, environment)
            for found in self._all()
        )

    def newest_serving(
        self, interpreter: Mapping[str, str], environment: Mapping[str, str]
    ) -> PluginSet | None:
        """The set built last among those that may stand in for one not built yet."""
        serving = [found for found in self._all() if found.serves(interpreter, environment)]
        return max(serving, key=lambda found: found.record["built"], default=None)

    def lock(self, key: SetKey) -> Resource:
        """The lock that saves building one set twice; no set's wholeness depends on it."""
        path = self.directory / ".locks-1" / key.directory
        return Resource("the project's plugin set", path, ground=self._base, saves_work=True)

    @contextmanager
    def private(self) -> Iterator[Path]:
        """A new directory beside the sets, removed at the end if it is still there.

        Raises OSError where the sets' directory cannot be written.
        """
        self._prepare()
        name = f"{_BUILDING}{Builder.this_process()}-{secrets.token_hex(4)}"
        private = self.directory / name
        private.mkdir(0o700)
        try:
            yield private
        finally:
            shutil.rmtree(private, ignore_errors=True)

    def publish(self, key: SetKey, private: Path) -> PluginSet | None:
        """Move a finished directory to the key's name; whoever was first there wins.

        None where the name is taken by something that this process cannot read (yet).
        """
        target = self.directory / key.directory
        ground = self._ground()
        open_to_readers(private, ground.thing, ground.write)
        ground.give_tree(private)
        state, _ = set_record.read(target)
        # Sound, but others may write to it, or made it: it would stay in the way for ever.
        is_useless = state is State.SOUND and self._read(target) is None
        if is_useless or state in (State.DAMAGED, State.FOREIGN):
            self._remove(target)
        try:
            private.rename(target)
        except OSError:
            # Listing makes a network filesystem forget that the name did not exist.
            with suppress(OSError):
                sorted(self.directory.iterdir())
        return self._read(target)

    def adopt(self, used: PluginSet, key: SetKey) -> PluginSet | None:
        """Publish a copy of `used` for another environment, in which it serves just as well.

        Raises OSError where it cannot be read or copied.
        """
        with self.private() as private:
            for item in used.path.iterdir():
                if item.is_dir():
                    shutil.copytree(item, private / item.name, symlinks=True)
                elif item.name != RECORD:
                    shutil.copy2(item, private / item.name)
            of_key = {"built": time.time(), "environment": dict(key.environment)}
            set_record.write(private, {**used.record, **of_key})
            return self.publish(key, private)

    def discard(self, found: PluginSet) -> None:
        """Take a damaged set out of the way."""
        self._remove(found.path)

    def sweep(self, in_use: PluginSet | None) -> None:
        """Remove what dead builders left, what is half removed or no set, and sets long unused."""
        # Whatever a link leads to, or a stranger made, is not for us to clean.
        if not self._is_believed():
            return
        _delete_trash(self.directory)
        for item in [*self.abandoned(), *filter(is_mine, self._named(State.DAMAGED))]:
            self._remove(item)
        mine = [found for found in self._all() if is_mine(found.path)]
        for found in mine:
            if in_use is not None and found.path == in_use.path:
                continue
            newer = any(
                other.record["interpreter"] == found.record["interpreter"]
                and other.record["built"] > found.record["built"]
                for other in mine
            )
            if newer and age(found.path / RECORD) > UNUSED_AFTER:
                self._remove(found.path)

    def abandoned(self) -> list[Path]:
        """Private directories whose builder is dead, or unknown and silent for a day."""
        if not self._is_believed():
            return []
        return sorted(item for item in self.directory.glob(f"{_BUILDING}*") if _is_abandoned(item))

    def damaged(self) -> list[Path]:
        """What has a set's name and is none, or has lost files."""
        if not self._is_believed():
            return []
        lost = [found.path for found in self._all() if not found.is_whole()]
        return sorted([*lost, *self._named(State.DAMAGED)])

    def prepared(self) -> str:
        """Make the directory; why sets cannot be built in it, empty where they can."""
        try:
            self._prepare()
        except OSError as error:
            return self.hindrance() or f"{error.filename or self.directory}: {error.strerror}"
        return self.hindrance()

    def _all(self) -> list[PluginSet]:
        found = (self._read(path) for path in self._names())
        return [one for one in found if one is not None]

    def _named(self, state: State) -> list[Path]:
        return [path for path in self._names() if set_record.read(path)[0] is state]

    def _names(self) -> list[Path]:
        try:
            return sorted(path for path in self.directory.iterdir() if path.name.startswith("py"))
        except OSError:
            return []

    def _prepare(self) -> None:
        # Whoever may read or write the project may use and build sets: umask or not.
        if self.directory.is_relative_to(self._root / UNPACKED):
            keep_in_checkout(self._root, self.directory)
        else:
            self._base.mkdir(parents=True, exist_ok=True)
            self._ground().make_directories(self.directory)

    def retire_stock(self) -> bool:
        """Remove Poetry's own `.poetry/plugins`; whether there was one to remove."""
        aside = self._root / UNPACKED
        of_checkout(self._root).believe(aside)
        _delete_trash(aside)
        if not os.path.lexists(self.stock):
            return False
        keep_in_checkout(self._root, aside)
        return _remove_by_way_of(aside, self.stock)

    def _remove(self, path: Path) -> None:
        _remove_by_way_of(self.directory, path)


def _remove_by_way_of(directory: Path, path: Path) -> bool:
    aside = directory / f"{_TRASH}{secrets.token_hex(8)}"
    try:
        path.rename(aside)
    except OSError:
        return False
    delete(aside)
    return True


def _delete_trash(directory: Path) -> None:
    with suppress(OSError):
        for item in directory.glob(f"{_TRASH}*"):
            delete(item)


def finish(private: Path, key: SetKey, final: Path) -> PluginSet:
    """Make a directory that plugins were installed into a set: compile it, record it."""
    site = private / _SITE
    site.mkdir(exist_ok=True)
    compile_modules(site, final / _SITE)
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
        "sources": key.sources,
        "environment": dict(key.environment),
        "distributions": distributions([str(site)]),
        "files": files,
    }
    set_record.write(private, record)
    return PluginSet(private, record)


def way_out(hindrance: str) -> str:
    """What to do where sets cannot be kept; `hindrance` is what `PluginSets.hindrance` says."""
    first = "" if hindrance.endswith(_NOT_WRITABLE) else "Delete it, or set "
    return f"{first or 'Set '}{DIRECTORY_VARIABLE} to keep them elsewhere."


def site_of(private: Path) -> Path:
    """Where in a private directory modules go."""
    return private / _SITE


def _read(path: Path) -> PluginSet | None:
    state, record = set_record.read(path)
    return PluginSet(path, record) if state is State.SOUND else None


def _is_abandoned(building: Path) -> bool:
    name = building.name.removeprefix(_BUILDING).rpartition("-")[0]
    builder = Builder.parse(name)
    dead = builder.is_dead() if builder else None
    # Another host's builder cannot be asked: a day without a word is enough.
    return age(building) > _UNKNOWN_BUILDER_AFTER if dead is None else dead
