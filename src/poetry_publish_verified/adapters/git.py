"""What a release is built from: the commit and its tags, and the files."""

import hashlib
import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from poetry_publish_verified.core.events import Sources
from poetry_publish_verified.core.receipt import START, is_written_by_runs
from poetry_publish_verified.values import Value

_GIT_TIMEOUT = 30
_LATEST = 2**32
_NOT_SOURCES = {".git", ".hg", ".venv", "dist", "build", "__pycache__", ".poetry", "node_modules"}


def sources(project: Path, dist_dir: Path) -> Sources:
    """Commit and digest of the project in this directory, without what is built (`dist_dir`).

    The digest is the sha256 over the names and contents of the files that git tracks or would
    offer to track, or, outside git, of all files except tools' own. What runs write (receipts,
    plans) never counts.
    """
    return sources_of(project, source_files(project, dist_dir))


def sources_of(project: Path, files: Mapping[str, str]) -> Sources:
    """The same from files that are already hashed."""
    commit = _git(project, "rev-parse", "--verify", "HEAD")
    return Sources(commit.strip() if commit else None, digest_of(files))


def digest_of(files: Mapping[str, str]) -> str:
    """One sha256 over files, given as their sha256 by path."""
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(os.fsencode(name) + f"\0{content}\n".encode())
    return digest.hexdigest()


def source_files(project: Path, dist_dir: Path) -> dict[str, str]:
    """The sha256 of each file that `sources` covers, by its path in the project, with slashes."""
    listed = _git(project, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    # Nothing is listed in a directory that the repository around it ignores.
    files = [project / name for name in listed.split("\0")] if listed else _walk(project)
    found = {}
    for file in sorted(set(files)):
        if _is_built(file, project, dist_dir) or not file.is_file():
            continue
        name = file.relative_to(project).as_posix()
        try:
            with file.open("rb") as stream:
                if is_written_by_runs(name, stream.read(START)):
                    continue
                stream.seek(0)
                found[name] = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            found[name] = "unreadable"
    return found


def tracked(project: Path) -> tuple[str, ...]:
    """The files that git tracks in this directory, relative to it; none outside git."""
    listed = _git(project, "ls-files", "-z", "--cached")
    return tuple(name for name in (listed or "").split("\0") if name)


def is_tracked(file: Path) -> bool:
    """Whether git tracks this file."""
    return bool(_git(file.parent, "ls-files", "-z", "--cached", "--", file.name))


def tags_at_head(project: Path) -> tuple[str, ...]:
    """The tags of the commit that is checked out; none outside git."""
    return tuple((_git(project, "tag", "--points-at", "HEAD") or "").splitlines())


class DatedTags(Value):
    """A repository's tags, each with the moment when it (if lightweight: its commit) was made.

    `lacking` says why the repository may have more than this clone does, else it is empty;
    `nested`: the project is in a directory of the repository.
    """

    tags: tuple[tuple[str, datetime], ...] = ()
    lacking: str = ""
    nested: bool = False


def dated_tags(project: Path) -> DatedTags | None:
    """The tags of the repository that a project is in; None outside git."""
    about = _git(project, "rev-parse", "--is-shallow-repository", "--show-prefix")
    listed = _git(
        project, "for-each-ref", "--format=%(creatordate:unix) %(refname:strip=2)", "refs/tags"
    )
    if about is None or listed is None:
        # In containers a checkout is often another user's, which git refuses to read.
        inside = any((place / ".git").exists() for place in (project, *project.parents))
        return DatedTags(lacking="git cannot read the repository") if inside else None
    shallow, prefix = about.split("\n")[:2]
    lacking = "the clone is shallow" if shallow == "true" else ""
    if _git(project, "config", "--get-regexp", r"^remote\..*\.tagopt$", "^--no-tags$"):
        lacking = lacking or "the clone was made without tags"
    found = []
    for line in listed.splitlines():
        made, _, name = line.partition(" ")
        if made:  # what is no commit's has no moment
            # Git takes years that Python does not know.
            found.append((name, datetime.fromtimestamp(min(int(made), _LATEST), UTC)))
    return DatedTags(tuple(found), lacking, bool(prefix))


def _is_built(file: Path, project: Path, dist_dir: Path) -> bool:
    if not project.is_relative_to(dist_dir):
        return file.is_relative_to(dist_dir)
    # The dist directory is the project's own or around it: only what is made there counts.
    return file.name.endswith((".whl", ".tar.gz", ".zip"))


def _git(directory: Path, *arguments: str) -> str | None:
    try:
        # With all of the user's variables: they also say whose directories git trusts.
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
