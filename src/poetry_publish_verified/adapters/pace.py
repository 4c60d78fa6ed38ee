"""The clock, and how often a host may be asked over a whole run."""

import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

import anyio

from poetry_publish_verified.core.urls import is_loopback, origin

# Four requests a second, and a little less, as they do not arrive as evenly as they leave.
_SECONDS_BETWEEN = 0.27
# Real clients that are asked at once: each is a process, or a thread that hashes.
_CLIENTS_AT_ONCE = 3
# What a client asks for a wheel: its page, its metadata, the file.
_REQUESTS_OF_A_CLIENT = 3


class _Clock(Protocol):
    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own time."""

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


class Pace:
    """Gives each host's requests their turns, at most four a second; loopback needs no rest.

    The rest that a server asks for (`Retry-After`) is that of its origin: scheme, host and port.
    """

    def __init__(self, clock: _Clock) -> None:
        self._clock = clock
        self._next: dict[str, float] = {}
        self._held: dict[tuple[str, str, int], float] = {}
        self._clients = anyio.CapacityLimiter(_CLIENTS_AT_ONCE)

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

    @asynccontextmanager
    async def clients_turn(self, url: str, timeout: float) -> AsyncIterator[None]:
        """The turn of a real client, few of which have one at a time; else as `turn`."""
        async with self._clients:
            await self.turn(url, patience=timeout, requests=_REQUESTS_OF_A_CLIENT)
            yield

    def hold(self, url: str, seconds: float) -> None:
        """Leave the server of `url` alone for so long, as it has asked."""
        until = self._clock.monotonic() + seconds
        self._held[origin(url)] = max(until, self._held.get(origin(url), 0.0))
