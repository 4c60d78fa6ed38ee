"""Which directories a pattern matches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from poetry_publish_verified.adapters.directories import with_projects

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Two packages, a deeper one, a hidden one, and a directory that is not a project."""
    for place in ("packages/a", "packages/b c ü", "packages/deep/d", ".hidden/e"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "pyproject.toml").touch()
    (tmp_path / "packages/none").mkdir()
    return tmp_path


def found(base: Path, *patterns: str) -> list[str]:
    """The matches, relative to the base."""
    return [os.path.relpath(directory, base) for directory in with_projects(base, patterns)[0]]


def test_patterns(base: Path) -> None:
    """Directories, files, whole trees and literal names; each once and in order."""
    assert found(base, "packages/*") == ["packages/a", "packages/b c ü"]
    assert found(base, "packages/*/pyproject.toml", "packages/a", "packages/a/") == [
        "packages/a",
        "packages/b c ü",
    ]
    assert found(base, "**") == ["packages/a", "packages/b c ü", "packages/deep/d"]
    assert found(base, ".*/*") == [".hidden/e"]
    assert found(base, f"{base}/packages/a", "packages/../packages/a") == ["packages/a"]
    assert found(base / "packages/a", ".") == ["."]


def test_linked_directory_counts_once(base: Path) -> None:
    """One directory is one project under any name."""
    (base / "packages/z").symlink_to(base / "packages/a")
    assert len(found(base, "packages/*")) == 2


def test_literal_pattern(base: Path) -> None:
    """A pattern that matches nothing is a literal name, as in a shell."""
    (base / "a[1]").mkdir()
    (base / "a[1]/pyproject.toml").touch()
    assert found(base, "a[1]") == ["a[1]"]


def test_patterns_without_a_match_are_named(base: Path) -> None:
    """Each pattern that finds no project is named."""
    directories, unmatched = with_projects(base, ["packages/*", "libs/*", "packages/none", "[", ""])
    assert unmatched == ["libs/*", "packages/none", "[", ""]
    assert len(directories) == 2
