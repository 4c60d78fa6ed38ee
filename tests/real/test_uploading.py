"""Uploads that an index refuses, stores in part, or stores without saying so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.beds.indexes import PASSWORD, fetch, pypiserver
from tests.beds.proxy import Answer, endless, is_upload
from tests.beds.release import TOO_SHORT, ended, holds, problems, publish, uploads

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry
    from tests.beds.projects import Project
    from tests.beds.proxy import Exchange, FaultProxy
    from tests.conftest import MakeProxy


@pytest.mark.parametrize("kind", ["pypi", "devpi", "volatile_devpi"])
def test_conflict(
    poetry: Poetry,
    project: Project,
    kind: str,
    make_proxy: MakeProxy,
    request: pytest.FixtureRequest,
) -> None:
    """Other bytes under a name of this release end in 5; nothing is sent or replaced."""
    index: Index = request.getfixturevalue(kind)
    proxy = make_proxy(index.origin)
    project.build()
    ended(publish(poetry, project, index), 0)
    first = index.stored("lantern")
    project.change("Other bytes")
    project.build()
    run = publish(poetry, project, index.behind(proxy.origin))
    ended(run, 5)
    receipt = project.receipt()
    release = holds(receipt, "conflict", 5)
    assert index.stored("lantern") == first
    assert proxy.uploads == []
    remote = {f["filename"]: f["remote_sha256"] for f in release["distributions"]}
    assert remote == first
    assert "version" in " ".join(problem["remedy"] for problem in problems(receipt))


def test_conflict_of_one_file_sends_nothing(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy, behind: Index
) -> None:
    """Half a release helps nobody."""
    (project.dist / project.sdist).rename(project.path / project.sdist)
    ended(publish(poetry, project, pypi), 0)
    first = pypi.stored("lantern")
    project.change("Other bytes")
    project.build()
    ended(publish(poetry, project, behind), 5)
    assert pypi.stored("lantern") == first
    assert proxy.uploads == []
    holds(project.receipt(), "conflict", 5)


def test_skip_existing_keeps_other_bytes(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy, behind: Index
) -> None:
    """They are kept and named, and the verdict is not `verified`."""
    ended(publish(poetry, project, pypi), 0)
    first = pypi.stored("lantern")
    project.change("Other bytes")
    project.build()
    run = publish(poetry, project, behind, "--skip-existing")
    ended(run, 0)
    receipt = project.receipt()
    release = holds(receipt, "kept-remote", 0)
    assert set(uploads(release).values()) == {"kept-remote"}
    assert {f["filename"]: f["remote_sha256"] for f in release["distributions"]} == first
    assert {problem["severity"] for problem in problems(receipt)} == {"warning"}
    assert pypi.stored("lantern") == first
    assert proxy.uploads == []
    assert "kept-remote" in run.said


def test_skip_existing_does_not_prove_half_a_file(
    poetry: Poetry, project: Project, pypi: Index
) -> None:
    """An index computes the sha256 of whatever it stores, so the listed one proves no archive."""
    project.build()
    ended(publish(poetry, project, pypi), 0)
    assert pypi.root is not None
    sdist = pypi.root / next(name for name in project.filenames if name.endswith(".tar.gz"))
    sdist.write_bytes(sdist.read_bytes()[:-100])
    run = publish(poetry, project, pypi, "--skip-existing")
    ended(run, 7)
    assert f"serves something else as {sdist.name}: it is not a valid sdist" in run.said


def test_skip_existing_with_identical_bytes(
    poetry: Poetry, project: Project, pypi: Index, behind: Index
) -> None:
    """Identical bytes are proven as always."""
    ended(publish(poetry, project, pypi), 0)
    ended(publish(poetry, project, behind, "--skip-existing"), 0)
    assert set(uploads(holds(project.receipt(), "verified", 0)).values()) == {"already-there"}


@pytest.mark.parametrize("kind", ["pypi", "devpi"])
def test_lost_answer(
    poetry: Poetry,
    project: Project,
    kind: str,
    make_proxy: MakeProxy,
    request: pytest.FixtureRequest,
) -> None:
    """If the connection is cut after the file was stored, a look finds it."""
    index: Index = request.getfixturevalue(kind)
    proxy = make_proxy(index.origin)
    proxy.cut_after(is_upload, times=1)
    project.build()
    ended(publish(poetry, project, index.behind(proxy.origin)), 0)
    release = holds(project.receipt(), "verified", 0)
    assert set(uploads(release)) == project.filenames
    assert index.stored("lantern") == project.hashes()
    assert len(proxy.uploads) == 2


@pytest.mark.parametrize("status", [500, 502, 503])
def test_server_error_after_storing(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy, behind: Index, status: int
) -> None:
    """A 5xx after the file was stored is no failure."""

    def store_and_fail(exchange: Exchange) -> Answer:
        exchange.forward()
        return Answer(status, b"no healthy backends")

    proxy.on(is_upload, store_and_fail, times=1)
    ended(publish(poetry, project, behind), 0)
    holds(project.receipt(), "verified", 0)
    assert set(pypi.stored("lantern")) == project.filenames


def test_server_error_without_storing(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy, behind: Index
) -> None:
    """A server that keeps failing ends in 4, and the next run completes the release."""
    broken = proxy.answer(is_upload, Answer(503, b"no healthy backends"))
    ended(publish(poetry, project, behind, *TOO_SHORT), 4)
    release = holds(project.receipt(), "upload-failed", 4)
    assert uploads(release)[project.wheel] in {"failed", "unknown"}
    assert uploads(release)[project.sdist] == "not-sent"
    assert pypi.stored("lantern") == {}
    broken.lift()
    ended(publish(poetry, project, behind), 0)
    assert pypi.stored("lantern") == project.hashes()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(
            Answer(400, b"<html>Bad</html>", b"The description failed to render"),
            "failed to render",
            id="reason",
        ),
        pytest.param(Answer(400, b'{"message": "size limit reached"}'), "size limit", id="body"),
        pytest.param(Answer(413, b"", b"Too large"), "larger|limit|size", id="413"),
        pytest.param(Answer(405), "upload URL", id="405"),
        pytest.param(Answer(308, headers={"Location": "/elsewhere/"}), "redirect", id="308"),
        pytest.param(Answer(403, b"x" * 1000, b"Forbidden \xe9\xff"), "credentials", id="latin"),
        pytest.param(
            Answer(400, b"\x1b]0;title\x07\x1b[2J<b>bold</b>", b"\x9b31mred\x9b\xad"),
            "red",
            id="control-characters",
        ),
    ],
)
def test_refusal(
    poetry: Poetry,
    project: Project,
    pypi: Index,
    proxy: FaultProxy,
    behind: Index,
    answer: Answer,
    words: str,
) -> None:
    """The server's words are quoted, sanitized, once, and nothing is retried."""
    proxy.answer(is_upload, answer)
    run = publish(poetry, project, behind)
    ended(run, 4)
    release = holds(project.receipt(), "upload-failed", 4)
    told = " ".join(p["message"] + p["remedy"] for p in release["problems"])
    assert any(word.lower() in told.lower() for word in words.split("|")), told
    assert all(c.isprintable() or c == "\n" for c in run.said), run.said
    assert uploads(release) == {project.wheel: "failed", project.sdist: "not-sent"}
    assert len(proxy.uploads) == 1
    assert pypi.stored("lantern") == {}


