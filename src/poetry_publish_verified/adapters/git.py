"""What a release is built from: the commit and its tags, and the files."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Collection
from pathlib import Path

from poetry_publish_verified.core.events import Sources

_GIT_TIMEOUT = 30
_NOT_SOURCES = {".git", ".hg", ".venv", "dist", "build", "__pycache__", ".poetry", "node_modules"}


def sources(project: Path, dist_dir: Path, made: Collection[str] = ()) -> Sources:
    """Commit and digest of the project in this folder; what is built (`dist_dir`) left out.

    The digest is the sha256 over the names and contents of the files that git tracks or would
    offer to track, or, outside git, of all that are not a tool's own; without those that a build
    has `made`.
    """
    commit = _git(project, "rev-parse", "--verify", "HEAD")
    digest = hashlib.sha256()
    for name in source_files(project, dist_dir):
        if name in made:
            continue
        try:
            content = hashlib.sha256((project / name).read_bytes()).hexdigest()
        except OSError:
            content = "unreadable"
        digest.update(os.fsencode(name) + f"\0{content}\n".encode())
    return Sources(commit.strip() if commit else None, digest.hexdigest())


def source_files(project: Path, dist_dir: Path) -> list[str]:
    """The files that `sources` takes in, by their paths in the project, with slashes."""
    listed = _git(project, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    # Nothing is listed in a folder that the repository around it ignores.
    files = [project / name for name in listed.split("\0")] if listed else _walk(project)
    return [
        file.relative_to(project).as_posix()
        for file in sorted(set(files))
        if not _is_built(file, project, dist_dir) and file.is_file()
    ]


def tracked(project: Path) -> tuple[str, ...]:
    """The files that git tracks in this folder, relative to it; none outside git."""
    listed = _git(project, "ls-files", "-z", "--cached")
    return tuple(name for name in (listed or "").split("\0") if name)


def tags_at_head(project: Path) -> tuple[str, ...]:
    """The tags of the commit that is checked out; none outside git."""
    return tuple((_git(project, "tag", "--points-at", "HEAD") or "").splitlines())


def _is_built(file: Path, project: Path, dist_dir: Path) -> bool:
    if not project.is_relative_to(dist_dir):
        return file.is_relative_to(dist_dir)
    # The dist folder is the project's own or around it: only what is made there counts.
    return file.name.endswith((".whl", ".tar.gz")) or ".publish-verified" in file.parts


def _git(directory: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_GIT_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return os.fsdecode(done.stdout) if done.returncode == 0 else None


def _walk(project: Path) -> list[Path]:
    found = []
    for directory, names, files in os.walk(project):
        names[:] = [name for name in names if name not in _NOT_SOURCES]
        found += [Path(directory, file) for file in files]
    return found
