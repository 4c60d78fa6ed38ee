"""The receipt's file is written completely or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import stat
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from poetry_publish_verified.adapters.receipt_file import (
    append,
    read,
    refuse_unwritable,
    remove,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal", "full"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    """A pipe, a socket or a device is refused at once, and stays."""
    path = tmp_path / "receipt.json"
    with contextlib.ExitStack() as stack:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            stack.enter_context(contextlib.closing(socket.socket(socket.AF_UNIX))).bind(str(path))
        elif kind == "terminal":
            master, slave = os.openpty()
            stack.callback(os.close, master)
            stack.callback(os.close, slave)
            path = Path(os.ttyname(slave))
        else:
            path = Path("/dev/full")
        before = path.stat().st_mode
        for attempt in (refuse_unwritable, lambda path: write(path, {})):
            with pytest.raises(OSError, match="not a regular file"):
                attempt(path)
        assert path.stat().st_mode == before


@pytest.mark.parametrize(
    "place", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/dev/stderr", "fd/1", "fd"]
)
def test_standard_output_is_refused(tmp_path: Path, place: str) -> None:
    """It would get one receipt after the other; where it is a file, that is not replaced."""
    (tmp_path / "fd").symlink_to("/dev/fd")
    path = tmp_path / place
    with pytest.raises(OSError, match=r"not a regular file|directory"):
        write(path, {})


def test_place_that_is_no_directory(tmp_path: Path) -> None:
    """It is named, wherever it is on the way."""
    (tmp_path / "dist").touch()
    for place in ("dist/receipt.json", "dist/a/b/receipt.json"):
        with pytest.raises(NotADirectoryError, match=r"/dist is not a directory$"):
            refuse_unwritable(tmp_path / place)


def test_full_disk_is_found_before_there_is_a_receipt(tmp_path: Path) -> None:
    """An empty file fits on every disk, and a whole receipt does not."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            refuse_unwritable(tmp_path / "receipt.json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_null_device_keeps_nothing(tmp_path: Path) -> None:
    """/dev/null, or the user's own link to it, takes a receipt and stays."""
    link = tmp_path / "receipt.json"
    link.symlink_to(os.devnull)
    for path in (Path(os.devnull), link):
        refuse_unwritable(path)
        write(path, {"verdict": "running"})
        remove(path)
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    assert link.is_symlink()
    assert list(tmp_path.iterdir()) == [link]


def test_memory_files_are_files() -> None:
    """What is in /dev/shm is an ordinary file."""
    if not os.access("/dev/shm", os.W_OK):  # noqa: S108
        pytest.skip("there is no /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        path = Path(directory) / "receipt.json"
        write(path, {"a": 1})
        write(path, {"b": 2})
        assert read(path) == {"b": 2}


def test_named_pipe_is_not_read(tmp_path: Path) -> None:
    """Nobody may ever write to it."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="named pipe"):
        read(tmp_path / "pipe")


def test_receipt_from_the_shell() -> None:
    """What the shell pipes is read."""
    reading, writing = os.pipe()
    os.write(writing, b'{"a": 1}')
    os.close(writing)
    try:
        assert read(Path(f"/dev/fd/{reading}")) == {"a": 1}
    finally:
        os.close(reading)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give links away")
@pytest.mark.parametrize("way", ["directly", "through-our-own", "above"])
def test_links_of_others_are_not_followed(tmp_path: Path, way: str) -> None:
    """Nothing is written, and no directory made, through a link that somebody else has left."""
    shared, elsewhere = tmp_path / "shared", tmp_path / "elsewhere"
    shared.mkdir()
    elsewhere.mkdir()
    theirs = shared / "dist"
    theirs.symlink_to(elsewhere)
    os.lchown(theirs, 4201, 4202)
    directory = theirs
    if way == "through-our-own":
        directory = tmp_path / "ours"
        directory.symlink_to("shared/dist")
    elif way == "above":
        directory = theirs / "new" / "newer"
    for attempt in (refuse_unwritable, lambda path: write(path, {})):
        with pytest.raises(OSError, match="not followed"):
            attempt(directory / "receipt.json")
    assert not list(elsewhere.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give links away")
@pytest.mark.parametrize("owner", ["ours", "of-the-directory"])
def test_own_links_are_followed(tmp_path: Path, owner: str) -> None:
    """A dist directory may be a link: of this user, or of whoever owns the project."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "project").mkdir()
    dist = tmp_path / "project" / "dist"
    dist.symlink_to(tmp_path / "elsewhere")
    if owner == "of-the-directory":
        os.chown(tmp_path / "project", 4201, 4202)
        os.lchown(dist, 4201, 4202)
    write(dist / "receipt.json", {"a": 1})
    assert read(tmp_path / "elsewhere" / "receipt.json") == {"a": 1}


def test_circle_of_links(tmp_path: Path) -> None:
    """It is an error."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="not followed"):
        write(tmp_path / "a" / "receipt.json", {})


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


def test_append(tmp_path: Path) -> None:
    """Each line is whole, also after half a one."""
    file = tmp_path / "new" / "releases.jsonl"
    append(file, "1")
    append(file, "2 ä")
    assert file.read_text(encoding="utf-8") == "1\n2 ä\n"
    file.write_text("1\n{half", encoding="utf-8")
    append(file, "3")
    assert file.read_text(encoding="utf-8") == "1\n{half\n3\n"
    assert [path.name for path in file.parent.iterdir()] == ["releases.jsonl"]
    link = tmp_path / "link"
    link.symlink_to(file)
    with pytest.raises(OSError, match="not followed"):
        append(link, "4")
    append(Path(os.devnull), "4")
    assert file.read_text(encoding="utf-8") == "1\n{half\n3\n"
