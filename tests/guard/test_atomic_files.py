"""Caches shared by many processes, on real filesystems."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from poetry_publish_verified.guard import atomic_files
from poetry_publish_verified.guard.processes import ProcessId
from tests.beds.processes import HANG
from tests.guard.filesystems import (
    NEW,
    OLD,
    as_another_user,
    mounted,
    names,
    needs_root,
    open_directory,
    write_new,
)


def test_put_recreates_a_removed_directory(tmp_path: Path) -> None:
    """A concurrent `cache clear` between mkdir and rename costs one more try."""
    path = tmp_path / "cache" / "aa" / "entry"
    calls = []

    def write(private: Path) -> None:
        calls.append(private)
        private.parent.mkdir(parents=True, exist_ok=True)
        private.write_bytes(NEW)
        if len(calls) == 1:
            shutil.rmtree(tmp_path / "cache")

    atomic_files.put(path, write)
    assert path.read_bytes() == NEW
    assert names(path.parent) == ["entry"]
    assert len(calls) == 2


def test_failed_put_leaves_nothing(tmp_path: Path) -> None:
    """The original error is raised, and the old entry stays."""
    (tmp_path / "entry").write_bytes(OLD)

    def fail(private: Path) -> None:
        private.write_text("half")
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        atomic_files.put(tmp_path / "entry", fail)
    assert names(tmp_path) == ["entry"]
    assert (tmp_path / "entry").read_bytes() == OLD


def test_write_unless_cleared() -> None:
    """A removed directory costs another try and is finally ignored; other errors are raised."""
    calls = []

    def vanishing() -> None:
        calls.append(1)
        if len(calls) < 3:
            raise FileNotFoundError

    atomic_files.write_unless_cleared(vanishing)
    assert len(calls) == 3

    def always(error: OSError) -> Callable[[], None]:
        def write() -> None:
            calls.append(1)
            raise error

        return write

    atomic_files.write_unless_cleared(always(FileNotFoundError()))
    assert len(calls) < 30
    for other in (PermissionError(), FileExistsError(), OSError(errno.ENOSPC, "full")):
        with pytest.raises(type(other)):
            atomic_files.write_unless_cleared(always(other))


def stock_flush(directory: Path) -> Callable[[], None]:
    """What stock Poetry does."""
    return lambda: shutil.rmtree(directory)


def never() -> None:
    """Stock's way, where it must not be used."""
    pytest.fail("stock's way was taken")


def test_flush(tmp_path: Path) -> None:
    """Everything goes, including what a killed flush left; a second flush works too."""
    cache = tmp_path / "cache" / "repositories"
    (cache / "index" / "aa").mkdir(parents=True)
    left = tmp_path / "cache" / ".poetry-trash-left"
    (left / "bb").mkdir(parents=True)
    atomic_files.flush(cache, tmp_path / "cache", never)
    assert names(tmp_path / "cache") == []
    atomic_files.flush(cache, tmp_path / "cache", never)


