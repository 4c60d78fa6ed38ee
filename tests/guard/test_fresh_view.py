"""Whoever acquires a lock, or finds nothing, looks again at a filesystem that others change."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from poetry.core.packages.utils.link import Link
from poetry.core.pyproject.toml import PyProjectTOML as CoreProject
from poetry.packages import Locker
from poetry.pyproject.toml import PyProjectTOML
from poetry.toml import TOMLFile
from poetry.utils.cache import ArtifactCache

from poetry_publish_verified.guard.command_guard import CommandGuard
from poetry_publish_verified.guard.entry import plugin_settings
from poetry_publish_verified.guard.locks import fresh_view
from poetry_publish_verified.guard.locks.filesystems import Filesystem
from poetry_publish_verified.guard.locks.fresh_view import ask_server, is_listed, see_whole
from poetry_publish_verified.guard.seams import application as seams
from poetry_publish_verified.guard.seams.storage import atomic_storage
from tests.beds.mounts import Sshfs, mounted
from tests.beds.network import missing

# Lists what is listed below a mount while `action` runs.
LISTING = """
import json, os, sys
from pathlib import Path
from poetry_publish_verified.guard.locks.lock import acquire
from poetry_publish_verified.guard.locks.places import LockPlaces, archive_lock
from poetry_publish_verified.guard.plugin_sets.plugin_set import SetKey
from poetry_publish_verified.guard.plugin_sets.store import PluginSets
mount, action = Path(sys.argv[1]), sys.argv[2]
project = mount / "project"
places = LockPlaces(None)
key = SetKey(interpreter={"python": "3.11"}, poetry="2", plugins={}, sources=[], environment={})
listed = []
def hook(event, args):
    if event == "os.scandir" and str(args[0]).startswith(str(mount)):
        listed.append(os.path.relpath(args[0], mount))
def lock(resource, **options):
    with acquire(resource, lambda text: None, **options):
        print(json.dumps(listed))
sys.addaudithook(hook)
if action == "project":
    lock(places.project(project))
elif action == "environment":
    lock(places.environment(project / ".venv"))
elif action == "archive":
    lock(archive_lock(mount / "cache", mount / "cache/ab/cd/some.whl"))
elif action == "set":
    lock(PluginSets.of_project(project).lock(key))
elif action == "busy":
    resource = places.project(project)
    if not os.fork():
        lock(resource, only_if_free=True)
        os._exit(0)
    with acquire(resource, lambda text: None):
        os.wait()
elif action == "no lock":
    lock(places.project(project)._replace(path=Path("/proc/no/lock"), base=None))
elif action == "reader":
    assert PluginSets.of_project(project).find(key) is None
    print(json.dumps(listed))
