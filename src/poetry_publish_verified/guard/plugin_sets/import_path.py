"""What is on `sys.path`, what Poetry uses of its own plugins, and imports that write nothing."""

import json
import os
import site
import sys
from collections.abc import Sequence
from importlib import machinery, metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from poetry_publish_verified.guard.seams.application import PLUGIN_GROUPS


def entries_of(directory: Path) -> set[str]:
    """What Poetry puts on `sys.path` for a plugin directory: it, and what its .pth files name."""
    entries = {absolute(directory)}
    # Reading a pipe would not end.
    for file in filter(Path.is_file, directory.glob("*.pth")):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.strip() and not line.startswith(("#", "import ", "import\t")):
                entries.add(absolute(directory / line.strip()))
    return entries


def absolute(path: str | Path) -> str:
    """A path as entries are compared."""
    # Links stay: Poetry compares paths, and imports, as they are written.
    return os.path.normpath(Path(path).absolute())


def is_of_a_project(entry: str) -> bool:
    """Whether it is a plugin set, or Poetry's own `.poetry/plugins`, of whatever project."""
    path = Path(entry)
    return path.parts[-2:] == (".poetry", "plugins") or (path.parent / "set.json").is_file()


def is_in_use(stock: Path) -> bool:
    """Whether Poetry has taken, or will take, anything from its own plugin directory."""
    inside = str(stock) + os.sep
    files = [str(getattr(module, "__file__", "")) for module in list(sys.modules.values())]
    if any(file.startswith(inside) for file in files):
        return True
    return any(
        found.group in PLUGIN_GROUPS
        for distribution in metadata.distributions(path=[str(stock)])
        for found in distribution.entry_points
    )


def with_new_entries(path: Sequence[str]) -> list[str]:
    """`path`, and what .pth files would add to it now: Python reads them only at its start."""
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


class _LoaderWithoutCache(machinery.SourceFileLoader):
    # It would write byte-code; sys.dont_write_bytecode would affect all other modules too.
    def set_data(self, *_: Any, **__: Any) -> None:
        """Write nothing."""


def make_imports_read_only(directory: Path) -> None:
    """From now on, write no byte-code when something in `directory` is imported.

    A set is compiled, but not for each of Python's levels of optimization.
    """
    root = str(directory)
    make = machinery.FileFinder.path_hook(
        (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
        (_LoaderWithoutCache, machinery.SOURCE_SUFFIXES),
        (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
    )

    def hook(path: str) -> Any:
        if path != root and not path.startswith(root + os.sep):
            raise ImportError
        return make(path)

    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.pop(root, None)
