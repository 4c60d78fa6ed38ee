"""`rollback` on real indexes: only what the run uploaded, and only where the index can."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from tests.beds.monorepo import add_member, make_root
from tests.beds.processes import HANG, wait_until
from tests.beds.projects import Project, make_project
from tests.beds.proxy import Answer, CutError
from tests.beds.release import ended, problems, publish, uploads
from tests.beds.terminal import shown_next, waits
from tests.thorough import some

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry, Run
    from tests.beds.proxy import Exchange, FaultProxy, Request
    from tests.conftest import MakeProxy

CAN = ["pypi", "volatile_devpi"]


def roll_back(
    poetry: Poetry,
    project: Project,
    index: Index,
    *options: str | Path,
    receipt: Path | None = None,
) -> Run:
    """Call `rollback` with the credentials in the environment, and without a terminal."""
    poetry = poetry.with_variables(**index.environment())
    named = ("--receipt", receipt or project.receipt_file)
    return poetry.run("publish-verified", "rollback", *named, *options, cwd=project.path)


def stranger(project: Project, index: Index) -> None:
    """Upload another wheel of the version, as somebody else would."""
    other = project.path.parent / "other"
    shutil.copytree(project.path, other, ignore=shutil.ignore_patterns("dist"))
    theirs = Project(other, project.name, project.version)
    theirs.build()
    wheel = theirs.dist / theirs.wheel
    wheel.rename(wheel.with_name(wheel.name.replace("py3-none-any", "py3-none-win_amd64")))
    (theirs.dist / theirs.sdist).unlink()
    Uploaded(other, project.name, project.version).upload_to(index)


class Uploaded(Project):
    """A project all of whose distributions count."""

    @property
    def filenames(self) -> set[str]:
        """Whatever is in its dist directory."""
        return {path.name for path in self.dist.iterdir()}

    def upload_to(self, index: Index) -> None:
        """Upload it all."""
        index.upload(self)


def is_deletion(request: Request) -> bool:
    """Whether a request deletes a version, on either server."""
    return request.method == "DELETE" or b"remove_pkg" in request.body


@pytest.mark.parametrize("kind", CAN)
def test_release_is_taken_back(poetry: Poetry, kind: str, request: pytest.FixtureRequest) -> None:
    """It is deleted, and seen to be gone; the second time, there is nothing to do."""
    index: Index = request.getfixturevalue(kind)
    project = make_project(request.getfixturevalue("tmp_path") / "my größe" / "p", "My.Lantern")
    ended(publish(poetry, project, index, "--build", until="listed"), 0)
    older = dict(index.stored("my-lantern"))
    assert len(older) == 2
    newer = project.set_version("1.0.1")
    newer.build()
    index.upload(newer)
    run = roll_back(poetry, project, index, "--yes")
    ended(run, 0)
    assert f"Deleted my-lantern 1.0 from {index.simple_url}." in run.out
    # 1.0.1 is taken.
    assert "Publish 1.0.2 next" in run.out
    left = index.stored("my-lantern")
    assert set(left) == {name for name in left if "1.0.1" in name}
    assert len(left) == 2
    again = roll_back(poetry, project, index, "--yes")
    ended(again, 0)
    assert f"Nothing of my-lantern 1.0 is on {index.simple_url}." in again.out
    assert index.password is not None
    assert index.password not in run.said + again.said


@pytest.mark.parametrize("kind", some(1, CAN))
def test_file_of_somebody_else(
    poetry: Poetry, project: Project, kind: str, request: pytest.FixtureRequest
) -> None:
    """Both servers delete whole versions, so nothing is deleted if one file is not the run's."""
    index: Index = request.getfixturevalue(kind)
    ended(publish(poetry, project, index, "--build", until="listed"), 0)
    stranger(project, index)
    before = index.stored("lantern")
    assert len(before) == 3
    run = roll_back(poetry, project, index, "--yes")
    ended(run, 3)
    assert "Error PV511" in run.err
    assert "win_amd64" in run.err
    assert index.stored("lantern") == before


