"""`publish-verified doctor` and what it is made of: stuck checkouts, looked at from outside."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from poetry_publish_verified.guard.doctor import diagnose
from tests.stress.testbed import Index
from tests.stress.testbed import Poetry
from tests.stress.testbed import write_project

# A library of Poetry's warns when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def unpack(wheels: Path, names: list[str], stock: Path) -> None:
    """Put wheels into Poetry's own plugin directory, as its installer would."""
    for name in names:
        with zipfile.ZipFile(wheels / f"{name}-1.0-py3-none-any.whl") as wheel:
            wheel.extractall(stock)


def codes(root: Path) -> list[str]:
    """The codes of all problems."""
    return [problem.code for problem in diagnose(root, {"poetry": "2.5.1"})]


def test_a_sound_checkout(project: Path, wheels: Path) -> None:
    """No plugin directory, or a complete one: nothing to say."""
    assert codes(project) == []
    stock = project / ".poetry" / "plugins"
    unpack(wheels, ["stamp_plugin", "stamp_helper"], stock)
    (stock / "config.toml").touch()
    assert codes(project) == []


def test_stuck_checkouts(project: Path, wheels: Path) -> None:
    """Each way in which a killed stock `install` leaves a checkout stuck is named."""
    stock = project / ".poetry" / "plugins"
    stock.mkdir(parents=True)
    (stock / "config.toml").touch()
    assert codes(project) == ["guard.stock-empty"]
    unpack(wheels, ["stamp_plugin"], stock)
    assert codes(project) == ["guard.stock-broken"]
    unpack(wheels, ["stamp_helper"], stock)
    (stock / "stamp_plugin.py").unlink()
    assert codes(project) == ["guard.stock-broken"]
    unpack(wheels, ["stamp_plugin"], stock)
    (stock / "config.toml").unlink()
    assert codes(project) == ["guard.stock-unfinished"]


def test_what_a_plugin_needs_is_looked_at_too(project: Path, wheels: Path) -> None:
    """Files and requirements of every distribution, a plugin or not, however deep."""
    stock = project / ".poetry" / "plugins"

    def fresh() -> None:
        shutil.rmtree(stock, ignore_errors=True)
        unpack(wheels, ["stamp_plugin", "stamp_helper"], stock)
        (stock / "config.toml").touch()

    fresh()
    (stock / "stamp_helper" / "part3.py").unlink()
    assert codes(project) == ["guard.stock-broken"]
    shutil.rmtree(stock / "stamp_helper")
    assert codes(project) == ["guard.stock-broken"]
    fresh()
    metadata = stock / "stamp_helper-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text() + "Requires-Dist: deeper\n")
    (found,) = diagnose(project, {})
    assert "stamp-helper without deeper" in found.message
    fresh()
    (stock / "stamp_plugin-1.0.dist-info" / "METADATA").unlink()
    (stock / "stamp_plugin.py").unlink()
    (found,) = diagnose(project, {})
    assert found.code == "guard.stock-broken"
    assert "stamp-plugin without stamp_plugin-1.0.dist-info/METADATA, stamp_plugin.py" in (
        found.message
    )


def test_compiled_files_and_scripts_elsewhere_may_be_gone(project: Path, wheels: Path) -> None:
    """Python makes the ones anew, and no command imports the others."""
    stock = project / ".poetry" / "plugins"
    unpack(wheels, ["stamp_plugin", "stamp_helper"], stock)
    (stock / "config.toml").touch()
    with (stock / "stamp_plugin-1.0.dist-info" / "RECORD").open("a") as record:
        record.write("__pycache__/stamp_plugin.cpython-311.pyc,,\n../../bin/stamp,,\n")
        record.write("/nowhere/bin/stamp,,\n")
    assert codes(project) == []


def test_one_of_two_required_plugins(project: Path, wheels: Path, index: Index) -> None:
    """A list that its directory does not fulfil; what Poetry has or markers exclude is no part."""
    elsewhere = "{ version = '*', markers = \"sys_platform == 'nowhere'\" }"
    entries = f'stamp-plugin = "1.0"\nproject-plugin = "*"\nasking-plugin = {elsewhere}'
    write_project(project, index.url, entries)
    stock = project / ".poetry" / "plugins"
    unpack(wheels, ["stamp_plugin", "stamp_helper"], stock)
    (stock / "config.toml").touch()
    (found,) = diagnose(project, {})
    assert found.code == "guard.stock-incomplete"
    assert "without project-plugin:" in found.message
    assert diagnose(project, {"project-plugin": "1.0"}) == []
    write_project(project, index.url, "stamp-plugin = [")
    assert codes(project) == ["guard.list-unreadable"]


def test_nothing_is_needed(project: Path, index: Index) -> None:
    """All that is required is in Poetry's environment: then stock's directory is empty."""
    stock = project / ".poetry" / "plugins"
    stock.mkdir(parents=True)
    (stock / "config.toml").touch()
    assert diagnose(project, {"stamp-plugin": "1.0"}) == []
    write_project(project, index.url, "")
    assert codes(project) == []


def test_the_command_heals_from_elsewhere(poetry: Poetry, wheels: Path, tmp_path: Path) -> None:
    """Where every command dies, the doctor names the directory; without it `install` works."""
    stock = poetry.project / ".poetry" / "plugins"
    unpack(wheels, ["stamp_plugin"], stock)
    assert poetry.run("version").code != 0
    told = poetry.run("publish-verified", "doctor", str(poetry.project), cwd=tmp_path)
    assert told.code == 3
    assert f"Delete {stock}" in told.out.replace("\n", " ")
    shutil.rmtree(stock)
    poetry.run("install").ok()
    assert "nothing wrong" in poetry.run("publish-verified", "doctor").ok()


def test_damaged_and_abandoned_sets(newest: Poetry) -> None:
    """A set that lost files is reported, and the next `install` builds it again."""
    newest.run("install").ok()
    (only,) = newest.sets
    (only / "site-packages" / "stamp_plugin.py").unlink()
    left = only.parent / ".building-000000000000-1-1-00000000"
    left.mkdir()
    assert codes(newest.project) == ["guard.set-damaged"]
    again = newest.run("install")
    again.ok()
    assert "lost files" in again.err
    assert newest.run("version").ok() == "demo 9.1.0\n"
    assert codes(newest.project) == []


@pytest.mark.parametrize("path", ["nowhere", "pyproject.toml"])
def test_a_path_that_is_none(newest: Poetry, path: str) -> None:
    """Wrong usage exits 1."""
    assert newest.run("publish-verified", "doctor", path).code == 1
