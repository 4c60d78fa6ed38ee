"""`poetry publish-verified wait`: somebody else publishes, and this waits for it."""

from __future__ import annotations

import json
import os
import re
import signal
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.beds.clients import wheel_bytes
from tests.beds.installers import pip_finds
from tests.beds.processes import HANG, wait_until
from tests.beds.projects import make_project, read_receipt
from tests.beds.proxy import Answer, edit_page, is_file, is_page
from tests.beds.release import TOO_SHORT, ended, holds, problems, publish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry, Run
    from tests.beds.projects import Project
    from tests.beds.proxy import Exchange, FaultProxy
    from tests.conftest import MakeProxy

UNKNOWN = "PV606"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A reader's directory, not inside any project."""
    directory = tmp_path / "reader"
    directory.mkdir()
    assert not any((above / "pyproject.toml").exists() for above in (directory, *directory.parents))
    return directory


@pytest.fixture
def there(project: Project, pypi: Index) -> Project:
    """Version 1.0, which is on the index."""
    project.build()
    pypi.upload(project)
    return project


def wait(poetry: Poetry, cwd: Path, *words: str | Path) -> Run:
    """Call the command; its receipt goes to `receipt.json`."""
    return poetry.run(
        "publish-verified", "wait", "--no-interaction", "--receipt", "receipt.json", *words, cwd=cwd
    )


def receipt_of(directory: Path) -> dict[str, Any]:
    """The receipt of a wait in this directory."""
    return read_receipt(directory / "receipt.json")


def codes(directory: Path) -> list[str]:
    """The codes of all problems in it."""
    return [problem["code"] for problem in problems(receipt_of(directory))]


def test_outside_a_project(poetry: Poetry, there: Project, pypi: Index, outside: Path) -> None:
    """A release is proven from anywhere, and the output says what is not known."""
    run = wait(poetry, outside, "lantern==1.0", "--index", pypi.simple_url)
    ended(run, 0)
    assert "verified: lantern 1.0" in run.out
    assert "completeness unknown" in run.err
    release = holds(receipt_of(outside), "verified", 0)
    assert {f["filename"]: f["remote_sha256"] for f in release["distributions"]} == there.hashes()
    (index,) = release["indexes"]
    assert index["proven"]
    assert {v["variant"] for v in index["variants"] if v["visible_at"]} == {"pip", "uv", "poetry"}
    assert codes(outside) == [UNKNOWN]
    assert [path.name for path in outside.iterdir()] == ["receipt.json"]


def test_no_receipt_by_default(poetry: Poetry, there: Project, pypi: Index, outside: Path) -> None:
    """No receipt is written unless requested; any spelling of the name works."""
    assert there.name == "lantern"
    run = poetry.run(
        "publish-verified", "wait", "Lantern == 1.0.0", "--index", pypi.simple_url, cwd=outside
    )
    ended(run, 0)
    assert list(outside.iterdir()) == []


def test_several_releases(
    poetry: Poetry, there: Project, pypi: Index, outside: Path, tmp_path: Path
) -> None:
    """All are waited for at once; the missing one is named, the other proven."""
    rope = make_project(tmp_path / "rope", "rope", "2.0")
    rope.build()
    named = ("lantern==1.0", "rope==2.0", "--index", pypi.simple_url)
    run = wait(poetry, outside, *named, *TOO_SHORT)
    ended(run, 6)
    verdicts = {r["name"]: r["verdict"] for r in receipt_of(outside)["releases"]}
    assert verdicts == {"lantern": "verified", "rope": "not-visible"}
    assert "did not list rope 2.0 within 5 s" in run.err
    pypi.upload(rope)
    ended(wait(poetry, outside, *named), 0)
    found = {r["name"]: r["distributions"] for r in receipt_of(outside)["releases"]}
    assert {f["filename"]: f["sha256"] for f in found["rope"]} == rope.hashes()
    assert {f["filename"]: f["sha256"] for f in found["lantern"]} == there.hashes()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("lantern", "names no version"),
        ("lantern>=1.0", "is a range"),
        ("lantern==1.0,!=1.1", "is a range"),
        ("lantern==1.*", "is a range"),
        ("lantern[glow]==1.0", "has an extra"),
        ("lantern==1.0; python_version > '3'", "a marker"),
        ("lantern @ http://127.0.0.1/lantern-1.0.tar.gz", "a URL"),
        ("lantern==one", "not of the form NAME==VERSION"),
        ("lantern 1.0", "not of the form NAME==VERSION"),
    ],
)
def test_invalid_releases(
    poetry: Poetry, there: Project, proxy: FaultProxy, outside: Path, text: str, reason: str
) -> None:
    """Anything but NAME==VERSION is wrong usage with a reason; no index is asked."""
    assert there.name in text
    named = ("rope==1.0", text, "--index", f"{proxy.origin}/simple/")
    run = wait(poetry, outside, *named)
    ended(run, 1)
    assert reason in run.err
    assert "NAME==VERSION" in run.err
    assert codes(outside) == ["PV102"]
    assert proxy.requests == []


