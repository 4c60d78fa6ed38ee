"""Plugin sets with the newest Poetry: where, when, for whom, and at what cost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.beds.environments import environment, pythons
from tests.beds.plugins import OFFLINE, VENV_IN_PROJECT, write_project
from tests.beds.poetry import Poetry
from tests.beds.processes import HANG
from tests.beds.simple_index import SimpleIndex

ELSEWHERE = "POETRY_PUBLISH_VERIFIED_PLUGIN_SETS"


def test_two_interpreters_have_two_sets(newest: Poetry) -> None:
    """They take turns in one checkout, and neither builds twice."""
    others = pythons()[1:]
    if not others:
        pytest.skip("needs a second Python")
    other = replace(newest, environment=environment(python=others[0]))
    for poetry in (newest, other):
        assert "Building" in poetry.run("install", POETRY_VIRTUALENVS_IN_PROJECT="false").ok()
    for poetry in (newest, other, newest):
        again = poetry.run("install", POETRY_VIRTUALENVS_IN_PROJECT="false")
        assert "Building" not in again.ok()
        assert poetry.run("version").ok() == "demo 9.1.0\n"
    assert len(newest.sets) == 2


def test_sets_in_another_directory(newest: Poetry, tmp_path: Path) -> None:
    """With the variable, no set is written to the project's `.poetry`."""
    sets = str(tmp_path / "sets")
    newest.run("install", POETRY_PUBLISH_VERIFIED_PLUGIN_SETS=sets).ok()
    version = newest.run("version", POETRY_PUBLISH_VERIFIED_PLUGIN_SETS=sets)
    assert version.ok() == "demo 9.1.0\n"
    assert not list(newest.project.glob(".poetry/plugin*"))
    assert [path.name[:8] for path in (tmp_path / "sets").iterdir()] == ["project-"]


def test_path_with_spaces_and_umlauts(index: SimpleIndex, tmp_path: Path) -> None:
    """The project's path may contain spaces and umlauts."""
    project = write_project(tmp_path / "ein Pfad" / "Ümläut", index.url, 'stamp-plugin = "1.0"')
    poetry = Poetry(environment(), tmp_path / "höme", project, VENV_IN_PROJECT)
    poetry.run("install").ok()
    assert poetry.run("version").ok() == "demo 9.1.0\n"


def test_index_without_poetrys_distributions(newest: Poetry, index: SimpleIndex) -> None:
    """The index lacks Poetry, pip and this plugin, and is not asked for them."""
    index.requests.clear()
    newest.run("install").ok()
    asked = {path.split("/")[2] for path in index.requests if path.startswith("/simple/")}
    assert asked == {"stamp-plugin", "stamp-helper"}


def test_self_commands_run_without_the_set(newest: Poetry) -> None:
    """They must not take the set's distributions for Poetry's own."""
    newest.run("install").ok()
    shown = newest.run("self", "show", "plugins")
    assert "stamp-plugin" in shown.ok()
    lock = newest.with_variables(**OFFLINE).run("-vv", "self", "lock")
    assert "stamp" not in lock.out + lock.err


def test_invalid_requirement_is_left_to_poetry(newest: Poetry, index: SimpleIndex) -> None:
    """Poetry reports it wherever it matters."""
    write_project(newest.project, index.url, 'stamp-plugin = "not a version"')
    done = newest.run("version")
    assert done.ok() == "demo 0.0.0\n"
    assert done.err == ""
    assert newest.run("install").code == 1


def test_unavailable_plugin(newest: Poetry, index: SimpleIndex) -> None:
    """`install` fails as with stock Poetry, and leaves nothing behind."""
    write_project(newest.project, index.url, 'stamp-plugin = ">=7"')
    done = newest.run("install")
    assert done.code == 1
    assert "stamp-plugin" in done.err
    assert [path.name for path in newest.project.glob(".poetry/.nox/plugin-sets/*")] == [".locks-1"]


def test_plugin_excluded_by_a_marker(newest: Poetry, index: SimpleIndex) -> None:
    """A plugin for another system is not missing."""
    entry = 'stamp-plugin = { version = ">=1", markers = "sys_platform == \'nowhere\'" }'
    write_project(newest.project, index.url, entry)
    done = newest.run("version")
    assert (done.ok(), done.err) == ("demo 0.0.0\n", "")
    newest.run("install").ok()
    assert not list(newest.project.glob(".poetry/plugin*"))


