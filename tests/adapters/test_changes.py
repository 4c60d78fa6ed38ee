"""Which tracked files are no longer as they were built: real archives, real git."""

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
    """Call git in a folder."""
    identity = ("-c", "user.name=T", "-c", "user.email=t@lantern.example")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, timeout=HANG)


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project in git, with both of its distributions, of which nothing has changed."""
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
    """What has changed in a project since it was built."""
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
def test_a_change_is_seen(
    built: Project, kind: str, name: str, content: bytes | None, seen: bool
) -> None:
    """Content that changed or went is named; times, new files and what is not packed are not."""
    for other in {"both": (), "sdist": (built.wheel,), "wheel": (built.sdist,)}[kind]:
        (built.dist / other).unlink()
    if content is None:
        (built.path / name).unlink()
    else:
        (built.path / name).write_bytes(content)
    assert changed(built) == ((name,) if seen else ())


def test_a_readme_is_in_the_sdist_alone(built: Project) -> None:
    """A README or pyproject.toml that changed is seen where there is an sdist."""
    (built.path / "README.md").write_text("Other.\n", encoding="utf-8")
    built.set_version("1.1")
    assert changed(built) == ("README.md",)
    file = built.path / "pyproject.toml"
    file.write_text(file.read_text("utf-8").replace("3.11", "3.12"), encoding="utf-8")
    assert set(changed(built)) == {"README.md", "pyproject.toml"}
    (built.dist / built.sdist).unlink()
    assert changed(built) == ()


def test_files_that_git_does_not_track(built: Project) -> None:
    """What a build makes and git does not know may change as it likes."""
    git(built.path, "rm", "-q", "--cached", "lantern/__init__.py")
    built.change("Changed.")
    assert changed(built) == ()


def test_outside_git(built: Project) -> None:
    """Without git there is nothing to say."""
    shutil.rmtree(built.path / ".git")
    built.change("Changed.")
    assert changed(built) == ()


def test_a_project_in_a_larger_repository(built: Project) -> None:
    """Names are told from the project's folder, and other projects do not count."""
    shutil.rmtree(built.path / ".git")
    git(built.path.parent, "init", "-q")
    git(built.path.parent, "add", ".")
    built.change("Changed.")
    assert changed(built) == ("lantern/__init__.py",)


def test_a_wheel_out_of_a_src_folder(built: Project) -> None:
    """A wheel's files are found in the folder that they come from, and not in a look-alike."""
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
    """A link to the same content is no change; a pipe in a file's place is, and hangs nothing."""
    module = built.path / "lantern" / "__init__.py"
    module.rename(built.path / "elsewhere.py")
    module.symlink_to(built.path / "elsewhere.py")
    assert changed(built) == ()
    module.unlink()
    os.mkfifo(module)
    assert changed(built) == ("lantern/__init__.py",)


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_a_substituted_version(built: Project, kind: str) -> None:
    """A line that got the release's version while it was built is no change."""
    module = built.path / "lantern" / "__init__.py"
    module.write_text('__version__ = "1.0"\n', encoding="utf-8")
    built.build()
    (built.dist / {"sdist": built.wheel, "wheel": built.sdist}[kind]).unlink()
    module.write_text('__version__ = "0.0.0"\n', encoding="utf-8")
    assert changed(built) == ()
    module.write_text('__version__ = "0.0.0"\nlight = 1\n', encoding="utf-8")
    assert changed(built) == ("lantern/__init__.py",)
