"""A release that succeeds: sent, seen, downloaded, compared, and proven again."""

from __future__ import annotations

import email.parser
import email.policy
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.beds.indexes import PASSWORD, pypiserver
from tests.beds.poetry import Poetry
from tests.beds.projects import make_project, read_receipt
from tests.beds.release import ended, holds, problems, publish, uploads

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.environments import PoetryEnvironment
    from tests.beds.indexes import Index
    from tests.beds.projects import Project
    from tests.beds.proxy import FaultProxy, Request
    from tests.conftest import MakeProxy


@pytest.mark.parametrize("kind", ["pypi", "devpi"])
def test_build_and_publish(
    poetry: Poetry, project: Project, kind: str, request: pytest.FixtureRequest
) -> None:
    """Built, sent with a password, seen, compared, got by real clients; the receipt has it all."""
    index: Index = request.getfixturevalue(kind)
    run = publish(poetry, project, index, "--build", until=None)
    ended(run, 0)
    assert index.stored("lantern") == project.hashes()
    receipt = project.receipt()
    release = holds(receipt, "verified", 0)
    assert set(receipt) == {
        "schema", "tool", "poetry", "started", "finished", "verdict", "exit_code", "summary",
        "rehearsal", "sources", "until", "confirmation", "problems", "releases",
    }  # fmt: skip
    assert receipt["tool"]["name"] == "poetry-publish-verified"
    assert receipt["poetry"] == poetry.environment.poetry_version
    assert receipt["started"] < receipt["finished"]
    assert (receipt["rehearsal"], receipt["until"]) == (False, "installable")
    assert problems(receipt) == []
    assert (release["name"], release["version"], release["verdict"]) == (
        "lantern", "1.0", "verified",
    )  # fmt: skip
    assert release["repository"] == {"name": "harbour", "url": index.upload_url}
    assert {f["filename"]: f["sha256"] for f in release["distributions"]} == project.hashes()
    for file in release["distributions"]:
        assert file["size"] == (project.dist / file["filename"]).stat().st_size
        assert file["remote_sha256"] == file["sha256"]
        assert (file["upload"], file["attempts"]) == ("uploaded", 1)
    (shown,) = release["indexes"]
    assert shown["url"] == index.simple_url
    assert all(variant["visible_at"] for variant in shown["variants"])
    assert shown["variants"]
    assert "verified" in run.said
    assert not poetry.leftovers()


def test_pip_asks_only_this_index(
    poetry: Poetry,
    project: Project,
    pypi: Index,
    proxy: FaultProxy,
    make_proxy: MakeProxy,
    tmp_path: Path,
) -> None:
    """Whatever its configuration says."""
    project.build()
    elsewhere = make_proxy(pypi.origin)
    other = f"extra-index-url = {elsewhere.origin}/simple/\nfind-links = {project.dist}\n"
    for directory in (tmp_path / "xdg" / "pip", tmp_path / "home" / ".config" / "pip"):
        directory.mkdir(parents=True)
        (directory / "pip.conf").write_text(f"[global]\n{other}", encoding="utf-8")
    disturbed = poetry.with_variables(
        XDG_CONFIG_DIRS=str(tmp_path / "xdg"),
        PIP_INDEX_URL=f"{elsewhere.origin}/simple/",
        PIP_NO_INDEX="1",
        PIP_UPLOADED_PRIOR_TO="P3D",
        PIP_FIND_LINKS=str(project.dist),
    )
    through = pypi.behind(proxy.origin)
    ended(publish(disturbed, project, through, until="installable"), 0)
    fetched = {
        request.path.rsplit("/", 1)[-1]
        for request in proxy.requests
        if request.headers.get("user-agent", "").startswith("pip/")
    }
    assert project.wheel in fetched
    assert elsewhere.requests == []


