"""Finds directories with a pyproject.toml by shell patterns."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path


def with_projects(base: Path, patterns: Iterable[str]) -> tuple[list[Path], list[str]]:
    """Directories with a pyproject.toml, sorted, each once; and the patterns that match none.

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
    return [found[key] for key in sorted(found)], unmatched
