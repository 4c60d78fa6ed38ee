"""Removes files and directories: at once, by way of another name, or what dead processes left."""

import os
import secrets
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path

from poetry_publish_verified.guard.processes import ProcessId, user_id

# Nobody can ask whether another host's process lives: a day of silence is enough.
_SILENT_AFTER = 24 * 3600.0


def delete(path: Path) -> None:
    """Delete a file, a link or a whole tree, as far as that is allowed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def delete_aside(path: Path, trash: Path, prefix: str) -> bool:
    """Rename `path` into the directory `trash`, so that nobody finds half of it, then delete it.

    Returns whether the name is free now.
    """
    aside = trash / f"{prefix}{secrets.token_hex(8)}"
    try:
        path.rename(aside)
    except OSError:
        return False
    delete(aside)
    return True


def delete_all(directory: Path, prefix: str) -> None:
    """Delete everything with this prefix."""
    with suppress(OSError):
        for item in directory.glob(f"{prefix}*"):
            delete(item)


def who_can_remove(path: Path) -> tuple[Path, int] | None:
    """The first entry, from `path` down, that this user may not remove, and the user id that may.

    None where this user may remove all of it, or has only to open a directory first.
    """
    user = user_id()
    # Root may, or nobody may.
    with suppress(OSError):
        for entry in (path, *path.rglob("*")) if user else ():
            parent, found = entry.parent.stat(), entry.lstat()
            is_sticky = parent.st_mode & stat.S_ISVTX
            may_rename = not is_sticky or user in (parent.st_uid, found.st_uid)
            if not (may_rename and os.access(entry.parent, os.W_OK | os.X_OK)):
                owner = parent.st_uid
            elif stat.S_ISDIR(found.st_mode) and not os.access(entry, os.R_OK | os.X_OK):
                owner = found.st_uid
            else:
                continue
            if owner != user:
                return entry, owner
    return None


def private_name(prefix: str) -> str:
    """A new name for what this process makes; once it is dead, `abandoned` finds it."""
    return f"{prefix}{ProcessId.current()}-{secrets.token_hex(4)}"


def abandoned(directory: Path, prefix: str) -> list[Path]:
    """What dead processes left under their `private_name`, or silent ones of other hosts."""
    with suppress(OSError):
        found = [item for item in directory.iterdir() if item.name.startswith(prefix)]
        return sorted(item for item in found if _is_abandoned(item, prefix))
    return []


def _is_abandoned(path: Path, prefix: str) -> bool:
    process = ProcessId.parse(path.name.removeprefix(prefix).rpartition("-")[0])
    is_dead = process.is_dead() if process is not None else False
    return age(path) > _SILENT_AFTER if is_dead is None else is_dead


def age(path: Path) -> float:
    """Seconds since the last change; 0 where that is unknown."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def is_mine(path: Path) -> bool:
    """Whether this user created it."""
    try:
        return path.lstat().st_uid == user_id() or user_id() is None
    except OSError:
        return False
