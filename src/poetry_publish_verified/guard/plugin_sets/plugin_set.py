"""One plugin set: the key that makes it differ from others, its record, and how it is finished."""

from __future__ import annotations

import compileall
import hashlib
import json
import os
import py_compile
import re
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from poetry_publish_verified.guard.plugin_sets import record as set_record
from poetry_publish_verified.guard.plugin_sets.record import FORMAT, RECORD
from poetry_publish_verified.guard.python_environment import canonical_name, installed_distributions
from poetry_publish_verified.guard.removal import age
from poetry_publish_verified.guard.seams.application import PLUGIN_GROUPS

SITE = "site-packages"
_TOUCH_AFTER = 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class SetKey:
    """Everything that makes one plugin set differ from another."""

    interpreter: Mapping[str, str]
    poetry: str
    plugins: Mapping[str, Any]
    sources: Any
    environment: Mapping[str, str]
    project: str | None = None
    """The project's directory, if the set points into it (editable plugins)."""

    @property
    def directory(self) -> str:
        """The set's directory name: first what people can read, then what makes it unique."""
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
    """One published set, or a private one for this process alone."""

    path: Path
    record: Mapping[str, Any]

    @property
    def site(self) -> Path:
        """The directory for `sys.path`."""
        return self.path / SITE

    def is_whole(self) -> bool:
        """Whether every recorded file is there in its size: cleaners of /tmp take some."""
        try:
            return all(
                (self.path / name).stat().st_size == size
                for name, size in self.record["files"].items()
            )
        # ValueError: a name that no file can have.
        except (OSError, ValueError):
            return False

    def touch(self) -> None:
        """Note that the set is in use: at most once a day, and only if that is allowed."""
        if age(self.path / RECORD) > _TOUCH_AFTER:
            with suppress(OSError):
                os.utime(self.path / RECORD)

    def serves(self, interpreter: Mapping[str, str], environment: Mapping[str, str]) -> bool:
        """Whether a process may use it until the set for its own plugin list is built.

        Poetry's environment must still have everything that the set was built upon, and no plugin
        of the set, or both would be loaded. Any other distribution may be there twice: the set's
        comes first, as stock Poetry's would.
        """
        upon: Mapping[str, str] = self.record["environment"]
        twice = environment.keys() & self.record["distributions"].keys()
        return (
            self.record["interpreter"] == interpreter
            and all(environment.get(name) == version for name, version in upon.items())
            and not (twice and twice & self._plugins())
        )

    def is_of(self, plugins: Mapping[str, Any], root: Path) -> bool:
        """Whether it was built for this list of plugins, and does not point to another project."""
        built_for = self.record["plugins"], self.record.get("project")
        present = json.loads(json.dumps(plugins, default=str))
        return built_for in ((present, None), (present, str(root.resolve())))

    def _plugins(self) -> set[str]:
        return {
            canonical_name(one.name)
            for one in metadata.distributions(path=[str(self.site)])
            if any(point.group in PLUGIN_GROUPS for point in one.entry_points)
        }


def read(path: Path) -> PluginSet | None:
    """The set at `path`, if its record is good."""
    state, record = set_record.read(path)
    return PluginSet(path, record) if state is set_record.State.SOUND else None


def finish(private: Path, key: SetKey, final: Path) -> PluginSet:
    """Make a set of a directory that plugins were installed into: compile it, then record it."""
    site = private / SITE
    site.mkdir(exist_ok=True)
    compile_modules(site, final / SITE)
    files = {
        str(Path(directory, name).relative_to(private)): Path(directory, name).stat().st_size
        for directory, _, names in os.walk(private)
        for name in names
    }
    record = {
        "format": FORMAT,
        "built": time.time(),
        "interpreter": dict(key.interpreter),
        "poetry": key.poetry,
        "plugins": dict(key.plugins),
        "project": key.project,
        "environment": dict(key.environment),
        "distributions": installed_distributions([str(site)]),
        "files": files,
    }
    set_record.write(private, record)
    return PluginSet(private, record)


def compile_modules(site: Path, final: Path) -> None:
    """Byte-compile what is in `site` now and will be in `final`.

    For readers without `-O`, and for those at this process's own level: where PYTHONOPTIMIZE is set
    it is set for all. Every level would take three times as long.
    """
    prefix, sys.pycache_prefix = sys.pycache_prefix, None
    try:
        for level in {0, sys.flags.optimize}:
            compileall.compile_dir(
                site,
                ddir=str(final),
                quiet=2,
                force=True,
                optimize=level,
                # A set never changes, and filesystems keep times in different precision.
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
    finally:
        sys.pycache_prefix = prefix
