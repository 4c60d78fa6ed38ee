"""Shared directories of a server on this machine, mounted by its hosts or several times.

sshfs and GlusterFS are network filesystems in user space. bindfs, overlayfs and tmpfs have no
server: hosts are containers then.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.beds.network import PATH
from tests.beds.processes import HANG, free_port, wait_until

OnNetwork = Callable[[int, Sequence[str]], list[str]]


class Disk:
    """A filesystem in memory that can be full or read-only; `run` runs commands on its host."""

    def __init__(self, point: Path, run: Callable[..., str]) -> None:
        self._point = str(point)
        self._run = run

    def fill(self) -> None:
        """Leave hardly any space."""
        used = int(self._run("df", "-k", "--output=used", self._point).split()[-1])
        self._run("mount", "-o", f"remount,size={used + 16}k", self._point)

    def free(self) -> None:
        """Leave space again."""
        self._run("mount", "-o", "remount,size=90%", self._point)

    def protect(self) -> None:
        """Let nobody write, as soon as the server has closed what it keeps open."""
        command = f"mount -o remount,ro {shlex.quote(self._point)} || echo busy"
        wait_until(lambda: not self._run("sh", "-c", command), "files to be closed", pause=1)

    def unprotect(self) -> None:
        """Let everybody write again."""
        self._run("mount", "-o", "remount,rw", self._point)


class Shared(ABC):
    """One directory, its server if it has one, and its mounts."""

    label: str
    tools: tuple[str, ...]
    """The programs and devices that it needs."""
    locks_exclude = True
    """Whether a lock keeps other hosts out."""
    holds_environments = True
    """Whether hosts can share a virtual environment there."""
    has_server = False
    says_full = "No space left"
    """What a program is told where its disk is full."""

    def __init__(
        self,
        work: Path,
        count: int = 2,
        address: str = "127.0.0.1",
        on_network: OnNetwork = lambda _, argv: [*argv],
    ) -> None:
        """`on_network` makes a command use the network of a mount's host."""
        work.mkdir()
        self.work = work
        self.address = address
        self.shared = work / "shared"
        self.points = [work / f"mount{number}" for number in range(count)]
        self.disk = Disk(self.shared, run)
        self._on_network = on_network
        self._programs: dict[int | None, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start the server, and mount its directory."""
        self.shared.mkdir()
        if os.geteuid() == 0:
            run("mount", "-t", "tmpfs", "-o", "size=90%", "tmpfs", str(self.shared))
        self.start_server()
        for number, point in enumerate(self.points):
            point.mkdir()
            self.mount(number)

    def start_server(self) -> None:  # noqa: B027 - some have none
        """Start the server."""

    @abstractmethod
    def mount(self, number: int) -> None:
        """Mount it for a host."""

    def lose(self, number: int) -> None:
        """End what a host's mount runs, as a host that loses its power does."""
        self._end(number)
        _unmount(self.points[number])

    def restart_server(self) -> None:
        """End the server, and start it again."""
        self._end(None)
        self.start_server()

    def stop(self) -> None:
        """End all of it."""
        for number in range(len(self.points)):
            self.lose(number)
        self._end(None)
        _unmount(self.shared)

    def _begin(self, number: int | None, command: Sequence[str], is_up: Callable[[], bool]) -> None:
        log = self.work / f"{'server' if number is None else number}.log"
        program = shutil.which(command[0], path=PATH) or command[0]
        argv = [program, *command[1:]]
        argv = argv if number is None else self._on_network(number, argv)
        until = time.monotonic() + HANG
        while True:
            with log.open("ab") as output:
                self._programs[number] = subprocess.Popen(
                    argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output
                )
            while self._programs[number].poll() is None:
                if is_up():
                    return
                time.sleep(0.1)
            if time.monotonic() > until:
                raise RuntimeError(log.read_text(errors="replace")[-2000:])
            # The server may not listen yet, or its port may still be in use.
            time.sleep(0.1)

    def _end(self, number: int | None) -> None:
        if program := self._programs.pop(number, None):
            program.kill()
            program.wait()


class Sshfs(Shared):
    """An sshd, and sshfs with its usual caching."""

    label = "sshfs"
    tools = ("sshfs", "sshd", "ssh-keygen", "/dev/fuse")
    locks_exclude = False
    holds_environments = False  # virtualenv sets the mode of links, which sshfs refuses
    has_server = True
    says_full = "Input/output error"  # SFTP 3 has no code for it

    def start_server(self) -> None:
        """Start an sshd with keys of its own."""
        config = self.work / "sshd_config"
        if not config.exists():
            for key in ("host", "user"):
                run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.work / key))
            shutil.copy(self.work / "user.pub", self.work / "authorized")
            self._port = free_port()
            settings = {
                "Port": self._port,
                "ListenAddress": self.address,
                "HostKey": self.work / "host",
                "AuthorizedKeysFile": self.work / "authorized",
                "PidFile": "none",
                "StrictModes": "no",
                "UsePAM": "no",
                "MaxStartups": 100,
                "Subsystem": "sftp internal-sftp",
            }
            config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
            Path("/run/sshd").mkdir(exist_ok=True)
        is_up = partial(listens, self.address, self._port)
        self._begin(None, ["sshd", "-D", "-e", "-f", str(config)], is_up)

    def mount(self, number: int) -> None:
        """Mount it with sshfs, which connects again if its server comes back."""
        options = [f"Port={self._port}", f"IdentityFile={self.work / 'user'}", "reconnect"]
        options += ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        flags = [word for option in options for word in ("-o", option)]
        point = str(self.points[number])
        command = ["sshfs", "-f", *flags, f"{self.address}:{self.shared}", point]
        self._begin(number, command, partial(os.path.ismount, point))


