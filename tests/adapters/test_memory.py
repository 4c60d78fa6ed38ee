"""Files of any size are read in pieces: a release needs little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.adapters.archives import sdist
from tests.beds.processes import HANG

if sys.platform != "linux":
    pytest.skip("only Linux bounds what a process takes", allow_module_level=True)

MIB = 1024 * 1024
ROOM = 32 * MIB
# From here on the process may use ROOM more than it has now.
LIMITED = f"""
import resource
(line,) = [line for line in open("/proc/self/status") if line.startswith("VmData:")]
limit = int(line.split()[1]) * 1024 + {ROOM}
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
"""
SOURCES = f"""
import sys
from pathlib import Path
from poetry_publish_verified.adapters.git import sources
{LIMITED}
print(sources(Path(sys.argv[1]), Path(sys.argv[1], "dist")).digest)
"""
CHANGES = f"""
import sys
from pathlib import Path
from packaging.version import Version
from poetry_publish_verified.adapters.changes import changed_since
from poetry_publish_verified.adapters.dist_dir import look
root, one = Path(sys.argv[1]), Version("1.0")
found = look(root / "dist", "lantern", one).distributions
{LIMITED}
print(len(changed_since(root, root / "dist", found, one, untracked=True)))
"""


def run(code: str, project: Path) -> str:
    """Its output, if it succeeds."""
    command = [sys.executable, "-c", code, str(project)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("in_git", [True, False])
def test_huge_file(tmp_path: Path, in_git: bool) -> None:
    """A file larger than memory is part of the digest, to its last byte."""
    if in_git:
        subprocess.run(["git", "init", "-q", tmp_path], check=True)
    with (tmp_path / "core.dump").open("wb") as huge:
        huge.truncate(5 * ROOM)
    before = run(SOURCES, tmp_path)
    with (tmp_path / "core.dump").open("r+b") as huge:
        huge.seek(-1, 2)
        huge.write(b"\1")
    assert len(before) == 64
    assert run(SOURCES, tmp_path) != before


def test_many_changed_files(tmp_path: Path) -> None:
    """Changed files are compared one by one."""
    count = 2 * ROOM // MIB
    (tmp_path / "dist").mkdir()
    members = [("lantern-1.0/PKG-INFO", b"Metadata-Version: 2.1\nName: lantern\nVersion: 1.0\n")]
    for number in range(count):
        members.append((f"lantern-1.0/{number}.bin", bytes(MIB)))
        (tmp_path / f"{number}.bin").write_bytes(bytes(MIB - 1) + b"\1")
    (tmp_path / "dist" / "lantern-1.0.tar.gz").write_bytes(sdist(tuple(members), level=1))
    assert run(CHANGES, tmp_path) == str(count)
