"""Git repositories with commits and tags of any age."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

NOW = timedelta()


@dataclass(frozen=True)
class Repository:
    """A repository that knows nothing of the user's own settings."""

    root: Path

    def git(self, *arguments: str, age: timedelta = NOW) -> str:
        """Call git there, `age` ago; returns what it says."""
        moment = (datetime.now(UTC) - age).isoformat()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(
            ["git", "-c", "user.name=T", "-c", "user.email=t@lantern.example", *arguments],
            cwd=self.root,
            env={
                **kept,
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_CONFIG_SYSTEM": os.devnull,
                "GIT_AUTHOR_DATE": moment,
                "GIT_COMMITTER_DATE": moment,
            },
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self, *, age: timedelta = NOW) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "Go on", age=age)

    def tag(self, name: str, *, age: timedelta = NOW, annotated: bool = True) -> None:
        """Tag the last commit; `age` is that of an annotated tag."""
        self.git("tag", *(("--annotate", "--message", name) if annotated else ()), name, age=age)

    def clone(self, to: Path, *options: str) -> Repository:
        """Clone it, over the protocol, as `--depth` has no effect on local paths."""
        self.git("clone", "--quiet", *options, self.root.absolute().as_uri(), str(to))
        return Repository(to)


def make_repository(root: Path) -> Repository:
    """Put a directory under git, without what is built there."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    repository = Repository(root)
    repository.git("init", "--quiet")
    with (root / ".gitignore").open("a", encoding="utf-8") as file:
        file.write("dist/\n")
    return repository
