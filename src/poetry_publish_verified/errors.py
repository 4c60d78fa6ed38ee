"""Every error: a stable code, what is true now, what to do next, and the exit code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Severity = Literal["error", "warning"]


class Verdict(StrEnum):
    """How a run, or one release of it, ended; `RUNNING` until it has."""

    RUNNING = "running"
    VERIFIED = "verified"
    KEPT_REMOTE = "kept-remote"
    PREFLIGHT_REFUSED = "preflight-refused"
    UPLOAD_FAILED = "upload-failed"
    CONFLICT = "conflict"
    NOT_VISIBLE = "not-visible"
    VERIFICATION_FAILED = "verification-failed"
    LOCK_TIMEOUT = "lock-timeout"
    BLOCKED = "blocked"
    INTERRUPTED = "interrupted"
    DRY_RUN = "dry-run"
    ERROR = "error"

    @property
    def exit_code(self) -> int | None:
        """The process's exit code for this verdict; None while running or blocked."""
        return _EXIT_CODES.get(self)


_EXIT_CODES = {
    Verdict.VERIFIED: 0,
    Verdict.KEPT_REMOTE: 0,
    Verdict.DRY_RUN: 0,
    Verdict.ERROR: 1,
    Verdict.PREFLIGHT_REFUSED: 3,
    Verdict.UPLOAD_FAILED: 4,
    Verdict.CONFLICT: 5,
    Verdict.NOT_VISIBLE: 6,
    Verdict.VERIFICATION_FAILED: 7,
    Verdict.LOCK_TIMEOUT: 8,
    Verdict.INTERRUPTED: 130,
}

# Where several things went wrong, the first of these that occurred names the run.
_GRAVEST_FIRST = (
    Verdict.INTERRUPTED,
    Verdict.ERROR,
    Verdict.VERIFICATION_FAILED,
    Verdict.CONFLICT,
    Verdict.UPLOAD_FAILED,
    Verdict.NOT_VISIBLE,
    Verdict.LOCK_TIMEOUT,
    Verdict.PREFLIGHT_REFUSED,
)


def gravest(verdicts: list[Verdict]) -> Verdict:
    """The verdict that names the whole; of successes, `KEPT_REMOTE` before the others."""
    for verdict in _GRAVEST_FIRST:
        if verdict in verdicts:
            return verdict
    return Verdict.KEPT_REMOTE if Verdict.KEPT_REMOTE in verdicts else verdicts[0]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    `code` is stable and never reused. `message` says what is true now, `remedy` what to
    do next; both are plain text, cleaned of whatever a foreign server put into them.
    """

    code: str
    message: str
    remedy: str
    severity: Severity = "error"
    filename: str | None = None
    index: str | None = None


class ReleaseError(Exception):
    """Ends a release: its problems and the verdict they amount to."""

    def __init__(self, verdict: Verdict, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.verdict = verdict
        self.problems = problems
