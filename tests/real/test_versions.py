"""The oldest and the newest: Poetry and Python, as far as this machine has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.beds.poetry import NEWEST_POETRY
from tests.beds.poetry import OLDEST_POETRY
from tests.beds.poetry import Poetry
from tests.beds.poetry import interpreters
from tests.beds.poetry import make_environment
from tests.beds.release import ended
from tests.beds.release import holds
from tests.beds.release import publish
from tests.beds.release import uploads

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.projects import Project

OLDEST_PYTHON = (3, 11)


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_the_whole_way(
    age: str, project: Project, pypi: Index, wheel: Path, tmp_path: Path
) -> None:
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
    environment = make_environment(tmp_path / "environment", interpreter, wanted, wheel)
    poetry = Poetry(environment, tmp_path / "home")
    if age == "oldest":
        assert environment.poetry_version.startswith("2.0.")
    ended(publish(poetry, project, pypi), 3)
    ended(publish(poetry, project, pypi, "--build", "--until", "installable"), 0)
    receipt = project.receipt()
    holds(receipt, "verified", 0)
    assert receipt["poetry"] == environment.poetry_version
    assert pypi.stored("lantern") == project.hashes()
    ended(publish(poetry, project, pypi, "--format", "json"), 0)
    assert set(uploads(holds(project.receipt(), "verified", 0)).values()) == {"already-there"}
    ended(poetry.run("publish-verified", "-n", "--rehearse", cwd=project.path), 0)
    ended(publish(poetry, project, pypi, "-u", "nobody", "-p", "wrong", "--skip-existing"), 0)
