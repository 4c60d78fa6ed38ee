"""Real NFS and SMB between real Linux kernels on one machine: user-mode Linux, no disk image.

Each host is a process with a kernel of its own, and with it an NFS or SMB client or an NFS server,
a lock manager and caches. Its root is this machine's, read-only, so environments made here run
there; what it writes outside its mounts is in memory. Needs root, /dev/net/tun and Debian's
user-mode-linux, nfs-kernel-server, nfs-common, rpcbind, kmod and iproute2; samba for SMB.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.beds.kernel_agent import ask
from tests.beds.mounts import Disk
from tests.beds.network import PATH, Bridge, ip, obstacle
from tests.beds.processes import HANG

_HERE = Path(__file__).parent
_AGENT = _HERE / "kernel_agent.py"
_MODULES = Path("/usr/lib/uml/modules")
_TOOLS = ("linux.uml", "modprobe", "/dev/net/tun")
SERVER = "server"
EXPORT = "/srv/export"


def nfs_obstacle() -> str:
    """Why there can be no NFS here; empty where it can."""
    return obstacle(*_TOOLS, "rpc.nfsd", "mount.nfs", "rpcbind")


def smb_obstacle() -> str:
    """Why there can be no SMB here; empty where it can."""
    return obstacle(*_TOOLS, "smbd", "mount.cifs")


class Hosts:
    """A server and its clients, `client1` and so on, on a bridge with this machine."""

    def __init__(self, work: Path, clients: int) -> None:
        self._work = work
        self.names = [SERVER, *(f"client{number + 1}" for number in range(clients))]
        self._bridge = Bridge(99)
        self._kernels: dict[str, subprocess.Popen[bytes]] = {}
        self._mounts: defaultdict[str, list[list[str]]] = defaultdict(list)
        self.disk = Disk(Path("/srv"), self._on_server)
        self.address = self._bridge.address

    @property
    def clients(self) -> list[str]:
        """The names of the clients."""
        return self.names[1:]

    def start(self) -> None:
        """Start them all, and wait until they answer."""
        modules = self._work / "lib" / "modules"
        modules.parent.mkdir(parents=True)
        modules.symlink_to(_MODULES)
        self._bridge.start()
        for name in self.names:
            self._boot(name)
        for name in self.names:
            self._wait_for(name)

    def _boot(self, name: str) -> None:
        number = self.names.index(name)
        tap = self._bridge.port(number)
        with suppress(subprocess.CalledProcessError):
            ip("tuntap", "add", "dev", tap, "mode", "tap")
        self._bridge.plug_in(number)
        memory = "2000M" if name == SERVER else "1200M"
        mac = f"02:00:00:00:99:{number + 1:02x}"
        command = [
            "linux.uml",
            *(f"mem={memory}", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "quiet"),
            *("con=null", "con0=null,fd:1", f"vec0:transport=tap,ifname={tap},depth=64,mac={mac}"),
            *(f"uml_dir={self._work}", f"umid={name}", f"init={_HERE / 'kernel_init.sh'}"),
            *(f"BED_NAME={name}", f"BED_ADDRESS={self._address_of(name)}"),
            *(f"BED_ROLE={'server' if name == SERVER else 'client'}",),
            *(f"BED_MODULES={self._work}", f"BED_PYTHON={os.path.realpath(sys.executable)}"),
            f"BED_AGENT={_AGENT}",
        ]
        with (self._work / f"{name}.log").open("ab") as log:
            self._kernels[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def power_on(self, name: str) -> None:
        """Switch one host on again, with all its mounts."""
        self._boot(name)
        self._wait_for(name)
        for mount in self._mounts[name]:
            self.check(name, "mkdir", "-p", mount[-1])
            self.check(name, *mount)

    def power_off(self, name: str) -> None:
        """Let one host lose its power."""
        kernel = self._kernels.pop(name)
        os.killpg(kernel.pid, signal.SIGKILL)
        kernel.wait()

    def cut(self, name: str) -> None:
        """Unplug one host from the network."""
        self._bridge.unplug(self.names.index(name))

    def heal(self, name: str) -> None:
        """Plug it in again."""
        self._bridge.plug_in(self.names.index(name))

    def restart_server(self) -> None:
        """Restart the NFS server: clients get their locks again, and nobody new for 10 s."""
        self._on_server("rpc.nfsd", "0")
        self._on_server("rpc.nfsd", "8")
        # It goes on in the background.
        self._on_server("sh", "-c", "sm-notify -f > /dev/null 2>&1")

    def mount(self, name: str, version: str, *options: str) -> Path:
        """Mount the NFS export on a host, at one path on all; several mounts are one export."""
        given = [f"vers={version}", "proto=tcp", "nosharecache", *options]
        root = "/" if version.startswith("4") else EXPORT
        point = Path("/mnt", "-".join([f"v{version}", *options]))
        return self._mount(name, "nfs", f"{self._address_of(SERVER)}:{root}", point, given)

    def mount_smb(self, name: str, port: int, *options: str) -> Path:
        """Mount the SMB share of this machine on a host."""
        given = [f"port={port}", "guest", "vers=3.1.1", *options]
        # Links are files that only Linux understands: samba gives no others by default.
        given += ["mfsymlinks", "noperm"]
        return self._mount(name, "cifs", f"//{self.address}/shared", Path("/mnt/smb"), given)

    def _mount(self, name: str, kind: str, source: str, point: Path, options: list[str]) -> Path:
        mount = ["mount", "-t", kind, "-o", ",".join(options), source, str(point)]
        self.check(name, "mkdir", "-p", str(point))
        self.check(name, *mount)
        self._mounts[name].append(mount)
        return point

    def check(self, name: str, *argv: str) -> str:
        """Run a command on a host, which must succeed; its output."""
        environ = {"PATH": PATH}
        code, out, err = ask(self._address_of(name), list(argv), "/", environ, HANG)
        assert code == 0, f"{name}: {argv}: {out}{err}"
        return out

    def command(self, name: str, cwd: str, argv: Sequence[str]) -> list[str]:
        """A command for this machine that runs another one on a host, in its directory `cwd`."""
        return [sys.executable, str(_AGENT), self._address_of(name), cwd, *argv]

    def stop(self) -> None:
        """Switch all of them off, and take the bridge down."""
        for name in list(self._kernels):
            self.power_off(name)
        self._bridge.stop(len(self.names))

    def _on_server(self, *argv: str) -> str:
        return self.check(SERVER, *argv)

    def _address_of(self, name: str) -> str:
        return f"{self._bridge.net}.{self.names.index(name) + 1}"

    def _wait_for(self, name: str) -> None:
        until = time.monotonic() + HANG
        while True:
            try:
                self.check(name, "true")
            except OSError:
                if time.monotonic() > until or self._kernels[name].poll() is not None:
                    log = (self._work / f"{name}.log").read_text(errors="replace")
                    raise RuntimeError(f"{name} does not start: {log[-2000:]}") from None
                time.sleep(0.2)
            else:
                return


@contextmanager
def hosts(work: Path, clients: int = 2) -> Iterator[Hosts]:
    """A server and `clients` NFS clients; `work` is a directory of theirs on this machine."""
    made = Hosts(work, clients)
    try:
        made.start()
        yield made
    finally:
        made.stop()
