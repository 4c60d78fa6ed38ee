"""What bounds a transfer: it goes on as long as enough of it gets through."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import anyio

from poetry_publish_verified.adapters.http_errors import HttpError

# A transfer goes on as long as so many bytes get through in each stretch of so many seconds: a
# thousand a second, of which any line has several times more. Answers in pieces, headers and
# `100 Continue` are no progress.
STRETCH = 60.0
PORTION = 64 * 1024


class Progress:
    """Bounds a transfer: its end moves on with every portion that gets through."""

    def __init__(self, stretch: float) -> None:
        """`stretch`: seconds for each portion, connecting and the headers included at first."""
        self.scope = anyio.CancelScope(deadline=anyio.current_time() + stretch)
        self.stretch = stretch
        self._left = PORTION

    def moved(self, size: int) -> None:
        """So many bytes got through."""
        self._left -= size
        if self._left <= 0:
            self._left = PORTION
            self.end_in(self.stretch)

    def end_in(self, seconds: float) -> None:
        """Give it so many seconds from now."""
        self.scope.deadline = anyio.current_time() + seconds

    @contextlib.contextmanager
    def or_error(self) -> Iterator[Progress]:
        """Raise HttpError where it was not enough."""
        with self.scope:
            yield self
        if self.scope.cancelled_caught:
            raise HttpError(f"less than {PORTION // 1024} KiB arrived within {self.stretch:.0f} s")


@contextlib.contextmanager
def bounded(timeout: float) -> Iterator[anyio.CancelScope]:
    """Raise HttpError where it takes longer than so many seconds."""
    try:
        with anyio.fail_after(timeout) as scope:
            yield scope
    except TimeoutError:
        raise HttpError(f"no complete answer within {timeout:.0f} s") from None
