"""When to look at an index again, and when a release counts as visible: a state machine.

Pure: from observations and the time, it decides when to look next, or how the wait has ended.
"""

from collections.abc import Callable
from typing import Literal

from poetry_publish_verified.core.expectation import Expectation
from poetry_publish_verified.core.simple.page import ProjectPage
from poetry_publish_verified.values import Value

# The pause before each look is a share of the time waited so far, so that a release is seen at
# most that share too late, however long it takes; it stays between these bounds.
SHORTEST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
_FIRST_PAUSE = 0.35
_GROWTH = 0.08
# Pauses are shortened by up to this share, so that runs that began together do not look together.
_JITTER = 0.1
# `Age` is in whole seconds; a look right after an announced expiry must not come before it.
_AFTER_EXPIRY = 0.05
# A cache may announce short lifetimes again and again, so only this many extra looks follow them.
_EXPIRY_LOOKS = 6
_EXPIRY_PERIOD = 600.0
# A cache that serves an expired answer is fetching the new one meanwhile.
_REVALIDATION = 0.5
_FIRST_BACK_OFF = 0.5
# How many good observations in a row it takes; the last may come after the deadline. If a release
# disappears again, some servers of the index lack it and answer at random, so each time it takes
# two more.
_STEADY = 2
_MORE_STEADY = 2
_STEADIEST = 8


# What an index's root page says: it exists, it does not, it denies access, no server can be
# reached, or none of that is known.
RootState = Literal["there", "none", "denied", "unreachable", "unknown"]


class Observation(Value):
    """One answer of one index to one variant.

    `state`: `page` (it is in `page`), `absent` (the index has no such project), `moved` (it
    redirects to another server, where it is not looked for), `denied` (401, 403, or a redirect to
    a sign-in page), `not-offered` (the index has no such kind of page) or `unknown` (no usable
    answer; `detail` says why). *No answer is unknown, never absent.* `edge` holds the headers that
    name the edge that answered; `serial` is the index's own count of changes (`X-PyPI-Last-Serial`,
    `X-Devpi-Serial`); `expires_in` the seconds for which a cache will go on saying so, where it
    says that; `retry_after` the seconds that the server asks clients to wait; `vary` what
    the server's copies differ by; `reached` whether there was a server at all;
    `untrusted` that its certificate is not trusted, which no further look changes; `malformed` that
    it answered with a page that violates the standards; `refers` that it is absent and the index,
    which surely is one, redirects to another for what it lacks.
    """

    state: Literal["page", "absent", "moved", "denied", "not-offered", "unknown"]
    page: ProjectPage | None = None
    detail: str = ""
    edge: dict[str, str] | None = None
    serial: int | None = None
    expires_in: float | None = None
    retry_after: float | None = None
    vary: frozenset[str] | None = None
    reached: bool = True
    untrusted: bool = False
    malformed: bool = False
    refers: bool = False


class LookAgain(Value):
    """Look again at `at`; with `fresh`, on a connection of its own."""

    at: float
    fresh: bool = False


End = Literal["visible", "wrong", "denied", "not-offered", "late"]
"""How a wait ends: on two observations in a row everything is listed as it should be, or something
is listed wrongly (the judgement's `faults`); the index denies access, or cannot be trusted, or has
no such kind of page, so that waiting longer changes nothing; or the deadline has passed.
"""


class _Waiting(Value):
    """State: the release is not there, or not as it should be; `seen_whole`: it was, before."""

    seen_whole: bool = False


class _Confirming(Value):
    """State: the last `times` pages in a row said the same, which counts once they are enough.

    `said` is what is listed wrongly, or everything that is listed as it should be.
    """

    said: object
    times: int
    seen_whole: bool


