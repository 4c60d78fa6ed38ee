"""The commit and the digest that identify a release's sources."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from poetry_publish_verified.adapters.git import dated_tags, sources, tags_at_head, tracked
from tests.beds.git import make_repository


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Isolate tests from the user's git settings and enclosing repositories."""
    for variable in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project outside git."""
    root = tmp_path / "lantern"
    (root / "lantern").mkdir(parents=True)
    (root / "lantern" / "__init__.py").write_text("light = 1\n", encoding="utf-8")
    (root / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    (root / "größe.txt").write_text("3\n", encoding="utf-8")
    return root


def git(root: Path, *arguments: str) -> str:
    """Call git in a directory."""
    done = subprocess.run(
        ["git", "-c", "user.name=T", "-c", "user.email=t@lantern.example", *arguments],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(project: Path) -> Path:
    """The same project, committed."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    git(project, "init", "--quiet")
    (project / ".gitignore").write_text("/dist/\n*.log\n", encoding="utf-8")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "Begin")
    return project


@pytest.fixture(params=["project", "repository"])
def either(request: pytest.FixtureRequest) -> Path:
    """The project, once outside git and once in it."""
    root: Path = request.getfixturevalue(request.param)
    return root


def digest(root: Path, dist: str = "dist") -> str:
    """The digest of a project's sources."""
    found = sources(root, root / dist).digest
    assert found is not None
    assert len(found) == 64
    return found


def test_commit_is_the_checked_out_one(repository: Path) -> None:
    """In git, the commit is the one that is checked out."""
    assert sources(repository, repository / "dist").commit == git(repository, "rev-parse", "HEAD")


def test_no_commit_outside_git(project: Path) -> None:
    """Outside git there is a digest but no commit."""
    found = sources(project, project / "dist")
    assert found.commit is None
    assert found.digest


def test_repository_without_commits(project: Path) -> None:
    """A repository without commits has a digest but no commit."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    git(project, "init", "--quiet")
    assert sources(project, project / "dist").commit is None
    assert digest(project)


def test_without_git_installed(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If git cannot be run, the files are found without it."""
    monkeypatch.setenv("PATH", str(repository))
    found = sources(repository, repository / "dist")
    assert found.commit is None
    assert found.digest


def test_same_sources_same_digest(either: Path, tmp_path: Path) -> None:
    """A copy elsewhere has the same digest, and repeating changes nothing."""
    copy = tmp_path / "copy"
    shutil.copytree(either, copy)
    assert digest(either) == digest(either) == digest(copy)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "lantern" / "__init__.py").write_text("light = 2\n", "utf-8"),
        lambda root: (root / "lantern" / "new.py").touch(),
        lambda root: (root / "größe.txt").unlink(),
        lambda root: (root / "größe.txt").rename(root / "grösse.txt"),
    ],
    ids=["changed", "added", "removed", "renamed"],
)
def test_any_change_changes_the_digest(either: Path, change: object) -> None:
    """Content, names, and uncommitted files all count."""
    before = digest(either)
    assert callable(change)
    change(either)
    assert digest(either) != before


def test_dist_directory_does_not_count(either: Path) -> None:
    """The dist directory is not part of the sources, whatever its name."""
    before = digest(either, "out")
    (either / "out").mkdir()
    (either / "out" / "lantern-1.0.tar.gz").write_bytes(b"x")
    assert digest(either, "out") == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("receipt.json", '{\n  "schema": "publish-verified.receipt/1",\n'),
        ("out/any.txt", '{"schema": "publish-verified.receipt/2"}'),
        ("plan.json", '{"schema": "publish-verified.plan/1", "projects": []}'),
        ("run.log", '{"event": "run-started", "time": "2026-01-01T00:00:00.000Z", "of": null}'),
        ("run.log", '{"event": "receipt", "time": "2026-01-01T00:00:00.000Z", "schema": ""}'),
        (".publish-verified.0123456789abcdef.tmp", ""),
        ("other/.publish-verified/run.json", ""),
    ],
)
def test_what_runs_write_does_not_count(either: Path, name: str, content: str) -> None:
    """A receipt, a plan or JSON lines never count, wherever they are, even if git tracks them."""
    before = digest(either)
    file = either / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    assert digest(either) == before
    if (either / ".git").exists():
        git(either, "add", "--force", name)
        assert digest(either) == before


@pytest.mark.parametrize(
    "content", ["", '{"event": "fire", "time": "2026-01-01"}', '{"schema": "mine"}']
)
def test_other_json_counts(either: Path, content: str) -> None:
    """JSON that only resembles a run's counts."""
    before = digest(either)
    (either / "event.json").write_text(content, encoding="utf-8")
    assert digest(either) != before