_BRICK = """
volume posix
  type storage/posix
  option directory {brick}
end-volume
volume locks
  type features/locks
  subvolumes posix
end-volume
volume brick
  type performance/io-threads
  subvolumes locks
end-volume
volume server
  type protocol/server
  option transport-type tcp
  option transport.socket.bind-address {address}
  option transport.socket.listen-port {port}
  option transport.tcp-user-timeout 10
  option auth.addr.brick.allow *
  subvolumes brick
end-volume
"""
_CLIENT = """
volume client
  type protocol/client
  option transport-type tcp
  option remote-host {address}
  option remote-port {port}
  option remote-subvolume brick
  option ping-timeout 10
end-volume
"""


class Gluster(Shared):
    """A GlusterFS brick, and mounts with the usual caching; who is gone is so after 10 s."""

    label = "GlusterFS"
    tools = ("glusterfs", "glusterfsd", "/dev/fuse")
    has_server = True

    def start_server(self) -> None:
        """Start a brick without glusterd."""
        volume = self.work / "server.vol"
        if not volume.exists():
            self._port = free_port()
            where = {"address": self.address, "port": self._port, "brick": self.shared}
            volume.write_text(_BRICK.format(**where))
            (self.work / "client.vol").write_text(_CLIENT.format(**where))
        log = str(self.work / "brick.log")
        is_up = partial(listens, self.address, self._port)
        self._begin(None, ["glusterfsd", "-N", "-f", str(volume), "-l", log], is_up)

    def mount(self, number: int) -> None:
        """Mount it."""
        point = str(self.points[number])
        files = ["-f", str(self.work / "client.vol"), "-l", str(self.work / f"client{number}.log")]
        is_up = partial(os.path.ismount, point)
        self._begin(number, ["glusterfs", "-N", *files, point], is_up)


class Bindfs(Shared):
    """The directory as bindfs shows it, once for each host."""

    label = "bindfs"
    tools = ("bindfs", "/dev/fuse")
    locks_exclude = False
    holds_environments = False  # stock Poetry fails where another mount has written its .pth file

    def mount(self, number: int) -> None:
        """Mount it."""
        point = str(self.points[number])
        is_up = partial(os.path.ismount, point)
        self._begin(number, ["bindfs", "-f", str(self.shared), point], is_up)


class Tmpfs(Shared):
    """The directory itself, as containers of one machine share it."""

    label = "tmpfs"
    tools = ("mount",)

    def mount(self, number: int) -> None:
        """Bind it."""
        run("mount", "--bind", str(self.shared), str(self.points[number]))


class Overlay(Shared):
    """An overlay whose upper directory is the shared one, as containers of one pod share it."""

    label = "overlayfs"
    tools = ("mount",)

    def mount(self, number: int) -> None:
        """Make the overlay for the first host, and bind it for the others."""
        if number:
            run("mount", "--bind", str(self.points[0]), str(self.points[number]))
            return
        parts = [self.shared / name for name in ("lower", "upper", "work")]
        for part in parts:
            part.mkdir(exist_ok=True)
        options = "lowerdir={},upperdir={},workdir={}".format(*parts)
        run("mount", "-t", "overlay", "-o", options, "overlay", str(self.points[0]))


@contextmanager
def mounted(shared: Shared) -> Iterator[list[Path]]:
    """Its mounts, while the context is entered."""
    try:
        shared.start()
        yield shared.points
    finally:
        shared.stop()


def run(*command: str) -> str:
    """Run a program here, which must succeed; its output."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def listens(address: str, port: int) -> bool:
    """Whether a server listens there."""
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


def _unmount(point: Path) -> None:
    subprocess.run(["umount", "--lazy", str(point)], check=False, capture_output=True)
