"""`poetry publish-verified status`: real repositories, tags and indexes."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.beds.edges import nginx
from tests.beds.git import make_repository
from tests.beds.indexes import fetch
from tests.beds.processes import HANG, free_port, wait_until
from tests.beds.projects import make_project
from tests.beds.proxy import JSON_PAGE, Answer, is_page, is_upload
from tests.beds.release import ended
from tests.beds.schemas import check
from tests.thorough import some

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.git import Repository
    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry, Run
    from tests.beds.projects import Project
    from tests.beds.proxy import FaultProxy
    from tests.conftest import MakeProxy

DAYS = timedelta(days=3)
PIP = f"{JSON_PAGE}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"


@pytest.fixture
def repository(project: Project) -> Repository:
    """The project under git; 1.0 was tagged three days ago."""
    found = make_repository(project.path)
    found.commit(age=DAYS)
    found.tag("v1.0", age=DAYS)
    return found


def status(poetry: Poetry, directory: Path, *options: str | Path) -> Run:
    """Call the command."""
    return poetry.run("publish-verified", "status", "--no-interaction", *options, cwd=directory)


def found(poetry: Poetry, directory: Path, code: int, *options: str | Path) -> dict[str, Any]:
    """Call it for a machine; the document, whose only project is `lantern` unless it is read."""
    run = status(poetry, directory, *options, "--format", "json")
    ended(run, code)
    document = json.loads(run.out)
    check("status", document)
    assert isinstance(document, dict)
    assert document["schema"] == "publish-verified.status/1"
    assert document["exit_code"] == code
    return document


def names(document: dict[str, Any]) -> list[str]:
    """What is wrong, by name."""
    problems = [
        *document["problems"],
        *(p for each in document["projects"] for p in each["problems"]),
    ]
    return [problem["name"] for problem in problems]


def publish(project: Project, index: Index) -> None:
    """Put the project's version on the index, behind the plugin's back."""
    project.build()
    index.upload(project)


def test_tag_that_was_never_published(
    poetry: Poetry,
    project: Project,
    repository: Repository,
    pypi: Index,
    proxy: FaultProxy,
    make_proxy: MakeProxy,
) -> None:
    """A release script never ran, and nobody noticed; the scheduled job does."""
    mirror = make_proxy(pypi.origin)
    indexes = ("--index", f"{proxy.origin}/simple/", "--index", f"{mirror.origin}/simple/")
    publish(project, pypi)
    ended(status(poetry, project.path, *indexes), 0)
    later = project.set_version("1.1")
    repository.commit(age=DAYS)
    # The work goes on, is not tagged, and is no disagreement.
    ahead = status(poetry, project.path, *indexes)
    ended(ahead, 0)
    assert "not released yet" in ahead.out
    repository.tag("v1.1", annotated=False)
    mirror.requests.clear()
    run = status(poetry, project.path, *indexes)
    ended(run, 9)
    assert "tagged, not published" in run.out
    assert (
        "Error PV901: lantern 1.1 is tagged, not published: the tag v1.1 is 3 days old" in run.err
    )
    assert "disagrees: lantern (tagged, not published)" in run.err
    assert all(len(line) <= 80 for line in run.out.splitlines())
    # A look would make the mirror keep the old page.
    assert mirror.requests == []
    document = found(poetry, project.path, 9, *indexes)
    assert names(document) == ["tagged-not-published"]
    job = poetry.with_variables(GITHUB_ACTIONS="true")
    noted = status(job, project.path, *indexes).out.splitlines()
    assert [line for line in noted if line.startswith("::error title=PV901::lantern 1.1 is tagged")]
    assert [place["state"] for place in document["projects"][0]["places"]] == [
        *("agrees", "tagged-not-published", "agrees", "not-asked")
    ]
    # Nothing was sent, and nothing written.
    assert {request.method for request in proxy.requests} == {"GET"}
    assert repository.git("status", "--porcelain") == ""
    publish(later, pypi)
    run = status(poetry, project.path, *indexes)
    ended(run, 0)
    assert run.out.splitlines()[-1] == "agrees: lantern 1.1 is out"
    assert mirror.requests


def test_metadata_that_nobody_updated(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy
) -> None:
    """Automation failed, the extra commit was forgotten, and readers get the last version."""
    place = project.path / "latest-release.json"
    with (project.path / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write('[tool.publish-verified]\nmetadata = "latest-release.json"\nuntil = "listed"\n')
    repository = make_repository(project.path)
    repository.commit(age=DAYS)
    repository.tag("v1.0", age=DAYS)
    poetry = poetry.with_variables(**pypi.environment())
    options = ("-r", "harbour")
    release = ("publish-verified", "--no-interaction", "--build", *options)
    ended(poetry.run(*release, cwd=project.path), 0)
    ended(status(poetry, project.path, *options), 0)
    before = place.read_bytes()
    # 1.1 comes from elsewhere: nothing writes the file.
    publish(project.set_version("1.1"), pypi)
    repository.commit(age=DAYS)
    repository.tag("v1.1", age=DAYS)
    run = status(poetry, project.path, *options)
    ended(run, 9)
    assert "metadata behind" in run.out
    assert "latest-release.json has 1.0, and" in run.err
    assert "has lantern 1.1" in run.err
    # As those see it who read it from a server.
    url = f"{proxy.origin}/latest-release.json"
    served = proxy.on(
        lambda request: request.path == "/latest-release.json",
        lambda _: Answer(200, place.read_bytes(), headers={"Content-Type": "application/json"}),
    )
    document = found(poetry, project.path, 9, *options, "--metadata", url)
    assert names(document) == ["metadata-behind"]
    ended(poetry.run(*release[:2], *options, cwd=project.path), 0)
    ended(status(poetry, project.path, *options), 0)
    newest = place.read_bytes()
    ended(status(poetry, project.path, *options, "--metadata", url), 0)
    # Somebody restores the old one: what was there before does not count.
    place.write_text(json.dumps({**json.loads(newest), "version": "1.0"}), encoding="utf-8")
    ended(status(poetry, project.path, *options, "--metadata", url), 6)
    place.write_bytes(before)
    ended(status(poetry, project.path, *options, "--metadata", url), 9)
    place.write_bytes(newest)
    served.lift()
    run = status(poetry, project.path, *options, "--metadata", url)
    ended(run, 6)
    assert f"Error PV610: Cannot use the release metadata at {url}" in run.err
    place.write_text("{", encoding="utf-8")
    ended(status(poetry, project.path, *options), 6)
    place.unlink()
    assert names(found(poetry, project.path, 9, *options)) == ["metadata-behind"]


def test_young_tag(poetry: Poetry, project: Project, repository: Repository, pypi: Index) -> None:
    """A tag that was made just now may still be being published; --grace says for how long."""
    publish(project, pypi)
    project.set_version("1.1")
    repository.commit(age=DAYS)
    repository.tag("v1.1", age=timedelta(minutes=30))
    index = ("--index", pypi.simple_url)
    run = status(poetry, project.path, *index)
    ended(run, 0)
    assert "not late yet: 1.1 is 30 min old" in run.out
    ended(status(poetry, project.path, *index, "--grace", "10m"), 9)
    ended(status(poetry, project.path, *index, "--grace", "0"), 9)


def test_shallow_clone(
    poetry: Poetry, project: Project, repository: Repository, pypi: Index, tmp_path: Path
) -> None:
    """Where the tags are not there, nobody can tell, which is no disagreement."""
    publish(project, pypi)
    repository.commit()
    index = ("--index", pypi.simple_url)
    clone = repository.clone(tmp_path / "clone", "--depth", "1")
    run = status(poetry, clone.root, *index)
    ended(run, 6)
    assert "the tags are not there, because the clone is shallow" in run.err
    assert "fetch-depth: 0" in run.err
    clone.git("fetch", "--quiet", "--tags", "--unshallow")
    ended(status(poetry, clone.root, *index), 0)
    without = repository.clone(tmp_path / "without", "--no-tags")
    assert names(found(poetry, without.root, 6, *index)) == ["tags-unknown"]


def test_index_that_fails_for_a_moment(
    poetry: Poetry, project: Project, repository: Repository, pypi: Index, proxy: FaultProxy
) -> None:
    """It is asked again before anything is called unknown."""
    assert repository.root == project.path
    publish(project, pypi)
    proxy.answer(is_page, Answer(503), times=2)
    ended(status(poetry, project.path, "--index", f"{proxy.origin}/simple/"), 0)
    assert len(proxy.pages) == 3


def test_what_an_index_says_beside_its_files(
    poetry: Poetry, project: Project, repository: Repository, proxy: FaultProxy
) -> None:
    """Yanked releases, an archived project, and when a file was uploaded."""
    assert repository.root == project.path

    def file(version: str, **more: object) -> dict[str, object]:
        name = f"lantern-{version}.tar.gz"
        return {"filename": name, "url": name, "hashes": {"sha256": "ab" * 32}, **more}

    def serve(*files: dict[str, object]) -> None:
        meta, status = {"api-version": "1.4"}, {"status": "archived", "reason": "it is done"}
        page = {"meta": meta, "name": "lantern", "files": files, "project-status": status}
        headers = {"Content-Type": JSON_PAGE}
        proxy.answer(is_page, Answer(200, json.dumps(page).encode(), headers=headers))

    index = ("--index", f"{proxy.origin}/simple/")
    serve(file("1.0"), file("1.1", yanked="it is broken"))
    run = status(poetry, project.path, *index)
    ended(run, 0)
    assert "marks the project as archived (it is done)" in run.err
    assert "lists lantern 1.1 as yanked (it is broken)" in run.err
    assert names(found(poetry, project.path, 9, *index, "--strict")) == ["project-status", "yanked"]
    # Just uploaded, so the tag may still come.
    project.set_version("1.2")
    serve(file("1.0"), file("1.2", **{"upload-time": datetime.now(UTC).isoformat()}))
    ended(status(poetry, project.path, *index), 0)
    long_ago = datetime.now(UTC) - DAYS
    serve(file("1.0"), file("1.2", **{"upload-time": long_ago.isoformat()}))
    document = found(poetry, project.path, 9, *index)
    assert names(document) == ["published-not-tagged", "project-status"]


def test_during_a_release(poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy) -> None:
    """It needs no lock that a release holds."""
    project.build()
    poetry = poetry.with_variables(**pypi.behind(proxy.origin).environment())
    proxy.stall(is_upload)
    with poetry.started("publish-verified", "-r", "harbour", "-n", cwd=project.path) as release:
        wait_until(lambda: proxy.uploads, "the upload to begin")
        run = status(poetry, project.path, "-r", "harbour")
        ended(run, 0)
        assert "nothing of lantern is out, or should be" in run.out
        assert release.poll() is None


def test_interrupt(poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy) -> None:
    """Ctrl-C ends it at once, with the usual exit code."""
    proxy.stall(is_page)
    index = pypi.behind(proxy.origin).simple_url
    with poetry.started("publish-verified", "status", "--index", index, cwd=project.path) as run:
        wait_until(lambda: proxy.pages, "the question to arrive")
        os.killpg(run.pid, signal.SIGINT)
        out, err = run.communicate(timeout=HANG)
    assert run.returncode == 130
    assert err.splitlines()[-1] == "interrupted: nothing was checked"
    assert out == ""


def test_index_that_is_down(poetry: Poetry, project: Project, repository: Repository) -> None:
    """No answer is unknown, never a disagreement."""
    assert repository.root == project.path
    run = status(poetry, project.path, "--index", f"http://127.0.0.1:{free_port()}/simple/")
    ended(run, 6)
    assert "Error PV605: Cannot tell what http://127.0.0.1" in run.err
    assert "unknown: lantern (http://127.0.0.1:" in run.err


def test_not_an_index(
    poetry: Poetry, project: Project, repository: Repository, pypi: Index
) -> None:
    """A wrong URL is not an index without the project."""
    assert repository.root == project.path
    document = found(poetry, project.path, 6, "--index", f"{pypi.origin}/nowhere/")
    assert names(document) == ["no-index-there"]


def test_mirror_behind(
    poetry: Poetry, project: Project, repository: Repository, pypi: Index, tmp_path: Path
) -> None:
    """A cache in front of the index still has the old page for pip, and is named."""
    publish(project, pypi)
    with nginx(tmp_path / "nginx", pypi.origin, ttl=3600) as edge:
        fetch(f"{edge.origin}/simple/lantern/", headers={"Accept": PIP})
        publish(project.set_version("1.1"), pypi)
        repository.commit(age=DAYS)
        repository.tag("v1.1", age=DAYS)
        indexes = ("--index", pypi.simple_url, "--index", f"{edge.origin}/simple/")
        run = status(poetry, project.path, *indexes)
        ended(run, 9)
        assert f"The mirror {edge.origin}/simple/ is behind {pypi.simple_url}" in run.err
        assert "its newest version is 1.0, and lantern 1.1 is published" in run.err
        ended(status(poetry, project.path, *indexes, "--grace", "96h"), 0)
        edge.purge("lantern", soft=False)
        ended(status(poetry, project.path, *indexes), 0)


def test_several_projects(poetry: Poetry, tmp_path: Path, devpi: Index) -> None:
    """Each by its own tags, on devpi; those that agree have one line."""
    root = tmp_path / "größe und mehr"
    core = make_project(root / "packages" / "core", "beacon-core", "1.0")
    app = make_project(root / "packages" / "app", "beacon-app", "2.0")
    repository = make_repository(root)
    repository.commit(age=DAYS)
    for project in (core, app):
        repository.tag(f"{project.name}-{project.version}", age=DAYS)
    publish(core, devpi)
    options = ("--projects", "packages/*", "-r", "harbour")
    poetry = poetry.with_variables(**devpi.environment())
    run = status(poetry, root, *options)
    ended(run, 9)
    assert "beacon-core agrees" in run.out
    assert "disagrees: 1 of 2 projects: beacon-app (tagged, not published)" in run.err
    publish(app, devpi)
    document = found(poetry, root, 0, *options)
    assert [each["verdict"] for each in document["projects"]] == ["agrees", "agrees"]
    # Alone, too, a project in a directory of its own goes by the tags with its name.
    assert found(poetry, app.path, 0, "-r", "harbour")["projects"][0]["places"][1]["where"] == (
        "git tag beacon-app-2.0"
    )


def test_receipt_says_what_is_complete(
    poetry: Poetry, project: Project, pypi: Index, tmp_path: Path
) -> None:
    """A wheel that was published and is gone now is missed."""
    variables = poetry.with_variables(**pypi.environment())
    run = variables.run(
        *("publish-verified", "-r", "harbour", "--build", "--until", "listed"), cwd=project.path
    )
    ended(run, 0)
    index = ("-r", "harbour", "--grace", "1s")
    ended(status(variables, project.path, *index), 0)
    assert pypi.root is not None
    (pypi.root / project.wheel).unlink()
    document = found(variables, project.path, 9, *index)
    assert names(document) == ["incomplete"]
    assert project.wheel in document["projects"][0]["problems"][0]["message"]
    # To another repository, other files may have gone.
    other = ("--index", f"{pypi.origin}//simple/", "--grace", "1s")
    ended(status(variables, project.path, *other), 0)
    kept = tmp_path / "kept.json"
    project.receipt_file.rename(kept)
    ended(status(variables, project.path, *index), 0)
    ended(status(variables, project.path, *index, "--from-receipt", kept), 9)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    some(
        3,
        [
            (("--tags", "v*"), 1, "--tags: expected patterns with {version}"),
            (("--grace", "soon"), 1, "--grace: expected a duration"),
            (("-r", "nowhere"), 3, "PV301"),
            (("--from-receipt", "none.json"), 3, "PV217"),
            (("--projects", "packages/*"), 3, "matches no project"),
            (("--exclude", "packages/*"), 1, "there are no --projects"),
        ],
    ),
)
def test_wrong_usage(
    poetry: Poetry, project: Project, options: tuple[str, ...], code: int, words: str
) -> None:
    """Each is named, and a machine still gets a document."""
    document = found(poetry, project.path, code, *options)
    assert document["projects"] == []
    (problem,) = document["problems"]
    assert words in f"{problem['code']} {problem['message']}"
