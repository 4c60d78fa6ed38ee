"""Programs that users want to run after a release, in their own environment and without a shell."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from poetry_publish_verified.values import Value

# Seconds: for what a hook has printed to arrive, and for one that is asked to end.
_REST = 1.0
_GRACE = 5.0
# Bytes and lines of the end of what a hook prints.
_KEPT = 64 * 1024
_LINES = 20


class HookResult(Value):
    """How a hook ended: why it failed (empty if it did not), and the last lines that it printed."""

    failure: str
    lines: tuple[str, ...]


def run(
    command: Sequence[str], directory: Path, environment: Mapping[str, str], timeout: float
) -> HookResult:
    """Run a hook in a process group of its own, for at most `timeout` seconds.

    What it leaves running keeps nobody waiting, even if that holds its output. If time is up, or
    at Ctrl-C, the whole group is ended.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a null character
        return HookResult(f"it cannot be started: {getattr(error, 'strerror', error)}", ())
    kept, stream = bytearray(), cast("IO[bytes]", process.stdout)
    reader = threading.Thread(target=_keep, args=(stream, kept), name="hook-output", daemon=True)
    reader.start()
    try:
        code = process.wait(timeout)
        failure = "" if code == 0 else f"it ended with {_words(code)}"
    except subprocess.TimeoutExpired:
        _end(process)
        failure = f"it did not end within {timeout:g} s"
    except BaseException:
        _end(process)
        raise
    reader.join(_REST)
    lines = bytes(kept).decode("utf-8", "replace").splitlines()
    return HookResult(failure, tuple(lines[-_LINES:]))


def _keep(stream: IO[bytes], kept: bytearray) -> None:
    with stream:
        while data := os.read(stream.fileno(), _KEPT):
            kept += data
            del kept[:-_KEPT]


def _words(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"signal {-code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process and all its children to end, then make them."""
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    # Children may ignore the request; Windows has no groups and no SIGKILL.
    _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        else:
            process.kill()
