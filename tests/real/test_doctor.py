"""`doctor` on set-ups that work, and on broken ones."""

from __future__ import annotations

import json
import ssl
from email.utils import formatdate
from time import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.beds.processes import free_port
from tests.beds.projects import make_project
from tests.beds.release import ended
from tests.thorough import some

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry, Run
    from tests.beds.projects import Project
    from tests.beds.proxy import Answer, Exchange, FaultProxy
    from tests.conftest import MakeProxy

SUBJECTS = {
    *("versions", "plugins", "locks", "repository", "credentials", "index", "clock", "clients"),
}


def doctor(poetry: Poetry, project: Project, *options: str, **variables: str) -> Run:
    """Call the doctor for the repository `harbour`."""
    poetry = poetry.with_variables(**variables)
    command = ("publish-verified", "doctor", "-n", "-r", "harbour")
    return poetry.run(*command, *options, cwd=project.path)


def checks(run: Run, code: int) -> list[dict[str, Any]]:
    """What it found, from its JSON, which agrees with its exit code."""
    ended(run, code)
    report = json.loads(run.out)
    assert report["schema"] == "publish-verified.doctor/1"
    assert report["ready"] is (code == 0)
    found = report["checks"]
    assert all(set(each) == {"subject", "state", "message", "remedy", "code"} for each in found)
    return list(found)


def only_error(run: Run) -> dict[str, Any]:
    """The only thing that would make a run fail; it has a code and a remedy."""
    (error,) = (each for each in checks(run, 1) if each["state"] == "error")
    assert error["remedy"]
    return error


def test_set_up_that_works(poetry: Poetry, project: Project, pypi: Index) -> None:
    """Everything that a run needs is there, each with its figure; no secret is shown."""
    run = doctor(poetry, project, "--format", "json", **pypi.environment())
    found = checks(run, 0)
    assert {each["subject"] for each in found} == SUBJECTS
    assert all(each["state"] in {"ok", "note"} for each in found)
    said = " ".join(each["message"] for each in found)
    assert f"The upload URL {pypi.upload_url} answered in " in said
    assert f"The index {pypi.simple_url}, which the upload URL suggests, answered in " in said
    assert "the environment (POETRY_HTTP_BASIC_HARBOUR_USERNAME" in said
    assert pypi.password is not None
    assert pypi.password not in run.said
    text = doctor(poetry, project, **pypi.environment())
    ended(text, 0)
    assert "The clock differs from that of" in text.out
    assert "Error" not in text.out


def test_index_that_is_down(poetry: Poetry, project: Project) -> None:
    """It is named, with what to do."""
    place = f"http://127.0.0.1:{free_port()}/"
    run = doctor(poetry, project, "--format", "json", POETRY_REPOSITORIES_HARBOUR_URL=place)
    error = only_error(run)
    assert (error["subject"], error["code"]) == ("index", "PV605")
    assert f"{place}simple/" in error["message"]


def test_repository_and_credentials(poetry: Poetry, project: Project, open_pypi: Index) -> None:
    """A repository that nobody knows, half a login, and a bad setting are errors."""
    assert only_error(doctor(poetry, project, "--format", "json"))["code"] == "PV301"
    variables = open_pypi.environment()
    half = variables | {"POETRY_HTTP_BASIC_HARBOUR_USERNAME": "me"}
    error = only_error(doctor(poetry, project, "--format", "json", **half))
    assert (error["subject"], error["code"]) == ("credentials", "PV306")
    bad = variables | {"POETRY_PUBLISH_VERIFIED_TIMEOUT": "soon"}
    error = only_error(doctor(poetry, project, "--format", "json", **bad))
    assert (error["subject"], error["code"]) == ("settings", "PV101")
    unknown = variables | {"POETRY_PUBLISH_VERIFIED_INDEX": "nowhere"}
    assert only_error(doctor(poetry, project, "--format", "json", **unknown))["code"] == "PV303"


