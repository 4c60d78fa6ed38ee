"""What Ctrl-C does to a run, at any moment."""

from __future__ import annotations

import itertools
import signal
import sys
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from poetry_publish_verified.cli.run import run_async

if TYPE_CHECKING:
    from types import FrameType

    from _typeshed import TraceFunction

_ROUNDS = 3


class _Loop:
    """A task that reports `_ROUNDS` times, and one that waits for each report in a group."""

    def __init__(self) -> None:
        self.rounds = 0

    async def run(self) -> int:
        async with anyio.create_task_group() as group:
            group.start_soon(self._report)
            while self.rounds < _ROUNDS:
                self._changed = anyio.Event()
                async with anyio.create_task_group() as waiting:
                    waiting.start_soon(anyio.sleep_forever)
                    await self._changed.wait()
                    waiting.cancel_scope.cancel()
        return self.rounds

    async def _report(self) -> None:
        for _ in range(_ROUNDS):
            await anyio.lowlevel.checkpoint()
            self.rounds += 1
            self._changed.set()


def _interrupted_after(lines: int) -> tuple[bool, int | None]:
    """Run with a SIGINT after so many lines; whether it came, and the result if there is one."""
    left = lines

    def trace(_: FrameType, event: str, __: object) -> TraceFunction:
        nonlocal left
        if event == "line":
            left -= 1
            if left == 0:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return trace

    async def run() -> int:
        sys.settrace(trace)
        try:
            return await _Loop().run()
        finally:
            sys.settrace(None)

    try:
        result = run_async(run)
    except KeyboardInterrupt:
        return True, None
    return left <= 0, result


def test_interrupted_at_any_line() -> None:
    """It ends the run, or comes too late; no group takes it for a cancellation of its own."""
    results = set()
    for lines in itertools.count(1):
        came, result = _interrupted_after(lines)
        if not came:
            break
        results.add(result)
    assert results == {None, _ROUNDS}
