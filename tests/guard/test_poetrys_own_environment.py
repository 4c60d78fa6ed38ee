"""Poetry inside the environment into which it installs the project: a container, an active venv."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.beds.distributions import WheelSource
from tests.beds.environments import environment
from tests.beds.plugins import VENV_IN_PROJECT, stamp_helper, stamp_plugin, write_project
from tests.beds.poetry import Poetry, Run
from tests.beds.simple_index import SimpleIndex


@pytest.fixture
def own_index(tmp_path: Path, wheels: Path) -> Iterator[SimpleIndex]:
    """An index with two versions of what the plugin needs."""
    copied = shutil.copytree(wheels, tmp_path / "wheels")
    files = stamp_helper(6).files
    WheelSource("stamp-helper", "1.1", files).build(copied)
    with SimpleIndex(copied) as served:
        yield served


@pytest.fixture
def make(
    tmp_path: Path, own_index: SimpleIndex, version: str, real: bool
) -> Callable[..., Callable[..., Run]]:
    """`make(dependency, *packages)` runs Poetry in the environment that it changes."""

    def made(
        dependency: str, *packages: Path, plugin: str = 'stamp-plugin = ">=1,<2"'
    ) -> Callable[..., Run]:
        own = environment(version).copy(tmp_path / "environment")
        if packages:
            own.install(*packages, dependencies=False)
        project = write_project(tmp_path / "project", own_index.url, plugin)
        file = project / "pyproject.toml"
        name = '[project]\nname = "demo"\n'
        text = file.read_text().replace(name, f'{name}dependencies = ["{dependency}"]\n')
        file.write_text(text)
        poetry = Poetry(own, tmp_path / "home", project, VENV_IN_PROJECT, real=real)

        def run(*args: str) -> Run:
            return poetry.run(*args, VIRTUAL_ENV=str(own.path))

        return run

    return made


def right_and_silent(run: Callable[..., Run]) -> None:
    """The next commands have the plugin, warn about nothing, and build nothing."""
    for _ in range(2):
        version = run("version")
        assert (version.ok(), version.err) == ("demo 9.1.0\n", "")
        again = run("install")
        assert "Building" not in again.ok()
        assert again.err == ""


@pytest.mark.parametrize("dependency", ["stamp-helper==1.0", "pysocks"])
def test_project_dependencies_are_installed(
    make: Callable[..., Callable[..., Run]], dependency: str, tmp_path: Path
) -> None:
    """Shared with the plugin or not, the set is copied for the changed environment."""
    run = make(dependency)
    first = run("install")
    assert first.ok().count("Building") == 1
    environment = tmp_path / "environment"
    assert next(environment.rglob("demo-*.dist-info")).name == "demo-9.1.0.dist-info"
    right_and_silent(run)
    records = (tmp_path / "project").glob(".poetry/.nox/plugin-sets/py*/set.json")
    upon = [json.loads(record.read_text())["environment"] for record in records]
    name = dependency.split("=", maxsplit=1)[0]
    assert sorted(name in one for one in upon) == [False, True]
    # The project itself is not part of the key, because the plugin determines its version.
    assert not any("demo" in one for one in upon)


def test_base_of_the_set_changes(make: Callable[..., Callable[..., Run]], wheels: Path) -> None:
    """If a distribution that the plugin uses is replaced, the set is rebuilt at once."""
    run = make("stamp-helper==1.1", wheels / "stamp_helper-1.0-py3-none-any.whl")
    assert run("install").ok().count("Building") == 2
    right_and_silent(run)


@pytest.mark.seam
def test_plugin_becomes_a_dependency(make: Callable[..., Callable[..., Run]]) -> None:
    """If the project depends on its own plugin, Poetry's environment provides it from then on."""
    run = make("stamp-plugin==1.0")
    run("install").ok()
    right_and_silent(run)


@pytest.mark.real_start
def test_rebuild_failure_is_a_warning(
    make: Callable[..., Callable[..., Run]], wheels: Path, own_index: SimpleIndex
) -> None:
    """The command has succeeded, so a failure afterwards is one warning."""
    source = replace(stamp_plugin("1.5"), requires=("stamp-helper==1.0",))
    source.build(own_index.wheels)
    helper = wheels / "stamp_helper-1.0-py3-none-any.whl"
    run = make("stamp-helper==1.1", helper, plugin='stamp-plugin = "1.5"')
    done = run("install")
    assert done.ok().count("Building") == 2
    assert done.err.count("could not be built for Poetry's environment as it is now") == 1
