"""Atomic replacement of settings on real filesystems: links, mounts, full disks, users."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from poetry_publish_verified.guard import atomic_files
from poetry_publish_verified.guard.processes import ProcessId
from tests.guard.filesystems import (
    NEW,
    OLD,
    as_another_user,
    dead_builder,
    mounted,
    names,
    needs_root,
    open_directory,
    write_new,
)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An existing settings file."""
    (tmp_path / "home").mkdir()
    file = tmp_path / "home" / "config.toml"
    file.write_bytes(OLD)
    return file


def test_rewrite_replaces_the_file(target: Path) -> None:
    """A reader with the old file open keeps reading it, complete."""
    with target.open("rb") as reader:
        atomic_files.rewrite(target, write_new)
        assert reader.read() == OLD
    assert target.read_bytes() == NEW
    assert names(target.parent) == ["config.toml"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_rewrite_keeps_the_mode(target: Path, mode: int) -> None:
    """auth.toml stays 0600, and its private file is never readable to others."""
    target.chmod(mode)
    seen = []

    def write(path: Path) -> None:
        seen.append(stat.S_IMODE(path.stat().st_mode))
        write_new(path)

    atomic_files.rewrite(target, write)
    assert seen == [0o600]
    assert stat.S_IMODE(target.stat().st_mode) == mode


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_new_file_follows_the_umask(tmp_path: Path, umask: int) -> None:
    """As if stock Poetry created it."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from poetry_publish_verified.guard import atomic_files\n"
        f"os.umask({umask})\n"
        "atomic_files.rewrite(Path(sys.argv[1]), lambda path: path.write_text('x'))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "new")], check=True)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("exists", [True, False])
def test_rewrite_follows_links(target: Path, tmp_path: Path, exists: bool) -> None:
    """A link stays a link, even a dangling one, and its target is written."""
    link = tmp_path / "link"
    link.symlink_to("home/config.toml")
    if not exists:
        target.unlink()
    atomic_files.rewrite(link, write_new)
    assert link.readlink() == Path("home/config.toml")
    assert target.read_bytes() == NEW
    assert names(target.parent) == ["config.toml"]


def test_rewrite_keeps_hard_links(target: Path, tmp_path: Path) -> None:
    """The file's other name shows the new content too."""
    other = tmp_path / "other"
    other.hardlink_to(target)
    atomic_files.rewrite(target, write_new)
    assert other.read_bytes() == NEW
    atomic_files.rewrite(target, lambda path: path.write_bytes(OLD))
    assert other.read_bytes() == OLD
    assert other.samefile(target)
    assert names(target.parent) == ["config.toml"]


def test_rewrite_keeps_attributes(target: Path) -> None:
    """A file with attributes that cannot be copied is written in place."""
    try:
        os.setxattr(target, "user.note", b"mine")
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error}")
    atomic_files.rewrite(target, write_new)
    assert (target.read_bytes(), os.getxattr(target, "user.note")) == (NEW, b"mine")


def test_rewrite_of_a_special_file(tmp_path: Path) -> None:
    """A device (a config.toml linked to /dev/null) is never replaced."""
    # Not /dev/null itself: with a bug here, root would replace the machine's.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "config.toml").symlink_to(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        atomic_files.rewrite(tmp_path / "config.toml", write_new)
        assert pipe.is_fifo()
        assert os.read(reader, 1000) == NEW
    finally:
        os.close(reader)
    assert names(tmp_path) == ["config.toml", "pipe"]


@needs_root
def test_rewrite_of_a_bind_mounted_file(target: Path, tmp_path: Path) -> None:
    """Docker mounts single files: they cannot be replaced, so they are overwritten."""
    mountpoint = tmp_path / "mounted.toml"
    mountpoint.touch()
    with mounted(mountpoint, "--bind", str(target)):
        atomic_files.rewrite(mountpoint, write_new)
        assert mountpoint.read_bytes() == NEW
        assert "mounted.toml" in names(tmp_path)
        assert names(tmp_path) == ["home", "mounted.toml"]
    assert target.read_bytes() == NEW


