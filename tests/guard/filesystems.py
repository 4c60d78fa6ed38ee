"""Files, mounts and users for tests of writing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poetry_publish_verified.guard.processes import ProcessId

OLD = b'value = "old"\n'
NEW = b'value = "new, and longer than before"\r\n'

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount and change users")


def write_new(path: Path) -> None:
    """Write as stock Poetry does: truncate, then write."""
    path.write_bytes(NEW)


@contextmanager
def mounted(directory: Path, *args: str) -> Iterator[None]:
    """`mount ARGS directory` for a while; skips the test if the machine does not allow it."""
    done = subprocess.run(
        ["mount", *args, str(directory)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"cannot mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def names(directory: Path) -> list[str]:
    """The names in a directory."""
    return sorted(path.name for path in directory.iterdir())


def dead_builder() -> ProcessId:
    """A process of this host that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    mine = ProcessId.current()
    return ProcessId(mine.host, ended.pid, "1")


def as_another_user(code: str, *args: Path) -> subprocess.CompletedProcess[str]:
    """Run code that has `atomic_files`, `paths` and `write` as a user other than root."""
    head = (
        "import os, sys; from pathlib import Path\n"
        "from poetry_publish_verified.guard import atomic_files, processes\n"
        "paths = [Path(arg) for arg in sys.argv[1:]]\n"
        f"write = lambda path: path.write_bytes({NEW!r})\n"
        # Modules that are imported on first use would not be readable later.
        "processes.ProcessId.current(); os.setegid(65534); os.seteuid(65534)\n"
    )
    command = [sys.executable, "-c", head + code, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@contextmanager
def open_directory() -> Iterator[Path]:
    """A new directory that every user can reach and write; pytest's are private."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o777)
        yield Path(directory)