def test_flush_beside_a_writer(tmp_path: Path) -> None:
    """Another process may write into the directory while it is deleted."""
    cache = tmp_path / "cache"
    (cache / "aa").mkdir(parents=True)
    # Through the open directory, like a process in the middle of a write.
    handle = os.open(cache / "aa", os.O_RDONLY)

    def write() -> None:
        # Not forever: a flush eventually gives up and leaves the rest to the next one.
        for number in range(3000):
            try:
                os.close(os.open(f"{number}", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
            except FileNotFoundError:
                break
        os.close(handle)

    writer = threading.Thread(target=write)
    writer.start()
    atomic_files.flush(cache, tmp_path, never)
    writer.join()
    assert not cache.exists()


def test_flush_of_a_link(tmp_path: Path) -> None:
    """Stock refuses a link, and it must not be renamed either."""
    (tmp_path / "real").mkdir()
    (tmp_path / "cache").symlink_to("real")
    with pytest.raises(OSError, match="symbolic link"):
        atomic_files.flush(tmp_path / "cache", tmp_path, stock_flush(tmp_path / "cache"))
    assert names(tmp_path) == ["cache", "real"]


@needs_root
def test_flush_of_a_mount_point(tmp_path: Path) -> None:
    """A mounted cache cannot be renamed, so it is emptied stock's way."""
    cache = tmp_path / "cache"
    cache.mkdir()
    with mounted(cache, "-t", "tmpfs", "tmpfs"):
        (cache / "entry").touch()
        with pytest.raises(OSError, match="busy"):
            atomic_files.flush(cache, tmp_path, stock_flush(cache))
        assert names(cache) == []


@needs_root
def test_flush_reports_what_it_cannot_delete() -> None:
    """Another user's entries stay; stock's error says so."""
    with open_directory() as directory:
        cache = directory / "cache"
        (cache / "theirs").mkdir(parents=True)
        (cache / "theirs" / "entry").touch()
        # Otherwise it could not be renamed, because that changes its `..`.
        cache.chmod(0o777)
        done = as_another_user("atomic_files.flush(paths[0], paths[0].parent, None)", cache)
        assert "PermissionError" in done.stderr
        assert not cache.exists()


def test_fetch(tmp_path: Path) -> None:
    """The archive appears complete, with the umask's mode, and nothing beside it."""
    archive = tmp_path / "ab" / "demo-1.0-py3-none-any.whl"

    def download(private: Path) -> None:
        private.touch(mode=0o600)
        private.write_bytes(b"half")
        for pattern in ("*.whl", "*.tar.gz", "*.tar.bz2", "*.bz2", "*.zip"):
            assert not list(archive.parent.glob(pattern))
        private.write_bytes(NEW)

    (tmp_path / "usual").touch()
    atomic_files.fetch(archive, download)
    assert archive.read_bytes() == NEW
    assert archive.stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert names(archive.parent) == [archive.name]


def test_failed_fetch_beside_a_finished_one(tmp_path: Path) -> None:
    """Its own partial file goes; what another process finished stays."""
    archive = tmp_path / "demo.whl"

    def fail(private: Path) -> None:
        private.write_bytes(b"half")
        archive.write_bytes(NEW)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        atomic_files.fetch(archive, fail)
    assert archive.read_bytes() == NEW
    assert names(tmp_path) == ["demo.whl"]


def test_killed_fetch(tmp_path: Path) -> None:
    """It leaves no archive, and the next download removes what it left."""
    archive = tmp_path / "demo.whl"
    code = (
        "import sys; from pathlib import Path\n"
        "from poetry_publish_verified.guard import atomic_files\n"
        "def download(path):\n"
        "    path.write_text('half'); print('begun', flush=True); sys.stdin.read()\n"
        "atomic_files.fetch(Path(sys.argv[1]), download)"
    )
    command = [sys.executable, "-c", code, str(archive)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        # Not swept while it is alive: a slow download is not a dead one.
        atomic_files.fetch(tmp_path / "other.whl", write_new)
        assert len(names(tmp_path)) == 2
        process.send_signal(signal.SIGKILL)
    assert not archive.exists()
    atomic_files.fetch(archive, write_new)
    assert names(tmp_path) == ["demo.whl", "other.whl"]


def test_private_directory_of_another_host_is_kept_for_a_day(tmp_path: Path) -> None:
    """Another host's process cannot be checked."""
    builder = ProcessId("0123456789ab", 1, "1")
    young, old = (tmp_path / f".private-{builder}-{name}" for name in ("young", "old"))
    young.mkdir()
    old.mkdir()
    os.utime(old, (1, 1))
    atomic_files.fetch(tmp_path / "demo.whl", write_new)
    assert names(tmp_path) == [young.name, "demo.whl"]


def test_build(tmp_path: Path) -> None:
    """A wheel gets its name when it is complete; a failed build leaves nothing."""

    def make(private: Path) -> Path:
        (private / "demo.whl").write_bytes(b"half")
        assert not list(tmp_path.glob("*.whl"))
        (private / "demo.whl").write_bytes(NEW)
        return private / "demo.whl"

    assert atomic_files.build(tmp_path / "new", make) == tmp_path / "new" / "demo.whl"
    assert names(tmp_path / "new") == ["demo.whl"]

    def fail(private: Path) -> Path:
        (private / "other.whl").write_bytes(b"half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        atomic_files.build(tmp_path / "new", fail)
    assert names(tmp_path / "new") == ["demo.whl"]


@pytest.mark.parametrize("whose", ["stock", "ours"])
def test_one_cache_under_stress(tmp_path: Path, whose: str) -> None:
    """Four processes put, get, forget and flush: stock fails hundreds of times, this never."""
    script = Path(__file__).with_name("hammer.py")
    command = [sys.executable, str(script), whose, str(tmp_path / "cache"), "2000"]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=pipe) for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=HANG) for process in processes]
    errors = [json.loads(out) for out, _ in answers]
    corrupt = sum(err.count("Corrupt") for _, err in answers)
    if whose == "stock":
        assert any(errors)
    else:
        assert (errors, corrupt) == ([{}] * 4, 0)
        assert names(tmp_path) in ([], ["cache"])
