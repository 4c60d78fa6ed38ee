"""Words for people, in Poetry's own colours."""

from __future__ import annotations

from functools import singledispatchmethod
from typing import Protocol

from poetry_publish_verified.core.events import BecameVisible
from poetry_publish_verified.core.events import Event
from poetry_publish_verified.core.events import FileCompared
from poetry_publish_verified.core.events import FileVerified
from poetry_publish_verified.core.events import Looked
from poetry_publish_verified.core.events import ProblemFound
from poetry_publish_verified.core.events import ReleaseStarted
from poetry_publish_verified.core.events import UploadDoubted
from poetry_publish_verified.core.events import UploadEnded
from poetry_publish_verified.core.events import UploadProgressed
from poetry_publish_verified.core.events import UploadStarted
from poetry_publish_verified.core.events import VersionSet
from poetry_publish_verified.core.events import WaitStarted
from poetry_publish_verified.core.foreign import printable
from poetry_publish_verified.errors import Verdict

_UPLOADS = {
    "uploaded": "<fg=green>uploaded</>",
    "already-there": "<fg=green>already there, identical</>",
    "kept-remote": "<warning>other bytes are there, kept</warning>",
    "failed": "<error>FAILED</error>",
    "unknown": "<error>UNKNOWN</error>",
    "not-sent": "not sent",
}
_COMPARED = {
    "absent": "not there yet",
    "identical": "there already, identical",
    "other": "<warning>other bytes are there</warning>",
}
_QUIET_SECONDS = 60.0


class Terminal(Protocol):
    """Where the words go; styles are cleo's tags."""

    def line(self, text: str) -> None:
        """Write a line."""

    def error_line(self, text: str) -> None:
        """Write a line to standard error."""

    def overwrite(self, text: str) -> None:
        """Replace the line that is being written."""

    @property
    def animated(self) -> bool:
        """Whether a person watches: lines may be rewritten."""

    @property
    def verbose(self) -> bool:
        """Whether more was asked for."""


def plain(text: str) -> str:
    """Foreign or composed text, cleaned, with nothing in it that cleo takes for a style."""
    return printable(text, 2000).replace("<", "\\<")


