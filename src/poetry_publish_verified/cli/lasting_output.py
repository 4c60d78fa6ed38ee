"""Standard output and error that fail nobody: without a reader, and in any encoding."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from io import TextIOWrapper

from cleo.io.io import IO


def make_lasting(io: IO) -> None:
    """Let a reader that has gone, a full disk behind a pipe or an "ü" for ASCII stop nothing.

    Neither our own command nor those of Poetry's that it calls, which write to the same.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    for output in (io.output, io.error_output):
        output._write = partial(_write, output._write)  # type: ignore[method-assign]  # noqa: SLF001


def _write(write: Callable[[str, bool], None], message: str, new_line: bool = False) -> None:
    try:
        write(message, new_line)
    except OSError:
        send_to_nowhere()


def send_to_nowhere() -> None:
    """Give up what cannot be written to; else Python fails again when it flushes it at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
            continue
        with suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
