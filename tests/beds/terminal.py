"""Programs on a terminal, and somebody who answers their questions."""

from __future__ import annotations

import os
import pty
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tests.beds.processes import HANG

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from contextlib import AbstractContextManager


class Start(Protocol):
    """Starts a program on these streams."""

    def __call__(
        self, *, stdin: int, stdout: int, stderr: int
    ) -> AbstractContextManager[subprocess.Popen[str]]:
        """Start it."""
        ...


def on_terminal(
    start: Start, asked: bytes, answers: list[bytes | Callable[[], bytes]]
) -> tuple[int, str]:
    """Answer each question, which ends in `asked`; the exit code and all that was shown."""
    terminal, inside = pty.openpty()
    with start(stdin=inside, stdout=inside, stderr=inside) as process:
        os.close(inside)
        shown = b""
        while part := shown_next(terminal):
            shown += part
            if shown.rstrip().endswith(asked) and answers:
                answer = answers.pop(0)
                os.write(terminal, answer() if callable(answer) else answer)
                shown += b"\n"
        code = process.wait(HANG)
    os.close(terminal)
    assert not answers, shown.decode()
    return code, shown.decode()


def shown_next(terminal: int) -> bytes:
    """What a terminal shows next; nothing once the program has closed it."""
    try:
        return os.read(terminal, 10_000)
    except OSError:
        return b""


def waits(pid: int) -> bool:
    """Whether a program waits. One that is about to read is not woken by a signal before that."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return stat.rpartition(")")[2].split()[0] == "S"
