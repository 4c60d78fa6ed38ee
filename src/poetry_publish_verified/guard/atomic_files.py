"""Files that many processes share, each published in one step: caches, archives, settings.

What is written goes to a private place beside the target first, and gets the target's name by
one rename: readers need no lock. Where a rename would lose something (links, owner, attributes)
or is refused, the target is written in place, as stock Poetry does.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import tempfile
import time
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from poetry_publish_verified.guard.python_environment import Builder

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from io import FileIO

_PRIVATE = ".private-"
_TRASH = ".poetry-trash-"
# As often as a peer may take a directory away between two steps of one write.
_TRIES = 20
_UNKNOWN_WRITER_AFTER = 24 * 3600.0
_FULL = (errno.ENOSPC, errno.EDQUOT)


def put(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write(private)` make a file beside `path`, then give it that name.

    `write` makes the directories it needs: a peer that clears the cache may take them away at
    any moment, then it is called again. Where nothing can be renamed to `path`,
    `write(path)` is called. Raises what `write` raises.
    """
    for _ in range(_TRIES):
        private = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            write(private)
            private.replace(path)
            return
        except (FileNotFoundError, FileExistsError):
            # mkdir raises the latter where the directory is gone by the time it looks.
            _unlink(private)
        except PermissionError:
            _unlink(private)
            break
        except BaseException:
            _unlink(private)
            raise
    write(path)


def write_unless_cleared(write: Callable[[], None]) -> None:
    """Call `write()` until no peer takes its directory away meanwhile; then give up silently.

    A cache that cannot be written is no error. Raises what else `write` raises.
    """
    for left in range(_TRIES, 0, -1):
        try:
            write()
            return
        except FileNotFoundError:
            continue
        except FileExistsError:
            if left == 1:
                raise


def flush(directory: Path, trash: Path, stock: Callable[[], None]) -> None:
    """Move `directory` aside into the directory `trash`, then delete it.

    What another flush left there is deleted too. `stock()` is called where the move is
    refused. Raises OSError where something could not be deleted, as stock does.
    """
    aside = trash / f"{_TRASH}{secrets.token_hex(8)}"
    try:
        # Stock refuses to delete a link, and so must this.
        if directory.is_symlink():
            stock()
            return
        directory.rename(aside)
    except FileNotFoundError:
        # A peer was quicker.
        return
    except OSError:
        stock()
        return
    _delete(aside)
    with suppress(OSError):
        for left in trash.glob(f"{_TRASH}*"):
            shutil.rmtree(left, ignore_errors=True)


def _delete(directory: Path) -> None:
    for _ in range(_TRIES):
        try:
            shutil.rmtree(directory)
            return
        except OSError as error:
            if not directory.exists():
                return
            # A peer still writes into it, or deletes it too.
            if error.errno not in {errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST}:
                shutil.rmtree(directory, ignore_errors=True)
                raise


def fetch(archive: Path, download: Callable[[Path], object]) -> None:
    """Let `download(private)` make the file, then publish it as `archive`.

    The file gets the mode that the umask gives new files, however private `download` made
    it. Raises what `download` raises; `archive` is then as it was.
    """
    with _private_directory(archive.parent) as private:
        made = private / archive.name
        download(made)
        with suppress(OSError):
            made.chmod(_mode_of_new_files(private))
        _give(made, archive)


def build(destination: Path, make: Callable[[Path], Path]) -> Path:
    """Let `make(private)` build files, publish them in `destination`; what was `made`, there.

    Raises what `make` raises; nothing of it is in `destination` then.
    """
    with _private_directory(destination) as private:
        made = make(private)
        for file in private.iterdir():
            if file.is_file():
                _give(file, destination / file.name)
    return destination / made.name if made.parent == private else made


def _give(private: Path, name: Path) -> None:
    try:
        private.replace(name)
    except PermissionError:
        # Windows replaces no file that somebody reads: that one is as good.
        if not name.exists():
            raise


def _mode_of_new_files(directory: Path) -> int:
    # os.umask could be asked only by setting it, for every thread of the process.
    probe = directory / secrets.token_hex(4)
    os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    return stat.S_IMODE(probe.stat().st_mode)


@contextmanager
def _private_directory(parent: Path) -> Iterator[Path]:
    """A new directory, no name of a file in which is found by a search of `parent`."""
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent, _PRIVATE)
    private = parent / f"{_PRIVATE}{Builder.this_process()}-{secrets.token_hex(4)}"
    private.mkdir()
    try:
        yield private
    finally:
        shutil.rmtree(private, ignore_errors=True)


