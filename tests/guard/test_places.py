"""Where locks are: one per resource, where no build packs it and nobody lists it."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder

from poetry_publish_verified.guard.layout import LOCKS_DIR, STATE_DIR
from poetry_publish_verified.guard.locks.files import is_locked_privately
from poetry_publish_verified.guard.locks.holders import records_in
from poetry_publish_verified.guard.locks.lock import acquire
from poetry_publish_verified.guard.locks.places import LockPlaces, archive_lock, user_lock_directory


@pytest.fixture
def places(tmp_path: Path) -> LockPlaces:
    """Lock places with this user's own directory."""
    return LockPlaces(tmp_path / "personal")


def test_hatchling_packs_no_locks(tmp_path: Path) -> None:
    """It reads only the root's .gitignore, and packs everything that this does not name."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "lantern"\nversion = "1.0"\n')
    for directory in (tmp_path / LOCKS_DIR, tmp_path / STATE_DIR, tmp_path / "lantern"):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "file.py").write_text("", encoding="utf-8")
    packed = {file.relative_path for file in SdistBuilder(str(tmp_path)).recurse_included_files()}
    assert "lantern/file.py" in packed
    assert not [name for name in packed if name.startswith(".poetry")]


def test_one_lock_per_real_path(places: LockPlaces, tmp_path: Path) -> None:
    """An environment has one lock, whatever its role and whatever path is used."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").touch()
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    deeper = places.environment(project / "envs" / "dev").path
    assert deeper.parent == project / LOCKS_DIR
    assert deeper != places.environment(project / "dev").path
    link = tmp_path / "link"
    link.symlink_to(project)
    poetrys_own = tmp_path / "pipx" / "poetry"
    ours = poetrys_own / "lib/python3.12/site-packages/poetry_publish_verified/__init__.py"
    ours.parent.mkdir(parents=True)
    ours.touch()
    (poetrys_own / "pyvenv.cfg").touch()
    venvs = tmp_path / "virtualenvs"
    for path, lock in {
        project / ".venv": project / LOCKS_DIR / "environment-.venv",
        link / ".venv": project / LOCKS_DIR / "environment-.venv",
        # git and hatchling would find a file next to it.
        repository / ".venv": repository / LOCKS_DIR / "environment-.venv",
        # pipx, uv and pyenv list the directories next to it.
        poetrys_own: poetrys_own / ".poetry-lock",
        # It may not exist yet, or be cleared while others wait.
        venvs / "demo-py3.12": venvs / ".demo-py3.12.poetry-lock",
        Path(sys.prefix): Path(sys.prefix) / ".poetry-lock",
    }.items():
        assert places.environment(path).path == lock
        assert places.poetry_environment(path).path == lock


def test_system_python(places: LockPlaces, tmp_path: Path) -> None:
    """Nothing is created in or next to it, in this process or another."""
    conda = tmp_path / "conda" / "envs" / "x"
    (conda / "lib/python3.12").mkdir(parents=True)
    (conda / "lib/python3.12/os.py").touch()
    for path in (Path(sys.base_prefix), conda):
        resource = places.environment(path)
        assert resource.path.parent == places.personal
        assert resource.path == places.poetry_environment(path).path
        assert is_locked_privately(resource)
    assert not is_locked_privately(places.environment(tmp_path / "x"))
    with acquire(places.environment(conda), print) as ours:
        assert ours
    assert sorted(path.name for path in conda.parent.iterdir()) == ["x"]


def test_personal_directory(
    places: LockPlaces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the user's data directory, separate per host; without a home there is none."""
    before = places.environment(tmp_path / "x").fallback
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    assert places.environment(tmp_path / "x").fallback != before
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert user_lock_directory() == tmp_path / "data" / "poetry-publish-verified" / "locks"
    monkeypatch.setenv("XDG_DATA_HOME", "")
    # As for a user id that is not in /etc/passwd.
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert user_lock_directory() is None
    assert LockPlaces(None).environment(tmp_path / "x").fallback is None


@pytest.mark.parametrize("linked", [STATE_DIR / ".gitignore", STATE_DIR])
def test_links_in_the_checkout(places: LockPlaces, tmp_path: Path, linked: Path) -> None:
    """What a checkout's links lead to is neither overwritten nor added to."""
    root, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    (root / linked).parent.mkdir(parents=True)
    (root / "pyproject.toml").touch()
    if linked == STATE_DIR:
        elsewhere.mkdir()
    else:
        elsewhere.write_text("precious", encoding="utf-8")
    (root / linked).symlink_to(elsewhere)
    with acquire(places.environment(root / ".venv"), print):
        pass
    assert elsewhere.is_dir() or elsewhere.read_text(encoding="utf-8") == "precious"
    assert not elsewhere.is_dir() or not list(elsewhere.iterdir())


def test_an_archives_lock_does_not_depend_on_where_its_cache_is_mounted(tmp_path: Path) -> None:
    """Hosts may mount a shared cache at different paths."""
    one, other = tmp_path / "one", tmp_path / "other"
    names = {
        archive_lock(cache, cache / "ab" / "some.whl").path.relative_to(cache)
        for cache in (one, other)
    }
    assert len(names) == 1
    assert archive_lock(one, one / "ab" / "other.whl").path.relative_to(one) not in names


def test_directory_whose_server_has_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Doctor goes on: nothing can be written there, and no holder is recorded."""
    resource = LockPlaces(tmp_path / "own").environment(tmp_path / "venv")

    def stat(*_: object, **__: object) -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    monkeypatch.setattr(Path, "stat", stat)
    assert not is_locked_privately(resource)
    assert records_in(tmp_path) == {}