class Watch:
    """The wait for one index and one variant. Times are seconds of any one clock.

    `next` says when to look and how; `judgement` what the last page lacked. `requests` counts the
    looks, `errors` those whose answer was unusable, `relapses` how often what had been seen was
    gone again; `rest` is what the server last asked for (`Retry-After`).
    """

    def __init__(
        self,
        expectation: Expectation,
        now: float,
        deadline: float,
        jitter: Callable[[], float],
        relapses: int = 0,
    ) -> None:
        """`jitter` gives numbers between 0 and 1; `relapses` is the count so far."""
        self._expectation = expectation
        self._deadline = deadline
        self._pace = _Pace(now, deadline, jitter)
        self._state: _Waiting | _Confirming = _Waiting()
        self.next = LookAgain(now)
        self.judgement = expectation.nothing()
        self.last = Observation("unknown")
        self.requests = 0
        self.errors = 0
        self.relapses = relapses
        self.rest: float | None = None
        self.always_absent = True

    @property
    def expires_at(self) -> float | None:
        """Until when the last answer will be given, where that was announced."""
        return self._pace.expires_at

    def observe(self, seen: Observation, now: float) -> LookAgain | End:
        """Take in the result of a look, and say what to do next."""
        self.requests += 1
        if seen.untrusted or seen.state in {"denied", "not-offered"}:
            self.last = seen
            return "not-offered" if seen.state == "not-offered" else "denied"
        known = self.last.serial
        went_back = known is not None and seen.serial is not None and seen.serial < known
        self._take_in(seen, now)
        self._state = self._state_after(seen, went_back=went_back)
        match self._state:
            case _Confirming(times=times):
                if times >= min(_STEADY + _MORE_STEADY * self.relapses, _STEADIEST):
                    return "wrong" if self.judgement.faults else "visible"
                self.next = LookAgain(now + SHORTEST_PAUSE, fresh=True)
            case _Waiting():
                if now >= self._deadline:
                    return "late"
                self.next = LookAgain(self._pace.next_look(seen, now))
        return self.next

    def overhear(self, seen: Observation, now: float) -> None:
        """Take in what another variant saw of the same copy; only `observe` ends a wait."""
        self._take_in(seen, now)
        self._state = _Waiting(self._state.seen_whole)
        if now < self._deadline:
            self._pace.start_over(now)
            self.next = LookAgain(self._pace.next_look(seen, now))

    def _take_in(self, seen: Observation, now: float) -> None:
        self._pace.take_in(seen, now)
        self.errors += seen.state == "unknown"
        self.always_absent = self.always_absent and seen.state == "absent"
        self.rest = seen.retry_after or self.rest
        self.last = seen
        if seen.page is not None:
            self.judgement = self._expectation.judge(seen.page)
        elif seen.state == "absent":
            self.judgement = self._expectation.nothing()

    def _state_after(self, seen: Observation, *, went_back: bool) -> _Waiting | _Confirming:
        before, judgement = self._state, self.judgement
        lacks = seen.state in {"absent", "moved"} or (seen.page is not None and judgement.absent)
        if before.seen_whole and lacks:
            self.relapses += 1
            return _Waiting()
        said = judgement.faults or (judgement.satisfied and judgement.listing)
        if went_back or seen.page is None or not said:
            return _Waiting(before.seen_whole)
        times = 1
        if isinstance(before, _Confirming) and before.said == said:
            times += before.times
        return _Confirming(said, times, before.seen_whole or judgement.satisfied)


class _Pace:
    """When to look again, by what the answers so far said about their own age."""

    def __init__(self, now: float, deadline: float, jitter: Callable[[], float]) -> None:
        self._start = now
        self._deadline = deadline
        self._jitter = jitter
        self._planned = now
        # How many answers in a row were unusable.
        self._errors = 0
        self._expiry_looks: list[float] = []
        self.expires_at: float | None = None

    def start_over(self, now: float) -> None:
        """Discard the planned look."""
        self._planned = now

    def take_in(self, seen: Observation, now: float) -> None:
        """Count errors, and note how long a cache keeps this answer."""
        self._errors = self._errors + 1 if seen.state == "unknown" else 0
        announced = None if seen.expires_in is None else now + seen.expires_in
        # `Age` is cut to whole seconds: of several answers of one copy, the earliest is right.
        if announced is None or self.expires_at is None or abs(announced - self.expires_at) > 1.5:
            self.expires_at = announced
        else:
            self.expires_at = min(announced, self.expires_at)

    def next_look(self, seen: Observation, now: float) -> float:
        """The usual next look, or an earlier one if the answer says when it expires."""
        added = now < self._planned - SHORTEST_PAUSE
        if not added or self._errors or seen.retry_after:
            self._planned = now + self._pause(seen, now)
        # The last look is at the deadline itself, unless that would be too soon.
        planned = max(min(self._planned, self._deadline), now + SHORTEST_PAUSE)
        return planned if seen.retry_after else min(self._after_expiry(now, planned), planned)

    def _pause(self, seen: Observation, now: float) -> float:
        usual = _FIRST_PAUSE + _GROWTH * (now - self._start)
        pause = min(usual, LONGEST_PAUSE) * (1 - _JITTER * self._jitter())
        if self._errors:
            back_off = min(_FIRST_BACK_OFF * 2.0 ** min(self._errors - 1, 10), LONGEST_PAUSE)
            pause = max(pause, back_off)
        return max(pause, seen.retry_after or 0.0)

    def _after_expiry(self, now: float, planned: float) -> float:
        if self.expires_at is None or self._errors:
            return planned
        wanted = self.expires_at + _AFTER_EXPIRY
        if self.expires_at <= now:
            wanted = now + _REVALIDATION
        wanted = max(wanted, now + SHORTEST_PAUSE)
        # A look that is planned for so soon is good enough.
        if wanted >= planned - SHORTEST_PAUSE:
            return planned
        # A look that is still to come is replaced here, not counted twice.
        self._expiry_looks = [at for at in self._expiry_looks if now - _EXPIRY_PERIOD < at <= now]
        if len(self._expiry_looks) >= _EXPIRY_LOOKS:
            return planned
        self._expiry_looks.append(wanted)
        return wanted
