"""Ways to wait for a copy to become new: the plugin's, and three common ones for comparison."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from poetry_publish_verified.core.caching import expires_in
from poetry_publish_verified.core.expectation import ExactFiles, ExpectedFile
from poetry_publish_verified.core.simple.page import IndexFile, ProjectPage
from poetry_publish_verified.core.visibility import LookAgain, Observation, Watch
from tests.simulation.copies import Copy

_WHEEL = "lantern-1.0-py3-none-any.whl"
_EXPECTED = ExactFiles((ExpectedFile(_WHEEL, "aa" * 32),))
_OLD = ProjectPage({})
_NEW = ProjectPage({_WHEEL: IndexFile(_WHEEL, f"https://index.example/{_WHEEL}", "aa" * 32)})
_NEVER = 1e9


class EndedError(Exception):
    """The watch ended without a visible release."""


@dataclass(frozen=True, slots=True)
class Wait:
    """One wait: when the page was there, when it was seen, and after how many requests."""

    there: float
    seen: float
    requests: int

    @property
    def overshoot(self) -> float:
        """By how many seconds it was seen too late."""
        return self.seen - self.there


def watch(copy: Copy, jitter: random.Random) -> Wait:
    """The plugin's way; raises EndedError if the watch ends without a visible release."""
    watch = Watch(_EXPECTED, 0.0, _NEVER, jitter.random)
    now = 0.0
    while True:
        new = copy.ask(now)
        step = watch.observe(_seen(tuple(copy.headers(now).items()), new=new), now)
        if isinstance(step, LookAgain):
            now = step.at
        elif step == "visible":
            return _ended(copy, now, watch.requests)
        else:
            raise EndedError(step)


@lru_cache(maxsize=10_000)
def _seen(headers: tuple[tuple[str, str], ...], *, new: bool) -> Observation:
    page = _NEW if new else _OLD
    return Observation("page", page, expires_in=expires_in(dict(headers)))


def every(interval: float, successes: int = 1) -> Callable[[Copy, random.Random], Wait]:
    """Ask every `interval` seconds, until `successes` answers in a row are good."""

    def wait(copy: Copy, _: random.Random) -> Wait:
        number = 0
        while not copy.ask(number * interval):
            # Requests before anything changes are only counted.
            number = max(number + 1, math.ceil(copy.changes_at / interval))
        # A new page stays new here.
        number += successes - 1
        return _ended(copy, number * interval, number + 1)

    return wait


def _ended(copy: Copy, now: float, requests: int) -> Wait:
    assert copy.there is not None
    return Wait(copy.there, now, requests)


OURS = "publish-verified"
POLICIES: dict[str, Callable[[Copy, random.Random], Wait]] = {
    OURS: watch,
    "every 1 s": every(1.0),
    "every 2 s, 3 in a row": every(2.0, 3),
    "every 30 s": every(30.0),
}