def test_answer_that_is_not_http(
    poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index
) -> None:
    """It counts as no answer, and does no harm."""
    proxy.answer(is_upload, Answer(400, b"no", b"\x1b[31mred\x07\x00"))
    run = publish(poetry, project, behind, *TOO_SHORT)
    ended(run, 4)
    assert all(c.isprintable() or c == "\n" for c in run.said), run.said
    release = holds(project.receipt(), "upload-failed", 4)
    assert uploads(release)[project.wheel] in {"failed", "unknown"}
    assert uploads(release)[project.sdist] == "not-sent"


def test_refused_half_way(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy, behind: Index
) -> None:
    """If the second file is refused, the receipt says that the first one is there."""
    refusing = proxy.answer(is_upload, Answer(400, b"Only one sdist"))
    refusing.match = lambda request: request.uploads(project.sdist)
    ended(publish(poetry, project, behind), 4)
    release = holds(project.receipt(), "upload-failed", 4)
    assert uploads(release) == {project.wheel: "uploaded", project.sdist: "failed"}
    assert set(pypi.stored("lantern")) == {project.wheel}


def test_endless_answer(poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index) -> None:
    """An endless answer to an upload does not block the run."""
    proxy.answer(is_upload, Answer(400, endless(), b"Bad"))
    ended(publish(poetry, project, behind), 4)
    holds(project.receipt(), "upload-failed", 4)