def test_no_release_given(poetry: Poetry, outside: Path) -> None:
    """It is wrong usage, and the message lists the ways to name one."""
    run = wait(poetry, outside)
    ended(run, 1)
    assert "--from-receipt" in run.err


def test_release_of_a_new_project(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy, outside: Path
) -> None:
    """A release of a project that does not exist yet is seen soon after its upload."""
    project.build()
    words = ("publish-verified", "wait", "lantern==1.0", "--index", f"{proxy.origin}/simple/")
    with poetry.started(*words, cwd=outside) as process:
        wait_until(lambda: len(proxy.pages) >= 4, "some looks")
        pypi.upload(project)
        out, err = process.communicate(timeout=HANG)
    assert process.returncode == 0, f"{out}\n{err}"
    assert " to list lantern 1.0" in out
    assert "verified: lantern 1.0" in out


def test_time_out(poetry: Poetry, there: Project, pypi: Index, outside: Path) -> None:
    """It ends in 6, whatever else of the project is there."""
    assert there.version == "1.0"
    run = wait(poetry, outside, "lantern==1.1", "--index", pypi.simple_url, "--timeout", "2s")
    ended(run, 6)
    release = holds(receipt_of(outside), "not-visible", 6)
    assert release["distributions"] == []
    assert codes(outside) == [UNKNOWN, "PV601"]


def test_json_lines(poetry: Poetry, there: Project, pypi: Index, outside: Path) -> None:
    """Standard output is one event per line with its release, and the receipt last."""
    assert there.version == "1.0"
    run = wait(poetry, outside, "lantern==1.0", "--index", pypi.simple_url, "--format", "json")
    ended(run, 0)
    kinds = [event["event"] for event in run.events]
    assert kinds[0] == "run-started"
    assert kinds.count("became-visible") == 3
    assert kinds[-2:] == ["run-ended", "receipt"]
    assert {e["of"] for e in run.events if e["event"] == "became-visible"} == {"lantern 1.0"}
    last = {key: value for key, value in run.events[-1].items() if key not in {"event", "time"}}
    assert last == receipt_of(outside)


@pytest.mark.parametrize("whole", [True, False])
def test_yanked_release(
    poetry: Poetry, there: Project, proxy: FaultProxy, outside: Path, whole: bool
) -> None:
    """If all files are yanked it ends in 7; otherwise the others are proven."""
    yanked = there.filenames if whole else {there.sdist}

    def act(exchange: Exchange) -> Answer:
        answer = exchange.forward()
        assert isinstance(answer.body, bytes)
        text = answer.body.decode()
        for name in yanked:
            text = text.replace(f'href="/packages/{name}', f'data-yanked="" href="/packages/{name}')
        answer.body = text.encode()
        return answer

    proxy.on(is_page, act)
    run = wait(poetry, outside, "lantern==1.0", "--index", f"{proxy.origin}/simple/")
    ended(run, 7 if whole else 0)
    release = receipt_of(outside)["releases"][0]
    if whole:
        assert codes(outside) == [UNKNOWN, "PV708", "PV708"]
        assert f"lists {there.wheel} as yanked" in run.err
    else:
        assert [f["filename"] for f in release["distributions"]] == [there.wheel]


