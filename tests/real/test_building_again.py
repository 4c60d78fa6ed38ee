"""`--build` after an incomplete run: the same files or none."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.beds.building import build_with_hatchling, make_builds_differ
from tests.beds.processes import HANG, wait_until
from tests.beds.projects import read_receipt
from tests.beds.proxy import Answer
from tests.beds.release import ended, holds, publish, uploads

if TYPE_CHECKING:
    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry, Run
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
    assert "the sources have not changed" in run.said
    assert "anyway" not in run.said
    assert {f.name: f.stat().st_mtime_ns for f in project.dist.iterdir() if f.is_file()} == before
    assert uploads(holds(project.receipt(), "verified", 0)) == {
        project.wheel: "already-there",
        project.sdist: "uploaded",
    }


@dataclass
class Killed:
    """A project whose first run was killed while it sent the sdist: the wheel is on the index."""

    project: Project
    index: Index
    poetry: Poetry
    proxy: FaultProxy
    built: dict[str, str]

    def again(self, *options: str) -> Run:
        """The same command once more."""
        return publish(self.poetry, self.project, self.index, *KILLED, *options)

    def is_completed_by(self, run: Run) -> None:
        """Check that a run sent what was built at first, and nothing else."""
        ended(run, 0)
        assert "the sources have not changed" in run.said
        assert self.project.hashes() == self.built == self.index.stored("lantern")
        holds(read_receipt(self.project.path / "receipt.json"), "verified", 0)


KILLED = ("--build", "--receipt", "receipt.json")
PLACES = ["outside git", "in git", "below git"]


@pytest.fixture
def kill(poetry: Poetry, pypi: Index, proxy: FaultProxy) -> Callable[[Project], Killed]:
    """Kill a project's first run after its first file."""

    def kill(project: Project) -> Killed:
        stalled = proxy.stall(lambda request: request.uploads(f'{project.sdist}"'))
        index = pypi.behind(proxy.origin)
        call = poetry.with_variables(**index.environment())
        command = ("publish-verified", "-n", "-r", "harbour", "--until", "listed", *KILLED)
        with call.started(*command, cwd=project.path) as process:
            wait_until(lambda: len(proxy.uploads) == 2, "the sdist")
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=HANG)
        stalled.lift()
        (wheel,) = pypi.stored("lantern")
        assert wheel.endswith(".whl")
        return Killed(project, index, poetry, proxy, project.hashes())

    return kill


def place(project: Project, where: str) -> None:
    """Put the project into a repository, or not."""
    root = project.path.parent if where == "below git" else project.path
    if where != "outside git":
        git(root, "init", "-q")
        (root / ".gitignore").write_text("dist/\n__pycache__/\nhome/\n", encoding="utf-8")
        git(root, "add", "-A", str(project.path))
        git(root, "commit", "-qm", "All")


def git(root: Path, *words: str) -> None:
    """Call git."""
    me = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    subprocess.run(("git", *me, *words), cwd=root, check=True)


@pytest.mark.parametrize("where", PLACES)
def test_files_that_are_not_packed_change_nothing(
    project: Project, kill: Callable[[Project], Killed], where: str
) -> None:
    """A killed release is completed despite its own receipt, a log and scratch files."""
    place(project, where)
    killed = kill(project)
    assert read_receipt(project.path / "receipt.json")["verdict"] == "running"
    for name in ("build.log", "scratch.py", "notes/todo.txt"):
        (project.path / name).parent.mkdir(exist_ok=True)
        (project.path / name).write_text("x\n", encoding="utf-8")
    killed.is_completed_by(killed.again())


