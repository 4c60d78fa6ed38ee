"""Who owns the plugin's files, who may write them, and whose files are trusted."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from poetry_publish_verified.guard.doctor import cleaning
from poetry_publish_verified.guard.locks.lock import acquire
from poetry_publish_verified.guard.locks.places import LockPlaces
from poetry_publish_verified.guard.ownership import SharedDirectory, UntrustedPathError
from poetry_publish_verified.guard.plugin_sets.store import PluginSets
from tests.beds.poetry import Poetry
from tests.guard.test_plugin_sets import BASE, build

OWNER, STRANGER = 4201, 4202

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project of a user other than root."""
    root = tmp_path / "checkout"
    root.mkdir(mode=0o755)
    (root / "pyproject.toml").touch()
    for path in (root, root / "pyproject.toml"):
        os.chown(path, OWNER, OWNER)
    return root


def give(path: Path, uid: int) -> None:
    """Give a tree to a user."""
    for one in [path, *path.rglob("*")]:
        os.chown(one, uid, uid, follow_symlinks=False)


def modes(path: Path) -> set[int]:
    """The modes of everything in a tree, including itself."""
    return {stat.S_IMODE(one.lstat().st_mode) for one in [path, *path.rglob("*")]}


@pytest.fixture
def open_umask() -> Iterator[None]:
    """An open umask, as on some CI runners."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_files_made_by_root(checkout: Path, tmp_path: Path) -> None:
    """They belong to the checkout's owner, who can remove them; others cannot write."""
    sets = PluginSets.of_project(checkout)
    assert build(sets, BASE) is not None
    with acquire(sets.lock(BASE), print), acquire(LockPlaces(tmp_path).project(checkout), print):
        made = [checkout / ".poetry", *(checkout / ".poetry").rglob("*")]
        assert len(made) > 10
        assert {(one.stat().st_uid, one.stat().st_gid) for one in made} == {(OWNER, OWNER)}
        assert not [mode for mode in modes(checkout / ".poetry") if mode & 0o022]


def test_links_keep_their_owner(checkout: Path, tmp_path: Path) -> None:
    """The target of a link, and a hard-linked file, stays root's."""
    precious = tmp_path / "precious"
    precious.write_text("")
    sets = PluginSets.of_project(checkout)
    with sets.build_directory() as private:
        (private / "soft").symlink_to(precious)
        (private / "hard").hardlink_to(precious)
        (private / "own").touch()
        SharedDirectory.at(checkout).share_tree(private)
        assert (private / "own").stat().st_uid == OWNER
        assert (private / "soft").lstat().st_uid == OWNER
    assert precious.stat().st_uid == 0


def test_sticky_checkout(checkout: Path) -> None:
    """In a mode 1777 directory only files of its owner and one's own are trusted."""
    checkout.chmod(0o1777)
    sets = PluginSets.of_project(checkout)
    assert build(sets, BASE) is not None
    assert not [mode for mode in modes(checkout / ".poetry") if mode & 0o022]
    assert sets.find(BASE) is not None
    give(checkout / ".poetry", STRANGER)
    assert sets.find(BASE) is None
    assert sets.best_for(BASE.plugins, BASE.interpreter, BASE.environment) is None
    assert f"user id {STRANGER}" in sets.untrusted
    assert f"user id {STRANGER}" in sets.prepare()
    os.chown(checkout / "pyproject.toml", STRANGER, STRANGER)
    assert sets.find(BASE) is not None
    assert sets.prepare() == ""


def test_strangers_lock_in_a_sticky_checkout(checkout: Path, tmp_path: Path) -> None:
    """A stranger who was first there makes nobody wait."""
    checkout.chmod(0o1777)
    (checkout / ".poetry").mkdir()
    give(checkout / ".poetry", STRANGER)
    said: list[str] = []
    resource = LockPlaces(tmp_path / "personal").project(checkout)
    for _ in range(2):
        with acquire(resource, said.append) as ours:
            assert ours
            assert resource.fallback is not None
            assert resource.fallback.exists()
            assert resource.fallback.parent.stat().st_mode & 0o777 == 0o700
    assert len(said) == 1
    assert f"user id {STRANGER}" in said[0]


