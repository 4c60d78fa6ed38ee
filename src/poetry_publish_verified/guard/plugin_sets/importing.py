"""Importing from a plugin set without writing to it."""

from __future__ import annotations

import os
import sys
from importlib.machinery import BYTECODE_SUFFIXES
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.machinery import SOURCE_SUFFIXES
from importlib.machinery import ExtensionFileLoader
from importlib.machinery import FileFinder
from importlib.machinery import SourceFileLoader
from importlib.machinery import SourcelessFileLoader
from pathlib import Path
from typing import Any


class _NeverCaches(SourceFileLoader):
    # Called to keep byte-code; sys.dont_write_bytecode would hold for all other modules too.
    def set_data(self, *_: Any, **__: Any) -> None:
        """Keep nothing."""


def read_only_imports(directory: Path) -> None:
    """From now on importing from `directory` writes no byte-code there.

    A set is compiled, but not for each of Python's levels of optimization.
    """
    root = str(directory)
    make = FileFinder.path_hook(
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (_NeverCaches, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )

    def hook(path: str) -> Any:
        if path != root and not path.startswith(root + os.sep):
            raise ImportError
        return make(path)

    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.pop(root, None)
