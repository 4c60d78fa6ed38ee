"""`poetry build` of another project, as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.abc

from poetry_publish_verified import isolated_python as children

# Seconds for a build that is told to end.
_GRACE = 5.0
# It ends with its standard input, all that it has started included: however we die, it does not go
# on writing where the next run builds. What is built reads from nowhere.
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


@dataclass(frozen=True, slots=True)
class BuildOutcome:
    """How a build ended, and all that it said."""

    code: int
    said: bytes


async def poetry_build(project: Path, dist_dir: Path) -> BuildOutcome:
    """Build a project with this very Poetry; raises OSError where it cannot be started.

    In a process of its own: Poetry's build changes the working directory and its own modules, and
    several are built at once. What it has started ends with it when this is cancelled.
    """
    process = await anyio.open_process(
        [
            *children.poetry(_BUILD, "build", "--no-interaction", "--output", str(dist_dir)),
        ],
        cwd=project,
        # A build script may read all that it could below `poetry build`, but for Poetry's tokens:
        # they are for uploads alone. User names and passwords may be a private source's.
        env={k: v for k, v in os.environ.items() if not k.startswith("POETRY_PYPI_TOKEN_")},
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    said = bytearray()
    try:
        async with process:
            if process.stdout is not None:
                async for piece in process.stdout:
                    said += piece
            return BuildOutcome(await process.wait(), bytes(said))
    except BaseException:
        with anyio.CancelScope(shield=True):
            await _end(process)
        raise


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
