"""Real NFS between real Linux kernels on one machine: user-mode Linux, without a disk image.

Each host is a process with a kernel of its own, and with it an NFS client or server, a lock manager
and caches. Its root is this machine's, read-only, so environments made here run there; what it
writes outside its mounts is in memory. Needs root, /dev/net/tun and Debian's user-mode-linux,
nfs-kernel-server, kmod and iproute2.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.beds.kernel_agent import ask
from tests.beds.processes import HANG

_HERE = Path(__file__).parent
_AGENT = _HERE / "kernel_agent.py"
_MODULES = Path("/usr/lib/uml/modules")
_TOOLS = ("linux.uml", "rpc.nfsd", "modprobe", "ip")
SERVER = "server"
# The hosts drop frames that a network card would have to cut up, and long answers with them.
_UNSEGMENTED = ("gso_max_size", "1500", "gso_max_segs", "1")


def obstacle() -> str:
    """Why there can be no NFS here; empty where it can."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [tool for tool in _TOOLS if shutil.which(tool, path=path) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    if os.geteuid() != 0 or not Path("/dev/net/tun").exists():
        return "needs root and /dev/net/tun"
    return ""


class Hosts:
    """A server and its clients, `client1` and so on, on a bridge with this machine."""

    def __init__(self, work: Path, clients: int) -> None:
        self._work = work
        self._names = [SERVER, *(f"client{number + 1}" for number in range(clients))]
        number = os.getpid() % 200 + 20
        self._net = f"10.99.{number}"
        self._bridge = f"bed{number}"
        self._kernels: dict[str, subprocess.Popen[bytes]] = {}
        self.address = f"{self._net}.254"
        """This machine's, for a server that the hosts can reach."""

    @property
    def clients(self) -> list[str]:
        """The names of the clients."""
        return self._names[1:]

    def start(self) -> None:
        """Start them all, and wait until they answer."""
        modules = self._work / "lib" / "modules"
        modules.parent.mkdir(parents=True)
        modules.symlink_to(_MODULES)
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("address", "add", f"{self.address}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up", *_UNSEGMENTED)
        for name in self._names:
            self.boot(name)
        for name in self._names:
            self._wait_for(name)

    def boot(self, name: str) -> None:
        """Switch one host on."""
        tap = f"{self._bridge}-{self._names.index(name)}"
        with suppress(subprocess.CalledProcessError):
            _ip("tuntap", "add", "dev", tap, "mode", "tap")
        _ip("link", "set", tap, "master", self._bridge, "up", *_UNSEGMENTED)
        mac = f"02:00:00:00:99:{self._names.index(name) + 1:02x}"
        memory = "768M" if name == SERVER else "1200M"
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

    def power_off(self, name: str) -> None:
        """Let one host lose its power."""
        kernel = self._kernels.pop(name)
        os.killpg(kernel.pid, signal.SIGKILL)
        kernel.wait()

    def cut(self, name: str) -> None:
        """Unplug one host from the network."""
        _ip("link", "set", f"{self._bridge}-{self._names.index(name)}", "nomaster")

    def heal(self, name: str) -> None:
        """Plug it in again."""
        tap = f"{self._bridge}-{self._names.index(name)}"
        _ip("link", "set", tap, "master", self._bridge, "up")

    def mount(self, name: str, version: str, *options: str) -> Path:
        """Mount the export on a host, at the same path on each; several mounts are one export."""
        point = Path("/mnt", "-".join([f"v{version}", *options]))
        given = ",".join([f"vers={version}", "proto=tcp", "nosharecache", *options])
        root = "/" if version.startswith("4") else "/srv/export"
        self.check(name, "mkdir", "-p", str(point))
        self.check(name, "mount", "-o", given, f"{self._address_of(SERVER)}:{root}", str(point))
        return point

    def check(self, name: str, *argv: str) -> str:
        """Run a command on a host, which must succeed; its output."""
        environ = {"PATH": os.environ["PATH"]}
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
        for number in range(len(self._names)):
            with suppress(subprocess.CalledProcessError):
                _ip("link", "delete", f"{self._bridge}-{number}")
        with suppress(subprocess.CalledProcessError):
            _ip("link", "delete", self._bridge)

    def _address_of(self, name: str) -> str:
        return f"{self._net}.{self._names.index(name) + 1}"

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


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