def test_until_installable_with_an_sdist_only(
    poetry: Poetry, project: Project, pypi: Index
) -> None:
    """It is proven as far as possible, and the receipt notes the rest."""
    project.build()
    (project.dist / project.wheel).unlink()
    run = publish(poetry, project, pypi, until="installable")
    ended(run, 0)
    assert "The release has no wheel, so --until installable has nothing to install." in run.err
    receipt = project.receipt()
    holds(receipt, "verified", 0)
    assert [problem["severity"] for problem in problems(receipt)] == ["warning"]
    assert set(pypi.stored("lantern")) == {project.sdist}


def test_only_the_named_clients_are_asked(
    poetry: Poetry, project: Project, behind: Index, proxy: FaultProxy
) -> None:
    """`--clients` says who is asked, and there has to be somebody."""
    nobody = publish(poetry, project, behind, "--clients", "html", until="installable")
    ended(nobody, 3)
    assert "PV216" in nobody.err
    assert not proxy.requests
    named = ("--clients", "html", "--clients", "poetry")
    run = publish(poetry, project, behind, "-v", *named, until=None)
    ended(run, 0)
    assert "Poetry downloads 1 wheel" in run.out
    agents = {r.headers.get("user-agent", "").partition("/")[0] for r in proxy.requests}
    assert agents == {"poetry-publish-verified", "poetry"}


@pytest.mark.parametrize("kind", ["pypi", "devpi"])
def test_running_again_is_safe(
    poetry: Poetry,
    project: Project,
    kind: str,
    make_proxy: MakeProxy,
    request: pytest.FixtureRequest,
) -> None:
    """A second run finds everything by its hash and sends nothing."""
    index: Index = request.getfixturevalue(kind)
    proxy = make_proxy(index.origin)
    through = index.behind(proxy.origin)
    project.build()
    ended(publish(poetry, project, through), 0)
    sent = len(proxy.uploads)
    ended(publish(poetry, project, through), 0)
    assert len(proxy.uploads) == sent == 2
    release = holds(project.receipt(), "verified", 0)
    assert uploads(release) == {
        project.wheel: "already-there",
        project.sdist: "already-there",
    }
    assert {f["attempts"] for f in release["distributions"]} == {0}


def test_only_missing_files_are_sent(poetry: Poetry, project: Project, pypi: Index) -> None:
    """If one file is there already, only the other is sent."""
    project.build()
    sdist = (project.dist / project.sdist).read_bytes()
    (project.dist / project.sdist).unlink()
    ended(publish(poetry, project, pypi), 0)
    (project.dist / project.sdist).write_bytes(sdist)
    ended(publish(poetry, project, pypi), 0)
    release = holds(project.receipt(), "verified", 0)
    assert uploads(release) == {project.wheel: "already-there", project.sdist: "uploaded"}
    assert pypi.stored("lantern") == project.hashes()


def test_wheel_is_sent_before_the_sdist(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy
) -> None:
    """So that nobody builds from source in between."""
    project.build()
    ended(publish(poetry, project, pypi.behind(proxy.origin)), 0)
    assert [request.uploads(project.wheel) for request in proxy.uploads] == [True, False]


def test_other_files_are_never_sent(poetry: Poetry, project: Project, pypi: Index) -> None:
    """Files of other versions and projects in the dist directory are never sent."""
    project.build()
    newer = make_project(project.path.parent / "newer", "lantern", "9.0")
    newer.build(project.dist)
    longer = make_project(project.path.parent / "longer", "lantern-oil", "1.0")
    longer.build(project.dist)
    ended(publish(poetry, project, pypi), 0)
    assert set(pypi.stored("lantern")) == project.filenames
    assert pypi.stored("lantern-oil") == {}
    release = holds(project.receipt(), "verified", 0)
    assert set(uploads(release)) == project.filenames


@pytest.mark.parametrize("name", ["Lan_tern.Oil", "LANTERN"])
@pytest.mark.parametrize("kind", ["pypi", "devpi"])
def test_names_are_normalized(
    poetry: Poetry, tmp_path: Path, name: str, kind: str, request: pytest.FixtureRequest
) -> None:
    """A name with capitals, dots and underscores is looked up in its normalized form."""
    index: Index = request.getfixturevalue(kind)
    project = make_project(tmp_path / "odd", name, "1.0.0rc1")
    ended(publish(poetry, project, index, "--build"), 0)
    receipts = list((project.dist / ".publish-verified").iterdir())
    assert receipts == [project.receipt_file]
    holds(project.receipt(), "verified", 0)
    assert set(index.listed(project.name)) == project.filenames


