"""Files and directories of plugin sets: who may read them, how old they are, how they go."""

from __future__ import annotations

import compileall
import os
import py_compile
import shutil
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path


def delete(path: Path) -> None:
    """Remove a file, a link or a whole tree, as far as that is allowed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def compile_modules(site: Path, final: Path) -> None:
    """Byte-compile what is in `site` and will be in `final`.

    For readers without `-O`, and for those at this process's own level: where PYTHONOPTIMIZE
    is set it is set for all. Every level would take three times as long.
    """
    # Unchecked: a set never changes, and a comparison of times would fail between
    # filesystems of different precision.
    prefix, sys.pycache_prefix = sys.pycache_prefix, None
    try:
        for level in {0, sys.flags.optimize}:
            compileall.compile_dir(
                site,
                ddir=str(final),
                quiet=2,
                force=True,
                optimize=level,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
    finally:
        sys.pycache_prefix = prefix


def open_to_readers(private: Path, like: os.stat_result, write: int) -> None:
    """Let those read a tree who may read what is `like` that; `write`: the most who may write."""
    for folder, _, names in os.walk(private):
        _set_mode(Path(folder), like, 0o055, write)
        for name in names:
            _set_mode(Path(folder, name), like, 0o044, write)


def _set_mode(path: Path, like: os.stat_result, read: int, write: int) -> None:
    with suppress(OSError):
        found = path.lstat()
        if found.st_gid != like.st_gid:
            # Another group than that of the checkout, who could not have written there.
            write = 0
        present = stat.S_IMODE(found.st_mode)
        wanted = present & ~(0o022 & ~write) | like.st_mode & read
        if not stat.S_ISLNK(found.st_mode) and wanted != present:
            path.chmod(wanted)


def age(path: Path) -> float:
    """Seconds since the last change; 0 where that cannot be known."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def is_mine(path: Path) -> bool:
    """Whether this user made it."""
    if not hasattr(os, "geteuid"):
        return True
    try:
        return path.lstat().st_uid == os.geteuid()
    except OSError:
        return False
