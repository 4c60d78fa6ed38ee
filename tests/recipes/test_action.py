"""The composite action and the GitLab component, their steps run as runners run them."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.beds.environments import NEWEST_POETRY, ROOT, built_wheel, share_pip
from tests.beds.poetry import isolated
from tests.beds.release import REPOSITORY
from tests.beds.workflows import (
    GITLAB,
    Ended,
    Job,
    blocks,
    check_schema,
    component,
    gitlab_script,
    load,
    run_script,
)
from tests.thorough import THOROUGH

if TYPE_CHECKING:
    from tests.beds.environments import PoetryEnvironment
    from tests.beds.indexes import Index
    from tests.beds.projects import Project

ACTION, COMPONENT = ROOT / "action.yml", ROOT / "templates" / "publish.yml"
# What would run if an input were spliced into a script.
HOSTILE = """--receipt
a "$(touch spliced)" `touch spliced` '; touch spliced #.json"""


def program(folder: Path, name: str, text: str) -> None:
    """Write a program."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/bash\n{text}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.fixture
def job(tmp_path: Path, poetry_environment: PoetryEnvironment) -> Job:
    """A job whose Poetry has the plugin."""
    share_pip(tmp_path / "home/cache/publish-verified/clients", poetry_environment.python)
    variables = isolated(tmp_path / "home")
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "poetry").symlink_to(poetry_environment.poetry)
    variables["PATH"] = f"{folder}:/usr/bin:/bin"
    return Job(tmp_path / "job", variables)


def publish(
    job: Job, project: Project, pypi: Index, *arguments: str
) -> tuple[Ended, dict[str, str]]:
    """Run the action in the project."""
    job.variables |= pypi.environment(REPOSITORY)
    lines = "\n".join(("--repository", REPOSITORY, "--until", "downloadable", *arguments))
    return job.action(ACTION, {"arguments": lines, "working-directory": str(project.path)})


def test_release(job: Job, project: Project, pypi: Index) -> None:
    """It publishes, with a summary and outputs; the plugin that is there already stays."""
    ended, outputs = publish(job, project, pypi, "--build")
    assert ended.code == 0, ended.said
    assert project.filenames == set(pypi.listed("lantern"))
    assert outputs == {
        "verdict": "verified",
        "exit-code": "0",
        "version": "1.0",
        "receipt": str(project.receipt_file),
        "url": f"{pypi.simple_url}lantern/",
    }
    assert "## lantern 1.0" in job.summary
    assert not (job.temporary / "publish-verified").exists()


def test_failure(job: Job, project: Project, pypi: Index) -> None:
    """The step ends as the command does, annotated, and says how in its outputs."""
    ended, outputs = publish(job, project, pypi)
    assert ended.code == 3
    assert "::error title=PV203::" in ended.said
    assert (outputs["verdict"], outputs["exit-code"]) == ("preflight-refused", "3")


def test_other_command(job: Job, project: Project, pypi: Index) -> None:
    """Another command gets its arguments, a line each."""
    project.build()
    pypi.upload(project)
    lines = f"lantern==1.0\n\n--index\n{pypi.simple_url}"
    ended, outputs = job.action(ACTION, {"command": "wait", "arguments": lines})
    assert ended.code == 0, ended.said
    assert outputs["verdict"] == "verified"


def test_inputs_are_never_run(job: Job, project: Project, pypi: Index) -> None:
    """Whatever an input says, it reaches the command as one argument."""
    publish(job, project, pypi, HOSTILE)
    job.action(ACTION, {"command": 'wait" && touch spliced; "', "arguments": HOSTILE})
    assert not list(job.folder.parent.rglob("spliced"))


def test_plugin_is_added(job: Job, tmp_path: Path) -> None:
    """A Poetry without it gets it in the version asked for, with its extras."""
    said = tmp_path / "said"
    program(
        tmp_path / "programs of theirs",
        "poetry",
        f'echo "$*" >> "{said}"; [[ "$1 $3" != "self plugins" ]] || echo "  - other (1.0) Other"',
    )
    job.variables["PATH"] = f"{tmp_path / 'programs of theirs'}:/usr/bin:/bin"
    job.action(ACTION, {"extras": "attestations", "plugin-version": "0.1.0"})
    lines = said.read_text(encoding="utf-8").splitlines()
    assert lines[1:] == [
        "self add --no-interaction poetry-publish-verified[attestations]==0.1.0",
        "publish-verified --no-interaction",
    ]


@pytest.mark.skipif(not THOROUGH, reason="installs Poetry; with TESTS_THOROUGH=1")
def test_poetry_is_installed(job: Job, project: Project, pypi: Index) -> None:
    """Where there is none, it is installed with the plugin, and hides no other program."""
    job.variables["PATH"] = f"{Path(sys.executable).parents[1] / 'nowhere'}:/usr/bin:/bin"
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    links = f"{pip.get('PIP_FIND_LINKS', '')} {built_wheel().parent}"
    job.variables |= {**pip, "PIP_FIND_LINKS": links}
    ended, outputs = publish(job, project, pypi, "--build")
    assert ended.code == 0, ended.said
    assert outputs["verdict"] == "verified"
    (added,) = (job.temporary / "publish-verified" / "bin").iterdir()
    assert added.name == "poetry"
    assert job.variables["PATH"].startswith(f"{added.parent}:")


def test_versions() -> None:
    """Both install this version of the plugin, with the newest Poetry that is tested."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for inputs in (
        load(ACTION.read_text(encoding="utf-8"))["inputs"],
        component(COMPONENT.read_text(encoding="utf-8"), {})[0]["spec"]["inputs"],
    ):
        assert inputs["plugin-version"]["default"] == project["version"]
        assert inputs["poetry-version"]["default"] == NEWEST_POETRY


