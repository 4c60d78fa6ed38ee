"""What is on `sys.path`, what would be, and what of Poetry's own plugin directory is in use."""

from __future__ import annotations

import json
import os
import site
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from poetry_publish_verified.guard.seams.application import PLUGIN_GROUPS

if TYPE_CHECKING:
    from collections.abc import Sequence


def entries_of(directory: Path) -> set[str]:
    """What Poetry puts on `sys.path` for a plugin directory: itself, what its .pth name."""
    entries = {absolute(directory)}
    # A pipe would be waited for.
    for file in filter(Path.is_file, directory.glob("*.pth")):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.strip() and not line.startswith(("#", "import ", "import\t")):
                entries.add(absolute(directory / line.strip()))
    return entries


def absolute(path: str | Path) -> str:
    """A path as entries are compared."""
    # Links stay as they are: Poetry compares and imports by the path as written.
    return os.path.normpath(Path(path).absolute())


def is_in_use(stock: Path) -> bool:
    """Whether Poetry has taken, or will take, anything from its own plugin directory."""
    inside = str(stock) + os.sep
    if any(
        str(getattr(module, "__file__", None) or "").startswith(inside)
        for module in list(sys.modules.values())
    ):
        return True
    return any(
        found.group in PLUGIN_GROUPS
        for distribution in metadata.distributions(path=[str(stock)])
        for found in distribution.entry_points
    )


def with_new_entries(path: Sequence[str]) -> list[str]:
    """`path`, and what .pth files would add to it now: they are read when Python starts."""
    known = {absolute(entry) for entry in path}
    user = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    sites = {absolute(directory) for directory in [*site.getsitepackages(), *user]}
    read = [sorted(entries_of(Path(entry))) for entry in path if absolute(entry) in sites]
    return [*path, *(entry for entries in read for entry in entries if entry not in known)]


def is_installed_from(name: str, root: Path, path: Sequence[str]) -> bool:
    """Whether the distribution of this name on `path` was installed from the project at `root`."""
    for found in metadata.distributions(name=name, path=list(path)):
        try:
            url = json.loads(found.read_text("direct_url.json") or "{}").get("url", "")
            return Path(url2pathname(urlsplit(url).path)).samefile(root)
        except (OSError, ValueError, AttributeError):
            return False
    return False
