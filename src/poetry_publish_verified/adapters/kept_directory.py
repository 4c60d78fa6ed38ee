"""Directories that are made once and kept in Poetry's cache, for the next run."""

import os
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

KEPT = "publish-verified"
"""The directory in Poetry's cache for all of these."""
_PRIVATE = ".new-"
# Seconds after which no process is still making it.
_LEFT_BEHIND = 86_400.0


async def make_once(
    place: Path,
    make: Callable[[Path], Awaitable[None]],
    works: Callable[[Path], Awaitable[bool]],
) -> None:
    """Have `make` make `place` anew if it does not work.

    Several processes may do this at the same time. What another user has made is not used. Raises
    OSError, and what `make` raises.
    """

    async def is_usable() -> bool:
        return is_trusted(place) and await works(place)

    if await is_usable():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    _sweep(place.parent)
    private = Path(tempfile.mkdtemp(prefix=_PRIVATE, dir=place.parent)).absolute()
    try:
        new = private / "new"
        await make(new)
        # Another process may have been quicker, and be using it.
        if not await is_usable():
            with suppress(FileNotFoundError):
                place.rename(private / "broken")
            with suppress(OSError):
                new.rename(place)
    finally:
        shutil.rmtree(private, ignore_errors=True)
    if not await is_usable():
        raise FileNotFoundError(f"{place} is not whole")


def is_trusted(place: Path) -> bool:
    """Whether this user or root has made it; it is code to run."""
    owners = {0, os.geteuid()} if hasattr(os, "geteuid") else {0}
    try:
        return place.stat().st_uid in owners
    except OSError:
        return False


def _sweep(directory: Path) -> None:
    """Remove what killed processes left half-made."""
    for private in directory.glob(f"{_PRIVATE}*"):
        with suppress(OSError):
            if time.time() - private.stat().st_mtime > _LEFT_BEHIND:
                shutil.rmtree(private)
