"""Plugin sets: complete, never changed directories of project plugins, one for each key.

- A set is built in a private directory on the same filesystem and published by one rename: at its
  own name it is whole or absent, so readers take no lock.
- A rename that finds the name taken means that somebody else has built it: theirs is used.
- Nothing ever changes in a published set but the modification time of its record, which says when
  it was last used.
- What is removed is renamed first, so that nobody finds half of it.
"""

import hashlib
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from poetry_publish_verified.guard import problems, removal
from poetry_publish_verified.guard.layout import STATE_DIR
from poetry_publish_verified.guard.locks.fresh_view import look_again
from poetry_publish_verified.guard.locks.resource import Resource
from poetry_publish_verified.guard.ownership import (
    SharedDirectory,
    UntrustedPathError,
    checkout_directory,
    make_in_checkout,
)
from poetry_publish_verified.guard.plugin_sets.plugin_set import (
    RECORD,
    SITE,
    PluginSet,
    SetKey,
    State,
    read_record,
    write_record,
)

UNUSED_AFTER = 30 * 86400
_BUILDING = ".building-"
_TRASH = ".trash-"


class PluginSets:
    """The plugin sets of one project."""

    def __init__(self, root: Path, directory: Path, base: Path | None = None) -> None:
        """Sets in `directory` of the project at `root`; all below `base` is the guard's own."""
        self._root = root
        self._base = base or directory
        self.directory = directory
        self.stock = root / ".poetry" / "plugins"
        self.untrusted = ""
        """What lies there and may be others' work, once this process has found it."""

    @classmethod
    def of_project(cls, root: Path) -> Self:
        """The sets of the project at `root`: in its `.poetry`, or where the variable says."""
        elsewhere = os.environ.get(problems.SETS_VARIABLE)
        if not elsewhere:
            return cls(root, root / STATE_DIR / "plugin-sets", root)
        resolved = root.resolve()
        path = str(resolved).encode("utf-8", "surrogateescape")
        name = re.sub(r"[^\w.-]", "_", resolved.name) or "project"
        base = root / os.path.expanduser(elsewhere)  # noqa: PTH111 - which fails without a home
        return cls(root, base / f"{name}-{hashlib.sha256(path).hexdigest()[:12]}", base)

    def find(self, key: SetKey) -> PluginSet | None:
        """The set for `key`, if it is built and trusted."""
        path = self.directory / key.directory
        found = self._read(path)
        if found is None:
            # Another host may have built it since this one last looked.
            look_again(path)
            found = self._read(path)
        return found

    def _shared(self) -> SharedDirectory:
        if self.directory.is_relative_to(self._root):
            return checkout_directory(self._root)
        # Whoever names another place trusts it, but not what all the world can put there.
        return SharedDirectory.at(self._base, None, self._root, closed=stat.S_ISVTX | stat.S_IWOTH)

    def _is_trusted(self) -> bool:
        """Whether the directory is this project's, and nobody leads elsewhere."""
        with suppress(OSError):
            self._shared().require_trusted(self.directory)
            return True
        return False

    def _read(self, path: Path) -> PluginSet | None:
        """The set at `path`, if it is sound and nobody's work who may not have built it."""
        if not os.path.exists(path):  # noqa: PTH110 - of what this process may not look at, too
            return None
        try:
            shared = self._shared()
            for part in (path / RECORD, path / SITE):
                shared.require_trusted(part)
        except UntrustedPathError as error:
            self.untrusted = str(error)
            return None
        except OSError:
            return None
        state, record = read_record(path)
        return PluginSet(path, record) if state is State.SOUND else None

    def obstacle(self) -> str:
        """Why sets cannot be kept here, as far as looking tells; empty where nothing does."""
        for path in reversed((self.directory, *self.directory.parents)):
            if os.path.lexists(path) and not path.is_dir():
                return problems.not_a_directory(path)
        nearest = next(path for path in (self.directory, *self.directory.parents) if path.is_dir())
        try:
            if self._base.is_dir():
                self._shared().require_trusted(self.directory)
        except OSError as error:
            return f"{error.filename} {error.strerror}"
        return "" if os.access(nearest, os.W_OK | os.X_OK) else problems.not_writable(nearest)

    def prepare(self) -> str:
        """Create the directory; why sets cannot be built in it, empty where they can."""
        try:
            self._create_directory()
        except OSError as error:
            return self.obstacle() or f"{error.filename or self.directory}: {error.strerror}"
        return self.obstacle()

    def _create_directory(self) -> None:
        # Whoever may read or write the project may use and build sets, whatever the umask.
        if self.directory.is_relative_to(self._root / STATE_DIR):
            make_in_checkout(self._root, self.directory)
        else:
            self._base.mkdir(parents=True, exist_ok=True)
            self._shared().make_directories(self.directory)

    def best_for(
        self,
        plugins: Mapping[str, Any],
        interpreter: Mapping[str, str],
        environment: Mapping[str, str],
    ) -> PluginSet | None:
        """Of the sets that serve such a process the newest, if possible one of this very list."""
        serving = [found for found in self._all() if found.serves(interpreter, environment)]
        return max(
            serving,
            key=lambda found: (found.is_of(plugins, self._root), found.record["built"]),
            default=None,
        )

    def lock(self, key: SetKey) -> Resource:
        """The lock that saves building one set twice; no set's wholeness depends on it."""
        path, subject = self.directory / ".locks-1" / key.directory, self.directory / key.directory
        name = "the project's plugin set"
        return Resource(name, path, base=self._base, saves_work=True, subject=subject)

    @contextmanager
    def build_directory(self) -> Iterator[Path]:
        """A new private directory beside the sets, removed at the end if it is still there.

        Raises OSError where the sets' directory cannot be written.
        """
        self._create_directory()
        private = self.directory / removal.private_name(_BUILDING)
        private.mkdir(0o700)
        try:
            yield private
        finally:
            removal.delete(private)

    def publish(self, key: SetKey, private: Path) -> PluginSet | None:
        """Move a finished directory to the key's name; the first to get there wins.

        None where something has the name that this process cannot read (yet).
        """
        target = self.directory / key.directory
        self._shared().share_tree(private)
        state, _ = read_record(target)
        # Sound, but others may write to it, or made it: it would be in the way for ever.
        is_useless = state is State.SOUND and self._read(target) is None
        if is_useless or state is State.DAMAGED:
            self.remove(target)
        try:
            private.rename(target)
        except OSError:
            look_again(target)
        return self._read(target)

    def copy_for(self, key: SetKey, used: PluginSet) -> PluginSet | None:
        """Publish a copy of `used` for another environment, which it serves just as well.

        Raises OSError where it cannot be read or copied.
        """
        with self.build_directory() as private:
            for item in used.path.iterdir():
                if item.is_dir():
                    shutil.copytree(item, private / item.name, symlinks=True)
                elif item.name != RECORD:
                    shutil.copy2(item, private / item.name)
            of_key = {"built": time.time(), "environment": dict(key.environment)}
            write_record(private, {**used.record, **of_key})
            return self.publish(key, private)

    def sweep(self, in_use: PluginSet | None) -> None:
        """Remove what dead builders left, what is half removed or no set, and sets long unused."""
        # What a link leads to, or a stranger made, is not for us to clean.
        if not self._is_trusted():
            return
        removal.delete_all(self.directory, _TRASH)
        for item in [*self.abandoned(), *filter(removal.is_mine, self._without_record())]:
            self.remove(item)
        mine = [found for found in self._all() if removal.is_mine(found.path)]
        for found in mine:
            has_newer = any(
                other.record["interpreter"] == found.record["interpreter"]
                and other.record["built"] > found.record["built"]
                for other in mine
            )
            is_in_use = in_use is not None and found.path == in_use.path
            if has_newer and not is_in_use and removal.age(found.path / RECORD) > UNUSED_AFTER:
                self.remove(found.path)

    def abandoned(self) -> list[Path]:
        """Private directories whose builder is dead, or silent on another host for a day."""
        return removal.abandoned(self.directory, _BUILDING) if self._is_trusted() else []

    def damaged(self) -> list[Path]:
        """What has a set's name and is none, or has lost files."""
        if not self._is_trusted():
            return []
        lost = [found.path for found in self._all() if not found.is_whole()]
        return sorted([*lost, *self._without_record()])

    def _all(self) -> list[PluginSet]:
        found = (self._read(path) for path in self._names())
        return [one for one in found if one is not None]

    def _without_record(self) -> list[Path]:
        return [path for path in self._names() if read_record(path)[0] is State.DAMAGED]

    def _names(self) -> list[Path]:
        with suppress(OSError):
            return sorted(self.directory.glob("py*"))
        return []

    def retire_stock(self) -> bool:
        """Remove Poetry's own `.poetry/plugins`; whether there was one to remove."""
        trash = self._root / STATE_DIR
        checkout_directory(self._root).require_trusted(trash)
        removal.delete_all(trash, _TRASH)
        if not os.path.lexists(self.stock):
            return False
        make_in_checkout(self._root, trash)
        return removal.delete_aside(self.stock, trash, _TRASH)

    def remove(self, path: Path) -> None:
        """Remove what is there, so that nobody finds half of it."""
        removal.delete_aside(path, self.directory, _TRASH)
