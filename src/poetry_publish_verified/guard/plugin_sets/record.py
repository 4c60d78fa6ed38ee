"""The record of a plugin set: on disk before the set has its name, and judged when it is read.

A crash, a full disk or somebody's cleaning may leave anything at a set's name: a record counts
only if it is complete, and what this process may not look at is not taken for damaged.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from poetry_publish_verified.guard.ownership import read_regular_file

FORMAT = 1
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


class State(Enum):
    """What is at a set's name."""

    SOUND = "a set with a good record"
    DAMAGED = "no set, and never one again"
    OTHER = "nothing, another version's set, or what this process may not look at now"


def write(directory: Path, record: Mapping[str, Any]) -> None:
    """Write the record of the set in `directory`, and wait until it is on disk."""
    with (directory / RECORD).open("w", encoding="utf-8") as file:
        json.dump(record, file, indent=1, default=str)
        file.flush()
        # Or a machine that dies after the rename leaves the name with an empty file.
        os.fsync(file.fileno())


def read(directory: Path) -> tuple[State, Mapping[str, Any]]:
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
