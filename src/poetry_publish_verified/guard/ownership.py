"""Files of ours in directories that are not: who owns them, who may write them, whom to believe.

Nobody may change a plugin set, a record or a lock who could not change what it is for as well.
That is read from modes and owners alone; users and groups are never looked up.

- In a directory that others may write to and that is not sticky, whoever can make an entry of
  ours can replace pyproject.toml, too: entries count whoever made them, and share its write bits.
- In every other directory only entries count of its owner, the owner of what they are for, root
  and this user; in a sticky one (mode 1777) they have no write bit for anybody else.
- What root makes it gives to the owner of what it is for, by way of descriptors: a name may be a
  link by the time it is used.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from poetry_publish_verified.guard.layout import UNPACKED

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_FOLLOWS_NOT = getattr(os, "O_NOFOLLOW", 0)
_WAITS_NOT = getattr(os, "O_NONBLOCK", 0)
# Windows has neither; what is here for its own sake is then made by path.
_BY_DESCRIPTOR = os.mkdir in os.supports_dir_fd and hasattr(os, "fchown")


class NotBelievedError(OSError):
    """Something lies there that others may have made or may change."""

    def __init__(self, why: str, path: Path) -> None:
        super().__init__(errno.EPERM, why, str(path))

    def __str__(self) -> str:
        return f"{self.filename} {self.strerror}"


class Ground(NamedTuple):
    """A directory that is not ours, and what is made below it for the sake of `thing`."""

    path: Path
    thing: os.stat_result
    """Of what our entries are for: it says who may read and write them."""
    write: int
    """The write bits of group and others that our entries may have."""
    owners: frozenset[int | None] | None
    """Whose entries count; None where anybody's do who can make one."""

    @classmethod
    def of(
        cls, path: Path, thing: Path | None = None, *also: Path, closed: int = stat.S_ISVTX
    ) -> Ground:
        """The ground at `path`, for `thing`; owners of `also` are as good as the thing's.

        With one of the bits `closed` in its mode it is nobody's to share. Raises OSError where
        there is no such directory.
        """
        ground = path.stat()
        others = [one for one in (thing, *also) if one is not None]
        stats = [ground, *(found for one in others if (found := _stat(one)) is not None)]
        of_thing = (_stat(thing) if thing is not None else None) or ground
        is_closed = bool(ground.st_mode & closed)
        write = 0 if is_closed else of_thing.st_mode & _OTHERS_WRITE
        owners = frozenset({0, _user(), *(one.st_uid for one in stats)})
        is_shared = bool(ground.st_mode & _OTHERS_WRITE) and not is_closed
        return cls(path, of_thing, write, None if is_shared else owners)

    def make_directories(self, directory: Path, *, private: bool = False) -> None:
        """Make what is missing of `directory`, which is below the ground.

        `private`: for its owner alone. Raises NotBelievedError or another OSError where that
        cannot be.
        """
        parts = directory.relative_to(self.path).parts
        if not _BY_DESCRIPTOR:
            directory.mkdir(parents=True, exist_ok=True)
            return
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for depth, part in enumerate(parts):
                path = self.path.joinpath(*parts[: depth + 1])
                inner = self._directory(part, descriptor, path, private=private)
                os.close(descriptor)
                descriptor = inner
        finally:
            os.close(descriptor)

    def _directory(self, name: str, inside: int, path: Path, *, private: bool) -> int:
        """Open a directory, made if need be."""
        made = True
        try:
            os.mkdir(name, 0o700, dir_fd=inside)
        except FileExistsError:
            made = False
        follows = 0 if self._may_be_link(path) else _FOLLOWS_NOT
        found = os.open(name, os.O_RDONLY | os.O_DIRECTORY | follows, dir_fd=inside)
        try:
            if made:
                # The bit that hands the group down, too.
                shared = self.thing.st_mode & 0o2055 | self.write
                self._settle(found, 0o700 if private else 0o700 | shared)
            else:
                self._close_to_others(found)
                self._check(path)
        except BaseException:
            os.close(found)
            raise
        return found

    def _close_to_others(self, descriptor: int) -> None:
        """Take write bits from what is this user's, and was left too open."""
        found = os.fstat(descriptor)
        surplus = self._surplus(found)
        # Where anybody's entries count, what others made there before would count as well.
        if surplus and found.st_uid == _user() and self.owners is not None:
            os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & ~surplus)

    def _close_file_to_others(self, path: Path) -> None:
        with suppress(OSError):
            found = os.open(path, os.O_RDONLY | _FOLLOWS_NOT | _WAITS_NOT)
            try:
                self._close_to_others(found)
            finally:
                os.close(found)

    def make_file(self, path: Path, content: bytes = b"") -> bool:
        """Make a file in a directory that is there; False where the name is taken.

        Who may read what it is for may read it. Raises OSError where that cannot be.
        """
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | _FOLLOWS_NOT
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileExistsError:
            self._close_file_to_others(path)
            return False
        try:
            # Who may write it has to be able to read it.
            shared = self.thing.st_mode & 0o044 | self.write | self.write << 1
            self._settle(descriptor, 0o600 | shared)
            os.write(descriptor, content)
        except OSError:
            # A full disk.
            path.unlink()
            raise
        finally:
            os.close(descriptor)
        return True

    def _settle(self, descriptor: int, mode: int) -> None:
        """Give a new file or directory its owner and mode, as far as that is allowed."""
        if not _BY_DESCRIPTOR:
            return
        # Refused where root is nobody: on a server that squashes it, in a user namespace.
        with suppress(OSError):
            self._give(descriptor)
        if not self.write & stat.S_IWOTH and os.fstat(descriptor).st_gid != self.thing.st_gid:
            # Of another group nobody need be able to write to the thing.
            mode &= ~stat.S_IWGRP
        with suppress(OSError):
            os.fchmod(descriptor, mode)

    def _give(self, descriptor: int) -> None:
        made = os.fstat(descriptor)
        if self.gives and made.st_uid == 0:
            os.fchown(descriptor, self.thing.st_uid, self.thing.st_gid)
        elif self.write & stat.S_IWGRP and made.st_gid != self.thing.st_gid:
            os.fchown(descriptor, -1, self.thing.st_gid)

    @property
    def gives(self) -> bool:
        """Whether this process is root's, and what it makes here is for somebody else."""
        return _user() == 0 and self.thing.st_uid != 0

    def give_tree(self, directory: Path) -> None:
        """Give all of a tree that this process has made, and that only it may write to yet.

        What is not its own any more, or has another name elsewhere, stays as it is.
        """
        if not self.gives or not _BY_DESCRIPTOR:
            return
        with suppress(OSError):
            top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | _FOLLOWS_NOT)
            try:
                for _, folders, files, inside in os.fwalk(".", topdown=False, dir_fd=top):
                    for name in [*files, *folders]:
                        self._give_entry(name, inside)
                self._give(top)
            finally:
                os.close(top)

    def _give_entry(self, name: str, inside: int) -> None:
        with suppress(OSError):
            found = os.stat(name, dir_fd=inside, follow_symlinks=False)
            alone = found.st_nlink == 1 or stat.S_ISDIR(found.st_mode)
            if found.st_uid == 0 and alone:
                uid, gid = self.thing.st_uid, self.thing.st_gid
                os.chown(name, uid, gid, dir_fd=inside, follow_symlinks=False)

    def believe(self, path: Path) -> None:
        """Check every entry from the ground down to `path`, as far as they are there.

        Raises NotBelievedError for the first that does not count.
        """
        below = self.path
        for part in path.relative_to(self.path).parts:
            below /= part
            self._check(below)

    def _check(self, path: Path) -> None:
        try:
            found = path.lstat()
        except FileNotFoundError:
            return
        if stat.S_ISLNK(found.st_mode):
            if not self._may_be_link(path):
                raise NotBelievedError("is a symbolic link, which is not followed", path)
            self._check_owner(found, path)
            try:
                found = path.stat()
            except FileNotFoundError:
                return
        self._check_owner(found, path)
        if _user() is not None and self._surplus(found):
            raise NotBelievedError("is writable by others than the directory around it", path)

    def _surplus(self, found: os.stat_result) -> int:
        """The write bits of an entry for those who may not write the thing."""
        is_shared = self.write & stat.S_IWOTH or found.st_gid == self.thing.st_gid
        may = self.write if is_shared else self.write & ~stat.S_IWGRP
        return found.st_mode & _OTHERS_WRITE & ~may

    def _check_owner(self, found: os.stat_result, path: Path) -> None:
        if self.owners is not None and found.st_uid not in self.owners:
            raise NotBelievedError(f"belongs to somebody else (user id {found.st_uid})", path)

    def _may_be_link(self, path: Path) -> bool:
        # `.poetry` itself may be kept elsewhere, as with stock Poetry; below it is ours alone.
        return path.parent == self.path


def of_checkout(root: Path) -> Ground:
    """The ground of a project: whoever may replace its pyproject.toml may do all here.

    Raises OSError where there is no such directory.
    """
    return Ground.of(root, None, root / "pyproject.toml")


def keep_in_checkout(root: Path, directory: Path) -> Ground:
    """Make a directory below a project's `.poetry/.nox`, which git is not to see; the ground there.

    Raises NotBelievedError or another OSError where that cannot be.
    """
    ground = of_checkout(root)
    ground.make_directories(directory)
    ground.make_file(root / UNPACKED / ".gitignore", b"*")
    return ground


def nearest_existing(path: Path) -> Ground:
    """The ground for what is to be made where nothing may be yet."""
    return Ground.of(next(one for one in (path, *path.parents) if one.is_dir()))


def read_regular(path: Path, most: int) -> bytes:
    """What is in an ordinary file; no link is followed, and no pipe or device is waited for.

    Raises FileNotFoundError, ValueError where it is no such file or holds more than `most`
    bytes, or another OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | _FOLLOWS_NOT | _WAITS_NOT)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"{path} is not a file")
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{path} is too large")
    return content


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _user() -> int | None:
    return os.geteuid() if hasattr(os, "geteuid") else None
