"""`doctor --clean` removes what the plugin keeps, and nothing in use or of others."""

from __future__ import annotations

from pathlib import Path

import pytest
from cleo.testers.command_tester import CommandTester

from poetry_publish_verified.cli.doctor import DoctorCommand
from poetry_publish_verified.guard.locks.lock import acquire
from poetry_publish_verified.guard.locks.places import LockPlaces, user_lock_directory
from poetry_publish_verified.guard.plugin_sets.store import PluginSets
from poetry_publish_verified.guard.seams import application as poetry_seams
from tests.guard.holding import holder_of
from tests.guard.test_plugin_sets import BASE, build


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of this process's Poetry, its settings, environments and caches."""
    home = tmp_path / "home"
    for name in ("prefix", "config", "virtualenvs", "cache/artifacts", "elsewhere/one"):
        (home / name).mkdir(parents=True)
    for seam, name in {
        "poetry_prefix": "prefix",
        "config_directory": "config",
        "environments_directory": "virtualenvs",
    }.items():
        monkeypatch.setattr(poetry_seams, seam, lambda name=name: home / name)
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("POETRY_CACHE_DIR", str(home / "cache"))
    return home


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with its own file in `.poetry`, if a test adds one."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").touch()
    return root


def files(root: Path) -> set[str]:
    """All files in a directory."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def clean(project: Path) -> tuple[int, str]:
    """Run the command; returns its exit code and output."""
    tester = CommandTester(DoctorCommand())
    code = tester.execute(f"--clean {project}")
    return code, tester.io.fetch_output() + tester.io.fetch_error()


def test_everything_but_held_locks_is_removed(home: Path, project: Path) -> None:
    """Each item is named; a held lock stays, with the reason, until it is released."""
    before = files(home), files(project)
    places = LockPlaces(user_lock_directory())
    sets = PluginSets.of_project(project)
    assert build(sets, BASE) is not None
    elsewhere = places.environment(home / "elsewhere" / "one")
    for resource in (
        places.project(project),
        places.config(home / "config"),
        places.poetry_environment(home / "prefix"),
        places.environment(home / "virtualenvs" / "demo-py3.12"),
        elsewhere._replace(path=elsewhere.fallback or home, base=None),
        sets.lock(BASE),
    ):
        with acquire(resource, print) as ours:
            assert ours
    (home / "cache" / "publish-verified").mkdir()
    (home / "cache" / "publish-verified" / "x").touch()
    made = files(home) - before[0]
    assert len(made) == 5
    with holder_of(places.project(project)), holder_of(places.config(home / "config")):
        code, said = clean(project)
        assert code == 8
        assert said.count("Kept ") == 3
        assert said.count("in use by `-c") == 3
        assert sets.find(BASE) is not None
    code, said = clean(project)
    assert (code, said.count("Kept")) == (0, 0)
    assert f"Removed {project / '.poetry' / '.nox'}\n" in said
    assert (files(home), files(project)) == before
    assert not (project / ".poetry").exists()
    assert clean(project) == (0, "Nothing to remove.\n")


def test_poetrys_own_plugins_stay(home: Path, project: Path) -> None:
    """What stock Poetry made belongs to Poetry."""
    stock = project / ".poetry" / "plugins" / "stamp.py"
    stock.parent.mkdir(parents=True)
    stock.touch()
    (project / ".poetry" / ".gitignore").write_text("*")
    assert clean(project) == (0, "Nothing to remove.\n")
    assert files(project / ".poetry") == {"plugins/stamp.py", ".gitignore"}
    assert files(home) == set()
