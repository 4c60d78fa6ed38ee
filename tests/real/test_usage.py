"""A command's help, and its suggestions for typos."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from poetry_publish_verified import durations
from poetry_publish_verified.core.settings import Settings
from poetry_publish_verified.errors import Code

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.poetry import Poetry
    from tests.beds.projects import Project


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("--untill listed", 'The option "--untill" does not exist. Did you mean --until?'),
        ("wait --indx pypi", 'The option "--indx" does not exist. Did you mean --index?'),
        ("doctor --claen", 'The option "--claen" does not exist. Did you mean --clean?'),
        ("wiat x==1", 'got "wiat". Did you mean poetry publish-verified wait?'),
        ("--xyzzy", 'The option "--xyzzy" does not exist'),
    ],
)
def test_typos_get_suggestions(
    poetry: Poetry, project: Project, arguments: str, error: str
) -> None:
    """An unknown option or subcommand is an error that suggests a similar one."""
    run = poetry.run("publish-verified", *arguments.split(), cwd=project.path)
    assert run.code == 1
    assert run.err.strip().endswith(error)


@pytest.mark.seam
@pytest.mark.parametrize("subcommand", ["wait", "doctor", "explain", "rollback"])
def test_help_of_a_subcommand(poetry: Poetry, project: Project, subcommand: str) -> None:
    """`poetry help` accepts the name of a subcommand, and shows what its --help shows."""
    asked = poetry.run("help", "publish-verified", subcommand, cwd=project.path).ok()
    assert f"publish-verified {subcommand} [options]" in asked
    assert asked == poetry.run("publish-verified", subcommand, "--help", cwd=project.path).ok()
    assert "help publish-verified" not in poetry.run("list", cwd=project.path).ok()


def test_help_names_the_subcommands(poetry: Poetry, project: Project) -> None:
    """The help of publish-verified lists the subcommands."""
    said = poetry.run("help", "publish-verified", cwd=project.path).ok()
    for subcommand in ("wait", "doctor", "explain", "rollback"):
        assert f"poetry publish-verified {subcommand} " in said


def test_help_names_the_defaults(poetry: Poetry, project: Project) -> None:
    """The help names the defaults that a run has."""
    said = poetry.run("help", "publish-verified", cwd=project.path).ok()
    named = dict(re.findall(r"--([a-z]+)=.*Default is `(.*?)`", said))
    defaults = Settings()
    assert named["until"] == defaults.until
    assert named["format"] == defaults.format
    assert tuple(named["clients"].split()) == defaults.clients
    assert durations.parse(named["timeout"]) == defaults.timeout
    assert (int(named["jobs"]), int(named["retries"])) == (defaults.jobs, defaults.retries)


def test_explanation_of_a_code(poetry: Poetry, tmp_path: Path) -> None:
    """It works outside a project, however the code is written; without one, it lists all."""
    said = poetry.run("publish-verified", "explain", "pv409", cwd=tmp_path).ok()
    assert said.startswith("PV409: Cannot tell whether a file was stored.\n")
    for words in ("What is true then", "exit code 4", "What to do", "Run the same command again"):
        assert words in said
    assert said.endswith("/reference/codes.html#pv409\n")
    assert poetry.run("publish-verified", "explain", "409", cwd=tmp_path).ok() == said
    listed = poetry.run("publish-verified", "explain", cwd=tmp_path).ok()
    assert [line[:5] for line in listed.splitlines()] == list(Code)


def test_unknown_code_gets_a_suggestion(poetry: Poetry, tmp_path: Path) -> None:
    """An unknown code is an error that suggests a similar one."""
    run = poetry.run("publish-verified", "explain", "PV4O9", cwd=tmp_path)
    assert run.code == 1
    assert "There is no code PV4O9." in run.err
    assert "Did you mean PV409?" in run.err