def test_file_that_appears_between_two_looks(
    poetry: Poetry, there: Project, proxy: FaultProxy, outside: Path
) -> None:
    """Looks that differ prove nothing: a third must show the same again."""
    seen: set[str] = set()

    def act(exchange: Exchange) -> Answer:
        answer = exchange.forward()
        copy = exchange.request.headers["accept-encoding"]
        if copy in seen:
            return answer
        seen.add(copy)
        return edit_page(answer, there.sdist, lambda _: None)

    proxy.on(is_page, act)
    # Only one client, so that no other one's look shows the file.
    words = ("--clients", "pip", "--index", f"{proxy.origin}/simple/")
    ended(wait(poetry, outside, "lantern==1.0", *words), 0)
    release = holds(receipt_of(outside), "verified", 0)
    assert {f["filename"] for f in release["distributions"]} == there.filenames
    (variant,) = release["indexes"][0]["variants"]
    # One more after the downloads.
    assert variant["requests"] == 3 + 1
    # And one before, through the copy that no client reads.
    assert len(proxy.pages) == 4 + 1


def test_indexes_that_list_different_files(
    poetry: Poetry,
    there: Project,
    pypi: Index,
    proxy: FaultProxy,
    make_proxy: MakeProxy,
    outside: Path,
) -> None:
    """Every index must list what one lists; the one that lacks a file is named."""
    proxy.hide(there.sdist)
    mirror = make_proxy(pypi.origin)
    lacking, whole = f"{proxy.origin}/simple/", f"{mirror.origin}/simple/"
    named = ("--index", lacking, "--index", whole)
    run = wait(poetry, outside, "lantern==1.0", *named, *TOO_SHORT)
    ended(run, 6)
    release = holds(receipt_of(outside), "not-visible", 6)
    assert {i["url"]: i["proven"] for i in release["indexes"]} == {lacking: False, whole: True}
    assert f"{lacking} did not list {there.sdist} within 5 s" in run.err
    proxy.rules.clear()
    ended(wait(poetry, outside, "lantern==1.0", *named), 0)


def test_interrupted(poetry: Poetry, proxy: FaultProxy, outside: Path) -> None:
    """Ctrl-C ends the wait in 130 at once, and the receipt says so."""
    words = ("--receipt", "receipt.json", "--index", f"{proxy.origin}/simple/")
    with poetry.started("publish-verified", "wait", "lantern==1.0", *words, cwd=outside) as process:
        wait_until(lambda: len(proxy.pages) >= 2, "some looks")
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=HANG)
    assert process.returncode == 130, f"{process.returncode}\n{out}\n{err}"
    assert "Traceback" not in out + err
    holds(receipt_of(outside), "interrupted", 130)
    assert poetry.leftovers() == []


def test_until_installable(
    poetry: Poetry, there: Project, pypi: Index, outside: Path, tmp_path: Path
) -> None:
    """Real clients fetch the wheel, and the output names them."""
    url = pypi.simple_url
    run = wait(
        poetry, outside, "lantern==1.0", "--index", url, "--until", "installable", "--format",
        "json",
    )  # fmt: skip
    ended(run, 0)
    fetched = {e["client"] for e in run.events if e["event"] == "file-verified"}
    assert {"http", "pip", "Poetry"} <= fetched
    assert pip_finds(tmp_path, url, "lantern", "1.0")
    assert holds(receipt_of(outside), "verified", 0)["name"] == there.name


def test_publishers_receipt(poetry: Poetry, project: Project, pypi: Index, outside: Path) -> None:
    """It names indexes, files and hashes; anything else on an index ends in 7."""
    ended(publish(poetry, project, pypi, "--build"), 0)
    run = wait(poetry, outside, "--from-receipt", project.receipt_file)
    ended(run, 0)
    assert "completeness unknown" not in run.said
    release = holds(receipt_of(outside), "verified", 0)
    assert {f["filename"]: f["sha256"] for f in release["distributions"]} == project.hashes()
    assert [i["url"] for i in release["indexes"]] == [pypi.simple_url]
    assert pypi.root is not None
    (pypi.root / project.wheel).write_bytes(wheel_bytes(project.wheel))
    run = wait(poetry, outside, "--from-receipt", project.receipt_file)
    ended(run, 7)
    holds(receipt_of(outside), "verification-failed", 7)
    assert project.hashes()[project.wheel] in run.err
    # Only the receipt reveals this.
    ended(wait(poetry, outside, "lantern==1.0", "--index", pypi.simple_url), 0)


