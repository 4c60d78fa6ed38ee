"""How often a host may be asked, over a whole run."""

from __future__ import annotations

import math
from typing import Protocol
from urllib.parse import urlsplit

from poetry_publish_verified.core.urls import is_loopback, origin

# Four requests a second, and a little less, as they do not arrive as evenly as they leave.
_SECONDS_BETWEEN = 0.27


class _Clock(Protocol):
    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class Pace:
    """Gives each host's requests their turns, at most four a second; loopback needs no rest.

    The rest that a server asks for (`Retry-After`) is that of its origin: scheme, host and port.
    """

    def __init__(self, clock: _Clock) -> None:
        self._clock = clock
        self._next: dict[str, float] = {}
        self._held: dict[tuple[str, str, int], float] = {}

    async def turn(self, url: str, *, patience: float = math.inf, requests: int = 1) -> None:
        """Return when `url` may be asked: after its server's rest, or `patience` seconds of it.

        The next turn comes after time for so many `requests`.
        """
        end = self._clock.monotonic() + patience
        while (rest := min(self._held.get(origin(url), 0.0), end) - self._clock.monotonic()) > 0:
            await self._clock.sleep(rest)
        host = (urlsplit(url).hostname or "").lower()
        if is_loopback(host):
            return
        now = self._clock.monotonic()
        turn = max(now, self._next.get(host, now))
        self._next[host] = turn + requests * _SECONDS_BETWEEN
        if turn > now:
            await self._clock.sleep(turn - now)

    def hold(self, url: str, seconds: float) -> None:
        """Leave the server of `url` alone for so long, as it has asked."""
        until = self._clock.monotonic() + seconds
        self._held[origin(url)] = max(until, self._held.get(origin(url), 0.0))
