"""`--build` after an incomplete run: the same files or none."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.beds.proxy import Answer
from tests.beds.release import ended, holds, publish, uploads

if TYPE_CHECKING:
    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry
    from tests.beds.projects import Project
    from tests.beds.proxy import FaultProxy, Request


@pytest.fixture
def half(poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy) -> Index:
    """The index behind a proxy, with the wheel uploaded and the sdist refused."""
    behind = pypi.behind(proxy.origin)

    def of_the_sdist(request: Request) -> bool:
        return request.uploads(f'{project.sdist}"')

    proxy.answer(of_the_sdist, Answer(403, b"", b"Read-only mode"))
    run = publish(poetry, project, behind, "--build")
    ended(run, 4)
    assert uploads(holds(project.receipt(), "upload-failed", 4)) == {
        project.wheel: "uploaded",
        project.sdist: "failed",
    }
    proxy.clear()
    return behind


def test_same_sources_reuse_the_build(poetry: Poetry, project: Project, half: Index) -> None:
    """The build is reused byte by byte, however often the receipt was replaced."""
    ended(publish(poetry, project, half, "--timeout", "soon"), 1)
    before = {f.name: f.stat().st_mtime_ns for f in project.dist.iterdir() if f.is_file()}
    run = publish(poetry, project, half, "--build")
    ended(run, 0)
    assert "not building again" in run.said
    assert "anyway" not in run.said
    assert {f.name: f.stat().st_mtime_ns for f in project.dist.iterdir() if f.is_file()} == before
    assert uploads(holds(project.receipt(), "verified", 0)) == {
        project.wheel: "already-there",
        project.sdist: "uploaded",
    }


def test_build_record_is_a_pipe(poetry: Poetry, project: Project, half: Index) -> None:
    """Nothing blocks: the project is built again, and recorded again."""
    (record,) = project.path.glob(".poetry/*/builds-1/*.json")
    record.unlink()
    os.mkfifo(record)
    run = publish(poetry, project, half, "--build")
    ended(run, 0)
    assert "not building again" not in run.said
    assert record.is_file()


def test_changed_sources_are_refused(
    poetry: Poetry, project: Project, half: Index, proxy: FaultProxy
) -> None:
    """A release from two states of the sources is refused, with a way out."""
    there = half.stored("lantern")
    (project.path / "README.md").write_text("Another light.\n", encoding="utf-8")
    sent = len(proxy.uploads)
    run = publish(poetry, project, half, "--build")
    ended(run, 5)
    assert "PV504" in run.said
    assert "Bump the version" in run.said
    assert half.stored("lantern") == there
    assert len(proxy.uploads) == sent


def test_changed_dist_directory_is_rebuilt(poetry: Poetry, project: Project, half: Index) -> None:
    """Files that differ from the recorded build are rebuilt."""
    (project.dist / project.sdist).unlink()
    run = publish(poetry, project, half, "--build")
    ended(run, 0)
    assert "not building again" not in run.said


def test_build_record_behind_a_link(poetry: Poetry, project: Project, half: Index) -> None:
    """A record that somebody else may have placed is not trusted."""
    (record,) = (project.path / ".poetry" / ".nox" / "builds-1").glob("*.json")
    record.rename(project.path / "elsewhere.json")
    record.symlink_to(project.path / "elsewhere.json")
    run = publish(poetry, project, half, "--build")
    ended(run, 0)
    assert "not building again" not in run.said
    assert not record.is_symlink()


def test_packed_file_that_git_does_not_track(poetry: Poetry, project: Project, half: Index) -> None:
    """A change in a submodule or an ignored file changes the build too."""
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@example.org")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "All")):
        subprocess.run((*git, *words), cwd=project.path, check=True)
    (project.path / ".git" / "info" / "exclude").write_text("lantern/\n", encoding="utf-8")
    subprocess.run((*git, "rm", "-rq", "--cached", "lantern"), cwd=project.path, check=True)
    subprocess.run((*git, "commit", "-qam", "Ignore it"), cwd=project.path, check=True)
    module = next((project.path / "lantern").glob("*.py"))
    module.write_text("LIGHT = 2\n", encoding="utf-8")
    run = publish(poetry, project, half, "--build", "--dry-run")
    assert "not building again" not in run.said