def test_dist_dir_and_receipt_options(poetry: Poetry, project: Project, pypi: Index) -> None:
    """`--dist-dir` says where the files are, `--receipt` where the receipt goes."""
    project.build(project.path / "out put")
    file = project.path / "new directory" / "receipt.json"
    run = publish(poetry, project, pypi, "--dist-dir", "out put", "--receipt", file)
    ended(run, 0)
    holds(read_receipt(file), "verified", 0)
    assert not (project.path / "out put" / ".publish-verified").exists()
    assert set(pypi.stored("lantern")) == project.filenames


def test_directory_option(poetry: Poetry, project: Project, pypi: Index, tmp_path: Path) -> None:
    """`-C` works as with all of Poetry's commands."""
    poetry = poetry.with_variables(**pypi.environment())
    run = poetry.run(
        *("publish-verified", "-n", "--build", "-r", "harbour", "-C", project.path),
        *("--until", "downloadable"),
        cwd=tmp_path,
    )
    ended(run, 0)
    holds(project.receipt(), "verified", 0)


def test_receipt_names_the_commit(poetry: Poetry, project: Project, pypi: Index) -> None:
    """In a git repository the receipt names the released commit."""

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=T", "-c", "user.email=t@example.invalid"]
        return subprocess.run(
            ["git", *identity, *arguments],
            cwd=project.path, check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip

    git("init", "-q")
    (project.path / ".gitignore").write_text("dist\n", encoding="utf-8")
    git("add", ".")
    git("commit", "-qm", "one")
    ended(publish(poetry, project, pypi, "--build"), 0)
    assert project.receipt()["sources"]["commit"] == git("rev-parse", "HEAD")


def test_index_that_needs_a_password_for_reading(
    poetry: Poetry, project: Project, tmp_path: Path
) -> None:
    """The repository's credentials are used for reading at the same origin, by pip too."""
    with pypiserver(tmp_path / "closed", protect="update,download,list") as index:
        project.build()
        ended(publish(poetry, project, index, until="installable"), 0)
        assert set(index.stored("lantern")) == project.filenames
    holds(project.receipt(), "verified", 0)
    assert PASSWORD not in json.dumps(project.receipt())


def form(request: Request) -> dict[str, list[str]]:
    """The form fields of an upload, without the file."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    fields: dict[str, list[str]] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if name != "content":
            value = part.get_payload(decode=True)
            assert isinstance(value, bytes)
            fields.setdefault(str(name), []).append(value.decode())
    return fields


def test_form_equals_poetrys(
    poetry: Poetry,
    stock_environment: PoetryEnvironment,
    open_pypi: Index,
    make_proxy: MakeProxy,
    tmp_path: Path,
) -> None:
    """All fields besides the file equal those of `poetry publish`."""
    more = """
[project.urls]
Homepage = "https://example.invalid/ä"
[project.optional-dependencies]
bright = ["anyio>=4", "packaging"]
"""
    project = make_project(tmp_path / "form", more=more)
    project.build()
    proxy = make_proxy(open_pypi.origin)
    through = open_pypi.behind(proxy.origin)
    ended(publish(poetry, project, through), 0)
    ours = {request.uploads(project.wheel): form(request) for request in proxy.uploads}
    assert len(ours) == 2
    for file in project.filenames:
        (open_pypi.root / file).unlink() if open_pypi.root else None
    proxy.requests.clear()
    stock = Poetry(stock_environment, tmp_path / "stock").with_variables(**through.environment())
    assert stock.run("publish", "-r", "harbour", cwd=project.path).code == 0
    theirs = {request.uploads(project.wheel): form(request) for request in proxy.uploads}
    assert ours == theirs
