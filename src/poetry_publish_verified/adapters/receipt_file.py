"""Receipt files: written whole or not at all."""

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from poetry_publish_verified.core.receipt import OWN_FILES

DIRECTORY = OWN_FILES
"""The directory for this tool's files in a dist directory."""
_LARGEST = 64 * 1024 * 1024
# Characters that a receipt hardly exceeds.
_USUAL = 64 * 1024
# Bytes that have the fields before the first release.
_HEAD = 1024
# As Linux has it for one path.
_MOST_LINKS = 40


def write(path: Path, receipt: Mapping[str, Any]) -> None:
    """`write_text` of JSON."""
    write_text(path, json.dumps(receipt, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace `path` in one step, and make its directory if missing. Raises OSError.

    The umask decides the file's mode. A symlink at `path` is replaced, not followed. To the null
    device nothing is written; no other device and no pipe is taken.
    """
    if _is_null(path):
        return
    # guard/atomic_files.py follows links, keeps mode and owner, and does as Poetry where it cannot
    # rename: right for files that Poetry writes, and wrong here. All they share is the next steps.
    temporary = _beside(path, text)
    try:
        os.replace(temporary, path)  # noqa: PTH105 - says what it does
    except BaseException:
        _unlink(temporary)
        raise


def append(path: Path, line: str) -> None:
    """Add a line to a file, in one step; half a line that is there already is ended first.

    Its directory is made if missing, and links on the way are those of `write_text`.
    """
    if _is_null(path):
        return
    refuse_unwritable(path)
    refuse_link(path)
    with path.open("ab+") as stream:
        if stream.tell():
            stream.seek(-1, os.SEEK_END)
            line = line if stream.read(1) == b"\n" else f"\n{line}"
        stream.write(f"{line}\n".encode())
        _give(stream.fileno(), path.parent)


def refuse_link(path: Path) -> None:
    """Raise OSError for a symlink: what it leads to is not known to be a run's."""
    if path.is_symlink() and not _is_null(path):
        raise _not_followed(path)


def refuse_unwritable(path: Path) -> None:
    """Raise OSError where `write` would, or for a full disk; what is at `path` stays."""
    if not _is_null(path):
        _unlink(_beside(path, " " * _USUAL))


def _beside(path: Path, text: str) -> Path:
    """A new file with this text beside `path`, whose directory is made if missing."""
    if path.is_dir() or not path.name:
        raise IsADirectoryError("it is a directory, and not a file")
    if _is_of_system(path) or (path.exists() and not (path.is_file() or path.is_symlink())):
        # It is written after each step, and a pipe would wait for a reader.
        raise OSError("it is not a regular file; --format json prints the receipt as its last line")
    if path.parent.name == DIRECTORY and path.parent.is_symlink():
        raise _not_followed(path.parent)
    _refuse_links_of_others(path.parent.absolute())
    _make_directory(path.parent)
    temporary = path.with_name(f"{OWN_FILES}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            _give(descriptor, path.parent)
            stream.write(text)
    except BaseException:
        _unlink(temporary)
        raise
    return temporary


def _refuse_links_of_others(directory: Path, followed: int = 0) -> None:
    """Raise OSError for a link on the way to a directory that is neither this user's nor root's.

    What belongs to the owner of the directory around it counts too: they can change all in there.
    """
    for each in (*reversed(directory.parents), directory):
        if each.is_symlink():
            owner = each.lstat().st_uid
            is_known = owner in {0, each.parent.stat().st_uid} or owner == _user()
            if not is_known or followed > _MOST_LINKS:
                raise _not_followed(each)
            _refuse_links_of_others(each.parent / each.readlink(), followed + 1)


def _not_followed(link: Path) -> OSError:
    return OSError(errno.ELOOP, "a symbolic link is not followed", str(link))


def _user() -> int | None:
    return os.geteuid() if hasattr(os, "geteuid") else None


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _make_directory(directory: Path) -> None:
    if directory.is_dir():
        return
    for each in (directory, *directory.parents):
        if each.exists() and not each.is_dir():
            raise NotADirectoryError(f"{each} is not a directory")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        directory.mkdir()
        if _user() == 0:
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                _give(descriptor, directory.parent)
            finally:
                os.close(descriptor)


def _give(descriptor: int, around: Path) -> None:
    """Give what root makes to the owner of the directory around it, who may want to delete it.

    By descriptor, as a name may be a link by now.
    """
    if _user() == 0:
        owner = around.stat()
        # Refused where root is nobody: on a server that squashes it, in a user namespace.
        with contextlib.suppress(OSError):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def remove(path: Path) -> None:
    """Remove a receipt that is no longer true."""
    if not _is_null(path):
        _unlink(path)


def read(path: Path) -> Any:
    """The JSON value in a receipt's file, None where it is not JSON. Raises OSError.

    What the shell pipes (/dev/stdin, /dev/fd/63) is read, but no named pipe, which may never end.
    """
    if path.is_fifo() and not _is_of_system(path):
        raise OSError("it is a named pipe")
    with path.open("rb") as stream:
        content = stream.read(_LARGEST + 1)
    try:
        return json.loads(content) if len(content) <= _LARGEST else None
    except (ValueError, RecursionError):
        return None


def earlier(path: Path, schema: str, kind: str = "a receipt") -> Any:
    """The receipt of an earlier run at `path`, None where there is none.

    Raises OSError where `path` is a file that is not of this `kind`.
    """
    if _is_of_system(path) or path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as stream:
        start = stream.read(200)
    if start and schema.encode() not in start:
        raise FileExistsError(f"the file exists and is not {kind}")
    return read(path) or {} if start else None


def is_of_another_run(path: Path, started: str) -> bool:
    """Whether `path` has the receipt of a run that started at another time."""
    with contextlib.suppress(OSError), path.open("rb") as stream:
        start = stream.read(_HEAD)
        return bool(start) and f'"started": "{started}"'.encode() not in start
    return False


def _is_null(path: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return path.samefile(os.devnull)
    return False


def _is_of_system(path: Path) -> bool:
    # /dev/stdout is a symlink, often to a file: replacing it would break the machine.
    place = os.path.realpath(path.parent)
    return place == "/dev" or place.startswith(("/dev/fd", "/proc"))