def test_file_that_was_there_before(poetry: Poetry, project: Project, open_pypi: Index) -> None:
    """A run that found a release complete has uploaded nothing that could be taken back."""
    project.build()
    open_pypi.upload(project)
    ended(publish(poetry, project, open_pypi, until="listed"), 0)
    run = roll_back(poetry, project, open_pypi, "--yes")
    ended(run, 3)
    assert "uploaded nothing that could be taken back" in run.err
    assert open_pypi.stored("lantern") == project.hashes()


def test_index_that_deletes_nothing(poetry: Poetry, project: Project, devpi: Index) -> None:
    """It prints the steps: a devpi index that is not volatile, and a server that nobody knows."""
    ended(publish(poetry, project, devpi, "--build", until="listed"), 0)
    run = roll_back(poetry, project, devpi, "--yes")
    ended(run, 3)
    assert "Error PV510" in run.err
    assert "the index is not volatile" in run.err
    assert "publish 1.0.1 instead" in run.err
    assert devpi.stored("lantern") == project.hashes()


def test_unknown_server(
    poetry: Poetry, project: Project, open_pypi: Index, make_proxy: MakeProxy
) -> None:
    """No server gets a request to delete unless it says what it is."""
    front = make_proxy(open_pypi.origin)
    index = open_pypi.behind(front.origin)
    ended(publish(poetry, project, index, "--build", until="listed"), 0)
    front.answer(lambda request: request.method == "GET" and request.path == "/", Answer(405))
    run = roll_back(poetry, project, index, "--yes")
    ended(run, 3)
    assert "Error PV510" in run.err
    assert not any(map(is_deletion, front.requests))


def test_only_after_a_yes(poetry: Poetry, project: Project, open_pypi: Index) -> None:
    """Without a terminal nobody can say yes; on one, it has to be typed."""
    ended(publish(poetry, project, open_pypi, "--build", until="listed"), 0)
    run = roll_back(poetry, project, open_pypi)
    ended(run, 3)
    assert "Error PV512" in run.err
    assert "--yes" in run.err
    for answer, code in (("y", 3), ("yes", 0)):
        said, ended_with = on_a_terminal(poetry, project, open_pypi, answer)
        assert ended_with == code, said
        assert project.wheel in said
        assert (open_pypi.stored("lantern") == {}) is (code == 0)


def test_interrupted_at_the_question(poetry: Poetry, project: Project, open_pypi: Index) -> None:
    """Ctrl-C is no yes."""
    ended(publish(poetry, project, open_pypi, "--build", until="listed"), 0)
    said, code = on_a_terminal(poetry, project, open_pypi, None)
    assert code == 130, said
    assert open_pypi.stored("lantern") == project.hashes()


def test_killed_half_way(
    poetry: Poetry, open_pypi: Index, make_proxy: MakeProxy, tmp_path: Path
) -> None:
    """What depends on others goes first; the same command again goes on after a kill."""
    root = make_root(tmp_path / "mono")
    first, second = add_member(root, "lantern"), add_member(root, "beacon", "lantern")
    index, front = behind(open_pypi, make_proxy)
    poetry = poetry.with_variables(**index.environment())
    options = ("--projects", "packages/*", "--build", "--until", "listed", "-r", "harbour", "-n")
    ended(poetry.run("publish-verified", *options, cwd=root), 0)
    receipt = root / "dist" / ".publish-verified" / "run.json"
    command = ("publish-verified", "rollback", "--yes", "--receipt", receipt)
    reached, killed = threading.Event(), threading.Event()

    def wait(_: Exchange) -> Answer:
        reached.set()
        killed.wait(HANG)
        return Answer(503)

    rule = front.on(lambda request: is_deletion(request) and b"lantern" in request.body, wait)
    with poetry.started(*command, cwd=root) as process:
        assert reached.wait(HANG)
        process.kill()
    killed.set()
    rule.lift()
    assert open_pypi.stored("beacon") == {}
    assert open_pypi.stored("lantern") == first.hashes()
    run = poetry.run(*command, cwd=root)
    ended(run, 0)
    assert f"Nothing of beacon {second.version} is on" in run.out
    assert "Deleted lantern 1.0" in run.out
    assert open_pypi.stored("lantern") == {}


