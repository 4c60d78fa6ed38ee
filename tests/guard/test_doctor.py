"""`publish-verified doctor` and its parts: stuck checkouts, seen from outside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from poetry_publish_verified.guard.doctor.lock_trial import Trial, try_locks
from poetry_publish_verified.guard.doctor.locks import FilesystemCheck
from poetry_publish_verified.guard.doctor.plugins import diagnose
from poetry_publish_verified.guard.locks.filesystems import Filesystem, filesystem_of
from poetry_publish_verified.guard.locks.holders import record_of
from poetry_publish_verified.guard.locks.places import LockPlaces
from tests.beds.plugins import write_project
from tests.beds.poetry import Poetry
from tests.beds.processes import HANG
from tests.beds.simple_index import SimpleIndex
from tests.guard.holding import holder_of

# One of Poetry's dependencies warns when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def unpack(wheels: Path, names: list[str], stock: Path) -> None:
    """Put wheels into Poetry's plugin directory, as its installer would."""
    for name in names:
        with zipfile.ZipFile(wheels / f"{name}-1.0-py3-none-any.whl") as wheel:
            wheel.extractall(stock)


def not_to_release(poetry: Poetry) -> None:
    """Give the project nothing to release, so that nothing but the checkout is checked."""
    file = poetry.project / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    text = text.replace("[tool.poetry]", "[tool.poetry]\npackage-mode = false")
    file.write_text(text, encoding="utf-8")


def codes(root: Path, **environment: str) -> list[str]:
    """The codes of all problems, for a Poetry with these distributions."""
    return [problem.code for problem in diagnose(root, {"poetry": "2.5.1", **environment})]


def test_sound_checkout(project: Path, wheels: Path) -> None:
    """It reports only that no set is built yet; a complete stock directory is fine."""
    assert codes(project) == ["guard.set-absent"]
    stock = project / ".poetry" / "plugins"
    unpack(wheels, ["stamp_plugin", "stamp_helper"], stock)
    (stock / "config.toml").touch()
    assert codes(project) == []


def test_stuck_checkouts(project: Path, wheels: Path) -> None:
    """It names each state in which a killed stock `install` leaves a checkout."""
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


def test_plugin_dependencies_are_checked(project: Path, wheels: Path) -> None:
    """Files and requirements of every distribution are checked, however deep."""
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


def test_missing_bytecode_and_scripts_are_fine(project: Path, wheels: Path) -> None:
    """Python recompiles bytecode, and no command imports scripts."""
    stock = project / ".poetry" / "plugins"
    unpack(wheels, ["stamp_plugin", "stamp_helper"], stock)
    (stock / "config.toml").touch()
    with (stock / "stamp_plugin-1.0.dist-info" / "RECORD").open("a") as record:
        record.write("__pycache__/stamp_plugin.cpython-311.pyc,,\n../../bin/stamp,,\n")
        record.write("/nowhere/bin/stamp,,\n")
    assert codes(project) == []


def test_partly_fulfilled_plugin_list(project: Path, wheels: Path, index: SimpleIndex) -> None:
    """Plugins that Poetry has, or that markers exclude, are not missing."""
    elsewhere = "{ version = '*', markers = \"sys_platform == 'nowhere'\" }"
    entries = f'stamp-plugin = "1.0"\nproject-plugin = "*"\nasking-plugin = {elsewhere}'
    write_project(project, index.url, entries)
    stock = project / ".poetry" / "plugins"
    unpack(wheels, ["stamp_plugin", "stamp_helper"], stock)
    (stock / "config.toml").touch()
    (found,) = diagnose(project, {})
    assert found.code == "guard.stock-incomplete"
    assert "lacks project-plugin:" in found.message
    assert diagnose(project, {"project-plugin": "1.0"}) == []
    write_project(project, index.url, "stamp-plugin = [")
    assert codes(project) == ["guard.list-unreadable"]


def test_empty_stock_directory(project: Path, index: SimpleIndex) -> None:
    """If Poetry's environment has every plugin, stock's directory may be empty."""
    stock = project / ".poetry" / "plugins"
    stock.mkdir(parents=True)
    (stock / "config.toml").touch()
    assert diagnose(project, {"stamp-plugin": "1.0"}) == []
    write_project(project, index.url, "")
    assert codes(project) == []


