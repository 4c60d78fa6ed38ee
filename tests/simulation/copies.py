"""Copies of a page that become new some time after an upload at 0, and answer instantly."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

TEN_MINUTES = 600.0
_LONGEST_TAIL = 7200.0
_NOTHING: Mapping[str, str] = {}


class Copy(Protocol):
    """One copy of one variant's page. Times are seconds since the upload."""

    there: float | None
    """When requests start to get the new page; None while that is undecided."""

    changes_at: float
    """Before this, every request gets the same page as the last one and has no effect."""

    def ask(self, now: float) -> bool:
        """Whether a request gets the new page."""

    def headers(self, now: float) -> Mapping[str, str]:
        """What the last answer says about its age; names in lower case."""


class Late:
    """Old before a moment, new from then on."""

    def __init__(self, delay: float) -> None:
        self.there: float | None = delay
        self.changes_at = delay

    def ask(self, now: float) -> bool:
        """New after the delay."""
        return now >= self.changes_at

    def headers(self, now: float) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        """Nothing."""
        return _NOTHING


class SoftlyPurged:
    """The first request after the purge still gets the old page, and triggers a refresh."""

    def __init__(self, purge: float) -> None:
        self.there: float | None = None
        self.changes_at = purge

    def ask(self, now: float) -> bool:
        """New from the second request after the purge."""
        if self.there is not None:
            return True
        if now >= self.changes_at:
            self.there = self.changes_at = now
        return False

    def headers(self, now: float) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        """Nothing, like PyPI's edges."""
        return _NOTHING


class Cached:
    """A cache that keeps a page for `ttl` seconds, then fetches what its origin has."""

    def __init__(self, ttl: int, primed: float, *, announces: bool, origin: float = 0.0) -> None:
        """`primed`: when the old page was cached; `origin`: when the origin becomes new."""
        self._ttl = ttl
        self._made = primed
        self._announces = announces
        self._origin = origin
        self._is_new = False
        self.changes_at = primed + ttl
        self.there: float | None = max(self.changes_at, origin)

    def ask(self, now: float) -> bool:
        """New once it caches a page from after the origin became new."""
        if now >= self.changes_at:
            self._is_new = now >= self._origin
            self._made = now
            self.changes_at = now + self._ttl
            if not self._is_new:
                self.there = max(self.changes_at, self._origin)
        return self._is_new

    def headers(self, now: float) -> Mapping[str, str]:
        """`Age` in whole seconds, rounded down, and the lifetime; or nothing."""
        if not self._announces:
            return _NOTHING
        return {"age": str(int(now - self._made)), "cache-control": f"max-age={self._ttl}"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of delay: `make` returns a copy of it, `ten_minutes` one that takes ten minutes."""

    name: str
    make: Callable[[random.Random], Copy]
    ten_minutes: Callable[[random.Random], Copy]
    announced: bool = False


def _long_tail(jitter: random.Random) -> Copy:
    while True:
        delay = jitter.lognormvariate(math.log(40.0), 1.6)
        if delay <= _LONGEST_TAIL:
            return Late(delay)


def _kept(jitter: random.Random, *, announces: bool) -> Copy:
    """10 s to half an hour, short ones as often as long ones."""
    ttl = round(math.exp(jitter.uniform(math.log(10), math.log(1800))))
    return Cached(ttl, -jitter.uniform(0, ttl), announces=announces)


def _short(jitter: random.Random, origin: float) -> Copy:
    ttl = jitter.randint(5, 10)
    return Cached(ttl, -jitter.uniform(0, ttl), announces=True, origin=origin)


def _kept_for_ten_minutes(jitter: random.Random, *, announces: bool) -> Copy:
    ttl = jitter.randint(600, 1800)
    return Cached(ttl, TEN_MINUTES - ttl, announces=announces)


KINDS = (
    Kind(
        "uniform",
        lambda jitter: Late(jitter.uniform(0, TEN_MINUTES)),
        lambda _: Late(TEN_MINUTES),
    ),
    Kind("long tail", _long_tail, lambda _: Late(TEN_MINUTES)),
    Kind(
        "soft purge",
        lambda jitter: SoftlyPurged(jitter.uniform(0, TEN_MINUTES)),
        lambda _: SoftlyPurged(TEN_MINUTES),
    ),
    Kind(
        "cache that tells",
        lambda jitter: _kept(jitter, announces=True),
        lambda jitter: _kept_for_ten_minutes(jitter, announces=True),
        announced=True,
    ),
    Kind(
        "silent cache",
        lambda jitter: _kept(jitter, announces=False),
        lambda jitter: _kept_for_ten_minutes(jitter, announces=False),
    ),
    Kind(
        "short cache, late origin",
        lambda jitter: _short(jitter, jitter.uniform(0, TEN_MINUTES)),
        lambda jitter: _short(jitter, TEN_MINUTES),
    ),
)