def test_release_that_stays_on_its_stage(
    poetry: Poetry, project: Project, open_pypi: Index, volatile_devpi: Index, make_proxy: MakeProxy
) -> None:
    """What a stage has of a release that the repository refused is taken back too."""
    index, front = behind(open_pypi, make_proxy)
    front.on(lambda request: request.uploads(), lambda _: Answer(403, b"not today"))
    poetry = poetry.with_variables(**volatile_devpi.environment("stage"))
    ended(publish(poetry, project, index, "--build", "--stage", "stage", until="listed"), 4)
    (release,) = project.receipt()["releases"]
    assert release["rollback"]["next_version"] == "1.0.1"
    assert len(volatile_devpi.stored("lantern")) == 2
    ended(roll_back(poetry, project, index, "--yes", "-r", "harbour"), 3)
    assert len(volatile_devpi.stored("lantern")) == 2
    ended(roll_back(poetry, project, index, "--yes"), 0)
    assert volatile_devpi.stored("lantern") == {}


def test_stage_beside_an_index_in_the_settings(
    poetry: Poetry, project: Project, open_pypi: Index, volatile_devpi: Index
) -> None:
    """A stage is judged by its own index: the one in the settings shows another repository."""
    poetry = poetry.with_variables(
        **volatile_devpi.environment("stage"), POETRY_PUBLISH_VERIFIED_INDEX=open_pypi.simple_url
    )
    ended(publish(poetry, project, open_pypi, "--build", "--stage", "stage", until="listed"), 0)
    ended(roll_back(poetry, project, open_pypi, "--yes", "-r", "harbour"), 0)
    run = roll_back(poetry, project, open_pypi, "--yes", "-r", "stage")
    ended(run, 0)
    assert f"lantern 1.0 on stage ({volatile_devpi.simple_url})" in run.out
    assert volatile_devpi.stored("lantern") == {}


def test_repository_beside_a_mirror_in_the_settings(
    poetry: Poetry, project: Project, open_pypi: Index, volatile_devpi: Index
) -> None:
    """The repository is judged by its own index: a mirror does not have a stranger's file yet."""
    ended(publish(poetry, project, open_pypi, "--build", until="listed"), 0)
    stranger(project, open_pypi)
    there = open_pypi.stored("lantern")
    poetry = poetry.with_variables(POETRY_PUBLISH_VERIFIED_INDEX=volatile_devpi.simple_url)
    run = roll_back(poetry, project, open_pypi, "--yes")
    ended(run, 3)
    assert "PV511" in run.err
    assert open_pypi.stored("lantern") == there


def test_file_that_comes_while_the_user_thinks(
    poetry: Poetry, project: Project, open_pypi: Index
) -> None:
    """The index is looked at again just before."""
    ended(publish(poetry, project, open_pypi, "--build", until="listed"), 0)

    def meanwhile() -> None:
        stranger(project, open_pypi)

    said, code = on_a_terminal(poetry, project, open_pypi, "yes", meanwhile)
    assert code == 3, said
    assert "PV511" in said
    assert len(open_pypi.stored("lantern")) == 3


