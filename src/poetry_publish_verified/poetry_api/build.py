"""`poetry build`: of the project at hand in this process, of several each in a process of its own.

In this process it starts half a second sooner and writes to the terminal. But it changes the
working directory and Poetry's own modules, so no two can run at once.
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import anyio.abc
from poetry.console.commands.command import Command

from poetry_publish_verified import isolated_python
from poetry_publish_verified.sanitize import decoded, printable_lines

# Seconds for a build to end after a signal.
_GRACE = 5.0
# It ends with its standard input, and so does all that it has started: however we die, it does not
# go on writing where the next run builds. What is built reads from nowhere.
_BUILD = """
import os, signal, sys, threading
ours = os.dup(0)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
def end_with_parent():
    os.read(ours, 1)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
threading.Thread(target=end_with_parent, daemon=True).start()
from poetry.console.application import main
sys.argv[0] = "poetry"
sys.exit(main())
"""


class BuildError(Exception):
    """A build that failed; `output` is what it printed, as printable lines, if nobody saw it."""

    def __init__(self, reason: str, output: list[str] | None = None) -> None:
        super().__init__(reason)
        self.output = output or []


def build_in_process(command: Command, dist_dir: Path) -> None:
    """Build the project at hand; raises BuildError where that fails."""
    # cleo splits this as a shell would.
    quoted = re.sub(r"(['\"])", r"\\\1", str(dist_dir))
    try:
        with _tokens_hidden():
            code = command.call("build", f'--output "{quoted}"')
    except Exception as error:
        raise BuildError(str(error) or type(error).__name__) from error
    if code != 0:
        raise BuildError(f"poetry build exited with code {code}.")


async def build_in_subprocess(project: Path, dist_dir: Path, *options: str) -> None:
    """Build the project in a directory with this very Poetry; raises BuildError where that fails.

    All that it has started ends with it when this is cancelled. Raises OSError where no process
    can be started.
    """
    process = await anyio.open_process(
        isolated_python.poetry(
            _BUILD, "build", "--no-interaction", "--output", str(dist_dir), *options
        ),
        cwd=project,
        env=_without_tokens(os.environ),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    output = bytearray()
    try:
        async with process:
            if process.stdout is not None:
                async for piece in process.stdout:
                    output += piece
            code = await process.wait()
    except BaseException:
        with anyio.CancelScope(shield=True):
            await _end(process)
        raise
    if code != 0:
        lines = printable_lines(decoded(bytes(output))).splitlines()
        last = next((f": {line.strip()}" for line in reversed(lines) if line.strip()), ".")
        raise BuildError(f"poetry build exited with code {code}{last}", lines)


def _without_tokens(environment: Mapping[str, str]) -> dict[str, str]:
    """What a build script may read: all that it could below `poetry build`, but for tokens.

    They are for uploads alone. User names and passwords may be a private source's.
    """
    left = isolated_python.without_identity(environment)
    return {k: v for k, v in left.items() if not k.startswith("POETRY_PYPI_TOKEN_")}


@contextmanager
def _tokens_hidden() -> Iterator[None]:
    """Programs that this process starts meanwhile have none of them either."""
    hidden = os.environ.keys() - _without_tokens(os.environ).keys()
    tokens = {name: os.environ.pop(name) for name in hidden}
    try:
        yield
    finally:
        os.environ.update(tokens)


async def _end(process: anyio.abc.Process) -> None:
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, number)
            else:
                process.terminate()
        with anyio.move_on_after(_GRACE):
            await process.wait()
            return
