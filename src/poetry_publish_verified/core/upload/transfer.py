"""One file on its way to an index: when to send it, when to look, how it ended. A state machine.

Pure: fed with the judged answers, with what the index shows and with the time, it says what to do
next. After a doubtful answer nothing is sent before the index was looked at, and a file that was
seen there is never sent again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from poetry_publish_verified.core.events import Upload
from poetry_publish_verified.core.upload.outcomes import Doubtful
from poetry_publish_verified.core.upload.outcomes import Judgement
from poetry_publish_verified.core.upload.outcomes import Refused
from poetry_publish_verified.core.upload.outcomes import Stored
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import Verdict

# Pauses before a file is sent again: doubled each time, each shortened by up to a half, lest the
# jobs of a matrix come back together.
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
# Pauses between looks at an index that does not show yet what became of a file.
_FIRST_LOOK = 0.5
_LONGEST_LOOK = 5.0
_LOOKS_GROW = 1.5
# How long that is looked into: an index that says "exists" surely lists it soon; one that gives
# no answer has to come back first; a page without the file after the last try tells most.
_PATIENCE_EXISTS = 60.0
_PATIENCE_UNKNOWN = 60.0
_PATIENCE_ABSENT = 15.0

Announced = Literal["lost", "exists"]


@dataclass(frozen=True, slots=True)
class Cargo:
    """What is sent: a file's name and sha256, and the index that must show it."""

    filename: str
    sha256: str
    index: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How far one goes: `retries` sends after the first, `timeout` seconds from the first failure.

    `takes_identical`: the index is known to answer 200 to the same bytes again, so what it holds
    need not be known for a file to be sent again. `exists_differs`: its "exists already" is its
    word that the bytes differ. `keep`: other bytes there are kept, not a conflict.
    """

    retries: int
    timeout: float
    takes_identical: bool = False
    exists_differs: bool = False
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the index showed of the file.

    `elsewhere` is the name under which it lists the same bytes; `final`: it will not tell later
    either.
    """

    state: Literal["identical", "other", "absent", "unknown"]
    sha256: str | None = None
    elsewhere: str | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Send the file at `at`, for the `attempt`th time."""

    at: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Look:
    """Look at the index at `at`."""

    at: float


@dataclass(frozen=True, slots=True)
class Arrived:
    """The file is there, under this sha256."""

    upload: Upload
    sha256: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The file is not there, or nobody knows."""

    upload: Upload
    verdict: Verdict
    problem: Problem
    sha256: str | None = None


Step = Send | Look | Arrived | Failed


