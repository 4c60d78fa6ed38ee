"""A bridge on this machine, and hosts on it that can be unplugged."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress

PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
# The hosts drop frames that a network card would have to cut up, and long answers with them.
UNSEGMENTED = ("gso_max_size", "1500", "gso_max_segs", "1")


def missing(*tools: str) -> str:
    """Which of these programs or files this machine lacks, in words; empty where it has all."""
    lacks = [tool for tool in tools if shutil.which(tool, path=PATH) is None]
    lacks = [tool for tool in lacks if not os.path.exists(tool)]  # noqa: PTH110 - devices
    return f"needs {', '.join(lacks)}" if lacks else ""


def obstacle(*tools: str) -> str:
    """What is missing to make a network of hosts with these programs; empty where it can be."""
    return missing(*tools, "ip") or ("" if os.geteuid() == 0 else "needs root")


def ip(*words: str) -> None:
    """Run a command of iproute2, which must succeed."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Bridge:
    """A bridge with an address of this machine; `kind` (0 to 255) keeps kinds of hosts apart."""

    def __init__(self, kind: int) -> None:
        number = os.getpid() % 200 + 20
        self.name = f"bed{kind % 10}{number}"
        self.net = f"10.{kind}.{number}"
        self.address = f"{self.net}.254"
        """This machine's, for a server that the hosts can reach."""

    def start(self) -> None:
        """Make it."""
        ip("link", "add", self.name, "type", "bridge")
        ip("address", "add", f"{self.address}/24", "dev", self.name)
        ip("link", "set", self.name, "up", *UNSEGMENTED)

    def port(self, number: int) -> str:
        """The network device that is a host's plug."""
        return f"{self.name}-{number}"

    def plug_in(self, number: int) -> None:
        """Connect a host."""
        ip("link", "set", self.port(number), "master", self.name, "up", *UNSEGMENTED)

    def unplug(self, number: int) -> None:
        """Disconnect a host."""
        ip("link", "set", self.port(number), "nomaster")

    def stop(self, ports: int) -> None:
        """Remove it, and the plugs of `ports` hosts."""
        for device in (*map(self.port, range(ports)), self.name):
            with suppress(subprocess.CalledProcessError):
                ip("link", "delete", device)


class Namespaces:
    """Hosts of one kernel, `host0` and so on: a network, a name and process ids of their own.

    They share this machine's filesystems, so what is mounted for one is seen by all.
    """

    def __init__(self, count: int = 2) -> None:
        self.bridge = Bridge(98)
        self.names = [f"host{number}" for number in range(count)]

    def start(self) -> None:
        """Make them."""
        self.bridge.start()
        for number in range(len(self.names)):
            space = self._space(number)
            ip("netns", "add", space)
            inner = f"{self.bridge.name}_{number}"
            ip("link", "add", self.bridge.port(number), "type", "veth", "peer", "name", inner)
            ip("link", "set", inner, "netns", space)
            ip("-n", space, "link", "set", "lo", "up")
            ip("-n", space, "address", "add", f"{self.bridge.net}.{number + 1}/24", "dev", inner)
            ip("-n", space, "link", "set", inner, "up")
            self.bridge.plug_in(number)

    def on_network(self, number: int, argv: Sequence[str]) -> list[str]:
        """A command that runs here with a host's network, such as its mount."""
        return ["nsenter", f"--net=/run/netns/{self._space(number)}", *argv]

    def on_host(self, number: int, argv: Sequence[str]) -> list[str]:
        """A command that runs on a host."""
        apart = ["unshare", "--pid", "--fork", "--uts", "--mount-proc"]
        name = ["sh", "-c", f'hostname {self.names[number]}; exec "$@"', "sh"]
        return self.on_network(number, [*apart, *name, *argv])

    def stop(self) -> None:
        """Remove them."""
        self.bridge.stop(len(self.names))
        for number in range(len(self.names)):
            with suppress(subprocess.CalledProcessError):
                ip("netns", "delete", self._space(number))

    def _space(self, number: int) -> str:
        return f"{self.bridge.name}-{number}"
