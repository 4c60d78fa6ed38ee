"""What a plugin set says of itself: on the disk before its name, and judged when it is read.

Anything may stand at a set's name after a crash, a full disk or somebody's cleaning: a record
counts only if all of it is there, and what cannot be looked at is not taken for damaged.
"""

from __future__ import annotations

import json
import os
import stat
from enum import Enum
from typing import TYPE_CHECKING
from typing import Any

from poetry_publish_verified.guard.ownership import read_regular

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = 1
_LARGEST = 64 * 2**20
RECORD = "set.json"
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


class State(Enum):
    """What stands at a set's name."""

    ABSENT = "nothing"
    SOUND = "a set with a good record"
    FOREIGN = "a set in the format of another version"
    DAMAGED = "no set, and never one again"
    HIDDEN = "something this process may not look at now, which may be a good set"


def write(directory: Path, record: Mapping[str, Any]) -> None:
    """Write the record of the set in `directory`, and wait until the disk has it."""
    with (directory / RECORD).open("w", encoding="utf-8") as file:
        json.dump(record, file, indent=1, default=str)
        file.flush()
        # Else a machine that dies after the rename leaves the name with an empty file.
        os.fsync(file.fileno())


def read(directory: Path) -> tuple[State, Mapping[str, Any]]:
    """What stands at this name; its record where that is good, else an empty one."""
    try:
        text = read_regular(directory / RECORD, _LARGEST)
    except ValueError:
        return State.DAMAGED, {}
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return _without_record(directory), {}
    except OSError:
        return State.HIDDEN, {}
    try:
        record = json.loads(text.decode("utf-8"))
    # Nested too deeply for the parser.
    except (ValueError, RecursionError):
        return State.DAMAGED, {}
    if not isinstance(record, dict):
        return State.DAMAGED, {}
    version = record.get("format")
    if isinstance(version, int) and version != FORMAT:
        return State.FOREIGN, {}
    good = version == FORMAT and all(
        _is_good(record.get(name), of, inner) for name, of, inner in _FIELDS
    )
    return (State.SOUND, record) if good else (State.DAMAGED, {})


def _is_good(value: Any, types: tuple[type, ...], inner: type) -> bool:
    if not isinstance(value, types):
        return False
    return not isinstance(value, dict) or all(isinstance(one, inner) for one in value.values())


def _without_record(directory: Path) -> State:
    try:
        kind = directory.lstat().st_mode
        if stat.S_ISLNK(kind):
            kind = directory.stat().st_mode
    except FileNotFoundError:
        return State.DAMAGED if directory.is_symlink() else State.ABSENT
    except OSError:
        return State.HIDDEN
    if not stat.S_ISDIR(kind):
        return State.DAMAGED
    try:
        # Listing makes a network filesystem forget that the name did not exist.
        listed = directory / RECORD in list(directory.iterdir())
    except OSError:
        return State.HIDDEN
    if listed and (directory / RECORD).is_file():
        return State.HIDDEN
    return State.DAMAGED