class Text:
    """Tells a run, event by event."""

    def __init__(self, terminal: Terminal, *, dry_run: bool) -> None:
        """`dry_run`: whether a file that is not there stays so."""
        self._terminal = terminal
        self._dry_run = dry_run
        self._sizes: dict[str, int] = {}
        self._percent: dict[str, int] = {}
        self._told: dict[str, tuple[float, tuple[tuple[str, ...], str]]] = {}

    @singledispatchmethod
    def event(self, event: Event, seconds: float) -> None:
        """Tell one event that happened at `seconds` of a clock that never goes back."""

    @event.register
    def _(self, event: ReleaseStarted, _seconds: float) -> None:
        verb = "Checking" if self._dry_run else "Publishing"
        self._terminal.line("")
        self._terminal.line(
            f"{verb} <c1>{plain(event.name)}</c1> (<c2>{plain(event.version)}</c2>) to"
            f" <info>{plain(event.repository)}</info>"
        )

    @event.register
    def _(self, event: VersionSet, _seconds: float) -> None:
        self._terminal.line(f"The build has set the version to <c2>{plain(event.version)}</c2>")

    @event.register
    def _(self, event: FileCompared, _seconds: float) -> None:
        if self._dry_run or self._terminal.verbose:
            self._terminal.line(f" - <c1>{plain(event.filename)}</c1> {_COMPARED[event.state]}")

    @event.register
    def _(self, event: UploadStarted, _seconds: float) -> None:
        self._sizes[event.filename] = event.size
        self._progress(event.filename, 0)

    @event.register
    def _(self, event: UploadProgressed, _seconds: float) -> None:
        self._progress(event.filename, event.sent)

    @event.register
    def _(self, event: UploadEnded, _seconds: float) -> None:
        text = f" - Uploading <c1>{plain(event.filename)}</c1> {_UPLOADS[event.upload]}"
        if self._terminal.animated and event.filename in self._sizes:
            self._terminal.overwrite(text)
            self._terminal.line("")
        else:
            self._terminal.line(text)

    @event.register
    def _(self, event: UploadDoubted, _seconds: float) -> None:
        self._terminal.line(
            f" - <c1>{plain(event.filename)}</c1>: looking whether it is there, as the upload"
            f" ended with: {plain(event.words)}"
        )

    @event.register
    def _(self, event: WaitStarted, _seconds: float) -> None:
        self._terminal.line(f"Waiting for <info>{plain(event.index)}</info>")

    @event.register
    def _(self, event: Looked, seconds: float) -> None:
        # One line per change, and one a minute.
        state = (event.missing, event.detail)
        told_at, told = self._told.get(event.index, (0.0, None))
        if told == state and seconds - told_at < _QUIET_SECONDS:
            return
        self._told[event.index] = (seconds, state)
        detail = f" ({plain(event.detail)})" if event.detail else ""
        if event.missing:
            missing = plain(", ".join(event.missing))
            self._terminal.line(
                f" - <info>{plain(event.index)}</info> does not list {missing} yet{detail}"
            )

    @event.register
    def _(self, event: BecameVisible, _seconds: float) -> None:
        self._terminal.line(
            f" - <info>{plain(event.index)}</info> lists every file, seen as"
            f" {event.variant} sees it after {event.waited:.1f} s"
        )

    @event.register
    def _(self, event: FileVerified, _seconds: float) -> None:
        way = "" if event.client == "http" else f" by {event.client}"
        self._terminal.line(f" - <c1>{plain(event.filename)}</c1> comes back unchanged{way}")

    @event.register
    def _(self, event: ProblemFound, _seconds: float) -> None:
        problem, style = event.problem, event.problem.severity
        words = f"{style.title()} {problem.code}: {plain(problem.message)}"
        self._terminal.error_line(f"<{style}>{words}</{style}>")
        self._terminal.error_line(f"  <c1>{plain(problem.remedy)}</c1>")

    def end(self, verdict: Verdict, release: str, receipt: str | None) -> None:
        """The last words: the verdict, of which release, and where the receipt is."""
        good = verdict.exit_code == 0
        summary = _SUMMARIES[verdict]
        if verdict is Verdict.INTERRUPTED and receipt is None:
            summary = "interrupted"
        words = f"{summary}{f': {plain(release)}' if release else ''}"
        if good:
            self._terminal.line(f"<success>{words}</success>")
        else:
            self._terminal.error_line(f"<error>{words}</error>")
        if receipt and (good or self._terminal.verbose):
            self._terminal.line(f"Receipt: {plain(receipt)}")
        elif receipt:
            self._terminal.error_line(f"Receipt: {plain(receipt)}")

    def _progress(self, filename: str, sent: int) -> None:
        percent = 100 * sent // max(self._sizes[filename], 1)
        if self._terminal.animated and self._percent.get(filename) != percent:
            self._percent[filename] = percent
            self._terminal.overwrite(f" - Uploading <c1>{plain(filename)}</c1> <b>{percent}%</b>")


_SUMMARIES = {
    Verdict.VERIFIED: "verified",
    Verdict.KEPT_REMOTE: "kept-remote (other bytes are on the index than were built)",
    Verdict.DRY_RUN: "dry-run (nothing was sent)",
    Verdict.ERROR: "error",
    Verdict.PREFLIGHT_REFUSED: "preflight-refused (nothing was uploaded)",
    Verdict.UPLOAD_FAILED: "upload-failed (the receipt says which files are there)",
    Verdict.CONFLICT: "conflict (the index holds other bytes under the same name)",
    Verdict.NOT_VISIBLE: "not-visible (uploaded, not yet proven)",
    Verdict.VERIFICATION_FAILED: "verification-failed (an index serves something else)",
    Verdict.LOCK_TIMEOUT: "lock-timeout (nothing was changed)",
    Verdict.BLOCKED: "blocked",
    Verdict.INTERRUPTED: "interrupted (the receipt says how far it came)",
    Verdict.RUNNING: "running",
}
