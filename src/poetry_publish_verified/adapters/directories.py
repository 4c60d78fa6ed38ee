"""Finds folders with a pyproject.toml by shell patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders found, each once and sorted by name, and the patterns that match none."""

    found: tuple[Path, ...]
    unmatched: tuple[str, ...]


def with_projects(base: Path, patterns: Iterable[str]) -> Folders:
    """Folders that contain a pyproject.toml; patterns are relative to `base`.

    A pattern may name the folder or the file. `**` matches any number of folders; hidden ones
    match only patterns with a dot, as in a shell.
    """
    found: dict[str, Path] = {}
    unmatched = []
    for pattern in patterns:
        # glob, as Path.glob takes no absolute patterns. What matches nothing is taken literally.
        names = glob.glob(pattern, root_dir=base, recursive=True) or [pattern]  # noqa: PTH207
        paths = (base / name for name in names)
        folders = (path.parent if path.name == "pyproject.toml" else path for path in paths)
        matches = [folder for folder in folders if (folder / "pyproject.toml").is_file()]
        if not matches:
            unmatched.append(pattern)
        for folder in matches:
            found.setdefault(os.path.realpath(folder), folder)
    return Folders(tuple(found[key] for key in sorted(found)), tuple(unmatched))