@pytest.mark.parametrize("where", PLACES)
def test_own_files_change_nothing(
    project: Project, kill: Callable[[Project], Killed], where: str
) -> None:
    """What runs write is no source, even if the build backend packs it."""
    build_with_hatchling(project)
    place(project, where)
    (project.path / "build.log").write_text("x\n", encoding="utf-8")
    killed = kill(project)
    (project.path / "plan.json").write_text('{"schema": "publish-verified.plan/1"}\n', "utf-8")
    (project.path / ".publish-verified.0123.tmp").touch()
    (project.path / "run.log").write_text(
        '{"event": "x", "time": "2026-01-01T00:00:00.000Z", "of": 1}\n', "utf-8"
    )
    killed.is_completed_by(killed.again())


def test_packed_log_is_a_source(project: Project, kill: Callable[[Project], Killed]) -> None:
    """Where the archive really differs, the run is refused, and names what differs."""
    build_with_hatchling(project)
    killed = kill(project)
    (project.path / "build.log").write_text("x\n", encoding="utf-8")
    sent = len(killed.proxy.uploads)
    run = killed.again()
    ended(run, 3)
    assert "PV504" in run.said
    assert "differ in build.log." in run.said
    assert len(killed.proxy.uploads) == sent


def test_build_to_compare_fails(project: Project, kill: Callable[[Project], Killed]) -> None:
    """If the sources no longer build, that is the reason, and the first build stays."""
    build_with_hatchling(project)
    killed = kill(project)
    (project.path / "backend" / "here.py").write_text("raise OSError('no oil')\n", "utf-8")
    run = killed.again()
    ended(run, 3)
    assert "PV204" in run.said
    assert "no oil" in run.err
    assert "  : " not in run.err
    assert project.hashes() == killed.built


def test_without_the_first_build(project: Project, kill: Callable[[Project], Killed]) -> None:
    """Building decides as well if the dist directory has been emptied."""
    killed = kill(project)
    shutil.rmtree(project.dist)
    (project.path / "build.log").write_text("x\n", encoding="utf-8")
    run = killed.again()
    ended(run, 0)
    assert killed.index.stored("lantern") == project.hashes()


def test_builds_that_differ(
    project: Project, kill: Callable[[Project], Killed], tmp_path: Path
) -> None:
    """The first bytes are sent though each build writes other files into the package."""
    make_builds_differ(project, tmp_path / "builds")
    killed = kill(project)
    (project.path / "build.log").write_text("x\n", encoding="utf-8")
    killed.is_completed_by(killed.again())


def test_build_record_is_a_pipe(poetry: Poetry, project: Project, half: Index) -> None:
    """Nothing blocks: the project is built again, and recorded again."""
    (record,) = project.path.glob(".poetry/*/builds-1/*.json")
    record.unlink()
    os.mkfifo(record)
    run = publish(poetry, project, half, "--build")
    ended(run, 0)
    assert "the sources have not changed" not in run.said
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
    assert "the sources have not changed" not in run.said


def test_build_record_behind_a_link(poetry: Poetry, project: Project, half: Index) -> None:
    """A record that somebody else may have placed is not trusted."""
    (record,) = (project.path / ".poetry" / ".nox" / "builds-1").glob("*.json")
    record.rename(project.path / "elsewhere.json")
    record.symlink_to(project.path / "elsewhere.json")
    run = publish(poetry, project, half, "--build")
    ended(run, 0)
    assert "the sources have not changed" not in run.said
    assert not record.is_symlink()


def test_packed_file_that_git_does_not_track(poetry: Poetry, project: Project, half: Index) -> None:
    """A change in a submodule or an ignored file changes the build too."""
    place(project, "in git")
    (project.path / ".git" / "info" / "exclude").write_text("lantern/\n", encoding="utf-8")
    git(project.path, "rm", "-rq", "--cached", "lantern")
    git(project.path, "commit", "-qam", "Ignore it")
    module = next((project.path / "lantern").glob("*.py"))
    module.write_text("LIGHT = 2\n", encoding="utf-8")
    run = publish(poetry, project, half, "--build", "--dry-run")
    assert "the sources have not changed" not in run.said
