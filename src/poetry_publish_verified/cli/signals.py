"""What signals do to a run: SIGTERM and SIGHUP end it as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from collections.abc import Mapping
    from types import FrameType


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM and SIGHUP end a run as Ctrl-C does: tidily, with a receipt and exit code 130."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        on_interrupt = signal.getsignal(signal.SIGINT)
        if not callable(on_interrupt):
            raise KeyboardInterrupt
        on_interrupt(number, frame)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    with _handlers({getattr(signal, name): interrupt for name in names}):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """The last words take an instant, and a second Ctrl-C must not cut them."""
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    with _handlers({getattr(signal, name): lambda *_: None for name in names}):
        yield


@contextmanager
def interrupts_noted() -> Iterator[list[int]]:
    """Interrupts that come meanwhile: cleo makes exit code 1 of them, as of a failed build."""
    noted: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        signal.default_int_handler(number, frame)

    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with _handlers({signal.SIGINT: note} if ours else {}):
        yield noted


@contextmanager
def _handlers(wanted: Mapping[int, Callable[[int, FrameType | None], None]]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # An ignored SIGHUP (nohup) stays so.
    before = {
        number: signal.signal(number, handler)
        for number, handler in wanted.items()
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