"""
SETS = "project/.poetry/.nox/plugin-sets"


_CONTENT_HASH = Locker(Path("poetry.lock"), {})._content_hash  # noqa: SLF001 - Poetry's own
# Whether each reader of Poetry's finds the last line of a file.
_WHOLE: dict[str, Callable[[Path], bool]] = {
    "TOMLFile": lambda file: "content-hash" in TOMLFile(file).read()["metadata"],
    "poetry-core": lambda file: "content-hash" in CoreProject(file).data["metadata"],
    "PyProjectTOML": lambda file: "content-hash" in PyProjectTOML(file).data["metadata"],
    "Locker": lambda file: "content-hash" in Locker(file, {}).lock_data["metadata"],
    "is_fresh": lambda file: Locker(file, {}).is_fresh(),
}


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[list[Path]]:
    """One directory, mounted twice by sshfs."""
    if reason := missing(*Sshfs.tools):
        pytest.skip(reason)
    with mounted(Sshfs(tmp_path / "sshfs")) as points:
        yield points


def test_every_acquisition_lists_all_directories(mounts: list[Path]) -> None:
    """From the root of the shared filesystem down to what is locked, whether the lock is had."""
    (mounts[0] / SETS).mkdir(parents=True)
    (mounts[0] / "project/.venv").mkdir()
    (mounts[0] / "cache/ab/cd").mkdir(parents=True)
    project = [".", "project"]
    expected = {
        "project": project,
        "busy": project,
        "no lock": project,
        "environment": [*project, "project/.venv"],
        "archive": [".", "cache", "cache/ab", "cache/ab/cd"],
        "set": [*project, "project/.poetry", "project/.poetry/.nox", SETS],
        "reader": [*project, "project/.poetry", "project/.poetry/.nox", SETS],
    }
    for action, directories in expected.items():
        listed = _listed(mounts[0], action)
        assert [one for one in listed if one in directories][-len(directories) :] == directories, (
            action,
            listed,
        )


def test_a_local_filesystem_is_not_listed(tmp_path: Path) -> None:
    """Nobody else changes it."""
    (tmp_path / "project").mkdir()
    assert _listed(tmp_path, "project") == []


def test_an_archive_that_the_listing_lacks(mounts: list[Path]) -> None:
    """sshfs finds by name what another host has made, and does not list it yet."""
    here, there = mounts
    assert os.listdir(here) == []  # noqa: PTH208 - as Poetry's glob does
    (there / "some.whl").touch()
    assert (here / "some.whl").exists()
    assert not is_listed(here / "some.whl")
    assert is_listed(there / "some.whl")


def test_an_archive_that_only_its_name_finds(mounts: list[Path]) -> None:
    """It is downloaded again, so that Poetry lists it when it looks for the best one."""
    link = Link("https://example.org/some-1.0-py3-none-any.whl")
    caches = [ArtifactCache(cache_dir=mount / "artifacts") for mount in mounts]
    here, there = (cache.get_cache_directory_for_link(link) for cache in caches)
    there.mkdir(parents=True)
    assert os.listdir(here) == []  # noqa: PTH208 - as Poetry's glob does
    (there / link.filename).write_text("another host's")
    asked: list[str] = []

    def download(url: str, private: Path) -> None:
        asked.append(url)
        private.write_text("whole")

    with atomic_storage(lambda *_: nullcontext(True)):
        for _ in range(2):
            archive = caches[0].get_cached_archive_for_link(
                link, strict=True, download_func=download
            )
            assert is_listed(archive)
    assert asked == [link.url]


def test_a_project_that_another_host_has_replaced(
    mounts: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """sshfs cuts it at its former length, until a command has its lock."""
    here, there = (mount / "pyproject.toml" for mount in mounts)
    there.write_text("former")
    monkeypatch.setattr(seams, "project_file", lambda _: here)
    monkeypatch.setattr(seams, "notifier_of", lambda _: None)
    reset: list[bool] = []
    application: Any = SimpleNamespace(reset_poetry=lambda: reset.append(True))
    guard = CommandGuard(application)
    assert here.read_text() == "former"
    new = there.with_name("new")
    new.write_text("a longer one")
    new.replace(there)
    guard._reread_if_changed()  # noqa: SLF001 - what follows an acquired lock
    assert here.read_text() == "a longer one"
    assert reset == [True]


@pytest.mark.parametrize("whole", _WHOLE.values(), ids=_WHOLE)
def test_a_file_that_another_host_has_replaced(
    mounts: list[Path], whole: Callable[[Path], bool]
) -> None:
    """Poetry reads all of it, where sshfs has it as long as the former one."""
    former = '[metadata]\nlock-version = "2.1"\n'
    latter = f'{former}content-hash = "{_CONTENT_HASH}"\n'
    stock, guarded = (_replaced(mounts, name, former, latter) for name in ("stock", "guarded"))
    assert not whole(stock)
    with atomic_storage(lambda *_: nullcontext(True)):
        assert whole(guarded)


def test_plugins_that_another_host_requires(mounts: list[Path]) -> None:
    """They are found before any command runs."""
    former = '[project]\nname = "some"\n'
    latter = f"{former}[tool.poetry.requires-plugins]\nother = '*'\n"
    settings = plugin_settings(_replaced(mounts, "pyproject.toml", former, latter))
    assert settings is not None
    assert settings["requires-plugins"] == {"other": "*"}


def _replaced(mounts: list[Path], name: str, former: str, latter: str) -> Path:
    """A file, read here before there is another one in its place, and looked up again."""
    here, there = (mount / name for mount in mounts)
    there.write_text(former)
    assert here.read_text() == former
    new = there.with_name(f"{name}.new")
    new.write_text(latter)
    new.replace(there)
    # The kernel does that by itself after a second.
    ask_server(here)
    return here


def _listed(mount: Path, action: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LISTING, str(mount), action],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[0])
    return found


def test_pipe_is_left_to_its_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes settings to a pipe would take a look at it for Poetry's reading."""
    monkeypatch.setattr(fresh_view, "filesystem_of", lambda _: Filesystem("fuse", tmp_path))
    os.mkfifo(tmp_path / "config.toml")
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", lambda *_: pytest.fail("it was opened"))
        see_whole(tmp_path / "config.toml")


def test_file_that_cannot_be_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Poetry says so itself, when it reads it."""
    monkeypatch.setattr(fresh_view, "filesystem_of", lambda _: Filesystem("fuse", tmp_path))

    def stat(*_: object, **__: object) -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    monkeypatch.setattr(Path, "stat", stat)
    see_whole(tmp_path / "pyproject.toml")