def test_receipt_of_a_failed_upload(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy, outside: Path
) -> None:
    """The wait says at once what was never uploaded, and at its end what is not there."""
    project.build()
    refuse = proxy.answer(lambda request: request.uploads(project.sdist), Answer(400))
    ended(publish(poetry, project, pypi.behind(proxy.origin)), 4)
    refuse.lift()
    run = wait(poetry, outside, "--from-receipt", project.receipt_file, "--timeout", "2s")
    ended(run, 6)
    warning, later = run.said.index("Warning PV609"), run.said.index("Error PV601")
    assert warning < later
    assert project.sdist in run.said[warning:later]
    assert "upload-failed" in run.said[warning:later]
    (end,) = [line for line in run.said.splitlines() if line.startswith("not-visible: ")]
    assert f"{proxy.origin}/simple/ ({project.sdist})" in end
    assert project.wheel not in end


def test_zipped_sdist(poetry: Poetry, project: Project, pypi: Index, outside: Path) -> None:
    """A .zip from before PEP 625 is an sdist: it is published, and waited for."""
    project.build()
    (project.dist / project.wheel).unlink()
    tarred, file = project.dist / project.sdist, project.dist / "lantern-1.0.zip"
    with tarfile.open(tarred) as old, zipfile.ZipFile(file, "w") as new:
        for info in old:
            content = old.extractfile(info)
            if content is not None:
                new.writestr(info.name, content.read())
    tarred.unlink()
    ended(publish(poetry, project, pypi), 0)
    assert set(pypi.stored("lantern")) == {file.name}
    for named in ("lantern==1.0", "--from-receipt"):
        more = [project.receipt_file] if named == "--from-receipt" else []
        ended(wait(poetry, outside, named, *more, "--index", pypi.simple_url), 0)
        (read,) = holds(receipt_of(outside), "verified", 0)["distributions"]
        assert read["filename"] == file.name


def test_index_that_refers_to_another(poetry: Poetry, proxy: FaultProxy, outside: Path) -> None:
    """The message says that this index does not have the project."""
    proxy.redirect_page("https://elsewhere.example", 303)
    options = ("lantern==1.0", "--index", f"{proxy.origin}/simple/", "--timeout", "1s")
    run = wait(poetry, outside, *options)
    ended(run, 6)
    words = (
        "it does not have the project and redirects to https://elsewhere.example/simple/lantern/"
    )
    assert words in run.said
    assert "moved" not in run.said


def test_other_bytes_under_the_right_hash(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy, outside: Path
) -> None:
    """An index that lists the receipt's hash but serves other bytes ends in 7 too."""
    ended(publish(poetry, project, pypi, "--build"), 0)
    proxy.serve_other_bytes(project.wheel, b"something else")
    named = ("--from-receipt", project.receipt_file, "--index", f"{proxy.origin}/simple/")
    ended(wait(poetry, outside, *named), 7)
    assert codes(outside) == ["PV703"]


