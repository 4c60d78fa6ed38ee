"""One file on its way to an index: when to send it, when to look, how it ended. A state machine.

Pure: from the judged answers, what the index shows and the time, it decides what to do next. After
a doubtful answer nothing is sent before the index is checked, and a file that was seen there is
never sent again. When it is a file's turn, `schedule` decides.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from poetry_publish_verified.core.events import Upload
from poetry_publish_verified.core.problems import upload as problems
from poetry_publish_verified.core.upload.outcomes import Doubtful, Refused, Stored, UploadOutcome
from poetry_publish_verified.errors import Problem, Verdict
from poetry_publish_verified.values import Value

# Pauses before a file is sent again: doubled each time, each shortened by up to a half, so that
# the jobs of a matrix do not retry together.
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
# Pauses between looks at an index that does not show yet what became of a file.
_FIRST_LOOK = 0.5
_LONGEST_LOOK = 5.0
_LOOKS_GROW = 1.5
# How long to look: an index that says "exists" surely lists the file soon; one that gives no
# answer must recover first; a page without the file after the last try says most.
_PATIENCE_EXISTS = 60.0
_PATIENCE_UNKNOWN = 60.0
_PATIENCE_ABSENT = 15.0


class UploadTarget(Value):
    """What is sent: a file's name and sha256, and the index that must show it."""

    filename: str
    sha256: str
    index: str

    def conflict(self, remote: str) -> Problem:
        """The index holds other bytes under the name; `remote` is their sha256."""
        return problems.conflict(self.filename, self.index, remote=remote, local=self.sha256)


class RetryPolicy(Value):
    """When to give up: after `retries` more sends, or `timeout` seconds after the first failure.

    `takes_identical`: the index is known to answer 200 to the same bytes again, so what it holds
    need not be known before a file is sent again. `exists_differs`: its "already exists" means
    that the bytes differ. `keep`: different bytes there are kept, and not a conflict.
    """

    retries: int
    timeout: float
    takes_identical: bool = False
    exists_differs: bool = False
    keep: bool = False


class IndexLookup(Value):
    """What the index showed of the file.

    `elsewhere` is the name under which it lists the same bytes; `final`: it will not tell later
    either; `problem` is why, where that is known.
    """

    state: Literal["identical", "other", "absent", "unknown"]
    sha256: str | None = None
    elsewhere: str | None = None
    final: bool = False
    problem: Problem | None = None


class Send(Value):
    """Send the file at `at`, for the `attempt`th time."""

    at: float
    attempt: int


class Look(Value):
    """Look at the index at `at`."""

    at: float


class Arrived(Value):
    """The file is there, under this sha256."""

    upload: Upload
    sha256: str


class Failed(Value):
    """The file is not there, or that is unknown."""

    upload: Upload
    verdict: Verdict
    problem: Problem
    sha256: str | None = None


TransferStep = Send | Look | Arrived | Failed


class _Sending(Value):
    """State: an upload is under way, or about to be."""


class _Lost(Value):
    """State: an answer was lost, so the file may be there; it is looked for.

    Where that does no harm it is sent again at `send_at`. `problem` is what is reported if the
    index does not show the file by `until`; `pause` is that before the next look.
    """

    problem: Problem
    send_at: float | None
    until: float
    pause: float = _FIRST_LOOK


class _Announced(Value):
    """State: the index says, in these `words`, that it has the file, but must still list it."""

    words: str
    until: float
    pause: float = _FIRST_LOOK