def test_group_shared_checkout(checkout: Path) -> None:
    """In a mode 2775 checkout the group shares sets, whoever built them."""
    checkout.chmod(0o2775)
    sets = PluginSets.of_project(checkout)
    assert build(sets, BASE) is not None
    assert stat.S_IMODE(sets.directory.stat().st_mode) == 0o2775
    assert not [mode for mode in modes(checkout / ".poetry") if mode & 0o002]
    for one in [checkout / ".poetry", *(checkout / ".poetry").rglob("*")]:
        os.chown(one, STRANGER, OWNER)
    assert sets.find(BASE) is not None
    # Another group that could not have written to the checkout.
    os.chown(checkout / ".poetry", OWNER, STRANGER)
    (checkout / ".poetry").chmod(0o2775)
    assert sets.find(BASE) is None
    os.chown(checkout / ".poetry", OWNER, OWNER)
    (checkout / ".poetry").chmod(0o2775)
    assert sets.find(BASE) is not None
    (checkout / ".poetry" / ".nox").chmod(0o2777)
    assert sets.find(BASE) is None
    assert "is writable by more users" in sets.untrusted


def test_too_open_directory(checkout: Path) -> None:
    """It is not trusted, and its owner closes it before building a set."""
    kept = checkout / ".poetry"
    kept.mkdir()
    kept.chmod(0o777)
    sets = PluginSets.of_project(checkout)
    assert build(sets, BASE) is not None
    assert stat.S_IMODE(kept.stat().st_mode) == 0o755
    kept.chmod(0o777)
    assert sets.find(BASE) is None
    assert "is writable by more users" in sets.obstacle()


@pytest.mark.parametrize("name", [".poetry/.nox", ".poetry/.nox/plugin-sets", "set"])
def test_links_below_dot_poetry(checkout: Path, tmp_path: Path, name: str) -> None:
    """No link below `.poetry` is followed; `.poetry` itself may be one."""
    sets = PluginSets.of_project(checkout)
    built = build(sets, BASE)
    assert built is not None
    moved = built.path if name == "set" else checkout / name
    shutil.move(moved, tmp_path / "moved")
    moved.symlink_to(tmp_path / "moved")
    assert sets.find(BASE) is None
    assert "symbolic link" in sets.untrusted
    moved.unlink()
    shutil.move(tmp_path / "moved", moved)
    (checkout / ".poetry").rename(tmp_path / "kept")
    (checkout / ".poetry").symlink_to(tmp_path / "kept")
    assert sets.find(BASE) is not None


@pytest.mark.parametrize(("mode", "counts"), [(0o755, True), (0o1777, False), (0o777, False)])
def test_configured_directory(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, counts: bool
) -> None:
    """The user's choice is trusted, except what everybody can write there."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    elsewhere.chmod(mode)
    os.chown(elsewhere, STRANGER if counts else 0, 0)
    monkeypatch.setenv("POETRY_PUBLISH_VERIFIED_PLUGIN_SETS", str(elsewhere))
    sets = PluginSets.of_project(checkout)
    assert build(sets, BASE) is not None
    give(sets.directory, OWNER)
    assert sets.find(BASE) is not None
    give(sets.directory, STRANGER)
    assert (sets.find(BASE) is not None) == counts


@pytest.mark.parametrize("at", [".poetry", ".poetry/.nox", ".poetry/.nox/plugin-sets"])
def test_sweep_ignores_strangers_links(checkout: Path, tmp_path: Path, at: str) -> None:
    """Nothing below a stranger's link is swept, not even by root."""
    victim = tmp_path / "victim"
    for name in ("py3.12", ".trash-1", "plugin-sets", ".poetry-locks-1"):
        (victim / name).mkdir(parents=True)
    checkout.chmod(0o1777)
    (checkout / at).parent.mkdir(parents=True, exist_ok=True)
    (checkout / at).symlink_to(victim)
    for one in [checkout / at, *(checkout / at).parents]:
        if one.is_relative_to(checkout / ".poetry"):
            os.chown(one, STRANGER, STRANGER, follow_symlinks=False)
    sets = PluginSets.of_project(checkout)
    sets.sweep(None)
    with pytest.raises(UntrustedPathError):
        sets.retire_stock()
    list(cleaning._clean_checkout(checkout))  # noqa: SLF001 - the rest is this machine's user's
    assert (sets.damaged(), sets.abandoned()) == ([], [])
    assert len(list(victim.iterdir())) == 4