@pytest.mark.parametrize("stored", [False, True])
def test_sign_in_page_instead_of_an_answer(
    poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index, stored: bool
) -> None:
    """A page to sign in that answers with 200 is no success; the index decides, nothing else."""
    page = b"<!DOCTYPE html><html><title>Sign in</title><form><input type=password></form></html>"

    def sign_in(exchange: Exchange) -> Answer:
        if stored:
            exchange.forward()
        return Answer(200, page, headers={"Content-Type": "text/html"})

    proxy.on(is_upload, sign_in)
    run = publish(poetry, project, behind)
    ended(run, 0 if stored else 4)
    assert len(proxy.uploads) == (2 if stored else 1)
    if not stored:
        (problem,) = holds(project.receipt(), "upload-failed", 4)["problems"]
        assert problem["code"] == "PV439"
        assert "sign-in page" in problem["remedy"]


def test_dry_run_sends_nothing(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy, behind: Index
) -> None:
    """It says what would be sent, and leaves no receipt unless asked to."""
    file = project.path / "receipt.json"
    run = publish(poetry, project, behind, "--dry-run", "--receipt", file)
    ended(run, 0)
    assert project.wheel in run.said
    assert proxy.uploads == []
    assert proxy.pages
    assert pypi.stored("lantern") == {}
    release = holds(json.loads(file.read_text(encoding="utf-8")), "dry-run", 0)
    assert set(uploads(release).values()) == {"not-sent"}
    ended(publish(poetry, project, behind, "--dry-run"), 0)
    assert not project.receipt_file.exists()


def test_dry_run_knows_what_is_there(
    poetry: Poetry, project: Project, pypi: Index, behind: Index
) -> None:
    """After a release it says that everything is there already."""
    ended(publish(poetry, project, pypi), 0)
    file = project.path / "receipt.json"
    ended(publish(poetry, project, behind, "--dry-run", "--receipt", file), 0)
    release = holds(json.loads(file.read_text(encoding="utf-8")), "dry-run", 0)
    assert set(uploads(release).values()) == {"already-there"}


def test_dry_run_runs_preflight(poetry: Poetry, project: Project, pypi: Index) -> None:
    """`--dry-run` does all of the preflight."""
    project.build()
    (project.dist / project.wheel).write_bytes(b"junk")
    ended(publish(poetry, project, pypi, "--dry-run"), 3)


def test_server_that_overwrites(poetry: Poetry, project: Project, tmp_path: Path) -> None:
    """Even if the server would replace files, no file is replaced."""
    with pypiserver(tmp_path / "loose", options=("--disable-fallback", "--overwrite")) as index:
        project.build()
        ended(publish(poetry, project, index), 0)
        first = index.stored("lantern")
        project.change("Other bytes")
        project.build()
        ended(publish(poetry, project, index), 5)
        assert index.stored("lantern") == first
        assert fetch(f"{index.simple_url}lantern/")[0] == 200
    assert PASSWORD not in json.dumps(project.receipt())
