"""`doctor --clean` removes what the plugin keeps, and nothing in use or of others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cleo.testers.command_tester import CommandTester

from poetry_publish_verified.cli.doctor import DoctorCommand
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.guard.locks.breaking import Breaking
from poetry_publish_verified.guard.locks.lock import acquire
from poetry_publish_verified.guard.locks.places import LockPlaces, user_lock_directory
from poetry_publish_verified.guard.plugin_sets.store import PluginSets
from poetry_publish_verified.guard.seams import application as poetry_seams
from tests.guard.filesystems import open_directory
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
        assert said.count("Kept ") == 2
        assert said.count("in use by `-c") == 2
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


OWNER, MEMBER, TEAM = 4201, 4202, 4300
AS_USER = """
import os, sys, tempfile
from pathlib import Path
from poetry_publish_verified.guard.doctor import cleaning
from poetry_publish_verified.guard.locks.lock import acquire
from poetry_publish_verified.guard.locks.places import LockPlaces
from poetry_publish_verified.guard.plugin_sets.store import PluginSets
from tests.guard.test_plugin_sets import BASE, build

def build_set(root):
    build(PluginSets.of_project(root), BASE)
    with acquire(LockPlaces(None).project(root), print):
        pass

def clean(root):
    return [f"{one.path}: {one.kept}" for one in cleaning._clean_checkout(root)]

# What is imported on first use may be in root's home.
with tempfile.TemporaryDirectory() as rehearsal:
    build_set(Path(rehearsal))
    clean(Path(rehearsal))
act, root, user, team = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
os.umask(0o022)
os.setgroups([team])
os.setgid(user)
os.setuid(user)
print(*globals()[act](root) or [], sep="\\n")
"""


def as_user(user: int, act: str, root: Path) -> str:
    """Let a user of the team, whose umask lets nobody else write, build or clean; the output."""
    command = [sys.executable, "-c", AS_USER, act, str(root), str(user), str(TEAM)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")
@pytest.mark.parametrize("mode", [0o2775, 0o775])
def test_member_of_a_team_removes_everything(mode: int) -> None:
    """In a checkout of a group each may remove what another built, if all of it."""
    with open_directory() as parent:
        root = parent / "checkout"
        root.mkdir()
        (root / "pyproject.toml").touch()
        for path in (root, root / "pyproject.toml"):
            os.chown(path, OWNER, TEAM)
        root.chmod(mode)
        as_user(OWNER, "build_set", root)
        (set_of_owner,) = root.glob(".poetry/.nox/plugin-sets/py*")
        private = set_of_owner / "site-packages"
        shared = private.stat().st_mode
        private.chmod(0o755)
        before = files(root)
        said = as_user(MEMBER, "clean", root)
        assert files(root) == before
        assert f"you have no permission to remove {private}/" in said
        assert f"doctor --clean {root}` as user id {OWNER} or as root" in said
        private.chmod(shared)
        assert as_user(MEMBER, "clean", root) == f"{root / '.poetry' / '.nox'}: \n"
        assert files(root) == {"pyproject.toml"}
        assert not (root / ".poetry").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")
def test_who_else_can_clean() -> None:
    """Root's checkout takes root; an owner whose directory is read-only is sent to nobody."""
    with open_directory() as parent:
        parent.chmod(0o755)
        (parent / "pyproject.toml").touch()
        as_user(0, "build_set", parent)
        assert as_user(MEMBER, "clean", parent).endswith(f"--clean {parent}` as root\n")
        for path in (parent, *parent.rglob("*")):
            os.chown(path, OWNER, OWNER)
        (parent / ".poetry" / ".nox").chmod(0o555)
        assert as_user(OWNER, "clean", parent).endswith(": could not be removed\n")


@pytest.mark.usefixtures("home")
def test_broken_lock_is_removed(project: Path) -> None:
    """Whoever still holds the file of a broken lock holds up nobody, least of all from afar."""
    release = LockPlaces(None).release(project, "https://upload.example/legacy/")
    said: list[Problem] = []
    with holder_of(release):
        breaking = Breaking(said.append, at_once=True)
        with acquire(release, print, required=True, breaking=breaking) as ours:
            assert ours
        code, out = clean(project)
    assert said
    assert code == 0, out
    assert not (project / ".poetry").exists()
