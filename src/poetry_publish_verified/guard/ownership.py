"""Files of the guard in directories of others: their owner and mode, and whose entries to trust.

Nobody may be able to change a plugin set, a record or a lock without also being able to change
what it protects. Only modes and owners decide that; users and groups are never looked up.

- In a directory that others may write to and that is not sticky, whoever can create an entry of
  ours can also replace pyproject.toml: entries count whoever created them, and share its write
  bits.
- In any other directory only entries of its owner, the owner of what they protect, root and this
  user count; in a sticky one (mode 1777) nobody else may write to them.
- What root creates it gives to the owner of what it protects, by file descriptor: a name may have
  become a link by the time it is used.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from poetry_publish_verified.guard import problems
from poetry_publish_verified.guard.layout import STATE_DIR
from poetry_publish_verified.guard.processes import user_id

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
# Windows has neither: entries are created by path there.
_BY_DESCRIPTOR = os.mkdir in os.supports_dir_fd and hasattr(os, "fchown")


class UntrustedPathError(OSError):
    """An entry that others may have created or may change; `str` names it and says why."""

    def __init__(self, reason: str, path: Path) -> None:
        super().__init__(errno.EPERM, reason, str(path))

    def __str__(self) -> str:
        return f"{self.filename} {self.strerror}"


class SharedDirectory(NamedTuple):
    """A directory that is not ours, and the rules for what we create below it."""

    path: Path
    subject: os.stat_result
    """Of what our entries protect: it decides who may read and write them."""
    write_bits: int
    """The write bits of group and others that our entries may have."""
    owners: frozenset[int | None] | None
    """Whose entries count; None where anybody's do who can create one."""

    @classmethod
    def at(
        cls, path: Path, subject: Path | None = None, *also: Path, closed: int = stat.S_ISVTX
    ) -> Self:
        """The directory at `path`, whose entries protect `subject` (by default, itself).

        The owners of `also` are trusted like the subject's. A directory whose mode has one of the
        bits `closed` is shared with nobody. Raises OSError where there is no such directory.
        """
        own = path.stat()
        others = [_stat(one) for one in (subject, *also) if one is not None]
        found = (others[0] if subject is not None else None) or own
        is_closed = bool(own.st_mode & closed)
        is_shared = bool(own.st_mode & _OTHERS_WRITE) and not is_closed
        owners = frozenset(
            {0, user_id(), *(one.st_uid for one in (own, *others) if one is not None)}
        )
        write_bits = 0 if is_closed else found.st_mode & _OTHERS_WRITE
        return cls(path, found, write_bits, None if is_shared else owners)

    def make_directories(self, directory: Path, *, private: bool = False) -> None:
        """Create what is missing of `directory`, which is below this one.

        `private`: for its owner alone. Raises UntrustedPathError or another OSError.
        """
        if not _BY_DESCRIPTOR:
            directory.mkdir(parents=True, exist_ok=True)
            return
        path = self.path
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in directory.relative_to(path).parts:
                path /= part
                inner = self._open_directory(path, descriptor, private=private)
                os.close(descriptor)
                descriptor = inner
        finally:
            os.close(descriptor)

    def _open_directory(self, path: Path, parent: int, *, private: bool) -> int:
        created = True
        try:
            os.mkdir(path.name, 0o700, dir_fd=parent)
        except FileExistsError:
            created = False
        follow = 0 if self._may_be_link(path) else _NO_FOLLOW
        descriptor = os.open(path.name, os.O_RDONLY | os.O_DIRECTORY | follow, dir_fd=parent)
        try:
            if created:
                # The setgid bit too: it passes the group down.
                shared = 0 if private else self.subject.st_mode & 0o2055 | self.write_bits
                self._adopt(descriptor, 0o700 | shared)
            else:
                self._restrict(descriptor)
                self._check(path)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def make_file(self, path: Path, content: bytes = b"") -> bool:
        """Create a file in an existing directory; False where the name is taken.

        Whoever may read the subject may read it. Raises OSError.
        """
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NO_FOLLOW
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileExistsError:
            with suppress(OSError):
                descriptor = os.open(path, os.O_RDONLY | _NO_FOLLOW | _NO_WAIT)
                try:
                    self._restrict(descriptor)
                finally:
                    os.close(descriptor)
            return False
        try:
            # Whoever may write it has to be able to read it.
            shared = self.subject.st_mode & 0o044 | self.write_bits | self.write_bits << 1
            self._adopt(descriptor, 0o600 | shared)
            os.write(descriptor, content)
        except OSError:
            # The disk is full.
            path.unlink()
            raise
        finally:
            os.close(descriptor)
        return True

    def _restrict(self, descriptor: int) -> None:
        """Remove excess write bits from an entry of this user's."""
        found = os.fstat(descriptor)
        excess = self._excess_bits(found)
        # Where anybody's entries count, so would what others have put there already.
        if excess and found.st_uid == user_id() and self.owners is not None:
            os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & ~excess)

    def _adopt(self, descriptor: int, mode: int) -> None:
        """Give a new entry its owner and mode, as far as the system allows."""
        if not _BY_DESCRIPTOR:
            return
        # Refused where root has no rights: on a server that squashes it, in a user namespace.
        with suppress(OSError):
            self._give(descriptor)
        if not self.write_bits & stat.S_IWOTH:
            mode &= ~self._foreign_group_bits(os.fstat(descriptor))
        with suppress(OSError):
            os.fchmod(descriptor, mode)

    def _give(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        if (owner := self._owner_for(found)) != (found.st_uid, found.st_gid):
            os.fchown(descriptor, *owner)

    def _owner_for(self, found: os.stat_result) -> tuple[int, int]:
        """User and group of an entry that this process has created."""
        if found.st_uid == user_id() == 0:
            return self.subject.st_uid, self.subject.st_gid
        is_shared = self.write_bits & stat.S_IWGRP
        return found.st_uid, self.subject.st_gid if is_shared else found.st_gid

    def share_tree(self, directory: Path) -> None:
        """Open a tree that this process has just created to those who may read the subject.

        Who may write the subject may remove it. Takes excess write bits away, and gives root's
        entries to the subject's owner, except hard links to something elsewhere.
        """
        if not _BY_DESCRIPTOR:
            return
        with suppress(OSError):
            top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | _NO_FOLLOW)
            try:
                # Bottom up: nobody else gets in before all is done.
                for _, directories, files, parent in os.fwalk(".", topdown=False, dir_fd=top):
                    for name in [*files, *directories]:
                        self._share_entry(name, parent)
                with suppress(OSError):
                    self._give(top)
                os.fchmod(top, self._shared_mode(os.fstat(top)))
            finally:
                os.close(top)

    def _share_entry(self, name: str, parent: int) -> None:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        has_one_name = found.st_nlink == 1 or stat.S_ISDIR(found.st_mode)
        owner = self._owner_for(found)
        if has_one_name and owner != (found.st_uid, found.st_gid):
            with suppress(OSError):
                os.chown(name, *owner, dir_fd=parent, follow_symlinks=False)
                found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        mode = self._shared_mode(found)
        if not stat.S_ISLNK(found.st_mode) and mode != stat.S_IMODE(found.st_mode):
            with suppress(OSError):
                os.chmod(name, mode, dir_fd=parent)

    def _shared_mode(self, found: os.stat_result) -> int:
        write_bits = 0 if self._foreign_group_bits(found) else self.write_bits
        own = stat.S_IMODE(found.st_mode) & ~(_OTHERS_WRITE & ~write_bits)
        if stat.S_ISDIR(found.st_mode):
            return own | self.subject.st_mode & 0o055 | write_bits
        return own | self.subject.st_mode & 0o044

    def require_trusted(self, path: Path) -> None:
        """Check each existing entry from this directory down to `path`.

        Raises UntrustedPathError for the first that does not count.
        """
        below = self.path
        for part in path.relative_to(self.path).parts:
            below /= part
            self._check(below)

    def _check(self, path: Path) -> None:
        try:
            found = path.lstat()
            if stat.S_ISLNK(found.st_mode):
                if not self._may_be_link(path):
                    raise UntrustedPathError(problems.SYMBOLIC_LINK, path)
                self._check_owner(found, path)
                found = path.stat()
        except FileNotFoundError:
            return
        self._check_owner(found, path)
        if user_id() is not None and self._excess_bits(found):
            raise UntrustedPathError(problems.TOO_WRITABLE, path)

    def _check_owner(self, found: os.stat_result, path: Path) -> None:
        if self.owners is not None and found.st_uid not in self.owners:
            raise UntrustedPathError(problems.foreign_owner(found.st_uid), path)

    def _excess_bits(self, found: os.stat_result) -> int:
        """The write bits of an entry for those who may not write the subject."""
        allowed = self.write_bits
        if not allowed & stat.S_IWOTH:
            allowed &= ~self._foreign_group_bits(found)
        return found.st_mode & _OTHERS_WRITE & ~allowed

    def _foreign_group_bits(self, found: os.stat_result) -> int:
        """The group's write bit if the entry has another group than the subject."""
        return stat.S_IWGRP if found.st_gid != self.subject.st_gid else 0

    def _may_be_link(self, path: Path) -> bool:
        # `.poetry` itself may be kept elsewhere, as with stock Poetry; what is below it is ours.
        return path.parent == self.path


def checkout_directory(root: Path) -> SharedDirectory:
    """A project's directory: whoever may replace its pyproject.toml may do anything here.

    Raises OSError where there is no such directory.
    """
    return SharedDirectory.at(root, None, root / "pyproject.toml")


def make_in_checkout(root: Path, directory: Path) -> SharedDirectory:
    """Create a directory in a project's `.poetry/.nox`, hidden from git; the project's directory.

    Raises UntrustedPathError or another OSError.
    """
    checkout = checkout_directory(root)
    checkout.make_directories(directory)
    checkout.make_file(root / STATE_DIR / ".gitignore", b"*")
    return checkout


def read_regular_file(path: Path, limit: int) -> bytes:
    """The content of an ordinary file, without following links or waiting for pipes and devices.

    Raises FileNotFoundError, ValueError where it is no such file or has more than `limit`
    bytes, or another OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | _NO_FOLLOW | _NO_WAIT)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(f"{path} is not a file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"{path} is too large")
    return content


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
