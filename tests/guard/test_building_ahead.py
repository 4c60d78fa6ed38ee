"""`publish-verified doctor --build-plugins`: a set before the first `install`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.beds.plugins import write_project
from tests.beds.poetry import Poetry, Run
from tests.beds.processes import free_port
from tests.beds.simple_index import SimpleIndex

COMMAND = ("publish-verified", "doctor", "--build-plugins")


def finding(run: Run) -> dict[str, str]:
    """The only check of a run that failed."""
    assert run.code == 1, run.said
    (check,) = json.loads(run.out)["checks"]
    assert (check["subject"], check["state"]) == ("plugins", "error")
    assert isinstance(check, dict)
    return check


@pytest.mark.seam
def test_set_is_built_without_the_project(poetry: Poetry, index: SimpleIndex) -> None:
    """It is the one that the next command uses and `install` does not build; once is enough."""
    told = poetry.run(*COMMAND).ok()
    (only,) = poetry.sets
    assert f"Built the plugin set in {only}: stamp-helper 1.0, stamp-plugin 1.0." in told
    assert not (poetry.project / "poetry.lock").exists()
    before = len(index.requests), (only / "set.json").stat()
    again = poetry.run(*COMMAND).ok()
    assert f"is there already, in {only}" in again
    assert (len(index.requests), (only / "set.json").stat()) == before
    assert poetry.run("version").ok() == "demo 9.1.0\n"
    assert "Building" not in poetry.run("install").ok()
    assert poetry.sets == [only]


def test_from_another_directory(newest: Poetry, tmp_path: Path) -> None:
    """The set is the project's, whatever project Poetry is called in; JSON stays JSON."""
    stock = tmp_path / ".poetry" / "plugins" / "foreign-1.0.dist-info"
    stock.mkdir(parents=True)
    (stock / "METADATA").write_text("Name: foreign\nVersion: 1.0\n")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'other'\nversion = '1'\n")
    run = newest.run(*COMMAND, "--format", "json", str(newest.project), cwd=tmp_path)
    (check,) = json.loads(run.ok())["checks"]
    assert (check["subject"], check["state"]) == ("plugins", "ok")
    (only,) = newest.sets
    assert str(only) in check["message"]
    # No key of this set has what lies in the other project.
    assert "foreign" not in json.loads((only / "set.json").read_text())["environment"]
    assert newest.run("version").ok() == "demo 9.1.0\n"


def test_no_set_is_built(newest: Poetry, tmp_path: Path, index: SimpleIndex) -> None:
    """Each reason is named, and nothing is left behind."""
    command = (*COMMAND, "--format", "json")
    off = finding(newest.run(*command, POETRY_PUBLISH_VERIFIED_GUARD="off"))
    assert "POETRY_PUBLISH_VERIFIED_GUARD switches the guard off" in off["message"]
    nowhere = tmp_path / "file"
    nowhere.touch()
    hindered = finding(newest.run(*command, POETRY_PUBLISH_VERIFIED_PLUGIN_SETS=str(nowhere)))
    assert f"{nowhere} is not a directory" in hindered["message"]
    write_project(newest.project, f"http://127.0.0.1:{free_port()}/simple/", 'stamp-plugin = "1"')
    down = finding(newest.run(*command))
    assert down["message"].startswith("No plugin set was built: ")
    assert "sources" in down["remedy"]
    write_project(newest.project, index.url, 'poetry-publish-verified = "<0"')
    unfit = finding(newest.run(*command))
    assert "but the project requires" in unfit["message"]
    write_project(newest.project, index.url, "")
    nothing = finding(newest.run(*command))
    assert nothing["code"] == "guard.nothing-required"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no project" in newest.run(*COMMAND, cwd=empty).out
    assert newest.sets == []


def test_plugins_that_poetry_has(newest: Poetry, index: SimpleIndex) -> None:
    """No set is needed for those in Poetry's own environment."""
    write_project(newest.project, index.url, 'poetry-publish-verified = "*"')
    assert "needs no plugin set" in newest.run(*COMMAND).ok()
    assert newest.sets == []
