"""The file of a lock that one process has opened, and whether its path still leads there.

Whoever breaks a lock renames its file, and locks a new one in its place. Only a descriptor that was
opened before says so to the holder, which may have been stopped meanwhile.
"""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from poetry_publish_verified.guard.layout import BROKEN
from poetry_publish_verified.guard.locks.filesystems import filesystem_of
from poetry_publish_verified.guard.locks.fresh_view import ask_server, listed, look_again

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)


class LockFile:
    """An open lock file; raises OSError where it cannot be opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # First, or one that is broken meanwhile would count as an earlier one.
        names = listed(path.parent)
        self._broken_before = self._broken(names)
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        # Some FUSE filesystems list all files with one number.
        self._has_listed_number = (
            filesystem_of(path).is_shared
            and names.get(path.name) == os.fstat(self._descriptor).st_ino
        )

    def is_in_place(self) -> bool:
        """Whether its path still leads to it; also True where the filesystem does not say."""
        look_again(self.path)
        ask_server(self.path)
        ask_server(self._descriptor)
        names = listed(self.path.parent)
        if self._broken(names) - self._broken_before:
            return False
        try:
            own = os.fstat(self._descriptor)
            # Linux's SMB client finds an open file under the name that it had, whatever others have
            # renamed, until it is closed; but it lists what is there, and usually its number.
            number = names.get(self.path.name) if self._has_listed_number else None
            return number in (None, own.st_ino) and os.path.samestat(own, self.path.stat())
        except OSError as error:
            return error.errno not in _GONE

    def _broken(self, names: Iterable[str]) -> set[str]:
        """Those that files of this lock got when they were broken."""
        return {name for name in names if name.startswith(f"{self.path.name}{BROKEN}")}

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)
