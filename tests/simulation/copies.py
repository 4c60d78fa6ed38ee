"""Copies of a page that become new some time after an upload at 0, and answer at once."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

TEN_MINUTES = 600.0
_LONGEST_TAIL = 7200.0
_NOTHING: Mapping[str, str] = {}


class Copy(Protocol):
    """One copy of one variant's page. Times are seconds since the upload."""

    there: float | None
    """From when on the next request gets the new page; None as long as that is open."""

    changes_at: float
    """No request before that gets another page than the last one, or has any effect."""

    def ask(self, now: float) -> bool:
        """Whether a request gets the new page."""

    def headers(self, now: float) -> Mapping[str, str]:
        """What the last answer says of its own age, names in lower case."""


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
    """The first request after the purge gets the old page too, and has the new one fetched."""

    def __init__(self, purge: float) -> None:
        self.there: float | None = None
        self.changes_at = purge

    def ask(self, now: float) -> bool:
        """New from the second request after the purge on."""
        if self.there is not None:
            return True
        if now >= self.changes_at:
            self.there = self.changes_at = now
        return False

    def headers(self, now: float) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        """Nothing, as PyPI's edges."""
        return _NOTHING


class Kept:
    """A cache that gives a page for so many seconds, then fetches what its origin has."""

    def __init__(self, ttl: int, primed: float, *, announces: bool, origin: float = 0.0) -> None:
        """`primed`: when the old page was fetched; `origin`: when the origin becomes new."""
        self._ttl = ttl
        self._made = primed
        self._announces = announces
        self._origin = origin
        self._is_new = False
        self.changes_at = primed + ttl
        self.there: float | None = max(self.changes_at, origin)

    def ask(self, now: float) -> bool:
        """New once a copy that was made after the origin became new is there."""
        if now >= self.changes_at:
            self._is_new = now >= self._origin
            self._made = now
            self.changes_at = now + self._ttl
            if not self._is_new:
                self.there = max(self.changes_at, self._origin)
        return self._is_new

    def headers(self, now: float) -> Mapping[str, str]:
        """`Age` in whole seconds, cut off, and the lifetime; or nothing."""
        if not self._announces:
            return _NOTHING
        return {"age": str(int(now - self._made)), "cache-control": f"max-age={self._ttl}"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of delay: `make` gives a copy of it, `ten_minutes` one that takes ten minutes."""

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
    """10 s to half an hour, the short ones as often as the long."""
    ttl = round(math.exp(jitter.uniform(math.log(10), math.log(1800))))
    return Kept(ttl, -jitter.uniform(0, ttl), announces=announces)


def _short(jitter: random.Random, origin: float) -> Copy:
    ttl = jitter.randint(5, 10)
    return Kept(ttl, -jitter.uniform(0, ttl), announces=True, origin=origin)


def _kept_for_ten_minutes(jitter: random.Random, *, announces: bool) -> Copy:
    ttl = jitter.randint(600, 1800)
    return Kept(ttl, TEN_MINUTES - ttl, announces=announces)


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
