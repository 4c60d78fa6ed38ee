"""Which filesystem a path is on, and what its locks can be trusted with."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_WITHOUT_LOCKS = {"nolock", "local_lock=all", "local_lock=flock", "nobrl", "localflocks"}
# Their locks are a server's business, or another program's: one host cannot know.
_NETWORK = (
    "9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
    "nfs4", "ocfs2", "orangefs", "smb3", "smbfs", "vboxsf", "virtiofs",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filesystem:
    """One mounted filesystem: its type as the kernel names it, and where it is mounted."""

    kind: str
    mount: Path
    options: frozenset[str] = frozenset()
    """As the filesystem names them itself, `local_lock=all` and the like."""

    @property
    def option_without_locks(self) -> str:
        """The option it is mounted with that keeps locks from other hosts; empty if none is.

        nfs(5) and mount.cifs(8). `local_lock=posix` leaves alone the kind that is used here.
        """
        return ", ".join(sorted(self.options & _WITHOUT_LOCKS))

    @property
    def is_shared(self) -> bool:
        """Whether others than this host's kernel have a say in its locks."""
        return self.kind in _NETWORK or self.kind == "fuse" or self.kind.startswith("fuse.")

    def __str__(self) -> str:
        return f"{self.kind} at {self.mount}"


def filesystem_of(path: Path) -> Filesystem:
    """The filesystem that holds `path`, or will hold it; "unknown" where the system is silent.

    From /proc/self/mountinfo (proc(5)): the last of the mounts on the longest prefix counts.
    """
    target = os.path.realpath(path)
    found = Filesystem("unknown filesystem", Path(Path.cwd().anchor))
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return found
    for line in lines.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        mount = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        inside = target == mount or target.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(str(found.mount)):
            # Its type, where it is from, its own options.
            own = after.split()
            found = Filesystem(own[0], Path(mount), frozenset(own[2].split(",") if own[2:] else ()))
    return found
