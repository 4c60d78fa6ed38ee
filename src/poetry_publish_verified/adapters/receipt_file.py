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


def write(path: Path, receipt: Mapping[str, Any]) -> None:
    """Replace `path` in one step, and make its directory if missing. Raises OSError.

    The umask decides the file's mode. A symlink at `path` is replaced, not followed; a pipe or
    a device (/dev/stdout) is written to.
    """
    text = json.dumps(receipt, indent=2) + "\n"
    if _is_special(path):
        path.write_text(text, encoding="utf-8")
        return
    temporary = _beside(path, text)
    try:
        os.replace(temporary, path)  # noqa: PTH105 - says what it does
    except BaseException:
        _unlink(temporary)
        raise


def refuse_unwritable(path: Path) -> None:
    """Raise OSError where `write` would, and leave what is at `path` alone."""
    if not _is_special(path):
        _unlink(_beside(path, ""))


def _beside(path: Path, text: str) -> Path:
    """A new file with this text beside `path`, whose directory is made if missing."""
    if path.is_dir() or not path.name:
        raise IsADirectoryError(f"{path} is a directory")
    if path.parent.name == DIRECTORY and path.parent.is_symlink():
        raise OSError(errno.ELOOP, "a symbolic link is not followed", str(path.parent))
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


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _make_directory(directory: Path) -> None:
    if directory.is_dir():
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        directory.mkdir()
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                _give(descriptor, directory.parent)
            finally:
                os.close(descriptor)


def _give(descriptor: int, around: Path) -> None:
    """Give what root makes to the owner of the directory around it, who may want to delete it.

    By descriptor, as a name may be a link by now.
    """
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        owner = around.stat()
        # Refused where root is nobody: on a server that squashes it, in a user namespace.
        with contextlib.suppress(OSError):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def remove(path: Path) -> None:
    """Remove a receipt that is no longer true; a pipe or a device stays."""
    if not _is_special(path):
        _unlink(path)


def read(path: Path) -> Any:
    """The JSON value in a receipt's file, None where it is not JSON. Raises OSError."""
    with path.open("rb") as stream:
        content = stream.read(_LARGEST + 1)
    try:
        return json.loads(content) if len(content) <= _LARGEST else None
    except (ValueError, RecursionError):
        return None


def earlier(path: Path, schema: str) -> Any:
    """The receipt of an earlier run at `path`, None where there is none.

    Raises OSError where `path` is a file that is not a receipt.
    """
    if _is_special(path) or path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as stream:
        start = stream.read(200)
    if start and schema.encode() not in start:
        raise FileExistsError("the file exists and is not a receipt")
    return read(path) or {} if start else None


def _is_special(path: Path) -> bool:
    # /dev/stdout is a symlink, often to a file: replacing it would break the machine.
    system = path.is_absolute() and path.parts[1:2] in {("dev",), ("proc",)}
    return path.exists() and not path.is_dir() and (system or not path.is_file())
