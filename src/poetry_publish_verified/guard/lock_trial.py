"""Tries the locks of a filesystem with two processes of this host."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from poetry_publish_verified.guard.filesystems import Filesystem
from poetry_publish_verified.guard.filesystems import filesystem_of
from poetry_publish_verified.guard.locks import held
from poetry_publish_verified.guard.resources import Resource

_HOLDER = """
import sys
from pathlib import Path
from poetry_publish_verified.guard.locks import held
from poetry_publish_verified.guard.resources import Resource
with held(Resource("a trial", Path(sys.argv[1])), print, only_if_free=True) as ours:
    print("held" if ours else "not held", flush=True)
    sys.stdin.read()
"""
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What two processes of this host found out."""

    filesystem: Filesystem
    error: str | None = None
    """Why no lock could be had at all."""
    excludes: bool = False
    """Whether the second process was kept out while the first one had the lock."""
    frees: bool = False
    """Whether it had the lock once the first one was killed."""

    @property
    def is_sound(self) -> bool:
        """Whether all was as it has to be."""
        return self.error is None and self.excludes and self.frees


def try_locks(directory: Path) -> Trial:
    """Try a lock in `directory`, or in the nearest one above it that exists; nothing is left.

    Raises OSError where nothing can be written there.
    """
    place = next(one for one in (directory, *directory.parents) if one.is_dir())
    if not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))
    filesystem = filesystem_of(place)
    with tempfile.TemporaryDirectory(prefix=".poetry-lock-trial-", dir=place) as private:
        resource = Resource("a trial", Path(private, "locks", "trial"))
        holder = subprocess.Popen(
            [sys.executable, "-c", _HOLDER, str(resource.path)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            said = holder.stdout.readline().strip() if holder.stdout else ""
            if said != "held":
                return Trial(filesystem, error=said or "the trial's other process failed")
            with held(resource, _nothing, only_if_free=True) as ours:
                excludes = not ours
        finally:
            holder.kill()
            holder.communicate()
        return Trial(filesystem, excludes=excludes, frees=_is_freed(resource))


def _is_freed(resource: Resource) -> bool:
    # A server may take a moment to hear of it.
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        with held(resource, _nothing, only_if_free=True) as ours:
            if ours:
                return True
        time.sleep(0.1)
    return False


def _nothing(_: str) -> None:
    """A trial says what it found at its end."""
