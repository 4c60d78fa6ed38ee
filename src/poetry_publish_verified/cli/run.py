"""Runs one use case to its end and its exit code, and says what signals do to it."""

import signal
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from types import FrameType
from typing import Protocol, TypeVar, TypeVarTuple

from poetry_publish_verified.errors import ReleaseError, Verdict

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Windows has no SIGHUP.
_TERMINATING = [getattr(signal, n) for n in ("SIGTERM", "SIGHUP") if hasattr(signal, n)]


class Ends(Protocol):
    """Reports how a run ended."""

    def end(self, error: BaseException | None, verdict: Verdict) -> int:
        """Report it; the exit code."""


def run_and_report(report: Ends, run: Callable[[ExitStack], Verdict]) -> int:
    """Run it and report how it ended; returns the exit code."""
    problem: BaseException | None = None
    with termination_as_interrupt():
        try:
            with ExitStack() as stack:
                verdict = run(stack)
        except ReleaseError as error:
            problem, verdict = error, error.verdict
        except KeyboardInterrupt as error:
            problem, verdict = error, Verdict.INTERRUPTED
        except Exception as error:  # noqa: BLE001 - the receipt must say so, whatever it is
            problem, verdict = error, Verdict.ERROR
        with interrupts_ignored():
            return report.end(problem, verdict)


def run_async(work: Callable[[*Ts], Awaitable[T]], *arguments: *Ts) -> T:
    """Like anyio.run, but an interrupt cancels the work between two steps of the event loop.

    asyncio's own handler cancels the main task in the middle of whatever runs. A cancel scope that
    is being left may take that for its own cancellation (seen with anyio 4.16), and the work goes
    on without its children. A second interrupt ends the run at once.
    """
    import asyncio

    import anyio

    cancel: Callable[[], object] | None = None

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal cancel
        if cancel is None:
            signal.default_int_handler(number, frame)
        else:
            cancel()
            cancel = None

    async def main() -> T:
        nonlocal cancel
        with anyio.CancelScope() as scope:
            cancel = partial(asyncio.get_running_loop().call_soon_threadsafe, scope.cancel)
            try:
                return await work(*arguments)
            finally:
                cancel = None
        raise KeyboardInterrupt

    with _handlers({signal.SIGINT: interrupt}):
        return anyio.run(main)


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a run as Ctrl-C does: tidily, with a receipt and exit code 130."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        on_interrupt = signal.getsignal(signal.SIGINT)
        if not callable(on_interrupt):
            raise KeyboardInterrupt
        on_interrupt(number, frame)

    handlers = {signal.SIGINT: signal.default_int_handler, **dict.fromkeys(_TERMINATING, interrupt)}
    with _handlers(handlers):
        yield


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Keep a second Ctrl-C from cutting off the last lines, which take an instant."""
    with _handlers(dict.fromkeys([signal.SIGINT, *_TERMINATING], lambda *_: None)):
        yield


@contextmanager
def interrupts_recorded() -> Iterator[list[int]]:
    """Record interrupts: cleo turns one into exit code 1, like that of a failed command."""
    recorded: list[int] = []

    def record(number: int, frame: FrameType | None) -> None:
        recorded.append(number)
        signal.default_int_handler(number, frame)

    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with _handlers({signal.SIGINT: record} if ours else {}):
        yield recorded


@contextmanager
def _handlers(handlers: Mapping[int, Callable[[int, FrameType | None], None]]) -> Iterator[None]:
    # Only the main thread may set them.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # An ignored SIGHUP (nohup) stays so.
    before = {
        number: signal.signal(number, handler)
        for number, handler in handlers.items()
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