def test_receipt_of_two_releases(
    poetry: Poetry, project: Project, pypi: Index, outside: Path, tmp_path: Path
) -> None:
    """All its releases are waited for, or those that are named."""
    rope = make_project(tmp_path / "rope", "rope", "2.0")
    for one in (project, rope):
        ended(publish(poetry, one, pypi, "--build"), 0)
    both = project.receipt()
    both["releases"] += rope.receipt()["releases"]
    file = outside / "both.json"
    file.write_text(json.dumps(both), encoding="utf-8")
    ended(wait(poetry, outside, "--from-receipt", file), 0)
    names = {release["name"] for release in receipt_of(outside)["releases"]}
    assert names == {"lantern", "rope"}
    ended(wait(poetry, outside, "--from-receipt", file, "rope==2.0"), 0)
    assert holds(receipt_of(outside), "verified", 0)["name"] == "rope"
    run = wait(poetry, outside, "--from-receipt", file, "rope==2.1")
    ended(run, 1)
    assert "does not contain rope 2.1" in run.err
    assert pypi.root is not None
    (pypi.root / rope.sdist).unlink()
    run = wait(poetry, outside, "--from-receipt", file, *TOO_SHORT)
    ended(run, 6)
    verdicts = {r["name"]: r["verdict"] for r in receipt_of(outside)["releases"]}
    assert verdicts == {"lantern": "verified", "rope": "not-visible"}
    assert f"did not list {rope.sdist} within 5 s" in run.err


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(None, "no such file", id="missing"),
        pytest.param("", "it is not a receipt", id="empty"),
        pytest.param('{"schema": "publish-verified.rec', "it is not a receipt", id="cut"),
        pytest.param('{"schema": "something/1"}', "it is not a receipt", id="another"),
        pytest.param(
            '{"schema": "publish-verified.receipt/1", "releases": [{"name": "lantern"}]}',
            "it is damaged",
            id="damaged",
        ),
        pytest.param(
            '{"schema": "publish-verified.receipt/1", "releases": []}', "no files", id="no-release"
        ),
        pytest.param(
            '{"schema": "publish-verified.receipt/1", "releases": 3}', "damaged", id="no-list"
        ),
    ],
)
def test_unusable_receipt(
    poetry: Poetry, proxy: FaultProxy, outside: Path, content: str | None, reason: str
) -> None:
    """A missing or damaged receipt ends in 3 with the reason; no index is asked."""
    if content is not None:
        (outside / "theirs.json").write_text(content, encoding="utf-8")
    named = ("--from-receipt", "theirs.json", "--index", f"{proxy.origin}/simple/")
    run = wait(poetry, outside, *named)
    ended(run, 3)
    assert reason in run.err
    assert "theirs.json" in run.err
    assert codes(outside) == ["PV217"]
    assert proxy.requests == []


@pytest.mark.parametrize("way", ["--rehearse", "--dry-run"])
def test_receipt_of_a_rehearsal_or_dry_run(
    poetry: Poetry, project: Project, pypi: Index, outside: Path, way: str
) -> None:
    """It is refused, because it published nothing."""
    file = outside / "theirs.json"
    ended(publish(poetry, project, pypi, "--build", way, "--receipt", file), 0)
    run = wait(poetry, outside, "--from-receipt", file)
    ended(run, 3)
    assert "from a rehearsal or a dry run, which publishes nothing" in run.err
    assert codes(outside) == ["PV217"]


def test_dist_dir(poetry: Poetry, there: Project, pypi: Index, outside: Path) -> None:
    """With `--dist-dir` exactly its files are waited for, under their own hashes."""
    named = ("--dist-dir", there.dist, "--index", pypi.simple_url)
    run = wait(poetry, outside, *named)
    ended(run, 0)
    assert "completeness unknown" not in run.said
    release = holds(receipt_of(outside), "verified", 0)
    assert {f["filename"]: f["sha256"] for f in release["distributions"]} == there.hashes()
    there.change("other bytes")
    there.build()
    run = wait(poetry, outside, *named)
    ended(run, 7)
    assert set(codes(outside)) == {"PV701"}


def test_dist_dir_without_distributions(poetry: Poetry, outside: Path) -> None:
    """A directory with nothing to wait for is refused."""
    run = wait(poetry, outside, "--dist-dir", ".")
    ended(run, 3)
    assert codes(outside) == ["PV203"]


@pytest.mark.parametrize("garbage", [True, False])
def test_archives_without_a_hash(
    poetry: Poetry,
    outside: Path,
    there: Project,
    pypi: Index,
    make_proxy: MakeProxy,
    garbage: bool,
) -> None:
    """A login page in place of an archive proves nothing, even where no hash is listed."""
    proxy = make_proxy(pypi.origin)

    def bare(exchange: Exchange) -> Answer:
        answer = exchange.forward()
        assert isinstance(answer.body, bytes)
        return Answer(200, re.sub(rb"#sha256=[0-9a-f]+", b"", answer.body), headers=answer.headers)

    proxy.on(is_page, bare)
    wheel = next(name for name in there.filenames if name.endswith(".whl"))
    if garbage:
        login = Answer(200, b"<html><title>Sign in</title></html>")
        proxy.answer(is_file(wheel), login)
    words = ("lantern==1.0", "--index", f"{proxy.origin}/simple/", "--until", "downloadable")
    run = wait(poetry, outside, *words)
    ended(run, 7 if garbage else 0)
    if garbage:
        assert f"serves something else as {wheel}" in run.said
