"""A throwaway index on loopback, for rehearsals."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import anyio
from packaging.requirements import Requirement

from poetry_publish_verified import isolated_python
from poetry_publish_verified.adapters.environments import SetUpError, kept
from poetry_publish_verified.core.problems.machine import (
    rehearsal_index_not_started,
    rehearsal_index_unavailable,
)
from poetry_publish_verified.errors import ReleaseError

_PYPISERVER = Requirement("pypiserver>=2.4,<3")
_START_TIMEOUT = 20.0
_TRIES = 3
# The server ends with its standard input: it cannot outlive us, however we die.
_SERVE = """
import os, sys, threading
def end_with_parent():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=end_with_parent, daemon=True).start()
from pypiserver.__main__ import main
main(sys.argv[1:])
"""


@contextlib.contextmanager
def throwaway_index(directory: Path, kept_in: Path) -> Iterator[str]:
    """Run pypiserver on the empty `directory`; yields its upload URL, and stops it on exit.

    Where none is installed beside Poetry, it gets an environment of its own, kept in `kept_in`.
    Raises ReleaseError where it cannot be installed or does not start.
    """
    server = _server(kept_in)
    for _ in range(_TRIES):
        port = _free_port()
        # Unique, so that no other server that took the port answers for this one.
        health = f"/health-{secrets.token_hex(8)}"
        process = _start([*server, *_options(port, health, directory)], home=directory)
        try:
            if _answers(process, f"http://127.0.0.1:{port}{health}"):
                yield f"http://127.0.0.1:{port}/"
                return
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    raise ReleaseError.refused(rehearsal_index_not_started(server[0]))


def _options(port: int, health: str, directory: Path) -> list[str]:
    return [
        *("run", "--interface", "127.0.0.1", "--port", str(port), "--health-endpoint", health),
        *("--passwords", ".", "--authenticate", "."),
        *("--disable-fallback", "--hash-algo", "sha256", str(directory)),
    ]


def _start(command: Sequence[str], home: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=isolated_python.NEUTRAL,
        # It looks for its user's home, and an id without a name has none.
        env=isolated_python.surroundings(os.environ) | {"HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _server(kept_in: Path) -> list[str]:
    """The command that runs pypiserver, to which arguments can be added."""
    if _is_beside_poetry():
        return isolated_python.python(["pypiserver"], _SERVE)
    try:
        python = anyio.run(
            kept, kept_in, str(_PYPISERVER), "import pypiserver.__main__", os.environ
        )
    except (SetUpError, OSError) as error:
        problem = rehearsal_index_unavailable(str(_PYPISERVER), str(kept_in), error)
        raise ReleaseError.refused(problem) from error
    return [str(python), "-I", "-B", "-c", _SERVE]


def _is_beside_poetry() -> bool:
    # Not by the module's name, which a module of the user's may have.
    found = metadata.distributions(name=_PYPISERVER.name)
    return any(_PYPISERVER.specifier.contains(each.version, prereleases=True) for each in found)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(process: subprocess.Popen[bytes], url: str) -> bool:
    # The environment's proxies are not for loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, urllib.error.URLError):
            opener.open(url, timeout=2).close()
            return True
        time.sleep(0.05)
    return False
