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


class Code(StrEnum):
    """The stable code of every problem; a code is never reused for another meaning."""

    SETTING = "PV101"
    OPTION = "PV102"
    INTERNAL = "PV109"

    NO_PROJECT = "PV201"
    NOT_A_PACKAGE = "PV202"
    NO_DISTRIBUTIONS = "PV203"
    BUILD_FAILED = "PV204"
    ARCHIVE_BROKEN = "PV205"
    METADATA_DISAGREES = "PV206"
    METADATA_INVALID = "PV207"
    LOCAL_VERSION = "PV208"
    RECEIPT_NOT_WRITABLE = "PV209"
    REHEARSAL_UNAVAILABLE = "PV210"
    MORE_THAN_ONE_SDIST = "PV211"
    METADATA_UNKNOWN = "PV212"

    REPOSITORY_UNKNOWN = "PV301"
    REPOSITORY_URL = "PV302"
    INDEX_UNKNOWN = "PV303"
    INDEX_STATE_UNKNOWN = "PV304"
    CERTIFICATE = "PV305"

    CREDENTIALS_REFUSED = "PV401"
    EMAIL_NOT_VERIFIED = "PV402"
    NOT_ALLOWED = "PV403"
    FILE_TOO_LARGE = "PV404"
    NOT_AN_UPLOAD_URL = "PV405"
    REDIRECTED = "PV406"
    UPLOAD_REFUSED = "PV407"
    UPLOAD_NOT_SENT = "PV408"
    UPLOAD_STATE_UNKNOWN = "PV409"

    CONFLICT = "PV501"
    KEPT_REMOTE = "PV502"

    NOT_LISTED_IN_TIME = "PV601"
    NOT_FETCHED_IN_TIME = "PV602"
    INDEX_DENIED = "PV603"
    INTERRUPTED = "PV610"

    OTHER_HASH_LISTED = "PV701"
    NO_HASH_LISTED = "PV702"
    OTHER_BYTES_SERVED = "PV703"
    CLIENT_CANNOT_INSTALL = "PV704"
    NOT_INSTALLABLE_BY_NATURE = "PV705"
    EXTRA_FILE = "PV706"
    UNSAFE_PAGE = "PV707"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    `code` is stable and never reused. `message` says what is true now, `remedy` what to
    do next; both are plain text, cleaned of whatever a foreign server put into them.
    """

    code: Code
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