def on_a_terminal(
    poetry: Poetry,
    project: Project,
    index: Index,
    answer: str | None,
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[str, int]:
    """What `rollback` says on a terminal where somebody types this answer; and its exit code.

    None is Ctrl-C.
    """
    terminal, inside = pty.openpty()
    poetry = poetry.with_variables(**index.environment())
    command = ("publish-verified", "rollback", "--receipt", project.receipt_file)
    streams = {"stdin": inside, "stdout": inside, "stderr": inside}
    with poetry.started(*command, cwd=project.path, **streams) as process:
        os.close(inside)
        said = b""
        while b"Type yes" not in said:
            said += os.read(terminal, 4096)
        meanwhile()
        if answer is None:
            wait_until(lambda: waits(process.pid), "the program to read")
            process.send_signal(signal.SIGINT)
        else:
            os.write(terminal, answer.encode() + b"\n")
        while chunk := shown_next(terminal):
            said += chunk
        code = process.wait(HANG)
    os.close(terminal)
    return said.decode(), code


def test_wrong_receipt(poetry: Poetry, project: Project, open_pypi: Index, tmp_path: Path) -> None:
    """Of another repository, of a rehearsal, of nothing: nothing is deleted."""
    ended(publish(poetry, project, open_pypi, "--build", until="listed"), 0)
    receipt = project.receipt()
    wrong = tmp_path / "wrong.json"

    def refused(text: str, code: str, exit_code: int = 3) -> None:
        wrong.write_text(text, encoding="utf-8")
        run = roll_back(poetry, project, open_pypi, "--yes", receipt=wrong)
        ended(run, exit_code)
        assert f"Error {code}" in run.err
        assert open_pypi.stored("lantern") == project.hashes()

    refused("no json", "PV217")
    refused(json.dumps(receipt | {"rehearsal": True}), "PV217")
    other = json.loads(json.dumps(receipt))
    other["releases"][0]["repository"]["url"] = "https://elsewhere.example/"
    refused(json.dumps(other), "PV514")
    other["releases"][0]["repository"]["name"] = "nowhere"
    refused(json.dumps(other), "PV301")
    run = roll_back(poetry, project, open_pypi, "--yes", "-r", "nowhere")
    ended(run, 3)
    assert "uploaded nothing to nowhere that could be taken back" in run.err
    run = poetry.run("publish-verified", "rollback", "--yes", cwd=project.path)
    ended(run, 1)


@pytest.mark.parametrize("kind", some(1, CAN))
def test_deletion_that_fails(
    poetry: Poetry,
    project: Project,
    kind: str,
    make_proxy: MakeProxy,
    request: pytest.FixtureRequest,
) -> None:
    """An error is reported with what is still there; the same command again goes on."""
    index, front = behind(request.getfixturevalue(kind), make_proxy)
    ended(publish(poetry, project, index, "--build", until="listed"), 0)
    rule = front.on(is_deletion, lambda _: Answer(500, b"out of order"))
    run = roll_back(poetry, project, index, "--yes")
    ended(run, 4)
    assert "Error PV513" in run.err
    assert "it answered 500" in run.err
    rule.lift()

    def lost(exchange: Exchange) -> Answer:
        exchange.forward()
        raise CutError

    # The answer gets lost, so the index's page decides.
    front.on(is_deletion, lost)
    ended(roll_back(poetry, project, index, "--yes"), 0)
    assert index.stored("lantern") == {}


def behind(index: Index, make_proxy: MakeProxy) -> tuple[Index, FaultProxy]:
    """The index as reached through a proxy."""
    front = make_proxy(index.origin)
    return index.behind(front.origin), front


def test_plan_of_a_failed_upload(
    poetry: Poetry, project: Project, open_pypi: Index, make_proxy: MakeProxy
) -> None:
    """With exit code 4, output and receipt say what is where, and rollback takes it back."""
    index, front = behind(open_pypi, make_proxy)
    project.build()
    front.on(lambda request: request.uploads(project.sdist), lambda _: Answer(403, b"no sdists"))
    run = publish(poetry, project, index, until="listed")
    ended(run, 4)
    (release,) = project.receipt()["releases"]
    assert uploads(release) == {project.wheel: "uploaded", project.sdist: "failed"}
    hashes = project.hashes()
    place = {
        "repository": "harbour",
        "there": [{"filename": project.wheel, "sha256": hashes[project.wheel], "ours": True}],
        "unknown": [],
        "absent": [project.sdist],
        "page": None,
    }
    assert release["rollback"] == {"places": [place], "next_version": "1.0.1"}
    said = " ".join(run.err.split())
    assert f"uploaded by this run: {project.wheel}; not there: {project.sdist}" in said
    assert "To take it back: poetry publish-verified rollback --receipt" in said
    assert "The next free version is 1.0.1." in said
    ended(roll_back(poetry, project, index, "--yes"), 0)
    assert open_pypi.stored("lantern") == {}


def test_plan_of_a_conflict(poetry: Poetry, project: Project, open_pypi: Index) -> None:
    """With exit code 5 and nothing uploaded, only the next free version helps."""
    project.build()
    open_pypi.upload(project)
    newer = project.set_version("1.0.1")
    newer.build()
    open_pypi.upload(newer)
    project = newer.set_version("1.0")
    project.change("Other light.")
    run = publish(poetry, project, open_pypi, "--build", until="listed")
    ended(run, 5)
    (release,) = project.receipt()["releases"]
    (place,) = release["rollback"]["places"]
    assert {each["ours"] for each in place["there"]} == {False}
    assert release["rollback"]["next_version"] == "1.0.2"
    assert "there before" in run.err
    assert "rollback --receipt" not in run.err
    assert problems(project.receipt())
