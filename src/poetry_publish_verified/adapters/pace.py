"""Pace: how often one host is asked, over a whole run."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlsplit

from poetry_publish_verified.core.urls import is_loopback

# Four requests a second, and a little less, as they do not arrive as evenly as they leave.
_SECONDS_BETWEEN = 0.27


class _Clock(Protocol):
    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class Pace:
    """Gives each host's requests their turns, at most four a second; loopback needs no rest."""

    def __init__(self, clock: _Clock) -> None:
        self._clock = clock
        self._next: dict[str, float] = {}
        self._held: dict[str, float] = {}

    async def turn(self, url: str, *, rested: bool = True) -> None:
        """Return when the host of `url` may be asked; `rested`: after the rest it has asked for."""
        host = (urlsplit(url).hostname or "").lower()
        while rested and (rest := self._held.get(host, 0.0) - self._clock.monotonic()) > 0:
            await self._clock.sleep(rest)
        if is_loopback(host):
            return
        now = self._clock.monotonic()
        turn = max(now, self._next.get(host, now))
        self._next[host] = turn + _SECONDS_BETWEEN
        if turn > now:
            await self._clock.sleep(turn - now)

    def hold(self, url: str, seconds: float) -> None:
        """Leave the host of `url` alone for so long, as it has asked."""
        host = (urlsplit(url).hostname or "").lower()
        until = self._clock.monotonic() + seconds
        self._held[host] = max(until, self._held.get(host, 0.0))