def test_killed_builder(newest: Poetry, index: SimpleIndex) -> None:
    """After kill -9 during a build, the next `install` builds and cleans up."""
    sets = newest.project / ".poetry" / ".nox" / "plugin-sets"
    with index.gated("stamp_plugin-") as gate:
        builder = newest.start("install", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert gate.reached.wait(HANG)
        builder.kill()
        builder.wait()
    assert list(sets.glob(".building-*"))
    newest.run("install").ok()
    assert newest.run("version").ok() == "demo 9.1.0\n"
    assert sorted(path.name for path in sets.iterdir())[1:] == [newest.sets[0].name]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_project(newest: Poetry) -> None:
    """Without a place for sets, `install` builds one for itself and says so."""
    newest.project.chmod(0o555)
    try:
        done = newest.run("install", POETRY_VIRTUALENVS_IN_PROJECT="false")
    finally:
        newest.project.chmod(0o755)
    done.ok()
    assert ELSEWHERE in done.err


@pytest.mark.parametrize("link", [False, True], ids=["file", "dangling link"])
def test_no_place_for_sets(newest: Poetry, link: bool) -> None:
    """The message names the obstacle instead of an `install` that would not help."""
    kept = newest.project / ".poetry"
    if link:
        kept.symlink_to("nowhere")
    else:
        kept.touch()
    done = newest.run("install", POETRY_VIRTUALENVS_IN_PROJECT="false")
    done.ok()
    assert f"{kept} is not a directory" in done.err
    after = newest.run("version")
    assert after.ok() == "demo 0.0.0\n"
    assert after.err.count("\n") == 1
    assert f"{kept} is not a directory" in after.err
    assert ELSEWHERE in after.err
    assert "poetry install" not in after.err
    assert kept.is_symlink() == link


def test_retiring_is_reported_once(newest: Poetry, wheels: Path) -> None:
    """A Poetry without the guard loses its plugins here, so the message appears when it happens."""
    stock = newest.project / ".poetry" / "plugins"
    for name in ("stamp_plugin", "stamp_helper"):
        with zipfile.ZipFile(wheels / f"{name}-1.0-py3-none-any.whl") as wheel:
            wheel.extractall(stock)
    assert f"Removed {stock}" in newest.run("install").err
    assert not stock.exists()
    assert "Removed" not in newest.run("install").err


@pytest.mark.parametrize("what", ["directory", "pipe", "latin-1", "broken"])
def test_unreadable_pyproject(newest: Poetry, what: str) -> None:
    """Poetry reports it wherever it matters; other commands are silent."""
    file = newest.project / "pyproject.toml"
    file.unlink()
    if what == "directory":
        file.mkdir()
    elif what == "pipe":
        os.mkfifo(file)
    else:
        text = "# \xe9\n" if what == "latin-1" else "[\n"
        file.write_bytes(f"{text}requires-plugins".encode("latin-1"))
    others = [["config", "virtualenvs.prompt"], ["list"]]
    # For these, stock Poetry blocks on the pipe.
    for command in [["--version"], *(others if what != "pipe" else [])]:
        done = newest.run(*command)
        stock = newest.run(*command, POETRY_PUBLISH_VERIFIED_GUARD="off")
        assert (done.code, done.out, done.err) == (stock.code, stock.out, stock.err)


def test_no_cost_without_project_plugins(newest: Poetry, index: SimpleIndex) -> None:
    """No file is written, nothing heavy is imported, and no TOML is parsed."""
    write_project(newest.project, index.url, "")
    shutil.rmtree(newest.project / ".poetry", ignore_errors=True)
    script = """
import json, sys, tomllib
from cleo.io.inputs.argv_input import ArgvInput
from pathlib import Path
from poetry.console.application import Application
from poetry.plugins.plugin_manager import PluginManager
# As Poetry does before it activates a plugin.
PluginManager.add_project_plugin_path(Path.cwd())
application = Application()
application.create_io(ArgvInput(["poetry", "version"]))
application._configure_io(application._io)
del tomllib.loads
before = set(sys.modules)
from poetry_publish_verified.guard.entry import install_guard
install_guard(application)
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    newest.real = True
    brought = json.loads(newest.python(script).ok())
    # Modules that Poetry loads for almost every command do not count.
    own = [name for name in brought if not name.startswith(("poetry.", "importlib.", "_"))]
    assert own == [
        "poetry_publish_verified",
        "poetry_publish_verified.guard",
        "poetry_publish_verified.guard.entry",
        "poetry_publish_verified.guard.python_environment",
        "poetry_publish_verified.guard.seams",
        "poetry_publish_verified.guard.seams.application",
    ]
    assert not (newest.project / ".poetry").exists()