@needs_root
@pytest.mark.parametrize("bound", [False, True])
def test_rewrite_on_a_full_disk(tmp_path: Path, bound: bool) -> None:
    """The old file stays complete, whether it would be replaced or overwritten."""
    disk = tmp_path / "disk"
    disk.mkdir()
    big = b"x" * 200_000
    with mounted(disk, "-t", "tmpfs", "-o", "size=64k", "tmpfs"):
        (disk / "config.toml").write_bytes(OLD)
        if bound:
            # A file on the full disk, in a directory with space.
            target = tmp_path / "config.toml"
            target.touch()
            with mounted(target, "--bind", str(disk / "config.toml")):
                with pytest.raises(OSError, match="No space left") as caught:
                    atomic_files.rewrite(target, lambda path: path.write_bytes(big))
                assert target.read_bytes() == OLD
        else:
            with pytest.raises(OSError, match="No space left") as caught:
                atomic_files.rewrite(disk / "config.toml", lambda path: path.write_bytes(big))
        assert caught.value.errno == errno.ENOSPC
        assert (disk / "config.toml").read_bytes() == OLD
        assert names(disk) == ["config.toml"]


def test_full_disk_that_is_noticed_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """sshfs writes later: only fsync says that there was no room, and the old file stays."""
    target, synced = tmp_path / "config.toml", []
    target.write_bytes(OLD)
    (tmp_path / "another").hardlink_to(target)

    def fsync(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 1:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error"):
        atomic_files.rewrite(target, write_new)
    assert target.read_bytes() == OLD


@needs_root
def test_rewrite_without_room_for_a_private_file(tmp_path: Path) -> None:
    """If no file fits next to it, it is overwritten in its own space, as by stock."""
    disk = tmp_path / "disk"
    disk.mkdir()
    # The root directory and one file.
    with mounted(disk, "-t", "tmpfs", "-o", "nr_inodes=2", "tmpfs"):
        (disk / "config.toml").write_bytes(OLD)
        atomic_files.rewrite(disk / "config.toml", write_new)
        assert (disk / "config.toml").read_bytes() == NEW
        assert names(disk) == ["config.toml"]


@pytest.fixture
def shared() -> Iterator[Path]:
    """A settings file of root in a directory that another user can write."""
    with open_directory() as directory:
        (directory / "config.toml").write_bytes(OLD)
        yield directory / "config.toml"


@needs_root
def test_rewrite_keeps_the_owner(shared: Path) -> None:
    """Another user's file is overwritten and stays theirs; root's new file is handed over."""
    shared.chmod(0o666)
    done = as_another_user("atomic_files.rewrite(paths[0], write)", shared)
    assert done.returncode == 0, done.stderr
    assert (shared.read_bytes(), shared.stat().st_uid) == (NEW, 0)
    assert names(shared.parent) == ["config.toml"]

    os.chown(shared, 65534, 65534)
    with shared.open("rb") as reader:
        atomic_files.rewrite(shared, lambda path: path.write_bytes(OLD))
        assert reader.read() == NEW
    assert (shared.stat().st_uid, shared.stat().st_gid) == (65534, 65534)


@needs_root
def test_rewrite_of_a_read_only_file(shared: Path) -> None:
    """A read-only file is not replaced, because stock Poetry may not write it."""
    os.chown(shared, 65534, 65534)
    shared.chmod(0o444)
    done = as_another_user("atomic_files.rewrite(paths[0], write)", shared)
    assert "PermissionError" in done.stderr
    assert shared.read_bytes() == OLD
    assert names(shared.parent) == ["config.toml"]


@needs_root
def test_rewrite_in_a_closed_directory(shared: Path) -> None:
    """If nothing can be created next to it, the file is written in place, as by stock."""
    shared.chmod(0o666)
    shared.parent.chmod(0o755)
    code = (
        "atomic_files.rewrite(paths[0], write)\n"
        "def fail(path):\n    path.write_text('half'); raise KeyboardInterrupt\n"
        "atomic_files.rewrite(paths[0], fail)"
    )
    done = as_another_user(code, shared)
    assert "KeyboardInterrupt" in done.stderr
    assert shared.read_bytes() == NEW


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failed_rewrite_leaves_nothing(target: Path, error: type[BaseException]) -> None:
    """The old file stays, and no private file is left."""

    def fail(path: Path) -> None:
        path.write_text("half")
        raise error

    with pytest.raises(error):
        atomic_files.rewrite(target, fail)
    assert target.read_bytes() == OLD
    assert names(target.parent) == ["config.toml"]


def test_killed_rewrite_is_swept(target: Path) -> None:
    """The next one removes what it left, but not what a live process writes."""
    left = target.with_name(f".config.toml.{dead_builder()}-abcd")
    alive = target.with_name(f".config.toml.{ProcessId.current()}-abcd")
    foreign = target.with_name(".config.toml.swp")
    for file in (left, alive, foreign):
        file.touch()
    atomic_files.rewrite(target, write_new)
    assert names(target.parent) == sorted([alive.name, foreign.name, "config.toml"])