def test_doctor_from_another_directory(poetry: Poetry, wheels: Path, tmp_path: Path) -> None:
    """If every command crashes, it names the directory to delete, and then `install` works."""
    not_to_release(poetry)
    stock = poetry.project / ".poetry" / "plugins"
    unpack(wheels, ["stamp_plugin"], stock)
    assert poetry.run("version").code != 0
    told = poetry.run("publish-verified", "doctor", str(poetry.project), cwd=tmp_path)
    assert told.code == 1
    assert f"Delete {stock}" in told.out.replace("\n", " ")
    shutil.rmtree(stock)
    poetry.run("install").ok()
    assert "no problems found" in poetry.run("publish-verified", "doctor").ok()


def test_damaged_set(newest: Poetry, index: SimpleIndex) -> None:
    """A set that lost files is reported, and the next `install` rebuilds it."""
    newest.run("install").ok()
    (only,) = newest.sets
    (only / "site-packages" / "stamp_plugin.py").unlink()
    left = only.parent / ".building-000000000000-1-1-00000000"
    left.mkdir()
    upon = json.loads((only / "set.json").read_text())["environment"]
    assert codes(newest.project, **upon) == ["guard.set-damaged"]
    again = newest.run("install")
    again.ok()
    assert "is missing files" in again.err
    assert newest.run("version").ok() == "demo 9.1.0\n"
    assert codes(newest.project, **upon) == []
    # For another Poetry or another list it is not built; another source needs no other plugins.
    assert codes(newest.project) == ["guard.set-absent"]
    file = newest.project / "pyproject.toml"
    file.write_text(file.read_text().replace('name = "tests"', 'name = "elsewhere"'))
    assert codes(newest.project, **upon) == []
    write_project(newest.project, index.url, 'stamp-plugin = ">=1"')
    assert codes(newest.project, **upon) == ["guard.set-absent"]
    not_to_release(newest)
    assert newest.run("publish-verified", "doctor").code == 1


@pytest.mark.parametrize("path", ["nowhere", "pyproject.toml"])
def test_invalid_path(newest: Poetry, path: str) -> None:
    """Wrong usage exits with 1."""
    assert newest.run("publish-verified", "doctor", path).code == 1


def test_locks_and_holders(newest: Poetry) -> None:
    """The locks in use are tried, and holders, alive or killed, are named."""
    not_to_release(newest)
    newest.run("install").ok()
    place = LockPlaces(None).project(newest.project)
    with holder_of(place) as holder:
        told = newest.run("publish-verified", "doctor").ok()
        assert f"a thing is in use by `-c {place.path}" in told.replace("\n", " ")
        assert f"process {holder.pid} on" in told
    assert "work between processes on this host, and after kill -9" in told
    assert told.count("Locks on") == 1
    after = newest.run("publish-verified", "doctor").ok()
    assert "was killed" in after
    left = {path.name for path in newest.project.rglob("*") if "trial" in path.name}
    assert left == set()


def test_release_held_elsewhere(newest: Poetry) -> None:
    """The way out is to break the lock of a release, and to delete any other."""
    not_to_release(newest)
    places = LockPlaces(None)
    project = places.project(newest.project)
    release = places.release(newest.project, "https://upload.example/legacy/")
    with holder_of(project), holder_of(release):
        for lock in (project.path, release.path):
            record = record_of(lock)
            away = {**json.loads(record.read_text()), "process": "0" * 12 + "-1-1", "host": "far"}
            record.write_text(json.dumps(away))
        told = newest.run("publish-verified", "doctor").out.replace("\n", " ")
    assert f"If far is gone for good, delete {project.path}." in told
    way_out = f"If far is gone for good, publish with --break-lock, which renames {release.path}."
    assert way_out in told