def test_certificates(
    poetry: Poetry,
    project: Project,
    open_pypi: Index,
    make_proxy: MakeProxy,
    authority: tuple[ssl.SSLContext, Path],
    tmp_path: Path,
) -> None:
    """One that is not trusted, and a file that is missing, are errors; the right one is not."""
    context, file = authority
    front = make_proxy(open_pypi.origin, context)
    variables = open_pypi.behind(front.origin).environment()
    error = only_error(doctor(poetry, project, "--format", "json", **variables))
    assert "certificate is not trusted" in error["message"]
    missing = variables | {"REQUESTS_CA_BUNDLE": str(tmp_path / "none.pem")}
    found = checks(doctor(poetry, project, "--format", "json", **missing), 1)
    assert {each["code"] for each in found if each["state"] == "error"} == {"PV305"}
    right = variables | {"REQUESTS_CA_BUNDLE": str(file)}
    found = checks(doctor(poetry, project, "--format", "json", **right), 0)
    assert any(str(file) in e["message"] for e in found if e["subject"] == "certificates")


@pytest.mark.parametrize("ahead", some(1, [-3600.0, 3600.0]))
def test_clock_that_is_off(
    poetry: Poetry, project: Project, open_pypi: Index, make_proxy: MakeProxy, ahead: float
) -> None:
    """It is a warning that says by how much, and which way."""
    front = make_proxy(open_pypi.origin)
    late(front, -ahead)
    variables = open_pypi.behind(front.origin).environment()
    found = checks(doctor(poetry, project, "--format", "json", **variables), 0)
    (clock,) = (each for each in found if each["subject"] == "clock")
    assert (clock["state"], clock["code"]) == ("warning", "PV307")
    assert ("ahead of" if ahead > 0 else "behind") in clock["message"]


def late(front: FaultProxy, seconds: float) -> None:
    """Let a server say that it is so many seconds later."""

    def answer(exchange: Exchange) -> Answer:
        forwarded = exchange.forward()
        kept = {k: v for k, v in forwarded.headers.items() if k.lower() != "date"}
        forwarded.headers = kept | {"Date": formatdate(time() + seconds, usegmt=True)}
        return forwarded

    front.on(lambda _: True, answer)


def test_without_a_project(poetry: Poetry, tmp_path: Path) -> None:
    """Only locks are checked, and nobody is asked."""
    run = poetry.run("publish-verified", "doctor", "--format", "json", cwd=tmp_path)
    found = checks(run, 0)
    assert json.loads(run.out)["project"] is None
    assert {each["subject"] for each in found} == {"versions", "locks", "project"}


def test_stages_attestations_and_hooks(
    poetry: Poetry, tmp_path: Path, open_pypi: Index, devpi: Index
) -> None:
    """A stage needs what the repository needs; attestations need a trusted publisher."""
    more = '[tool.publish-verified]\nstages = ["stage"]\nattest = "require"\n'
    project = make_project(tmp_path / "lantern", more=f'{more}on-failure = ["./no alarm"]\n')
    variables = open_pypi.environment() | devpi.environment("stage")
    found = checks(doctor(poetry, project, "--format", "json", **variables), 1)
    said = " ".join(each["message"] for each in found)
    assert f"Stage stage is at {devpi.upload_url}." in said
    assert f"The index {devpi.simple_url}" in said
    (error,) = (each for each in found if each["state"] == "error")
    assert error["subject"] == "attestations"
    (hook,) = (each for each in found if each["subject"] == "hooks")
    assert (hook["state"], "./no alarm" in hook["message"]) == ("warning", True)
    del variables["POETRY_REPOSITORIES_STAGE_URL"]
    found = checks(doctor(poetry, project, "--format", "json", **variables), 1)
    assert "PV301" in {each["code"] for each in found if each["state"] == "error"}


def test_root_of_many_projects(poetry: Poetry, tmp_path: Path, open_pypi: Index) -> None:
    """It need not be a project: what its packages need is checked."""
    make_project(tmp_path / "packages" / "lantern")
    table = '[tool.publish-verified]\nprojects = ["packages/*"]\nuntil = "listed"\n'
    (tmp_path / "pyproject.toml").write_text(table, encoding="utf-8")
    poetry = poetry.with_variables(**open_pypi.environment())
    run = poetry.run("publish-verified", "doctor", "-r", "harbour", cwd=tmp_path)
    ended(run, 0)
    assert "No client is needed (until = listed)." in run.out
