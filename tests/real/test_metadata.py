"""Release metadata: written by the run that proved the release, and waited for by others."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.beds.clients import wheel_bytes
from tests.beds.monorepo import add_member, make_root
from tests.beds.projects import Project, make_project
from tests.beds.proxy import Answer, Request, is_file
from tests.beds.release import TOO_SHORT, ended, holds, problems, publish
from tests.beds.schemas import check

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry
    from tests.beds.proxy import Exchange, FaultProxy

SETTING = """
[tool.publish-verified]
metadata = "latest-release.json"
"""


@pytest.fixture
def lantern(tmp_path: Path) -> Project:
    """A project in git that keeps release metadata in its repository."""
    project = make_project(tmp_path / "größe und ruhm", more=SETTING)
    (project.path / ".gitignore").write_text("dist\n.poetry\n", encoding="utf-8")
    git(project, "init", "-q")
    commit(project, "v1.0")
    return project


def git(project: Project, *words: str) -> str:
    """What git says in a project."""
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
    return subprocess.run(
        ["git", *who, *words], cwd=project.path, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(project: Project, tag: str) -> str:
    """Commit and tag everything; the commit's name."""
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", tag)
    git(project, "tag", tag)
    return git(project, "rev-parse", "HEAD")


def metadata_of(project: Project) -> dict[str, Any]:
    """The release metadata in a project."""
    found = json.loads((project.path / "latest-release.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    check("metadata", found)
    return found


def serve(proxy: FaultProxy, project: Project) -> None:
    """Serve what the project's file is at that moment, as a website does."""
    file = project.path / "latest-release.json"

    def is_metadata(request: Request) -> bool:
        return request.path == "/latest-release.json"

    proxy.on(is_metadata, lambda _: Answer(200, file.read_bytes()))


def test_metadata_never_lags(
    poetry: Poetry, lantern: Project, pypi: Index, proxy: FaultProxy, tmp_path: Path
) -> None:
    """A user of the metadata gets each release once it is proven, and never one that is not.

    The release is out with 1.1, and no further commit, upload or script that could be forgotten is
    needed: as long as the index does not show 1.1, readers are sent to 1.0.
    """
    serve(proxy, lantern)
    ours, url = pypi.behind(proxy.origin), f"{proxy.origin}/latest-release.json"
    first = git(lantern, "rev-parse", "HEAD")
    ended(publish(poetry, lantern, ours, "--build"), 0)
    document = metadata_of(lantern)
    assert (document["name"], document["version"], document["tag"]) == ("lantern", "1.0", "v1.0")
    assert (document["commit"], document["indexes"]) == (first, [ours.simple_url])
    hashes = lantern.hashes()
    assert {f["filename"]: f["hashes"] for f in document["files"]} == {
        name: {"sha256": digest} for name, digest in hashes.items()
    }
    for file in document["files"]:
        assert file["url"].startswith(proxy.origin)
        assert file["size"] == (lantern.dist / file["filename"]).stat().st_size
        assert file["requires_python"] == ">=3.11"
    newer = lantern.set_version("1.1")
    commit(newer, "v1.1")
    hidden = proxy.hide(newer.sdist)
    ended(publish(poetry, newer, ours, "--build", *TOO_SHORT), 6)
    assert metadata_of(newer) == document
    reader = tmp_path / "reader"
    reader.mkdir()
    wait = ("publish-verified", "wait", "--metadata", url, "--receipt", "receipt.json")
    run = poetry.run(*wait, cwd=reader)
    ended(run, 0)
    assert "verified: lantern 1.0 " in run.out
    hidden.lift()
    ended(publish(poetry, newer, ours, "--build"), 0)
    assert (metadata_of(newer)["version"], metadata_of(newer)["tag"]) == ("1.1", "v1.1")
    run = poetry.run(*wait, cwd=reader)
    ended(run, 0)
    assert "verified: lantern 1.1 " in run.out
    # Other bytes under a name of the metadata are no release.
    assert pypi.root is not None
    (pypi.root / newer.wheel).write_bytes(wheel_bytes(newer.wheel))
    ended(poetry.run(*wait, cwd=reader), 7)


def test_server_fails(
    poetry: Poetry, lantern: Project, pypi: Index, proxy: FaultProxy, tmp_path: Path
) -> None:
    """The last good copy is used, and the output says so; with --strict it is not."""
    ended(publish(poetry, lantern, pypi, "--build"), 0)
    serve(proxy, lantern)
    reader = tmp_path / "reader"
    reader.mkdir()
    url = f"{proxy.origin}/latest-release.json?token=secret-of-mine"
    file = lantern.path / "latest-release.json"
    wait = ("publish-verified", "wait", "--metadata", url, "--receipt", "receipt.json")
    proxy.on(lambda request: "token=" in request.path, lambda _: Answer(200, file.read_bytes()))
    ended(poetry.run(*wait, cwd=reader), 0)
    file.write_bytes(file.read_bytes()[:300])
    run = poetry.run(*wait, "--timeout", "3s", cwd=reader)
    ended(run, 0)
    assert "PV611" in run.err
    assert "it is not JSON. The last good copy is used instead: lantern 1.0, released 20" in run.err
    assert "secret-of-mine" not in run.said
    run = poetry.run(*wait, "--timeout", "3s", "--strict", cwd=reader)
    ended(run, 3)
    assert "it is not JSON. --strict forbids the last good copy: lantern 1.0, released" in run.err
    run = poetry.run(*wait[:3], f"{url}&other", "--timeout", "3s", cwd=reader)
    ended(run, 3)
    assert "PV610" in run.err


def test_metadata_in_a_file(poetry: Poetry, lantern: Project, pypi: Index) -> None:
    """A path is read as it is; a file that is not there is a refusal."""
    wait = ("publish-verified", "wait", "--metadata", "latest-release.json")
    run = poetry.run(*wait, cwd=lantern.path)
    ended(run, 3)
    assert "PV610" in run.err
    ended(publish(poetry, lantern, pypi, "--build"), 0)
    run = poetry.run(*wait, cwd=lantern.path)
    ended(run, 0)
    assert "verified: lantern 1.0" in run.said


def test_again(poetry: Poetry, lantern: Project, pypi: Index) -> None:
    """Metadata is no source: nothing is built again, and an unchanged document stays."""
    ended(publish(poetry, lantern, pypi, "--build"), 0)
    before, built = metadata_of(lantern), lantern.receipt()["sources"]["digest"]
    run = publish(poetry, lantern, pypi, "--build")
    ended(run, 0)
    assert "the sources have not changed" in run.out
    assert lantern.receipt()["sources"]["digest"] == built
    assert metadata_of(lantern) == before
    # An older version does not replace it.
    newer = lantern.set_version("1.1")
    ended(publish(poetry, newer, pypi, "--build"), 0)
    run = publish(poetry, newer.set_version("1.0"), pypi)
    ended(run, 0)
    assert "PV720" in run.err
    assert metadata_of(newer)["version"] == "1.1"


@pytest.mark.parametrize("content", [None, "{}"])
def test_refused_before_the_upload(
    poetry: Poetry, lantern: Project, pypi: Index, content: str | None
) -> None:
    """What could not be written later, or is something else, ends the run before a byte leaves."""
    file = lantern.path / "latest-release.json"
    if content is None:
        file.mkdir()
    else:
        file.write_text(content, encoding="utf-8")
    run = publish(poetry, lantern, pypi, "--build")
    ended(run, 3)
    assert "PV250" in run.err
    assert pypi.stored("lantern") == {}
    assert content is None or file.read_text(encoding="utf-8") == content


def test_not_after_a_rehearsal(poetry: Poetry, lantern: Project, pypi: Index) -> None:
    """What proves nothing to users leaves no metadata."""
    ended(publish(poetry, lantern, pypi, "--build", "--dry-run"), 0)
    assert not (lantern.path / "latest-release.json").exists()


def test_packed_metadata_is_refused(poetry: Poetry, lantern: Project, pypi: Index) -> None:
    """An sdist that has the file would differ from the next one."""
    (lantern.path / "latest-release.json").touch()
    pyproject = lantern.path / "pyproject.toml"
    pyproject.write_text(
        pyproject.read_text(encoding="utf-8")
        + '[tool.poetry]\ninclude = [{ path = "latest-release.json", format = "sdist" }]\n',
        encoding="utf-8",
    )
    run = publish(poetry, lantern, pypi, "--build")
    ended(run, 3)
    assert "PV251" in run.err
    assert pypi.stored("lantern") == {}


def test_tracked_metadata_and_a_version_from_git(
    poetry: Poetry, lantern: Project, pypi: Index
) -> None:
    """The file would change git's state, and with it the next build's version."""
    pyproject = lantern.path / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    pyproject.write_text(
        text + "[tool.poetry-dynamic-versioning]\nenable = true\n", encoding="utf-8"
    )
    lantern.build()
    ended(publish(poetry, lantern, pypi), 0)
    git(lantern, "add", "-A")
    run = publish(poetry, lantern, pypi)
    ended(run, 3)
    assert "PV252" in run.err
    assert "poetry-dynamic-versioning" in run.err


def test_cannot_be_written_in_the_end(
    poetry: Poetry, lantern: Project, pypi: Index, proxy: FaultProxy
) -> None:
    """The release is proven and the receipt says so, but the run does not end with 0."""
    lantern.build()

    def obstruct(exchange: Exchange) -> Answer:
        (lantern.path / "latest-release.json").mkdir(exist_ok=True)
        return exchange.forward()

    proxy.on(is_file(lantern.wheel), obstruct)
    run = publish(poetry, lantern, pypi.behind(proxy.origin))
    ended(run, 1)
    receipt = lantern.receipt()
    release = holds(receipt, "error", 1)
    assert release["verdict"] == "verified"
    assert [problem["code"] for problem in problems(receipt)] == ["PV250"]
    assert "lantern 1.0 is downloadable, but not everything was recorded" in run.said


def test_several_projects(poetry: Poetry, pypi: Index, tmp_path: Path) -> None:
    """Each proven project has a file with its own name; one file for all is wrong usage."""
    root = make_root(tmp_path / "repository")
    add_member(root, "oil")
    add_member(root, "wick", "oil")
    everything = Project(root, "oil", "1.0")
    run = publish(poetry, everything, pypi, "--build", "--metadata", "latest.json")
    ended(run, 1)
    assert "several projects need {name} in it" in run.err
    run = publish(poetry, everything, pypi, "--build", "--metadata", "out/{name}.json")
    ended(run, 0)
    found = {each.name: json.loads(each.read_text()) for each in (root / "out").iterdir()}
    assert {name: each["version"] for name, each in found.items()} == {
        "oil.json": "1.0",
        "wick.json": "1.0",
    }
