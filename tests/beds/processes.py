"""Processes and ports that tests borrow and always give back."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.beds import forking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# No test waits for a fixed time; this only ends what would hang forever, even on a busy machine.
HANG = 600.0
_RESERVED: deque[socket.socket] = deque()
_RESERVATIONS = 64


def free_port() -> int:
    """A free TCP port on loopback that no other test process gets either.

    A server needs seconds before it listens, and another server on the same port would answer for
    it. So the UDP port of the same number is held in the meantime as a reservation. The port is
    also outside the range from which the system gives ports to clients.
    """
    while True:
        port = random.randrange(10_000, _first_of_clients())  # noqa: S311 - any would do
        sign = socket.socket(type=socket.SOCK_DGRAM)
        with socket.socket() as listener:
            try:
                sign.bind(("127.0.0.1", port))
                listener.bind(("127.0.0.1", port))
            except OSError:
                sign.close()
                continue
        _RESERVED.append(sign)
        if len(_RESERVED) > _RESERVATIONS:
            _RESERVED.popleft().close()
        return port


def own_address() -> str | None:
    """An address of this machine other than loopback; None if it has none."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: the system only chooses the source address.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if ipaddress.ip_address(address).is_loopback else address


@functools.cache
def _first_of_clients() -> int:
    """The first client port, if that is above the ports for servers."""
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    except (OSError, ValueError):
        first = 0
    return first if first > 12_000 else 32_768


def wait_until(
    truth: Callable[[], object], what: str, timeout: float = HANG, pause: float = 0.02
) -> None:
    """Return as soon as `truth()` is true; after `timeout` seconds, fail and name `what`."""
    end = time.monotonic() + timeout
    while not truth():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout:g} s for {what}")
        time.sleep(pause)


def answers(url: str) -> bool:
    """Whether a server answers at `url`, with any status."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def end_group(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """End the process, which leads its own process group, and everything it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def program(name: str) -> str:
    """The path of a program; skips the test if it is not installed.

    In CI, which installs everything that tests need, a missing program is a failure.
    """
    places = [
        os.environ.get("PATH", os.defpath),
        *("/usr/local/sbin", "/usr/sbin", "/sbin"),  # servers, which only root has on PATH
        str(Path(sys.executable).parent),
    ]
    path = shutil.which(name, path=os.pathsep.join(places))
    if path is None:
        reason = f"{name} is not installed"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def _plain_environment() -> dict[str, str]:
    """This process's environment without variables that change Python or the language."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("PYTHON", "LANG", "LC_"))}
    return {**kept, "LANG": "C.UTF-8"}


@contextlib.contextmanager
def running(command: Sequence[str], *, log: Path, health: str) -> Iterator[None]:
    """Run a server for the length of the block, from its first answer at `health`."""
    with log.open("wb") as output:
        process = forking.popen(
            command,
            env=_plain_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_until(
                lambda: process.poll() is not None or answers(health),
                f"{command[0]} to answer at {health}",
            )
            if process.poll() is not None:
                said = log.read_text(encoding="utf-8", errors="replace")
                raise RuntimeError(f"{command[0]} ended with {process.returncode}:\n{said}")
            yield
        finally:
            end_group(process)
