"""One plugin set: the key that makes it differ from others, its record, and how it is finished.

The record is on disk before the set has its name. A crash, a full disk or somebody's cleaning may
leave anything there: a record counts only if it is complete, and what this process may not look at
is not taken for damaged.
"""

import hashlib
import json
import os
import re
import stat
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from importlib import metadata
from pathlib import Path
from typing import Any

from poetry_publish_verified.guard.ownership import read_regular_file
from poetry_publish_verified.guard.python_environment import canonical_name, installed_distributions
from poetry_publish_verified.guard.removal import age
from poetry_publish_verified.guard.seams.application import PLUGIN_GROUPS
from poetry_publish_verified.values import Value

FORMAT = 1
SITE = "site-packages"
RECORD = "set.json"
_MAX_RECORD = 64 * 2**20
# Each field with its type, and the type of its values where it is a table.
_FIELDS: tuple[tuple[str, tuple[type, ...], type], ...] = (
    ("built", (int, float), object),
    ("interpreter", (dict,), str),
    ("poetry", (str,), object),
    ("plugins", (dict,), object),
    ("environment", (dict,), str),
    ("distributions", (dict,), str),
    ("files", (dict,), int),
)
_TOUCH_AFTER = 86400


class State(Enum):
    """What is at a set's name."""

    SOUND = "a set with a good record"
    DAMAGED = "no set, and never one again"
    OTHER = "nothing, another version's set, or what this process may not look at now"


class SetKey(Value, kw_only=True):
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


class PluginSet(Value):
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
            # There may be thousands: a Path for each would take most of the time.
            return all(
                os.stat(os.path.join(self.path, name)).st_size == size  # noqa: PTH116, PTH118
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


def write_record(directory: Path, record: Mapping[str, Any]) -> None:
    """Write the record of the set in `directory`, and wait until it is on disk."""
    with (directory / RECORD).open("w", encoding="utf-8") as file:
        json.dump(record, file, indent=1, default=str)
        file.flush()
        # Or a machine that dies after the rename leaves the name with an empty file.
        os.fsync(file.fileno())


def read_record(directory: Path) -> tuple[State, Mapping[str, Any]]:
    """What is at this name; its record if that is good, else an empty one."""
    try:
        record = json.loads(read_regular_file(directory / RECORD, _MAX_RECORD).decode("utf-8"))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return _state_without_record(directory), {}
    except OSError:
        return State.OTHER, {}
    # Not a file, too large, no JSON, or nested too deeply for the parser.
    except (ValueError, RecursionError):
        return State.DAMAGED, {}
    if not isinstance(record, dict):
        return State.DAMAGED, {}
    version = record.get("format")
    if isinstance(version, int) and version != FORMAT:
        return State.OTHER, {}
    is_good = version == FORMAT and all(
        _is_good(record.get(name), types, inner) for name, types, inner in _FIELDS
    )
    return (State.SOUND, record) if is_good else (State.DAMAGED, {})


def _is_good(value: Any, types: tuple[type, ...], inner: type) -> bool:
    if not isinstance(value, types):
        return False
    return not isinstance(value, dict) or all(isinstance(one, inner) for one in value.values())


def _state_without_record(directory: Path) -> State:
    try:
        is_directory = stat.S_ISDIR(directory.stat().st_mode)
        # Listing makes a network filesystem forget that the name did not exist.
        has_record = is_directory and directory / RECORD in directory.iterdir()
    except FileNotFoundError:
        return State.DAMAGED if directory.is_symlink() else State.OTHER
    except OSError:
        return State.OTHER
    return State.OTHER if has_record and (directory / RECORD).is_file() else State.DAMAGED


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
    write_record(private, record)
    return PluginSet(private, record)


def compile_modules(site: Path, final: Path) -> None:
    """Byte-compile what is in `site` now and will be in `final`.

    For readers without `-O`, and for those at this process's own level: where PYTHONOPTIMIZE is set
    it is set for all. Every level would take three times as long.
    """
    # Only a builder needs them, and every command loads this module.
    import compileall
    import py_compile

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
