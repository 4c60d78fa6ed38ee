"""The receipt's file is written completely or not at all."""

from __future__ import annotations

import json
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from poetry_publish_verified.adapters.receipt_file import write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The receipt's path; its directory does not exist yet."""
    return tmp_path / "dist" / ".publish-verified" / "lantern-1.0.json"


@pytest.fixture
def umask() -> Iterator[int]:
    """An unusual umask."""
    before = os.umask(0o027)
    yield 0o027
    os.umask(before)


def test_receipt_is_readable_json(path: Path) -> None:
    """A receipt is readable JSON in its directory, and nothing else is left there."""
    write(path, {"verdict": "running", "größe": "\udcff"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"verdict": "running", "größe": "\udcff"}
    assert path.read_text(encoding="utf-8").endswith("}\n")
    assert list(path.parent.iterdir()) == [path]


def test_later_receipt_replaces_the_first(path: Path) -> None:
    """A later receipt replaces the earlier one, even a longer one."""
    write(path, {"a": "x" * 5000})
    write(path, {"b": 1})
    assert json.loads(path.read_text(encoding="utf-8")) == {"b": 1}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_umask_is_honoured(path: Path, umask: int) -> None:
    """The umask decides who may read a receipt, every time."""
    for _ in range(2):
        write(path, {})
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_failure_keeps_the_old_receipt(path: Path) -> None:
    """If writing fails, the earlier receipt stays and nothing else is left."""
    write(path, {"a": 1})
    with pytest.raises(TypeError):
        write(path, {"b": object()})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 1}
    assert list(path.parent.iterdir()) == [path]


def test_interrupt_before_the_rename(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file keeps its old content, and nothing is left beside it."""
    write(path, {"a": 1})

    def interrupted(_source: Path, _target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(path, {"b": 1})
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 1}
    assert list(path.parent.iterdir()) == [path]


def test_reader_never_sees_a_partial_receipt(path: Path) -> None:
    """A concurrent reader sees one complete receipt or the other."""
    receipts = [{"n": number, "more": ["x" * 100] * 300} for number in range(2)]
    write(path, receipts[0])
    done = threading.Event()
    seen: list[object] = []

    def watch() -> None:
        while not done.is_set():
            seen.append(json.loads(path.read_text(encoding="utf-8")))

    reader = threading.Thread(target=watch)
    reader.start()
    try:
        for number in range(100):
            write(path, receipts[number % 2])
    finally:
        done.set()
        reader.join()
    assert seen
    assert all(each in receipts for each in seen)


def test_symlink_is_replaced(path: Path, tmp_path: Path) -> None:
    """A symlink in the receipt's place does not redirect the write."""
    other = tmp_path / "precious"
    other.write_text("precious", encoding="utf-8")
    path.parent.mkdir(parents=True)
    path.symlink_to(other)
    write(path, {})
    assert not path.is_symlink()
    assert other.read_text(encoding="utf-8") == "precious"


def test_temporary_file_symlink_is_not_followed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if its name is guessed, the temporary file must be new."""
    monkeypatch.setattr("secrets.token_hex", lambda _length: "guessed")
    path.parent.mkdir(parents=True)
    (path.parent / ".publish-verified.guessed.tmp").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write(path, {})
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_device_is_never_replaced(tmp_path: Path) -> None:
    """A pipe or device (/dev/null!) is used as it is or refused."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # Someone must read, or the writer blocks.
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(pipe, {})
    except OSError:
        pass
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("place", ["directory", "under-a-file"])
def test_impossible_path(tmp_path: Path, place: str) -> None:
    """A directory in its place, or a file as its directory, is an OSError and leaves nothing."""
    if place == "directory":
        path = tmp_path / "receipt.json"
        path.mkdir()
    else:
        (tmp_path / "file").touch()
        path = tmp_path / "file" / "receipt.json"
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OSError, match=r"receipt|file"):
        write(path, {})
    assert sorted(tmp_path.rglob("*")) == before


def test_linked_directory_is_not_followed(path: Path, tmp_path: Path) -> None:
    """A link in the dist directory does not redirect receipts."""
    (tmp_path / "elsewhere").mkdir()
    path.parent.parent.mkdir()
    path.parent.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="not followed"):
        write(path, {})
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_receipt_written_by_root(path: Path) -> None:
    """It belongs to the owner of the directory around it."""
    path.parent.parent.mkdir()
    os.chown(path.parent.parent, 4201, 4202)
    write(path, {})
    for made in (path.parent, path):
        assert (made.stat().st_uid, made.stat().st_gid) == (4201, 4202)