class Transfer:
    """The transfer of one file: `begin`, then a call for how each send and look has ended."""

    def __init__(
        self, target: UploadTarget, policy: RetryPolicy, jitter: Callable[[], float]
    ) -> None:
        """`jitter` gives numbers between 0 and 1."""
        self._target = target
        self._policy = policy
        self._jitter = jitter
        self._state: _Sending | _Lost | _Announced = _Sending()
        self._attempts = 0
        # From the first failure on.
        self._deadline: float | None = None
        # Whether any answer was lost: the file may be there though another send was refused.
        self._doubted = False
        self._repeated = False

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
        match outcome:
            case Refused():
                return self._refused(outcome, now, rest)
            case Doubtful(says_exists=True, words=words):
                self._state = _Announced(words, self._within(_PATIENCE_EXISTS, now))
            case Doubtful(words=words, problem=problem):
                self._doubted = True
                patience = _PATIENCE_UNKNOWN
                if self._policy.takes_identical:
                    patience = _PATIENCE_ABSENT
                send_at = None if problem else self._when_to_send(now, rest)
                until = self._within(patience, now)
                self._state = _Lost(problem or self._unknown(words), send_at, until)
        return Look(now)

    def not_started(self, now: float) -> Send:
        """The next step if a send that was due has not begun: it does not count."""
        self._attempts -= 1
        return self._send(now)

    def broken_off(self, now: float) -> Look:
        """The next step after this machine broke off a send before its end, which does not count.

        No index stores what it has of such a request. Only the index knows that for sure.
        """
        self._attempts -= 1
        problem = self._unknown("the request was broken off before its end")
        until = now + min(_PATIENCE_UNKNOWN, self._policy.timeout)
        self._state = _Lost(problem, now, until)
        return Look(now)

    def looked(self, lookup: IndexLookup, now: float) -> TransferStep:
        """The next step after a look at the index."""
        state = self._state
        if lookup.state == "identical":
            ours = self._doubted or not isinstance(state, _Announced)
            return Arrived("uploaded" if ours else "already-there", self._target.sha256)
        if lookup.state == "other" and lookup.sha256 is not None:
            if self._policy.keep:
                return Arrived("kept-remote", lookup.sha256)
            problem = self._target.conflict(lookup.sha256)
            return Failed("failed", Verdict.CONFLICT, problem, lookup.sha256)
        match state:
            case _Announced():
                return self._still_announced(state, lookup, now)
            case _Lost():
                return self._still_lost(state, lookup, now)
            case _Sending():
                raise RuntimeError("nothing is looked for while an upload is under way")

    def _refused(self, refused: Refused, now: float, rest: float | None) -> TransferStep:
        send_at = None
        if refused.again in {"yes", "after-reset"} or (
            refused.again == "once" and not self._repeated
        ):
            self._repeated = self._repeated or refused.again == "once"
            send_at = self._when_to_send(now, rest)
        if self._doubted:
            # An earlier send, whose answer was lost, may have brought it there all the same.
            until = self._within(_PATIENCE_ABSENT, now)
            self._state = _Lost(refused.problem, send_at, until)
            return Look(now)
        if send_at is not None:
            return self._send(send_at)
        return Failed("failed", Verdict.UPLOAD_FAILED, refused.problem)

    def _still_announced(self, state: _Announced, lookup: IndexLookup, now: float) -> TransferStep:
        """The index says that it has the file, and does not list it."""
        name, index, sha256 = self._target.filename, self._target.index, self._target.sha256
        if lookup.elsewhere is not None:
            problem = problems.same_bytes_elsewhere(
                name, index, other=lookup.elsewhere, local=sha256, words=state.words
            )
            return Failed("failed", Verdict.CONFLICT, problem)
        if now < state.until and not lookup.final:
            return self._look_later(state, now)
        if lookup.problem is not None:
            return Failed("unknown", Verdict.UPLOAD_FAILED, lookup.problem)
        if self._policy.exists_differs:
            problem = problems.conflict_by_word(name, index, local=sha256, words=state.words)
            return Failed("failed", Verdict.CONFLICT, problem)
        return Failed("unknown", Verdict.UPLOAD_FAILED, self._unknown(state.words))

    def _still_lost(self, state: _Lost, lookup: IndexLookup, now: float) -> TransferStep:
        """The answer was lost, and the index does not list the file.

        That it is absent is only a hint (the page may be old), but every index known either
        takes the same bytes again or refuses them and leaves the first copy alone.
        """
        harmless = lookup.state == "absent" or self._policy.takes_identical
        if harmless and state.send_at is not None:
            return self._send(now) if now >= state.send_at else Look(state.send_at)
        if lookup.state == "absent":
            state = replace(state, until=min(state.until, now + _PATIENCE_ABSENT))
        if now < state.until and not lookup.final:
            return self._look_later(state, now)
        return Failed("unknown", Verdict.UPLOAD_FAILED, lookup.problem or state.problem)

    def _send(self, at: float) -> Send:
        self._state = _Sending()
        self._attempts += 1
        return Send(at, self._attempts)

    def _when_to_send(self, now: float, rest: float | None) -> float | None:
        """When to send again; None for never."""
        if self._attempts > self._policy.retries or self._deadline is None:
            return None
        pause = min(_FIRST_PAUSE * 2 ** (self._attempts - 1), _LONGEST_PAUSE)
        at = now + max(pause * (1 - self._jitter() / 2), rest or 0.0)
        return at if at <= self._deadline else None

    def _within(self, patience: float, now: float) -> float:
        return min(now + patience, self._deadline or now)

    def _look_later(self, state: _Lost | _Announced, now: float) -> Look:
        self._state = replace(state, pause=min(state.pause * _LOOKS_GROW, _LONGEST_LOOK))
        return Look(min(now + state.pause, state.until))

    def _unknown(self, words: str) -> Problem:
        return problems.state_unknown(self._target.filename, self._target.index, words)