def test_ignored_files_do_not_count(repository: Path) -> None:
    """A file that git ignores does not change the digest."""
    before = digest(repository)
    (repository / "run.log").write_text("x", encoding="utf-8")
    assert digest(repository) == before


@pytest.mark.parametrize("directory", [".venv", "__pycache__", "node_modules", ".poetry"])
def test_tool_directories_do_not_count(project: Path, directory: str) -> None:
    """Outside git, files left behind by tools do not count."""
    before = digest(project)
    (project / directory).mkdir()
    (project / directory / "x").touch()
    assert digest(project) == before


def test_project_in_a_monorepo(repository: Path) -> None:
    """The commit is the repository's, the digest only this project's."""
    part = repository / "parts" / "lamp"
    part.mkdir(parents=True)
    (part / "lamp.py").touch()
    before = digest(part)
    (repository / "pyproject.toml").write_text("[changed]\n", encoding="utf-8")
    assert digest(part) == before
    (part / "lamp.py").write_text("x = 1\n", encoding="utf-8")
    assert digest(part) != before
    assert sources(part, part / "dist").commit == git(repository, "rev-parse", "HEAD")


def test_undecodable_file_names(either: Path) -> None:
    """A file name that is not UTF-8 counts like any other."""
    before = digest(either)
    try:
        Path(os.fsdecode(os.fsencode(either) + b"/\xff.txt")).touch()
    except OSError:
        pytest.skip("this filesystem takes no such name")
    assert digest(either) != before


def test_links_and_special_files(either: Path) -> None:
    """Dangling links, linked directories, devices and pipes neither fail nor block."""
    (either / "dangling").symlink_to(either / "nowhere")
    (either / "loop").symlink_to(either)
    (either / "zeros").symlink_to("/dev/zero")
    if hasattr(os, "mkfifo"):
        os.mkfifo(either / "pipe")
    assert digest(either)


def test_tags_of_the_commit(repository: Path) -> None:
    """Tags of every kind on this commit, and none of others."""
    git(repository, "tag", "v0.9")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "Go on")
    assert tags_at_head(repository) == ()
    git(repository, "tag", "v1.0")
    git(repository, "tag", "--annotate", "--message", "It works", "lantern/größer")
    assert set(tags_at_head(repository)) == {"v1.0", "lantern/größer"}


def test_tracked_files(repository: Path) -> None:
    """Tracked files below the directory, relative to it; untracked files are not included."""
    part = repository / "parts" / "lamp"
    part.mkdir(parents=True)
    (part / "lamp.py").touch()
    assert tracked(part) == ()
    git(repository, "add", ".")
    assert tracked(part) == ("lamp.py",)
    assert "größe.txt" in tracked(repository)


def test_no_tags_or_tracked_files_outside_git(project: Path) -> None:
    """Outside git there are no tags and no tracked files."""
    assert tags_at_head(project) == ()
    assert tracked(project) == ()


HOUR = timedelta(hours=1)


def test_tags_have_their_own_age(project: Path) -> None:
    """An annotated tag is as old as itself, a lightweight one as its commit."""
    repository = make_repository(project)
    repository.commit(age=5 * HOUR)
    repository.tag("v1.0", age=2 * HOUR)
    repository.tag("größe/v1.1", annotated=False, age=HOUR)
    tree = repository.git("rev-parse", "HEAD^{tree}")
    repository.git("tag", "of-a-tree", tree)
    found = dated_tags(project)
    assert found is not None
    ages = {name: round((datetime.now(UTC) - made) / HOUR) for name, made in found.tags}
    assert ages == {"v1.0": 2, "größe/v1.1": 5}
    assert (found.lacking, found.nested) == ("", False)
    nested = dated_tags(project / "lantern")
    assert nested is not None
    assert nested.nested
    assert nested.tags == found.tags


def test_no_tags_outside_git(project: Path) -> None:
    """Outside git there is nothing to know."""
    assert dated_tags(project) is None


def test_clones_without_tags_say_so(project: Path, tmp_path: Path) -> None:
    """What is not in a clone may still be in the repository."""
    repository = make_repository(project)
    repository.commit()
    repository.tag("v1.0")
    repository.commit()
    whole = dated_tags(repository.clone(tmp_path / "whole").root)
    assert whole is not None
    assert [name for name, _ in whole.tags] == ["v1.0"]
    for options, words in (
        (("--depth", "1"), "the clone is shallow"),
        (("--no-tags",), "the clone was made without tags"),
    ):
        found = dated_tags(repository.clone(tmp_path / words, *options).root)
        assert found is not None
        assert (found.tags, found.lacking) == ((), words)


def test_repository_that_git_refuses(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container, the checkout is often another user's: its tags are unknown, not absent."""
    make_repository(project).commit()
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    found = dated_tags(project)
    assert found is not None
    assert (found.tags, found.lacking) == ((), "git cannot read the repository")