def test_schemas(tmp_path: Path) -> None:
    """Both are as the published schemas have them."""
    check_schema("github-actions", ACTION)
    header, text = component(COMPONENT.read_text(encoding="utf-8"), {})
    head, body = tmp_path / "head.yml", tmp_path / "body.yml"
    head.write_text(COMPONENT.read_text(encoding="utf-8").partition("\n---\n")[0], "utf-8")
    body.write_text(text, encoding="utf-8")
    assert set(header) == {"spec"}
    check_schema("gitlab-ci", head, body)


def test_component(job: Job, project: Project, pypi: Index, tmp_path: Path) -> None:
    """Its script publishes the project in the directory, and leaves what GitLab collects."""
    program(tmp_path / "programs", "python3", f'echo "$*" >> "{tmp_path / "python3"}"')
    options = f"--build --repository {REPOSITORY} --until downloadable"
    inputs = {"directory": project.path.name, "options": options}
    _, text = component(COMPONENT.read_text(encoding="utf-8"), inputs)
    (gitlab_job,) = load(text).values()
    variables = {
        name: value if isinstance(value, str) else value["value"]
        for name, value in gitlab_job["variables"].items()
    }
    root = str(project.path.parent)
    variables = {name: v.replace("$CI_PROJECT_DIR", root) for name, v in variables.items()}
    variables = {**job.variables, **pypi.environment(REPOSITORY), **variables}
    ended = run_script(gitlab_script(gitlab_job), GITLAB, project.path.parent, variables)
    assert ended.code == 0, ended.said
    assert project.filenames == set(pypi.listed("lantern"))
    assert {"receipt.json", "junit.xml", "release.env"} <= {
        path.name for path in project.path.parent.iterdir()
    }
    installed = (tmp_path / "python3").read_text(encoding="utf-8").split()
    assert installed[-2:] == ["poetry==2.5.1", "poetry-publish-verified==0.1.0"]


@pytest.mark.parametrize("value", ['"', "a; touch spliced", "$(touch spliced)", "a\nscript: [b]"])
def test_component_refuses_hostile_inputs(value: str) -> None:
    """No input of the component can become part of its script or of its YAML."""
    text = COMPONENT.read_text(encoding="utf-8")
    for name in load(text.partition("\n---\n")[0])["spec"]["inputs"]:
        with pytest.raises(ValueError, match=name):
            component(text, {name: value})


def test_page_names_every_input() -> None:
    """The page in the docs lists every input of both, and its examples give no other."""
    text = (ROOT / "docs" / "how-to" / "action.md").read_text(encoding="utf-8")
    action, included, _ = (load(block) for block in blocks(text))
    head = load(COMPONENT.read_text(encoding="utf-8").partition("\n---\n")[0])
    for inputs, given in (
        (
            load(ACTION.read_text(encoding="utf-8"))["inputs"],
            action["jobs"]["publish"]["steps"][1]["with"],
        ),
        (head["spec"]["inputs"], included["include"][0]["inputs"]),
    ):
        assert set(given) <= set(inputs)
        assert [name for name in inputs if f"`{name}`" not in text] == []