def rewrite(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write(private)` make a file beside the target of `path`, then publish it there.

    `write(path)` is called where nothing can be made beside it. Raises what `write` raises,
    and OSError where the disk is too full for it: the target is then as it was.
    """
    target = Path(os.path.realpath(path))
    if not _is_replaceable(target):
        _write_or_restore(path, write)
        return
    prefix = f".{target.name}."
    _sweep(target.parent, prefix)
    private = target.with_name(f"{prefix}{Builder.this_process()}-{secrets.token_hex(4)}")
    # Nobody else may read it before it has the target's mode.
    mode, is_made = 0o600 if target.exists() else 0o666, False
    try:
        os.close(os.open(private, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        is_made = True
        write(private)
        publish(private, target)
    except OSError as error:
        _unlink(private)
        if error.errno in _FULL:
            # The room that the target has may do, as it does for stock.
            _overwrite(target, _written_elsewhere(write, target))
        elif is_made:
            raise
        else:
            _write_or_restore(path, write)
    finally:
        _unlink(private)


def _written_elsewhere(write: Callable[[Path], object], target: Path) -> bytes:
    """What `write` writes, by way of the directory for temporary files."""
    with tempfile.TemporaryDirectory(prefix="poetry-") as directory:
        private = Path(directory, target.name)
        write(private)
        return private.read_bytes()


def publish(private: Path, target: Path) -> None:
    """Make the content of the file `private` that of `target`, which may not be a link.

    Replaces it where mode, owner and attributes of `target` can be kept, else overwrites it.
    Raises OSError where the disk is full: `target` is then as it was.
    """
    content = private.read_bytes()
    if _made_alike(private, target):
        # EBUSY where the file is a mount point, EACCES where Windows has it open, and more.
        with suppress(OSError):
            private.replace(target)
            return
    _overwrite(target, content)


def _is_replaceable(target: Path) -> bool:
    """Whether `target` is absent or an ordinary file that this process may write.

    Replacing takes no right to the file itself: a read-only one would be changed.
    """
    try:
        ordinary = stat.S_ISREG(target.stat().st_mode)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    effective = os.access in os.supports_effective_ids
    return ordinary and os.access(target, os.W_OK, effective_ids=effective)


def _made_alike(private: Path, target: Path) -> bool:
    """Give `private` mode and owner of `target`; whether replacing it loses nothing then."""
    try:
        present = target.stat()
    except FileNotFoundError:
        return True
    if present.st_nlink > 1:
        return False
    made = private.stat()
    try:
        if (made.st_uid, made.st_gid) != (present.st_uid, present.st_gid):
            os.chown(private, present.st_uid, present.st_gid)
        private.chmod(stat.S_IMODE(present.st_mode))
        return _attributes(private) == _attributes(target)
    except OSError:
        return False


def _attributes(path: Path) -> dict[str, bytes]:
    """Extended attributes: access control lists are among them."""
    if not hasattr(os, "listxattr"):
        return {}
    try:
        return {name: os.getxattr(path, name) for name in os.listxattr(path)}
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise


def _overwrite(target: Path, content: bytes) -> None:
    try:
        file = target.open("r+b", buffering=0)
    except FileNotFoundError:
        try:
            target.write_bytes(content)
        except BaseException:
            _unlink(target)
            raise
        return
    with file:
        before = file.read()
        try:
            _fill(file, content)
        except BaseException:
            with suppress(OSError):
                _fill(file, before)
            raise


def _fill(file: FileIO, content: bytes) -> None:
    # Not cut before the end: on a full disk others would take what was freed.
    file.seek(0)
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]
    file.truncate(len(content))


def _write_or_restore(path: Path, write: Callable[[Path], object]) -> None:
    before = None
    with suppress(OSError):
        # A device or a pipe would not end.
        before = path.read_bytes() if path.is_file() else None
    try:
        write(path)
    except BaseException:
        with suppress(OSError):
            if before is not None and path.read_bytes() != before:
                _overwrite(path, before)
        raise


def _sweep(directory: Path, prefix: str) -> None:
    """Delete what killed processes left in `directory` under private names with this prefix."""
    with suppress(OSError), os.scandir(directory) as listing:
        for item in listing:
            if not item.name.startswith(prefix):
                continue
            writer = Builder.parse(item.name[len(prefix) :].rpartition("-")[0])
            if writer is None:
                continue
            dead = writer.is_dead()
            if dead is None:
                # Another host's process cannot be asked: a day without a word is enough.
                dead = time.time() - item.stat().st_mtime > _UNKNOWN_WRITER_AFTER
            if dead and item.is_dir(follow_symlinks=False):
                shutil.rmtree(item.path, ignore_errors=True)
            elif dead:
                _unlink(Path(item.path))


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
