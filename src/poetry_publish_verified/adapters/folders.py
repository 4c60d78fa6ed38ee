"""Folders with a pyproject.toml, by patterns as a shell knows them."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders found, each once and in order of their names, and the patterns without any."""

    found: tuple[Path, ...]
    in_vain: tuple[str, ...]


def with_projects(base: Path, patterns: Iterable[str]) -> Folders:
    """Folders that hold a pyproject.toml; relative patterns count from `base`.

    A pattern may name the folder or the file. `**` is any number of folders; hidden ones are
    found by patterns with a dot alone, as in a shell.
    """
    found: dict[str, Path] = {}
    in_vain = []
    for pattern in patterns:
        folders = [
            folder
            for match in _matches(base, pattern)
            for folder in [_folder(base / match)]
            if (folder / "pyproject.toml").is_file()
        ]
        if not folders:
            in_vain.append(pattern)
        for folder in folders:
            found.setdefault(os.path.realpath(folder), folder)
    return Folders(tuple(found[key] for key in sorted(found)), tuple(in_vain))


def _matches(base: Path, pattern: str) -> list[str]:
    # glob, as Path.glob takes no absolute patterns. What matches nothing is taken by its letters.
    found = glob.glob(pattern, root_dir=base, recursive=True)  # noqa: PTH207
    return found or [pattern]


def _folder(path: Path) -> Path:
    return path.parent if path.name == "pyproject.toml" else path
