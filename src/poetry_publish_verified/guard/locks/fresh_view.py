"""Makes a network filesystem forget what it remembers as absent.

An NFS client that has looked for a name in vain goes on saying so for half a minute, or as long as
`actimeo` says (nfs(5), "Directory entry caching"), whatever other hosts have made meanwhile, and
whoever gets a lock after them. Listing a directory ends that for the names in it, though not for a
directory that is itself remembered as absent: hence all of them, from the top. With `nocto` the
listing may be remembered as well, and only a forced `statx` makes the client ask the server. Seen
on NFS v3 and v4.2, with `actimeo=600` and with `nocto`.
"""

import os
from contextlib import suppress
from pathlib import Path

from poetry_publish_verified.guard.locks.filesystems import filesystem_of

# linux/fcntl.h and linux/stat.h
_AT_FDCWD, _EMPTY_PATH, _FORCE_SYNC, _BASIC_STATS, _BUFFER = -100, 0x1000, 0x2000, 0x7FF, 256


def look_again(path: Path) -> None:
    """List each directory from the filesystem's root down to `path`, as far as they exist.

    On a filesystem of this host alone, do nothing. Raises nothing.
    """
    real = Path(os.path.realpath(path))
    filesystem = filesystem_of(real)
    if not filesystem.is_shared or not real.is_relative_to(filesystem.mount):
        return
    directory = filesystem.mount
    with suppress(FileNotFoundError, NotADirectoryError):
        for part in (*real.relative_to(directory).parts, None):
            _list(directory, until=part)
            directory /= part or ""


def see_whole(file: Path) -> None:
    """Have whoever reads a file next see all of it, where a program serves its filesystem.

    Through sshfs, what another host has put in its place has the length of the former file for
    20 s. Opening it has sshfs ask the server, and asking the open file has the kernel ask sshfs.
    NFS asks by itself (nfs(5), "Close-to-open"). Raises nothing.
    """
    with suppress(OSError):
        # Whoever waits to write to a pipe would take this for its reader.
        if not filesystem_of(file).is_of_a_program or not file.is_file():
            return
        # It may have become a pipe, which would wait for whoever writes to it.
        opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
        try:
            ask_server(opened)
        finally:
            os.close(opened)


def is_listed(path: Path) -> bool:
    """Whether its directory lists it: sshfs may not, for 20 s, what it finds by name."""
    try:
        return path.name in os.listdir(path.parent)  # noqa: PTH208 - names are enough
    except OSError:
        return False


def listed(directory: Path) -> dict[str, int]:
    """The names that a directory lists, with their inode numbers; none where it cannot be read."""
    with suppress(OSError), os.scandir(directory) as entries:
        return {entry.name: entry.inode() for entry in entries}
    return {}


def _list(directory: Path, *, until: str | None) -> None:
    ask_server(directory)
    # Who may not list a directory may still know what lies deeper.
    with suppress(PermissionError), os.scandir(directory) as entries:
        # Home directories lie among thousands.
        any(entry.name == until for entry in entries)


def ask_server(place: Path | int) -> None:
    """Have the kernel ask for the times of a path, or of an open file; raises nothing.

    statx(2). Python has it from 3.15 on.
    """
    import ctypes

    directory, path = (_AT_FDCWD, bytes(place)) if isinstance(place, Path) else (place, b"")
    with suppress(AttributeError, OSError):
        statx = ctypes.CDLL(None).statx
        answer = ctypes.create_string_buffer(_BUFFER)
        statx(directory, path, _EMPTY_PATH | _FORCE_SYNC, _BASIC_STATS, answer)
