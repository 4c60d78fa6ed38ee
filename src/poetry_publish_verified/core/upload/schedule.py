"""Which files of a release are sent when, and which of them ahead of their turn. A state machine.

A server stores a file only once it has the whole request. So a file whose turn has not come may be
on its way already, with the end of its request held back until all that must be stored before it
is there. Pure: it decides from how far each file has come, and the time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.values import Value

# How much of each file before it must have left without an answer: whoever refuses the credentials
# does so by then.
_UNDISPUTED = 256 * 1024
# Within how many seconds those before it should end, at the rate seen.
_SOON = 10.0
# Seconds without progress, the answer included. A server with a single worker may be reading what
# is held back, and nothing else.
_STALLED = 2.0
# How long the held request itself may rest: servers and proxies drop idle ones after 20 s or more.
_LONGEST_REST = 10.0


class Start(Value):
    """Send a file; its end only once those that it `waits_for` are there."""

    filename: str
    waits_for: tuple[str, ...] = ()


class Finish(Value):
    """Send the end of a file that was sent ahead."""

    filename: str


class BreakOff(Value):
    """Drop the request of a file that was sent ahead."""

    filename: str


class Leave(Value):
    """Do not send a file."""

    filename: str


Step = Start | Finish | BreakOff | Leave


@dataclass(slots=True)
class _File:
    """One file: `ahead` with its end held back, `sending` up to its end, or retries included.

    `apart` is one that was sent ahead in vain, and has not asked for another turn.
    """

    filename: str
    size: int
    batch: int
    state: Literal["waiting", "ahead", "apart", "sending", "there", "over"] = "waiting"
    sent: int = 0
    started: float = 0.0
    moved: float = 0.0

    def seconds_left(self, now: float) -> float:
        """How long the rest takes, at the rate seen."""
        return (self.size - self.sent) * (now - self.started) / self.sent


class Schedule:
    """What may be sent: batch after batch as to what is stored, at most `jobs` files at once."""

    def __init__(
        self, batches: Iterable[Iterable[Distribution]], jobs: int, *, ahead: bool = True
    ) -> None:
        """`ahead`: whether any file may be sent ahead at all."""
        self._files = {
            each.filename: _File(each.filename, each.size, number)
            for number, batch in enumerate(batches)
            for each in batch
        }
        self._jobs = jobs
        self._ahead = ahead
        self._failed = False

    @property
    def done(self) -> bool:
        """Whether every file has come to its end."""
        return all(each.state in {"there", "over"} for each in self._files.values())

    def begun(self, filename: str, now: float) -> None:
        """A file's request leaves."""
        file = self._files[filename]
        file.sent, file.started, file.moved = 0, now, now

    def progressed(self, filename: str, sent: int, now: float) -> bool:
        """So many bytes of a file have left; returns whether another may start because of it."""
        file = self._files[filename]
        self._moved(file, now)
        file.sent = sent
        return self._ahead and self._has_room and bool(self._in("waiting"))

    def there(self, filename: str, now: float) -> None:
        """A file is on the index."""
        file = self._files[filename]
        self._moved(file, now)
        file.state = "there"

    def unsettled(self, filename: str) -> None:
        """An upload ended without the word that it is stored: nothing is sent ahead any more."""
        self._ahead = False
        file = self._files[filename]
        if file.state == "ahead":
            file.state = "apart"

    def failed(self, filename: str) -> None:
        """A file is not there, or that is unknown: nothing else starts."""
        self._ahead = False
        self._failed = True
        self._files[filename].state = "over"

    def waits(self, filename: str) -> bool:
        """Whether a file that is to be sent, or sent again, has to wait for its turn."""
        file = self._files[filename]
        if file.state == "apart":
            file.state = "waiting"
        return file.state == "waiting"

    def steps(self, now: float) -> Iterator[Step]:
        """What is to be done now."""
        self._ahead = self._ahead and now < (self.next_check or now + 1)
        for file in self._in("ahead"):
            if not self._before(file):
                file.state, file.moved = "sending", now
                yield Finish(file.filename)
            elif not self._ahead:
                file.state = "apart"
                yield BreakOff(file.filename)
        yield from self._left() if self._failed else self._started(now)

    @property
    def next_check(self) -> float | None:
        """When what was sent ahead must be broken off if nothing moves until then."""
        ahead = self._in("ahead")
        last = max((each.batch for each in ahead), default=0)
        before = [each for each in self._in("sending") if each.batch < last]
        moments = [each.moved + _STALLED for each in before]
        return min([*moments, *(each.moved + _LONGEST_REST for each in ahead)], default=None)

    def _started(self, now: float) -> Iterator[Start]:
        for file in self._in("waiting"):
            before = self._before(file)
            may_go = not before or (self._ahead and all(_ends_soon(each, now) for each in before))
            if not (may_go and self._has_room):
                return
            file.state = "ahead" if before else "sending"
            self.begun(file.filename, now)
            yield Start(file.filename, tuple(each.filename for each in before))

    def _left(self) -> Iterator[Leave]:
        if self._in("ahead", "sending"):
            return
        for file in self._in("waiting"):
            file.state = "over"
            yield Leave(file.filename)

    def _moved(self, file: _File, now: float) -> None:
        # Whoever needs so long, for an answer too, would need it again.
        if now >= file.moved + _STALLED and file.state == "sending":
            self._ahead = False
        file.moved = now

    @property
    def _has_room(self) -> bool:
        return len(self._in("ahead", "sending")) < self._jobs

    def _in(self, *states: str) -> list[_File]:
        return [each for each in self._files.values() if each.state in states]

    def _before(self, file: _File) -> list[_File]:
        """What must be there before a file may be."""
        files = self._files.values()
        return [each for each in files if each.batch < file.batch and each.state != "there"]


def _ends_soon(file: _File, now: float) -> bool:
    under_way = file.state in {"ahead", "sending"} and file.sent >= _UNDISPUTED
    return under_way and file.seconds_left(now) <= _SOON