def test_filesystem_without_locks(newest: Poetry) -> None:
    """A filesystem without locks is a finding, with its consequences."""
    not_to_release(newest)
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace")
    trace = [strace, "-qq", "-f", "-e", "trace=flock", "-e", "inject=flock:error=ENOLCK"]
    done = subprocess.run(
        [*trace, "-o", os.devnull, str(newest.program), "publish-verified", "doctor"],
        cwd=newest.project, env=newest.call_environment(), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=HANG, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "are not available: " in done.stdout
    assert "No locks available" in done.stdout
    assert "publish-verified refuses" in done.stdout


def test_fuse_mount(tmp_path: Path) -> None:
    """On a FUSE mount, locks may not exclude processes that use another path."""
    if shutil.which("bindfs") is None:
        pytest.skip("needs bindfs")
    (tmp_path / "real").mkdir()
    mount = tmp_path / "mount"
    mount.mkdir()
    mounted = subprocess.run(
        ["bindfs", str(tmp_path / "real"), str(mount)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("bindfs does not work here")
    try:
        trial = try_locks(mount / "not" / "there" / "yet")
        assert trial.filesystem.is_shared
        assert trial.filesystem.mount == mount
        assert trial.is_sound
        assert list(mount.iterdir()) == []
    finally:
        subprocess.run(["fusermount", "-u", str(mount)], check=False)


@pytest.mark.parametrize(
    ("kind", "option", "alone"),
    [
        ("nfs4", "local_lock=none", ""),
        ("nfs", "nolock", "nolock"),
        ("nfs", "local_lock=all", "local_lock=all"),
        ("nfs", "local_lock=flock", "local_lock=flock"),
        ("nfs", "local_lock=posix", ""),
        ("cifs", "nobrl", "nobrl"),
        ("fuse.sshfs", "user_id=0", "sshfs"),
    ],
)
def test_mount_options_without_locks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, option: str, alone: str
) -> None:
    """Mount options reveal what a trial on one host cannot."""
    table = f"1 0 0:5 / / rw,relatime shared:1 - {kind} server:/x rw,vers=3,{option},addr=10.0.0.1"
    monkeypatch.setattr(Path, "read_bytes", lambda _: table.encode())
    found = filesystem_of(tmp_path)
    assert found.why_local == alone
    trial = Trial(found, excludes=True, frees=True)
    assert trial.is_sound == (not alone)
    check = FilesystemCheck(("a cache",), trial)
    assert ("work on this host only" in check.words) == bool(alone)
    assert check.state == ("warning" if alone else "ok")
    assert "refuses" not in check.remedy


def test_what_follows_from_a_trial() -> None:
    """A release is refused only where no lock can be taken."""
    here = Filesystem("nfs", Path("/srv"), frozenset({"nolock"}))
    checks = [
        FilesystemCheck(("a cache",), trial)
        for trial in (Trial(here), Trial(here, excludes=True), Trial(here, error="No locks"))
    ]
    assert [check.state for check in checks] == ["error"] * 3
    assert ["refuses to run" in check.remedy for check in checks] == [False, False, True]
    assert "two processes held the same one" in checks[0].words
    assert "still held after its holder was killed" in checks[1].words


def test_escaped_mount_points(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The kernel writes spaces in octal, but no others; the last of the longest matches counts."""
    table = (
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"2 1 0:5 / {tmp_path!s}/my\\040share rw shared:1 - tmpfs none rw\n"
        f"3 1 0:6 / {tmp_path!s}/my\\040share rw - nfs4 server:/x rw\nnonsense\n"
        f"4 1 0:7 / {tmp_path!s}/\udce4\N{NO-BREAK SPACE}b rw - fuse.sshfs host:/\u2028 rw\n"
    )
    monkeypatch.setattr(Path, "read_bytes", lambda _: os.fsencode(table))
    assert filesystem_of(tmp_path) == Filesystem("ext4", Path("/"), frozenset({"rw"}))
    shared = filesystem_of(tmp_path / "my share" / "below")
    assert (shared.kind, shared.is_shared) == ("nfs4", True)
    assert shared.why_local == ""
    assert filesystem_of(tmp_path / "my share2").kind == "ext4"
    assert filesystem_of(tmp_path / "\udce4\N{NO-BREAK SPACE}b").kind == "fuse.sshfs"
