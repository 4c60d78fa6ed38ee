"""The oldest and newest Poetry and Python that this machine has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.beds.environments import NEWEST_POETRY, OLDEST_POETRY, environment, interpreters
from tests.beds.poetry import Poetry
from tests.beds.release import ended, holds, publish, uploads

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.projects import Project

OLDEST_PYTHON = (3, 11)


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_whole_way(age: str, project: Project, pypi: Index, tmp_path: Path) -> None:
    """Built, sent, proven, refused and rehearsed on this Python with this Poetry."""
    if age == "oldest":
        found = [one for one in interpreters() if one.version[:2] == OLDEST_PYTHON]
        if not found:
            pytest.skip("this machine has no Python 3.11, the oldest that is supported")
        interpreter, wanted = found[0], OLDEST_POETRY
    else:
        interpreter, wanted = interpreters()[-1], NEWEST_POETRY
        if interpreter.version[:2] == OLDEST_PYTHON:
            pytest.skip("this machine has no Python later than 3.11")
    own = environment(wanted, python=interpreter.path)
    assert own.poetry_version == wanted
    poetry = Poetry(own, tmp_path / "home")
    ended(publish(replace(poetry, real=True), project, pypi), 3)
    ended(publish(poetry, project, pypi, "--build", until="installable"), 0)
    receipt = project.receipt()
    holds(receipt, "verified", 0)
    assert receipt["poetry"] == wanted
    assert pypi.stored("lantern") == project.hashes()
    ended(publish(poetry, project, pypi, "--format", "json"), 0)
    assert set(uploads(holds(project.receipt(), "verified", 0)).values()) == {"already-there"}
    ended(poetry.run("publish-verified", "-n", "--rehearse", cwd=project.path), 0)
    ended(publish(poetry, project, pypi, "-u", "nobody", "-p", "wrong", "--skip-existing"), 0)


LATE = """
from cleo.events.console_events import COMMAND
from poetry.core.constraints.version import Version
from poetry.plugins.application_plugin import ApplicationPlugin

class Late(ApplicationPlugin):
    def activate(self, application):
        application.event_dispatcher.add_listener(COMMAND, self.set_version)

    def set_version(self, event, *_):
        if event.command.name == "build":
            event.command.poetry.package.version = Version.parse("3.2.1")
"""


def test_version_set_by_the_build(
    poetry: Poetry, project: Project, pypi: Index, tmp_path: Path
) -> None:
    """If a plugin sets the version during the build, that release goes out under its name."""
    plugins = tmp_path / "plugins"
    information = plugins / "late-1.0.dist-info"
    information.mkdir(parents=True)
    (plugins / "late.py").write_text(LATE, encoding="utf-8")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[poetry.application.plugin]\nl = late:Late\n")
    late = poetry.with_variables(PYTHONPATH=str(plugins))
    ended(publish(late, project, pypi, "--build"), 0)
    assert {name.split("-")[1].removesuffix(".tar.gz") for name in pypi.stored("lantern")} == {
        "3.2.1"
    }
    directory = project.path / "dist" / ".publish-verified"
    assert [path.name for path in directory.iterdir()] == ["lantern-3.2.1.json"]
