"""Which filesystem a path is on, and what its locks are worth."""

import os
import re
from pathlib import Path
from typing import NamedTuple

# nfs(5), mount.cifs(8). `local_lock=posix` does not affect the kind of lock used here.
_OPTIONS_WITHOUT_LOCKS = {"nolock", "local_lock=all", "local_lock=flock", "nobrl", "localflocks"}
# Programs that pass no lock on; the kernel then has its own for each mount.
_WITHOUT_LOCKS = ("fuse.sshfs",)
# Their locks are up to a server or another program: one host cannot know.
_NETWORK = (
    "9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
    "nfs4", "ocfs2", "orangefs", "smb3", "smbfs", "vboxsf", "virtiofs",
)  # fmt: skip


class Filesystem(NamedTuple):
    """One mounted filesystem: its type as the kernel names it, and where it is mounted."""

    kind: str
    mount: Path
    options: frozenset[str] = frozenset()
    """As the filesystem itself names them, `local_lock=all` for example."""

    @property
    def why_local(self) -> str:
        """What hides its locks from other hosts, as far as its mount says; empty if nothing."""
        if self.kind in _WITHOUT_LOCKS:
            return self.kind.removeprefix("fuse.")
        return ", ".join(sorted(self.options & _OPTIONS_WITHOUT_LOCKS))

    @property
    def is_shared(self) -> bool:
        """Whether its locks involve more than this host's kernel."""
        return self.kind in _NETWORK or self.is_of_a_program

    @property
    def is_of_a_program(self) -> bool:
        """Whether a program serves it, as sshfs does (FUSE)."""
        return self.kind == "fuse" or self.kind.startswith("fuse.")

    def __str__(self) -> str:
        return f"{self.kind} at {self.mount}"


def filesystem_of(path: Path) -> Filesystem:
    """The filesystem that holds, or will hold, `path`; of unknown kind where nothing says so.

    From /proc/self/mountinfo (proc(5)): the last of the mounts with the longest prefix counts.
    """
    target = os.path.realpath(path)
    found = Filesystem("unknown filesystem", Path(Path.cwd().anchor))
    try:
        # A path may hold bytes that are no text, and characters that Python takes for spaces.
        table = Path("/proc/self/mountinfo").read_bytes()
    except OSError:
        return found
    for line in table.splitlines():
        before, _, after = line.partition(b" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        point = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), fields[4])
        mount = os.fsdecode(point)
        is_inside = target == mount or target.startswith(mount.rstrip("/") + "/")
        if is_inside and len(mount) >= len(str(found.mount)):
            # Its type, its source, its own options.
            own = [os.fsdecode(word) for word in after.split()]
            found = Filesystem(own[0], Path(mount), frozenset(own[2].split(",") if own[2:] else ()))
    return found
