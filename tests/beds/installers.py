"""Whether real installers find a release: pip, uv and Poetry, without caches.

Each is asked for a wheel of `name==version`, as a user would, in an empty directory and without
this machine's configuration. Index URLs may contain credentials.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.beds.processes import HANG, program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.poetry import Poetry


@dataclass(frozen=True)
class Found:
    """Whether the installer got the release, and its output."""

    ok: bool
    output: str

    def __bool__(self) -> bool:
        return self.ok


def pip_finds(directory: Path, index_url: str, name: str, version: str) -> Found:
    """Have pip download the wheel into a new directory below `directory`."""
    goal = _empty(directory)
    command = [
        sys.executable, "-I", "-m", "pip", "--isolated", "download", "--no-deps", "--no-cache-dir",
        "--disable-pip-version-check", "--no-input", "--only-binary", ":all:",
        "--index-url", index_url, "--dest", str(goal), f"{name}=={version}",
    ]  # fmt: skip
    return _got(command, goal, {"PIP_CONFIG_FILE": os.devnull}, "*.whl")


def uv_finds(directory: Path, index_url: str, name: str, version: str) -> Found:
    """Have uv install the wheel into a new directory below `directory`."""
    goal = _empty(directory)
    command = [
        os.environ.get("UV") or program("uv"), "pip", "install", "--target", str(goal),
        "--no-deps", "--no-cache", "--no-config", "--only-binary", ":all:",
        "--python", sys.executable, "--default-index", index_url, f"{name}=={version}",
    ]  # fmt: skip
    return _got(command, goal, {"UV_PYTHON_DOWNLOADS": "never"}, "*.dist-info")


def poetry_finds(poetry: Poetry, directory: Path, index_url: str, name: str, version: str) -> Found:
    """Have Poetry lock a project whose only source is the index.

    Poetry reads the page, and as much of the wheel as it needs for its metadata.
    """
    project = _empty(directory)
    (project / "pyproject.toml").write_text(
        f"""\
[project]
name = "lighthouse-keeper"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["{name} (=={version})"]

[[tool.poetry.source]]
name = "only"
url = "{index_url}"
priority = "primary"
""",
        encoding="utf-8",
    )
    run = poetry.run("lock", "--no-cache", "--no-interaction", cwd=project)
    lock = project / "poetry.lock"
    locked = lock.is_file() and f'version = "{version}"' in lock.read_text(encoding="utf-8")
    assert locked is (run.code == 0), run.said
    return Found(locked, run.said)


def _empty(directory: Path) -> Path:
    goal = directory / f"asked-{uuid.uuid4().hex[:8]}"
    goal.mkdir(parents=True)
    return goal


def _got(command: list[str], goal: Path, more: dict[str, str], pattern: str) -> Found:
    """Run an installer; success means exit code 0 and a file, never only one of them."""
    done = subprocess.run(
        command,
        cwd=goal,
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(goal),
            "LANG": "C.UTF-8",
            **more,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=HANG,
        check=False,
    )
    got = any(goal.glob(pattern))
    assert got is (done.returncode == 0), done.stdout
    return Found(got, done.stdout)