def test_opened_set_is_rebuilt(checkout: Path) -> None:
    """A restored cache or a COPY may open it; the owner's next `install` rebuilds it."""
    for path in (checkout, checkout / "pyproject.toml"):
        os.chown(path, 0, 0)
    sets = PluginSets.of_project(checkout)
    assert build(sets, BASE) is not None
    for one in [checkout / ".poetry", *(checkout / ".poetry").rglob("*")]:
        one.chmod(0o777)
    assert sets.find(BASE) is None
    assert build(sets, BASE) is not None
    assert sets.find(BASE) is not None
    said: list[str] = []
    lock = LockPlaces(None).project(checkout)
    with acquire(lock, print):
        lock.path.chmod(0o666)
    with acquire(lock, said.append) as ours:
        assert ours
    assert said == []


@pytest.mark.usefixtures("open_umask")
def test_world_writable_checkout(checkout: Path) -> None:
    """If everybody may replace pyproject.toml, everybody's sets are trusted."""
    checkout.chmod(0o777)
    kept = checkout / ".poetry"
    kept.mkdir(0o777)
    os.chown(kept, STRANGER, STRANGER)
    sets = PluginSets.of_project(checkout)
    assert build(sets, BASE) is not None
    assert sets.find(BASE) is not None


def test_foreign_group_cannot_write(checkout: Path) -> None:
    """Nobody in another group than the checkout's can write to what is built there."""
    checkout.chmod(0o775)
    os.chown(checkout, 0, OWNER)
    before = os.umask(0o002)
    try:
        sets = PluginSets.of_project(checkout)
        built = build(sets, BASE)
    finally:
        os.umask(before)
    assert built is not None
    writable = [one for one in built.path.rglob("*") if one.stat().st_mode & 0o020]
    assert not [one for one in writable if one.stat().st_gid != OWNER]
    assert sets.find(BASE) is not None


def test_lock_beside_an_environment(tmp_path: Path) -> None:
    """It serves those who can write the environment; a stranger's lock is ignored."""
    venvs = tmp_path / "venvs"
    environment = venvs / "x"
    environment.mkdir(parents=True)
    environment.chmod(0o775)
    os.chown(environment, OWNER, OWNER)
    resource = LockPlaces(tmp_path / "personal").environment(environment)
    with acquire(resource, print):
        found = resource.path.stat()
        assert (found.st_uid, found.st_gid) == (OWNER, OWNER)
        assert stat.S_IMODE(found.st_mode) == 0o664
    resource.path.unlink()
    venvs.chmod(0o1777)
    resource.path.touch()
    os.chown(resource.path, STRANGER, STRANGER)
    with pytest.raises(UntrustedPathError):
        SharedDirectory.at(venvs, environment).require_trusted(resource.path)


def test_root_runs_no_strangers_code(newest: Poetry) -> None:
    """A stranger's set in a sticky checkout is named and not loaded."""
    newest.run("install").ok()
    assert newest.run("version").ok() == "demo 9.1.0\n"
    newest.project.chmod(0o1777)
    give(newest.project / ".poetry", STRANGER)
    done = newest.run("version")
    assert done.ok() == "demo 0.0.0\n"
    assert done.err.count("\n") == 1
    assert f"belongs to another user (user id {STRANGER})" in done.err
    assert "POETRY_PUBLISH_VERIFIED_PLUGIN_SETS" in done.err
    built = newest.run("install")
    assert "Building" in built.ok()
    assert "for this process only" in built.err
