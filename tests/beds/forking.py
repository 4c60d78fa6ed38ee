"""Python processes that skip the start-up: forked from a server that has imported what they need.

A forked process is a real one and a child of its caller: it can be signalled, killed and waited
for, it holds locks, and it has its own exit code. Only its start-up is different, so a fork cannot
show what a test says about starting. The following always start for real, most because the
environment or the options require it (`_is_plain`), the rest through `real=True`:

- `sys.path`, `-P`, `-I` and other Python options, foreign modules in the working directory
- `PYTHON*` variables, except the few that only libraries read
- locale, localised time zone rules, a closed standard stream
- plugins that are half deleted, or whose import has to fail
- which modules are imported when, and what a start costs
- a user, a mount or a limit that is set before the process begins
- Poetry started by another Poetry
- one run of each seam on each Poetry minor
"""

from __future__ import annotations

import atexit
import contextlib
import inspect
import json
import os
import platform
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.beds import fork_server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What servers import in an environment with Poetry; modules that it lacks are left out.
POETRY = (
    "poetry.console.application", "poetry.console.commands.*", "poetry.factory",
    "poetry.installation.installer", "poetry.publishing.publisher", "poetry.plugins.plugin_manager",
    "poetry_publish_verified.*", "anyio._backends._asyncio", "httpx", "keyring.backends.null",
    "virtualenv.run", "virtualenv.create.via_global_ref.builtin.cpython.cpython3",
)  # fmt: skip
OF_TESTS = (
    "pypiserver.*",
    "passlib.apache",
    "waitress",
    "poetry_publish_verified.guard.locks.lock",
)

# Read by libraries only, not by Python at start-up.
_HARMLESS = {"PYTHON_KEYRING_BACKEND"}
_LANGUAGE = ("LANG", "LANGUAGE", "LC_")
_LOCALE = {"LANG": "C.UTF-8"}
_START_UP = 120.0


class ForkServer:
    """One Python that forks on request; it ends with this process."""

    def __init__(self, python: str, modules: Sequence[str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        self._asking = threading.Lock()
        nowhere = fork_server.NOWHERE
        with theirs:
            self._process = subprocess.Popen(
                [python, fork_server.__file__, str(theirs.fileno()), *modules],
                cwd="/",
                env={
                    **_LOCALE,
                    "PATH": os.defpath,
                    "HOME": nowhere,
                    "POETRY_CONFIG_DIR": f"{nowhere}/config",
                    "POETRY_HOME": f"{nowhere}/home",
                    "XDG_CACHE_HOME": f"{nowhere}/cache",
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self.end)
        ours.settimeout(_START_UP)
        answer = ours.recv(1 << 16)
        if not answer:
            raise RuntimeError(f"The fork server of {python} did not start")
        said = json.loads(answer)
        if said["threads"]:
            raise RuntimeError(f"{python} has threads before it forks: {said['threads']}")
        self.missing: list[str] = said["missing"]

    def fork(self, request: dict[str, Any], streams: Sequence[int]) -> int:
        """The process id of a new child of this process."""
        with self._asking:
            socket.send_fds(self._control, [json.dumps(request).encode()], streams)
            answer = self._control.recv(100)
        if not answer:
            raise RuntimeError("The fork server has ended")
        return int(answer)

    def end(self) -> None:
        """End the server; what it has forked goes on."""
        self._control.close()
        self._process.wait()


class _Forked(subprocess.Popen[Any]):
    """A Popen whose process comes from a fork server; everything else is Popen's."""

    def __init__(self, server: ForkServer, arguments: Sequence[str], **options: Any) -> None:
        self._server = server
        self._arguments = arguments
        super().__init__(arguments, **options)

    # Popen.__init__ calls this on POSIX; there is no public hook for creating the process.
    def _execute_child(self, *given: Any) -> None:
        """Ask the server for a child of this process, with the ends of Popen's pipes."""
        stock = super()._execute_child  # type: ignore[misc]
        asked = inspect.signature(stock).bind(*given).arguments
        ends = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        streams = [asked[end] for end in ("p2cread", "c2pwrite", "errwrite")]
        group = asked["process_group"]
        request = {
            "argv": self._arguments,
            "cwd": str(Path(asked["cwd"] or ".").absolute()),
            "env": asked["env"],
            "session": bool(asked["start_new_session"]),
            "group": None if group == -1 else group,
            "umask": _umask(),
        }
        try:
            self.pid = self._server.fork(
                request, [own if end == -1 else end for own, end in enumerate(streams)]
            )
            self._child_created = True
        finally:
            self._close_pipe_fds(*(asked[end] for end in ends))  # type: ignore[attr-defined]


_SERVERS: dict[str, ForkServer] = {}
# A server pays off from the second process on, and many tests have their own environment.
_ASKED_FOR: set[str] = set()
_MOST_SERVERS = 6


def popen(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    real: bool = False,
    **options: Any,
) -> subprocess.Popen[Any]:
    """Start a Python program in this environment; fork it where that makes no difference.

    `argv` begins with a Python, or with a script whose first line names one; `options` are Popen's.
    `real` always starts the program.
    """
    words = [str(word) for word in argv]
    python, *arguments = _as_python(words)
    if real or not arguments or not _is_plain(python, arguments, env, options):
        return subprocess.Popen(words, env=dict(env), **options)
    server = _server(python)
    if server is None:
        return subprocess.Popen(words, env=dict(env), **options)
    return _Forked(server, arguments, env=env, **options)


def _server(python: str) -> ForkServer | None:
    """The server for a Python; None the first time it is requested."""
    server = _SERVERS.pop(python, None)
    if server is None and python in _ASKED_FOR:
        server = ForkServer(python, OF_TESTS if python == sys.executable else POETRY)
    _ASKED_FOR.add(python)
    if server is not None:
        _SERVERS[python] = server  # most recently used, so the last to be ended
    if len(_SERVERS) > _MOST_SERVERS:
        _SERVERS.pop(next(iter(_SERVERS))).end()
    return server


def is_possible() -> bool:
    """Whether a fork server works on this machine."""
    return sys.platform == "linux" and platform.machine() in fork_server.CLONE


def _as_python(words: Sequence[str]) -> list[str]:
    """A script's command line, preceded by the Python its first line names."""
    program = words[0]
    with contextlib.suppress(OSError), Path(program).open("rb") as script:
        line = script.readline(500)
        if line.startswith(b"#!/"):
            return [line[2:].decode().strip(), *words]
    return list(words)


def _is_plain(
    python: str, arguments: Sequence[str], env: Mapping[str, str], options: Mapping[str, Any]
) -> bool:
    """Whether nothing about the start has an effect that a fork would miss."""
    return (
        is_possible()
        and Path(python).name.startswith("python")
        and (not arguments[0].startswith("-") or arguments[0] in {"-c", "-m"})
        and all(name in _HARMLESS for name in env if name.startswith("PYTHON"))
        and {n: v for n, v in env.items() if n.startswith(_LANGUAGE)} == _LOCALE
        and options.keys() <= _PLAIN_OPTIONS
    )


_PLAIN_OPTIONS = {
    "bufsize", "cwd", "encoding", "errors", "process_group", "start_new_session",
    "stderr", "stdin", "stdout", "text",
}  # fmt: skip


def _umask() -> int:
    """This process's umask, read without changing it."""
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    raise RuntimeError("/proc/self/status has no umask")
