"""Which tracked files have changed since the build: real archives, real git."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.adapters import dist_dir
from poetry_publish_verified.adapters.changes import changed_since
from tests.beds.processes import HANG
from tests.beds.projects import make_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.projects import Project

NAME, ONE = canonicalize_name("lantern"), Version("1.0")


def git(root: Path, *arguments: str) -> None:
    """Call git in a directory."""
    identity = ("-c", "user.name=T", "-c", "user.email=t@lantern.example")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, timeout=HANG)


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project in git with both distributions and no changes."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for variable in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    project = make_project(tmp_path / "work" / "lantern")
    (project.path / "lantern" / "data.bin").write_bytes(bytes(range(256)))
    (project.path / "lantern" / "größe.txt").write_text("3\n", encoding="utf-8")
    (project.path / ".gitignore").write_text("/dist/\n", encoding="utf-8")
    git(project.path, "init", "-q")
    git(project.path, "add", ".")
    project.build()
    assert changed(project) == ()
    return project


def changed(project: Project, root: Path | None = None) -> tuple[str, ...]:
    """What has changed in a project since its build."""
    found = dist_dir.look(project.dist, NAME, ONE).distributions
    return changed_since(root or project.path, project.dist, found, ONE)


@pytest.mark.parametrize("kind", ["both", "sdist", "wheel"])
@pytest.mark.parametrize(
    ("name", "content", "seen"),
    [
        ("lantern/__init__.py", b"light = 2\n", True),
        ("lantern/__init__.py", None, True),
        ("lantern/data.bin", b"\0", True),
        ("lantern/data.bin", bytes(2**21), True),
        ("lantern/größe.txt", b"4\n", True),
        ("lantern/größe.txt", b"3\n", False),
        ("lantern/new.py", b"", False),
        (".gitignore", b"x\n", False),
    ],
)
def test_changed_content_is_named(
    built: Project, kind: str, name: str, content: bytes | None, seen: bool
) -> None:
    """Changed or deleted content is named; times, new files and unpacked files are not."""
    for other in {"both": (), "sdist": (built.wheel,), "wheel": (built.sdist,)}[kind]:
        (built.dist / other).unlink()
    if content is None:
        (built.path / name).unlink()
    else:
        (built.path / name).write_bytes(content)
    assert changed(built) == ((name,) if seen else ())


def test_sdist_only_files(built: Project) -> None:
    """A changed README or pyproject.toml is noticed if there is an sdist."""
    (built.path / "README.md").write_text("Other.\n", encoding="utf-8")
    built.set_version("1.1")
    assert changed(built) == ("README.md",)
    file = built.path / "pyproject.toml"
    file.write_text(file.read_text("utf-8").replace("3.11", "3.12"), encoding="utf-8")
    assert set(changed(built)) == {"README.md", "pyproject.toml"}
    (built.dist / built.sdist).unlink()
    assert changed(built) == ()


def test_untracked_files_are_ignored(built: Project) -> None:
    """Build products that git does not track may change freely."""
    git(built.path, "rm", "-q", "--cached", "lantern/__init__.py")
    built.change("Changed.")
    assert changed(built) == ()


def test_outside_git_nothing_is_reported(built: Project) -> None:
    """Without git nothing is reported."""
    shutil.rmtree(built.path / ".git")
    built.change("Changed.")
    assert changed(built) == ()


def test_project_in_a_larger_repository(built: Project) -> None:
    """Names are relative to the project, and other projects do not count."""
    shutil.rmtree(built.path / ".git")
    git(built.path.parent, "init", "-q")
    git(built.path.parent, "add", ".")
    built.change("Changed.")
    assert changed(built) == ("lantern/__init__.py",)


def test_wheel_from_a_src_directory(built: Project) -> None:
    """A wheel's files are found in their real source directory, not in a look-alike."""
    (built.dist / built.sdist).unlink()
    (built.path / "src").mkdir()
    shutil.copytree(built.path / "lantern", built.path / "tests" / "lantern")
    git(built.path, "mv", "lantern", "src/lantern")
    (built.path / "tests" / "lantern" / "__init__.py").write_text("other", encoding="utf-8")
    git(built.path, "add", ".")
    assert changed(built) == ()
    (built.path / "src" / "lantern" / "__init__.py").write_text("changed", encoding="utf-8")
    assert changed(built) == ("src/lantern/__init__.py",)


def test_links_and_pipes(built: Project) -> None:
    """A link to the same content is no change; a pipe is, and blocks nothing."""
    module = built.path / "lantern" / "__init__.py"
    module.rename(built.path / "elsewhere.py")
    module.symlink_to(built.path / "elsewhere.py")
    assert changed(built) == ()
    module.unlink()
    os.mkfifo(module)
    assert changed(built) == ("lantern/__init__.py",)


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_substituted_version_is_no_change(built: Project, kind: str) -> None:
    """A line into which the build wrote the version is no change."""
    module = built.path / "lantern" / "__init__.py"
    module.write_text('__version__ = "1.0"\n', encoding="utf-8")
    built.build()
    (built.dist / {"sdist": built.wheel, "wheel": built.sdist}[kind]).unlink()
    module.write_text('__version__ = "0.0.0"\n', encoding="utf-8")
    assert changed(built) == ()
    module.write_text('__version__ = "0.0.0"\nlight = 1\n', encoding="utf-8")
    assert changed(built) == ("lantern/__init__.py",)
