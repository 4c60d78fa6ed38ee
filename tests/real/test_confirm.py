"""`--confirm`: shows what would go where, and asks on a terminal."""

from __future__ import annotations

import os
import pty
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.beds import terminal
from tests.beds.monorepo import add_member, make_root
from tests.beds.processes import HANG
from tests.beds.release import ended, holds, problems, publish
from tests.beds.terminal import shown_next

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry
    from tests.beds.projects import Project

ASKED = b"[y/N]"
CALL = ("publish-verified", "-r", "harbour", "--until", "listed", "--confirm")


def on_terminal(
    poetry: Poetry, cwd: Path, answers: list[bytes | Callable[[], bytes]], *options: str
) -> tuple[int, str]:
    """Run it on a terminal, and answer each question; the exit code and all that it showed."""
    return terminal.on_terminal(partial(poetry.started, *CALL, *options, cwd=cwd), ASKED, answers)


@pytest.fixture
def asking(poetry: Poetry, pypi: Index) -> Poetry:
    """Poetry with the test's own index as the repository `harbour`."""
    return poetry.with_variables(**pypi.environment())


def test_yes_publishes_what_was_shown(asking: Poetry, project: Project, pypi: Index) -> None:
    """Files, hashes and the place are shown; no lock is held while the question is open."""
    project.build()

    def look_at_the_locks() -> bytes:
        other = asking.run(
            "publish-verified", "-n", "-r", "harbour", "--dry-run", "--timeout", "5s",
            cwd=project.path,
        )  # fmt: skip
        ended(other, 0)
        assert pypi.stored("lantern") == {}
        return b"y\n"

    code, shown = on_terminal(asking, project.path, [look_at_the_locks])
    assert code == 0, shown
    for filename, sha256 in project.hashes().items():
        assert filename in shown
        assert sha256 in shown
    assert "Publish these 2 files to harbour?" in shown
    assert pypi.stored("lantern") == project.hashes()
    confirmation = project.receipt()["confirmation"]
    assert (confirmation["by"], confirmation["confirmed"]) == ("terminal", True)


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b"\x04"])
def test_anything_else_publishes_nothing(
    asking: Poetry, project: Project, pypi: Index, answer: bytes
) -> None:
    """No, just Enter, and Ctrl-D."""
    project.build()
    code, shown = on_terminal(asking, project.path, [answer])
    assert code == 3, shown
    assert "PV249" in shown
    assert pypi.stored("lantern") == {}


def test_no_answer_to_whether_to_build_again(asking: Poetry, project: Project) -> None:
    """Ctrl-D, or a terminal that has gone, ends the run; it is not asked forever."""
    project.build()
    code, shown = on_terminal(asking, project.path, [b"\x04"], "--build")
    assert code == 3, shown
    assert shown.count("Build anyway?") == 1


def test_ctrl_c_at_the_question(asking: Poetry, project: Project, pypi: Index) -> None:
    """Exit code 130, and the receipt of the run before is still there."""
    project.build()
    ended(publish(asking, project, pypi, "--stage-only", "--stage", "quay"), 3)
    before = project.receipt()
    outside, inside = pty.openpty()
    streams = {"stdin": inside, "stdout": inside, "stderr": inside}
    with asking.started(*CALL, cwd=project.path, **streams) as process:
        os.close(inside)
        shown = b""
        while not shown.rstrip().endswith(ASKED):
            shown += shown_next(outside)
        process.send_signal(signal.SIGINT)
        while part := shown_next(outside):
            shown += part
        assert process.wait(HANG) == 130, shown
    os.close(outside)
    assert b"interrupted: nothing was uploaded" in shown
    assert project.receipt() == before
    assert pypi.stored("lantern") == {}


def test_without_a_terminal(asking: Poetry, project: Project, pypi: Index) -> None:
    """Refused before anything is built, unless --yes; --no-interaction counts as none."""
    code, shown = on_terminal(asking, project.path, [], "--no-interaction", "--build")
    assert code == 3, shown
    assert "PV249" in shown
    assert not project.dist.is_dir() or not list(project.dist.glob("*.whl"))
    run = publish(asking, project, pypi, "--confirm", "--build")
    ended(run, 3)
    run = publish(asking, project, pypi, "--confirm", "--yes", "--build")
    ended(run, 0)
    assert "Publish these 2 files to harbour? yes (--yes)" in run.err
    assert project.receipt()["confirmation"]["by"] == "--yes"
    assert pypi.stored("lantern") == project.hashes()


def test_checklist(asking: Poetry, project: Project, pypi: Index) -> None:
    """Item by item; one that is not done ends it, and the receipt keeps the answers."""
    file = project.path / "pyproject.toml"
    text = '\n[tool.publish-verified]\nconfirm = true\nchecklist = ["docs, updated", "news"]\n'
    file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")
    project.build()
    code, shown = on_terminal(asking, project.path, [b"y\n", b"n\n"])
    assert code == 3, shown
    assert "Not done yet: news." in shown
    assert project.receipt()["confirmation"]["checklist"] == [
        {"item": "docs, updated", "done": True},
        {"item": "news", "done": False},
    ]
    code, shown = on_terminal(asking, project.path, [b"y\n", b"yes\n", b"Y\n"])
    assert code == 0, shown
    confirmation = holds_all(project.receipt())
    assert [each["done"] for each in confirmation["checklist"]] == [True, True]
    assert pypi.stored("lantern") == project.hashes()


def holds_all(receipt: dict[str, Any]) -> dict[str, Any]:
    """The confirmation of a verified release."""
    holds(receipt, "verified", 0)
    confirmation = receipt["confirmation"]
    assert isinstance(confirmation, dict)
    return confirmation


def test_files_that_change_meanwhile(asking: Poetry, project: Project, pypi: Index) -> None:
    """They are not those that were confirmed."""
    project.build()

    def rebuild() -> bytes:
        project.change("other")
        project.build()
        return b"y\n"

    code, shown = on_terminal(asking, project.path, [rebuild])
    assert code == 3, shown
    assert "Files have changed since they were confirmed" in shown
    assert pypi.stored("lantern") == {}
    assert [each["code"] for each in problems(project.receipt())] == ["PV249"]


def test_index_that_changes_meanwhile(asking: Poetry, project: Project, pypi: Index) -> None:
    """What has changed is shown, and asked about again."""
    project.build()

    def upload() -> bytes:
        pypi.upload(project)
        return b"y\n"

    code, shown = on_terminal(asking, project.path, [upload, b"y\n"])
    assert code == 0, shown
    assert "Since you were asked" in shown
    assert shown.count("already on harbour") == 2


def test_one_question_for_all_projects(asking: Poetry, tmp_path: Path, devpi: Index) -> None:
    """With all files and both places; a no sends nothing to the stage either."""
    root = make_root(tmp_path / "mono")
    lamp, wick = add_member(root, "lamp", "wick>=1"), add_member(root, "wick")
    staged = asking.with_variables(**devpi.environment("quay"))
    options = ("--projects", "packages/*", "--stage", "quay", "--build")
    code, shown = on_terminal(staged, root, [b"n\n"], *options)
    assert code == 3, shown
    assert "Publish these 4 files to quay and harbour?" in shown
    assert "goes to quay and then to harbour" in shown
    assert devpi.stored("lamp") == devpi.stored("wick") == {}
    assert {*lamp.hashes().values(), *wick.hashes().values()} <= set(shown.split())
