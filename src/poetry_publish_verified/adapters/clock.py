"""The clock: now, and later."""

from __future__ import annotations

import time
from datetime import UTC
from datetime import datetime

import anyio


class SystemClock:
    """The machine's own time."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def now(self) -> datetime:
        """The moment, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Let others run for so long."""
        await anyio.sleep(seconds)
