"""Network filesystems in user space, mounted twice on this machine: sshfs and GlusterFS."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.beds.processes import HANG, free_port

_SBIN = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def missing(*tools: str) -> str:
    """Which of these programs this machine lacks, in words; empty where it has all."""
    lacks = [tool for tool in tools if shutil.which(tool, path=_SBIN) is None]
    if not Path("/dev/fuse").exists():
        lacks.append("/dev/fuse")
    return f"needs {', '.join(lacks)}" if lacks else ""


@contextmanager
def sshfs_mounts(work: Path, count: int = 2) -> Iterator[list[Path]]:
    """One directory mounted `count` times by sshfs, through an sshd on loopback."""
    work.mkdir()
    shared = work / "shared"
    shared.mkdir()
    for key in ("host", "user"):
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(work / key))
    shutil.copy(work / "user.pub", work / "authorized")
    port = free_port()
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": work / "host",
        "AuthorizedKeysFile": work / "authorized",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "Subsystem": "sftp internal-sftp",
    }
    config = work / "sshd_config"
    config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    Path("/run/sshd").mkdir(exist_ok=True)
    options = [f"Port={port}", f"IdentityFile={work / 'user'}", "StrictHostKeyChecking=no"]
    options += ["UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
    points = [work / f"mount{number}" for number in range(count)]
    with ExitStack() as stack:
        stack.enter_context(_running(["sshd", "-D", "-e", "-f", str(config)], work / "sshd.log"))
        for point in points:
            point.mkdir()
            flags = [word for option in options for word in ("-o", option)]
            mount = ["sshfs", *flags, f"127.0.0.1:{shared}", str(point)]
            _until(partial(_succeeds, mount), work / "sshd.log")
            stack.callback(_unmount, point)
        yield points


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
  option transport.socket.bind-address 127.0.0.1
  option transport.socket.listen-port {port}
  option auth.addr.brick.allow 127.0.0.1
  subvolumes brick
end-volume
"""
_CLIENT = """
volume client
  type protocol/client
  option transport-type tcp
  option remote-host 127.0.0.1
  option remote-port {port}
  option remote-subvolume brick
end-volume
"""


@contextmanager
def gluster_mounts(work: Path, count: int = 2) -> Iterator[list[Path]]:
    """A GlusterFS brick on loopback, mounted `count` times with the usual caching."""
    brick = work / "brick"
    brick.mkdir(parents=True)
    port = free_port()
    (work / "server.vol").write_text(_BRICK.format(brick=brick, port=port))
    (work / "client.vol").write_text(_CLIENT.format(port=port))
    points = [work / f"mount{number}" for number in range(count)]
    log = work / "server.log"
    with ExitStack() as stack:
        server = ["glusterfsd", "-N", "-f", str(work / "server.vol"), "-l", str(log)]
        stack.enter_context(_running(server, log))
        _until(partial(_listens, port), log)
        for point in points:
            point.mkdir()
            own = work / f"{point.name}.log"
            mount = ["glusterfs", "-N", "-f", str(work / "client.vol"), "-l", str(own), str(point)]
            stack.enter_context(_running(mount, own))
            stack.callback(_unmount, point)
            _until(partial(_succeeds, ["mountpoint", "-q", str(point)]), own)
        yield points


@contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator[None]:
    program = shutil.which(command[0], path=_SBIN) or command[0]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [program, *command[1:]], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _until(is_true: Callable[[], bool], log: Path) -> None:
    until = time.monotonic() + HANG
    while not is_true():
        if time.monotonic() > until:
            raise RuntimeError(log.read_text(errors="replace")[-2000:])
        time.sleep(0.1)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _succeeds(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _unmount(point: Path) -> None:
    subprocess.run(["umount", "--lazy", str(point)], check=False, capture_output=True)
