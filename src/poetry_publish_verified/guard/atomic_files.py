"""Files that many processes share, each published in one step: caches, archives, settings.

The content goes to a private place beside the target first, and gets the target's name by one
rename: readers need no lock. Where a rename would lose something (links, owner, attributes) or is
refused, the target is written in place, as stock Poetry does.
"""

import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from poetry_publish_verified.guard.removal import abandoned, delete, delete_all, private_name

_PRIVATE = ".private-"
_TRASH = ".poetry-trash-"
# As often as another process may remove a directory between two steps of one write.
_ATTEMPTS = 20


def put(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write(private)` create a file beside `path`, then give it that name.

    `write` creates the directories that it needs: another process that clears the cache may remove
    them at any moment, and then it is called again. `write(path)` is called where nothing can be
    renamed to `path`. Raises what `write` raises.
    """
    for _ in range(_ATTEMPTS):
        private = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            write(private)
            private.replace(path)
            return
        # mkdir raises the second where the directory is gone by the time it looks.
        except (FileNotFoundError, FileExistsError):
            continue
        except PermissionError:
            break
        finally:
            delete(private)
    write(path)


def write_unless_cleared(write: Callable[[], None]) -> None:
    """Call `write()` until no other process removes its directory meanwhile; then give up silently.

    A cache that cannot be written is no error. Raises anything else that `write` raises.
    """
    for left in range(_ATTEMPTS, 0, -1):
        try:
            write()
            return
        except FileNotFoundError:
            continue
        except FileExistsError:
            if left == 1:
                raise


def flush(directory: Path, trash: Path, stock: Callable[[], None]) -> None:
    """Move `directory` into the directory `trash`, then delete it, and what others left there.

    `stock()` is called where the move is refused. Raises OSError where something could not be
    deleted, as stock does.
    """
    aside = trash / f"{_TRASH}{secrets.token_hex(8)}"
    try:
        # Stock refuses to delete a link, and so must this.
        if directory.is_symlink():
            stock()
            return
        directory.rename(aside)
    except FileNotFoundError:
        # Another process was quicker.
        return
    except OSError:
        stock()
        return
    for _ in range(_ATTEMPTS):
        try:
            shutil.rmtree(aside)
            break
        except OSError as error:
            if not aside.exists():
                break
            # Another process still writes into it, or deletes it too.
            if error.errno not in {errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST}:
                delete(aside)
                raise
    delete_all(trash, _TRASH)


def fetch(archive: Path, download: Callable[[Path], object]) -> None:
    """Let `download(private)` create a file, then publish it as `archive`.

    The file gets the mode that the umask gives new files, however private `download` made it.
    Raises what `download` raises; `archive` is then unchanged.
    """
    with _private_directory(archive.parent) as private:
        made = private / archive.name
        download(made)
        with suppress(OSError):
            # os.umask can only be read by setting it, for every thread of the process.
            probe = private / secrets.token_hex(4)
            probe.touch()
            made.chmod(stat.S_IMODE(probe.stat().st_mode))
        _give_name(made, archive)


def build(destination: Path, make: Callable[[Path], Path]) -> Path:
    """Let `make(private)` build files and publish them in `destination`; the path of its result.

    Raises what `make` raises; nothing is in `destination` then.
    """
    with _private_directory(destination) as private:
        made = make(private)
        for file in private.iterdir():
            if file.is_file():
                _give_name(file, destination / file.name)
    return destination / made.name if made.parent == private else made


def _give_name(private: Path, path: Path) -> None:
    try:
        private.replace(path)
    except PermissionError:
        # Windows replaces no file that somebody reads: that one is as good.
        if not path.exists():
            raise


@contextmanager
def _private_directory(parent: Path) -> Iterator[Path]:
    """A new directory whose files a search of `parent` does not find."""
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent, _PRIVATE)
    private = parent / private_name(_PRIVATE)
    private.mkdir()
    try:
        yield private
    finally:
        delete(private)


def rewrite(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write(private)` create a file beside the target of `path`, then publish it there.

    Where nothing can be created there, the target is overwritten with what `write` writes to a
    temporary file. `write(path)` is called for what is no ordinary file that this process may
    write. Raises what `write` raises, and OSError where the disk is full: the target is then
    unchanged.
    """
    target = Path(os.path.realpath(path))
    if not _is_replaceable(target):
        write(path)
        return
    prefix = f".{target.name}."
    _sweep(target.parent, prefix)
    private = target.with_name(private_name(prefix))
    # Nobody else may read it before it has the target's mode.
    mode, is_created = 0o600 if target.exists() else 0o666, False
    try:
        os.close(os.open(private, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        is_created = True
        write(private)
        _publish(private, target)
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        if is_created and not is_full:
            raise
        delete(private)
        try:
            with tempfile.TemporaryDirectory(prefix="poetry-") as directory:
                elsewhere = Path(directory, target.name)
                write(elsewhere)
                content = elsewhere.read_bytes()
        except OSError:
            if is_full:
                raise
            # No place for temporary files either.
            write(path)
        else:
            # On a full disk the target's own room may do, as it does for stock.
            _overwrite(target, content)
    finally:
        delete(private)


def _publish(private: Path, target: Path) -> None:
    """Give `target`, which is not a link, the content of the file `private`.

    Replaces it where its mode, owner and attributes can be kept, else overwrites it. Raises
    OSError where the disk is full: `target` is then unchanged.
    """
    content = private.read_bytes()
    if _is_made_alike(private, target):
        # EBUSY where the file is a mount point, EACCES where Windows has it open, and more.
        with suppress(OSError):
            private.replace(target)
            return
    _overwrite(target, content)


def _is_replaceable(target: Path) -> bool:
    """Whether `target` is absent or an ordinary file that this process may write.

    Replacing takes no right to the file itself: it would change a read-only one.
    """
    try:
        is_ordinary = stat.S_ISREG(target.stat().st_mode)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    effective = os.access in os.supports_effective_ids
    return is_ordinary and os.access(target, os.W_OK, effective_ids=effective)


def _is_made_alike(private: Path, target: Path) -> bool:
    """Give `private` the mode and owner of `target`; whether replacing it loses nothing then."""
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
    """Extended attributes, access control lists among them."""
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
            delete(target)
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
    # Truncated last: on a full disk others would take what was freed.
    file.seek(0)
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]
    file.truncate(len(content))
    try:
        # sshfs says only then that there was no room.
        os.fsync(file.fileno())
    except OSError as error:
        # Some filesystems only know no such call.
        if error.errno in (errno.EIO, errno.ENOSPC, errno.EDQUOT):
            raise


def _sweep(directory: Path, prefix: str) -> None:
    for left in abandoned(directory, prefix):
        delete(left)
