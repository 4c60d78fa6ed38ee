"""Finds directories with a pyproject.toml by shell patterns."""

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Directories:
    """The directories found, each once and sorted by name, and the patterns that match none."""

    found: tuple[Path, ...]
    unmatched: tuple[str, ...]


def with_projects(base: Path, patterns: Iterable[str]) -> Directories:
    """Directories that contain a pyproject.toml; patterns are relative to `base`.

    A pattern may name the directory or the file. `**` matches any number of directories; hidden
    ones match only patterns with a dot, as in a shell.
    """
    found: dict[str, Path] = {}
    unmatched = []
    for pattern in patterns:
        # glob, as Path.glob takes no absolute patterns. What matches nothing is taken literally.
        names = glob.glob(pattern, root_dir=base, recursive=True) or [pattern]  # noqa: PTH207
        paths = (base / name for name in names)
        directories = (path.parent if path.name == "pyproject.toml" else path for path in paths)
        matches = [
            directory for directory in directories if (directory / "pyproject.toml").is_file()
        ]
        if not matches:
            unmatched.append(pattern)
        for directory in matches:
            found.setdefault(os.path.realpath(directory), directory)
    return Directories(tuple(found[key] for key in sorted(found)), tuple(unmatched))
