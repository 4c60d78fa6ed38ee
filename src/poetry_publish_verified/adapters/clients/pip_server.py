"""A pip that is imported once and forks for each request: its imports take as long as all the rest.

Each request is a process of its own, with nothing of the others': no connection, no cookie.
"""

import json
import os
import secrets
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread

from poetry_publish_verified import isolated_python
from poetry_publish_verified.core import client_words

CAN_FORK = hasattr(os, "fork")
# Seconds.
_LONGEST_END = 5.0
# What `pip download` and `pip index versions` import; what a version of pip lacks is left out.
_SERVE = """
import os, select, sys
from importlib import import_module
for name in (
    "pip._internal.cli.autocompletion", "pip._internal.cli.main",
    "pip._internal.commands.download", "pip._internal.commands.index",
    "pip._internal.metadata.importlib", "pip._internal.resolution.resolvelib.resolver",
    "pip._internal.utils.wheel", "pip._vendor.distro", "pip._vendor.truststore",
    "encodings.ascii", "encodings.cp437", "encodings.idna", "json", "netrc", "runpy",
):
    try:
        import_module(name)
    except ImportError:
        pass
stdin = open(0, "rb", buffering=0)
while line := stdin.readline():
    asked = sys.modules["json"].loads(line)
    until_its_end, its_own = os.pipe()
    if not (child := os.fork()):
        break
    os.close(its_own)
    if stdin in select.select([stdin, until_its_end], [], [])[0]:
        os.kill(child, 9)  # nobody waits any more
    os.close(until_its_end)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.write(1, f"\\n{asked['end']} {status}\\n".encode())
else:
    sys.exit()
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.environ.update(asked["environment"])
sys.argv[1:] = asked["arguments"]
sys.modules["runpy"].run_module("pip", run_name="__main__", alter_sys=True)
"""


class NoServerError(OSError):
    """The server has ended; `crashed`: it was not ended by anybody else."""

    def __init__(self, said: bytes, *, crashed: bool) -> None:
        super().__init__(client_words.of_pip(said) or "it was ended")
        self.crashed = crashed


class PipServer:
    """As many such processes as requests are made at once; `close` ends them."""

    def __init__(self, place: Path, variables: Mapping[str, str], directory: Path) -> None:
        """`place` is where pip is, `directory` where it works, with these variables.

        Raises OSError if the place is not there.
        """
        self._place = place.stat()
        self._command = isolated_python.alone(place, _SERVE)
        self._variables = variables
        self._directory = directory
        self._idle: list[subprocess.Popen[bytes]] = []

    def is_of(self, place: Path) -> bool:
        """Whether it runs the pip there, which may have been made anew meanwhile."""
        return os.path.samestat(self._place, place.stat())

    def start(self) -> None:
        """Start a process, so that it has imported pip when the first request is made."""
        self._idle.append(self._open())

    async def ask(
        self, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[bytes]:
        """What pip says to these arguments; raises NoServerError or OSError where it cannot run."""
        process = self._idle.pop() if self._idle else self._open()
        end = secrets.token_hex(16)
        asked = {"arguments": [*arguments], "environment": {**environment}, "end": end}
        try:
            said, status = await _answer(process, asked, end.encode())
        except BaseException:
            _end(process)
            raise
        self._idle.append(process)
        return subprocess.CompletedProcess(("pip", *arguments), status, said)

    def close(self) -> None:
        """End all processes; further requests start new ones."""
        while self._idle:
            _end(self._idle.pop())

    def _open(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            # What anyio starts belongs to an event loop, and there is none yet when this begins.
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._directory,
            env=self._variables,
            start_new_session=True,
        )


async def _answer(
    process: subprocess.Popen[bytes], asked: Mapping[str, object], end: bytes
) -> tuple[bytes, int]:
    to, of, said = process.stdin, process.stdout, b""
    with suppress(BrokenPipeError):
        if to is not None and of is not None:
            to.write(json.dumps(asked).encode() + b"\n")
            while not said.endswith(b"\n") or end not in said:
                await anyio.wait_readable(of)
                if not (piece := of.read(65536)):
                    break
                said += piece
    if end not in said:
        raise NoServerError(said, crashed=await anyio.to_thread.run_sync(process.wait) > 0)
    said, _, status = said.rpartition(b"\n" + end)
    return said, int(status)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process, and what it has forked."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    # Where it works on a dead mount, it may not even obey that signal.
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LONGEST_END)