class Transfer:
    """One file's way. `begin`, then `answered` after each send and `looked` after each look."""

    def __init__(self, cargo: Cargo, patience: Patience, roll: Callable[[], float]) -> None:
        """`roll` gives numbers between 0 and 1."""
        self._cargo = cargo
        self._patience = patience
        self._roll = roll
        self._attempts = 0
        self._deadline: float | None = None
        # Whether an answer was lost: the file may be there though another send was refused.
        self._doubted = False
        self._repeated = False
        self._announced: Announced = "lost"
        self._words = ""
        self._refusal: Problem | None = None
        self._send_at: float | None = None
        self._look_until = 0.0
        self._look_pause = _FIRST_LOOK

    def begin(self, now: float) -> Send:
        """The first step."""
        return self._send(now)

    def answered(self, judgement: Judgement, now: float, rest: float | None = None) -> Step:
        """The next step after an upload's answer; `rest`: the seconds the server asks for."""
        if isinstance(judgement, Stored):
            return Arrived("uploaded", self._cargo.sha256)
        if self._deadline is None:
            self._deadline = now + self._patience.timeout
        if isinstance(judgement, Refused):
            return self._refused(judgement, now, rest)
        return self._doubtful(judgement, now, rest)

    def looked(self, sighting: Sighting, now: float) -> Step:
        """The next step after a look at the index."""
        if sighting.state == "identical":
            known = self._announced == "exists" and not self._doubted
            return Arrived("already-there" if known else "uploaded", self._cargo.sha256)
        if sighting.state == "other" and sighting.sha256 is not None:
            if self._patience.keep:
                return Arrived("kept-remote", sighting.sha256)
            problem = conflict(self._cargo, sighting.sha256)
            return Failed("failed", Verdict.CONFLICT, problem, sighting.sha256)
        if self._announced == "exists":
            return self._still_hidden(sighting, now)
        return self._still_lost(sighting, now)

    def _refused(self, refused: Refused, now: float, rest: float | None) -> Step:
        send_at = None
        if refused.again in {"yes", "after-reset"}:
            send_at = self._when_to_send(now, rest)
        elif refused.again == "once" and not self._repeated:
            self._repeated = True
            send_at = self._when_to_send(now, rest)
        if send_at is not None and not self._doubted:
            return self._send(send_at)
        problem = refused.problem
        if not self._doubted:
            return Failed("failed", Verdict.UPLOAD_FAILED, problem)
        # An earlier send, whose answer was lost, may have brought it there all the same.
        self._refusal, self._send_at = problem, send_at
        return self._look_into(now, _PATIENCE_ABSENT)

    def _doubtful(self, doubt: Doubtful, now: float, rest: float | None) -> Step:
        self._words, self._refusal, self._send_at = doubt.words, None, None
        if doubt.says_exists:
            self._announced = "exists"
            return self._look_into(now, _PATIENCE_EXISTS)
        self._announced, self._doubted = "lost", True
        self._send_at = self._when_to_send(now, rest)
        patience = _PATIENCE_ABSENT if self._patience.takes_identical else _PATIENCE_UNKNOWN
        return self._look_into(now, patience)

    def _still_hidden(self, sighting: Sighting, now: float) -> Step:
        """The index says that it has the file, and does not list it."""
        if sighting.elsewhere is not None:
            problem = _elsewhere(self._cargo, sighting.elsewhere, self._words)
            return Failed("failed", Verdict.CONFLICT, problem)
        if now < self._look_until and not sighting.final:
            return self._look_later(now)
        if self._patience.exists_differs:
            problem = _conflict_by_word(self._cargo, self._words)
            return Failed("failed", Verdict.CONFLICT, problem)
        return self._nobody_knows()

    def _still_lost(self, sighting: Sighting, now: float) -> Step:
        """The answer was lost, and the index does not list the file.

        That it is absent is only a hint (the page may be old), but every index known either
        takes the same bytes again or refuses them and leaves the first copy alone.
        """
        harmless = sighting.state == "absent" or self._patience.takes_identical
        if harmless and self._send_at is not None:
            return self._send(now) if now >= self._send_at else Look(self._send_at)
        if sighting.state == "absent":
            self._look_until = min(self._look_until, now + _PATIENCE_ABSENT)
        if now < self._look_until and not sighting.final:
            return self._look_later(now)
        return self._nobody_knows()

    def _send(self, at: float) -> Send:
        self._attempts += 1
        return Send(at, self._attempts)

    def _when_to_send(self, now: float, rest: float | None) -> float | None:
        """The moment for another send; None where there is to be none."""
        if self._attempts > self._patience.retries or self._deadline is None:
            return None
        pause = min(_FIRST_PAUSE * 2 ** (self._attempts - 1), _LONGEST_PAUSE)
        at = now + max(pause * (1 - self._roll() / 2), rest or 0.0)
        return at if at <= self._deadline else None

    def _look_into(self, now: float, patience: float) -> Look:
        self._look_until = min(now + patience, self._deadline or now)
        self._look_pause = _FIRST_LOOK
        return Look(now)

    def _look_later(self, now: float) -> Look:
        pause, self._look_pause = (
            self._look_pause,
            min(self._look_pause * _LOOKS_GROW, _LONGEST_LOOK),
        )
        return Look(min(now + pause, self._look_until))

    def _nobody_knows(self) -> Failed:
        cargo = self._cargo
        problem = self._refusal or Problem(
            Code.UPLOAD_STATE_UNKNOWN,
            f"Whether {cargo.filename} was stored is unknown: {cargo.index} does not list it, and"
            f" the upload ended with: {self._words}",
            "Run the same command again: what has arrived by then is found by its hash and not"
            " sent twice.",
            filename=cargo.filename,
        )
        return Failed("unknown", Verdict.UPLOAD_FAILED, problem)


def conflict(cargo: Cargo, remote: str) -> Problem:
    """The index holds other bytes, `remote` being their sha256, under the file's name."""
    return Problem(
        Code.CONFLICT,
        f"{cargo.index} holds other bytes under the name {cargo.filename}: sha256 {remote}"
        f" there, {cargo.sha256} here.",
        "Raise the version and build again: a published file name is never given new content."
        " To keep what is there, add --skip-existing.",
        filename=cargo.filename,
        index=cargo.index,
    )


def _conflict_by_word(cargo: Cargo, words: str) -> Problem:
    return Problem(
        Code.CONFLICT,
        f"{cargo.index} says that it holds {cargo.filename} with other bytes than sha256"
        f" {cargo.sha256}, but does not list it yet. It said: {words}",
        "Raise the version and build again: a published file name is never given new content.",
        filename=cargo.filename,
        index=cargo.index,
    )


def _elsewhere(cargo: Cargo, other: str, words: str) -> Problem:
    return Problem(
        Code.SAME_BYTES_ELSEWHERE,
        f"{cargo.index} holds the bytes of {cargo.filename} (sha256 {cargo.sha256}) under another"
        f" name, {other}, and takes no bytes twice. It said: {words}",
        "Raise the version and build again; do not rename distributions by hand.",
        filename=cargo.filename,
        index=cargo.index,
    )
