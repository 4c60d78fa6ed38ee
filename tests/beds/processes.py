"""Processes and ports that a test borrows, and always gives back."""

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
    from collections.abc import Callable
    from collections.abc import Iterator
    from collections.abc import Sequence

# No test waits for a time: this ends what would hang for ever, on the busiest of machines.
HANG = 600.0
_RESERVED: deque[socket.socket] = deque()
_RESERVATIONS = 64


def free_port() -> int:
    """Return a TCP port of the loopback interface that is free, also for other test processes.

    A server needs seconds before it listens. Another's that got the same port in between
    would answer for it, so the UDP port of that number is held as a sign meanwhile. And a client
    could connect from it, so it is none that the system gives to clients.
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
    """An address of this machine that is not loopback's; None where it has none."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: the system only says from where it would be.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if ipaddress.ip_address(address).is_loopback else address


@functools.cache
def _first_of_clients() -> int:
    """Where the ports begin from which clients connect, if that is above those for servers."""
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    except (OSError, ValueError):
        first = 0
    return first if first > 12_000 else 32_768


def wait_until(
    truth: Callable[[], object], what: str, timeout: float = HANG, pause: float = 0.02
) -> None:
    """Return as soon as `truth()` is true; fail with `what` was waited for."""
    end = time.monotonic() + timeout
    while not truth():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout:g} s in vain: {what}")
        time.sleep(pause)


def answers(url: str) -> bool:
    """Tell whether a server answers at `url`, whatever it says."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def end_group(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """End the process and all it has started; it leads a process group of its own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def program(name: str) -> str:
    """Say where the program is, or skip the test.

    In CI, where everything that tests need gets installed, its lack is a failure instead.
    """
    places = [
        os.environ.get("PATH", os.defpath),
        *("/usr/local/sbin", "/usr/sbin", "/sbin"),  # servers, where only root's PATH leads
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
    """This process's environment without what changes Python or the language."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("PYTHON", "LANG", "LC_"))}
    return {**kept, "LANG": "C.UTF-8"}


@contextlib.contextmanager
def running(command: Sequence[str], *, log: Path, health: str) -> Iterator[None]:
    """Run a server for as long as the block lasts, from its first answer at `health`."""
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
