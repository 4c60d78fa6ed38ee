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
from poetry_publish_verified.core.upload.outcomes import Refused
from poetry_publish_verified.core.upload.outcomes import Stored
from poetry_publish_verified.core.upload.outcomes import UploadOutcome
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
class UploadTarget:
    """What is sent: a file's name and sha256, and the index that must show it."""

    filename: str
    sha256: str
    index: str


@dataclass(frozen=True, slots=True)
class RetryPolicy:
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
class IndexLookup:
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


TransferStep = Send | Look | Arrived | Failed


class Transfer:
    """One file's way. `begin`, then `answered` after each send and `looked` after each look."""

    def __init__(
        self, target: UploadTarget, patience: RetryPolicy, jitter: Callable[[], float]
    ) -> None:
        """`jitter` gives numbers between 0 and 1."""
        self._target = target
        self._policy = patience
        self._jitter = jitter
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

    def answered(
        self, outcome: UploadOutcome, now: float, rest: float | None = None
    ) -> TransferStep:
        """The next step after an upload's answer; `rest`: the seconds the server asks for."""
        if isinstance(outcome, Stored):
            return Arrived("uploaded", self._target.sha256)
        if self._deadline is None:
            self._deadline = now + self._policy.timeout
        if isinstance(outcome, Refused):
            return self._refused(outcome, now, rest)
        return self._doubtful(outcome, now, rest)

    def looked(self, lookup: IndexLookup, now: float) -> TransferStep:
        """The next step after a look at the index."""
        if lookup.state == "identical":
            known = self._announced == "exists" and not self._doubted
            return Arrived("already-there" if known else "uploaded", self._target.sha256)
        if lookup.state == "other" and lookup.sha256 is not None:
            if self._policy.keep:
                return Arrived("kept-remote", lookup.sha256)
            problem = conflict(self._target, lookup.sha256)
            return Failed("failed", Verdict.CONFLICT, problem, lookup.sha256)
        if self._announced == "exists":
            return self._still_hidden(lookup, now)
        return self._still_lost(lookup, now)

    def _refused(self, refused: Refused, now: float, rest: float | None) -> TransferStep:
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

    def _doubtful(self, doubt: Doubtful, now: float, rest: float | None) -> TransferStep:
        self._words, self._refusal, self._send_at = doubt.words, None, None
        if doubt.says_exists:
            self._announced = "exists"
            return self._look_into(now, _PATIENCE_EXISTS)
        self._announced, self._doubted = "lost", True
        self._send_at = self._when_to_send(now, rest)
        patience = _PATIENCE_ABSENT if self._policy.takes_identical else _PATIENCE_UNKNOWN
        return self._look_into(now, patience)

    def _still_hidden(self, lookup: IndexLookup, now: float) -> TransferStep:
        """The index says that it has the file, and does not list it."""
        if lookup.elsewhere is not None:
            problem = _elsewhere(self._target, lookup.elsewhere, self._words)
            return Failed("failed", Verdict.CONFLICT, problem)
        if now < self._look_until and not lookup.final:
            return self._look_later(now)
        if self._policy.exists_differs:
            problem = _conflict_by_word(self._target, self._words)
            return Failed("failed", Verdict.CONFLICT, problem)
        return self._nobody_knows()

    def _still_lost(self, lookup: IndexLookup, now: float) -> TransferStep:
        """The answer was lost, and the index does not list the file.

        That it is absent is only a hint (the page may be old), but every index known either
        takes the same bytes again or refuses them and leaves the first copy alone.
        """
        harmless = lookup.state == "absent" or self._policy.takes_identical
        if harmless and self._send_at is not None:
            return self._send(now) if now >= self._send_at else Look(self._send_at)
        if lookup.state == "absent":
            self._look_until = min(self._look_until, now + _PATIENCE_ABSENT)
        if now < self._look_until and not lookup.final:
            return self._look_later(now)
        return self._nobody_knows()

    def _send(self, at: float) -> Send:
        self._attempts += 1
        return Send(at, self._attempts)

    def _when_to_send(self, now: float, rest: float | None) -> float | None:
        """The moment for another send; None where there is to be none."""
        if self._attempts > self._policy.retries or self._deadline is None:
            return None
        pause = min(_FIRST_PAUSE * 2 ** (self._attempts - 1), _LONGEST_PAUSE)
        at = now + max(pause * (1 - self._jitter() / 2), rest or 0.0)
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
        target = self._target
        problem = self._refusal or Problem(
            Code.UPLOAD_STATE_UNKNOWN,
            f"Whether {target.filename} was stored is unknown: {target.index} does not list it, and"
            f" the upload ended with: {self._words}",
            "Run the same command again: what has arrived by then is found by its hash and not"
            " sent twice.",
            filename=target.filename,
        )
        return Failed("unknown", Verdict.UPLOAD_FAILED, problem)


def conflict(target: UploadTarget, remote: str) -> Problem:
    """The index holds other bytes, `remote` being their sha256, under the file's name."""
    return Problem(
        Code.CONFLICT,
        f"{target.index} holds other bytes under the name {target.filename}: sha256 {remote}"
        f" there, {target.sha256} here.",
        "Raise the version and build again: a published file name is never given new content."
        " To keep what is there, add --skip-existing.",
        filename=target.filename,
        index=target.index,
    )


def _conflict_by_word(target: UploadTarget, words: str) -> Problem:
    return Problem(
        Code.CONFLICT,
        f"{target.index} says that it holds {target.filename} with other bytes than sha256"
        f" {target.sha256}, but does not list it yet. It said: {words}",
        "Raise the version and build again: a published file name is never given new content.",
        filename=target.filename,
        index=target.index,
    )


def _elsewhere(target: UploadTarget, other: str, words: str) -> Problem:
    return Problem(
        Code.SAME_BYTES_ELSEWHERE,
        f"{target.index} holds the bytes of {target.filename} (sha256 {target.sha256}) under"
        f" another name, {other}, and takes no bytes twice. It said: {words}",
        "Raise the version and build again; do not rename distributions by hand.",
        filename=target.filename,
        index=target.index,
    )
