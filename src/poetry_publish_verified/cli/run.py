"""Runs one use case to its end and its exit code, and says what signals do to it."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Protocol

from poetry_publish_verified.errors import ReleaseError, Verdict

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
