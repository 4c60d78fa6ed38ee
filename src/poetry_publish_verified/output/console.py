"""Words for people, in Poetry's own colours."""

from __future__ import annotations

from functools import singledispatchmethod
from typing import Literal
from typing import Protocol

from poetry_publish_verified.core import durations
from poetry_publish_verified.core.events import BecameVisible
from poetry_publish_verified.core.events import BuildReused
from poetry_publish_verified.core.events import BuildStarted
from poetry_publish_verified.core.events import DistributionsRead
from poetry_publish_verified.core.events import Event
from poetry_publish_verified.core.events import FileCompared
from poetry_publish_verified.core.events import FileVerified
from poetry_publish_verified.core.events import IndexEnded
from poetry_publish_verified.core.events import MetadataVerified
from poetry_publish_verified.core.events import NotYetVisible
from poetry_publish_verified.core.events import ProblemFound
from poetry_publish_verified.core.events import ProjectsFound
from poetry_publish_verified.core.events import ReleaseBlocked
from poetry_publish_verified.core.events import ReleaseEnded
from poetry_publish_verified.core.events import ReleaseStarted
from poetry_publish_verified.core.events import ReleaseWaiting
from poetry_publish_verified.core.events import SendingStarted
from poetry_publish_verified.core.events import TargetsFound
from poetry_publish_verified.core.events import UploadDelayed
from poetry_publish_verified.core.events import UploadEnded
from poetry_publish_verified.core.events import UploadProgressed
from poetry_publish_verified.core.events import UploadStarted
from poetry_publish_verified.core.events import UploadUncertain
from poetry_publish_verified.core.events import VersionSet
from poetry_publish_verified.core.events import WaitStarted
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.output.progress import WaitTable
from poetry_publish_verified.output.projects import ProjectTable
from poetry_publish_verified.output.uploads import UploadTable
from poetry_publish_verified.sanitize import printable

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

    def repaint(self, lines: list[str]) -> None:
        """Keep these lines below all others, in place of the last such."""

    @property
    def width(self) -> int:
        """How many characters fit on a line."""

    @property
    def animated(self) -> bool:
        """Whether a person watches: lines may be rewritten."""

    @property
    def verbose(self) -> bool:
        """Whether more was asked for."""


def escaped(text: str) -> str:
    """Foreign or composed text, cleaned, with nothing in it that cleo takes for a style."""
    words = printable(text, 2000).replace("<", "\\<")
    # A backslash at the end would take the tag's meaning away that follows.
    return f"{words} " if words.endswith("\\") else words


Kind = Literal["publish", "dry-run", "wait"]
_VERBS: dict[Kind, str] = {
    "publish": "Publishing",
    "dry-run": "Checking",
    "wait": "Waiting for",
}


class Text:
    """Tells a run, event by event.

    Each event comes with the moment (seconds of a clock that never goes back), and with the
    release's name and version where there are several.
    """

    def __init__(self, terminal: Terminal, kind: Kind) -> None:
        self._terminal = terminal
        self._kind = kind
        self._indexes = 0
        self._told: dict[tuple[object, ...], float] = {}
        self._table = WaitTable()
        self._uploads = UploadTable()
        self._projects: ProjectTable | None = None

    @property
    def _brief(self) -> bool:
        """Whether single steps would hide what matters: there are many of each."""
        return self._projects is not None and not self._terminal.verbose

    def event(self, event: Event, seconds: float, release: str | None = None) -> None:
        """Tell one event."""
        if self._projects is not None and release is not None:
            self._projects.event(event, release.partition(" ")[0])
        self._tell(event, seconds, release)
        if self._terminal.animated and isinstance(event, _PAINTED):
            self.tick(seconds)

    def tick(self, seconds: float) -> None:
        """Bring what a person watches up to date."""
        width = self._terminal.width
        if self._projects is not None:
            lines = self._projects.lines(width)
        else:
            lines = [*self._uploads.lines(seconds, width), *self._table.lines(seconds, width)]
        # Cleaned already; the columns are to stay.
        self._terminal.repaint([line.replace("<", "\\<") for line in lines])

    @singledispatchmethod
    def _tell(self, event: Event, seconds: float, release: str | None) -> None:
        pass

    @_tell.register
    def _(self, event: ProjectsFound, _seconds: float, _release: str | None) -> None:
        self._projects = ProjectTable()
        self._terminal.line("")
        self._terminal.line(f"{_VERBS[self._kind]} <c1>{event.count}</c1> projects")
        for folder in event.left_out:
            self._terminal.line(
                f" - {escaped(folder)} has nothing to publish (package-mode = false)"
            )

    @_tell.register
    def _(self, event: ReleaseStarted, _seconds: float, _release: str | None) -> None:
        if self._projects is not None:
            return
        where = f" to <info>{escaped(event.repository)}</info>" if event.repository else ""
        self._terminal.line("")
        self._terminal.line(
            f"{_VERBS[self._kind]} <c1>{escaped(event.name)}</c1>"
            f" (<c2>{escaped(event.version)}</c2>){where}"
        )

    @_tell.register
    def _(self, event: TargetsFound, _seconds: float, _release: str | None) -> None:
        self._indexes = max(self._indexes, len(event.indexes))

    @_tell.register
    def _(self, event: VersionSet, _seconds: float, _release: str | None) -> None:
        self._terminal.line(f"The build has set the version to <c2>{escaped(event.version)}</c2>")

    @_tell.register
    def _(self, _event: BuildStarted, _seconds: float, release: str | None) -> None:
        self._terminal.line(f" - {_of(release)}building")

    @_tell.register
    def _(self, event: BuildReused, _seconds: float, release: str | None) -> None:
        names = escaped(", ".join(event.filenames))
        self._terminal.line(
            f"{_of(release)}Nothing is built: the sources are those of an earlier run's"
            f" <c1>{names}</c1>"
        )

    @_tell.register
    def _(self, event: FileCompared, _seconds: float, _release: str | None) -> None:
        if self._kind == "dry-run" or self._terminal.verbose:
            self._terminal.line(f" - <c1>{escaped(event.filename)}</c1> {_COMPARED[event.state]}")

    @_tell.register
    def _(self, event: UploadStarted, _seconds: float, _release: str | None) -> None:
        self._uploads.started(event)
        if event.attempt > 1:
            self._terminal.line(
                f" - <c1>{escaped(event.filename)}</c1>: sending it again, for the"
                f" {_ordinal(event.attempt)} time"
            )

    @_tell.register
    def _(self, event: UploadProgressed, seconds: float, _release: str | None) -> None:
        if self._uploads.progressed(event.filename, event.sent) and self._terminal.animated:
            self.tick(seconds)

    @_tell.register
    def _(self, event: UploadEnded, _seconds: float, _release: str | None) -> None:
        self._uploads.ended(event.filename)
        self._terminal.line(
            f" - Uploading <c1>{escaped(event.filename)}</c1> {_UPLOADS[event.upload]}"
        )

    @_tell.register
    def _(self, event: UploadUncertain, _seconds: float, _release: str | None) -> None:
        self._uploads.doubted(event.filename)
        self._terminal.line(
            f" - <c1>{escaped(event.filename)}</c1>: looking whether it is there, as the upload"
            f" ended with: {escaped(event.words)}"
        )

    @_tell.register
    def _(self, event: UploadDelayed, seconds: float, _release: str | None) -> None:
        self._uploads.delayed(event, seconds)
        self._terminal.line(
            f" - {escaped(event.words)} It is sent again in {durations.in_words(event.pause)}."
        )

    @_tell.register
    def _(self, event: WaitStarted, seconds: float, release: str | None) -> None:
        self._table.started(release or "", event, seconds)
        if self._brief:
            return
        self._terminal.line(f"{_of(release)}Waiting for <info>{escaped(event.index)}</info>")

    @_tell.register
    def _(self, event: NotYetVisible, seconds: float, release: str | None) -> None:
        self._table.looked(release or "", event, seconds)
        if not event.missing or self._terminal.animated:
            return
        # One line per change, and one a minute; clients that see the same are one.
        holds = event.expires_in is not None and event.expires_in > 1
        state = (release, event.index, event.missing, event.detail, holds)
        if seconds - self._told.get(state, -_QUIET_SECONDS) < _QUIET_SECONDS:
            return
        self._told[state] = seconds
        words = [event.detail] if event.detail else []
        if event.expires_in is not None and holds:
            left = durations.in_words(event.expires_in)
            words.append(f"this edge holds the old page for another {left}")
        detail = f" ({escaped('; '.join(words))})" if words else ""
        seen_by = "" if event.variant == UNSEEN.name else f", as seen by {event.variant}"
        self._terminal.line(
            f" - {_of(release)}<info>{escaped(event.index)}</info> does not list"
            f" {escaped(', '.join(event.missing))} yet{seen_by}{detail}"
        )

    @_tell.register
    def _(self, event: BecameVisible, seconds: float, release: str | None) -> None:
        self._table.visible(release or "", event, seconds)
        if self._brief:
            return
        self._terminal.line(
            f" - {_of(release)}<info>{escaped(event.index)}</info> lists every file, seen by"
            f" {event.variant} after {event.waited:.1f} s"
        )

    @_tell.register
    def _(self, event: IndexEnded, _seconds: float, release: str | None) -> None:
        self._table.ended(release or "", event)
        if event.proven:
            self._terminal.line(
                f" - {_of(release)}<info>{escaped(event.index)}</info> <fg=green>verified</>"
            )
        if event.not_offered and self._terminal.verbose:
            fields = ", ".join(event.not_offered)
            self._terminal.line(f"   not offered there, so not compared: {fields}")

    @_tell.register
    def _(self, event: FileVerified, _seconds: float, release: str | None) -> None:
        if self._brief:
            return
        way = "" if event.client == "http" else f" by {event.client}"
        place = f" from <info>{escaped(event.index)}</info>" if self._indexes > 1 else ""
        self._terminal.line(
            f" - {_of(release)}<c1>{escaped(event.filename)}</c1> comes back unchanged{place}{way}"
        )

    @_tell.register
    def _(self, event: MetadataVerified, _seconds: float, release: str | None) -> None:
        if self._terminal.verbose:
            self._terminal.line(
                f" - {_of(release)}<c1>{escaped(event.filename)}.metadata</c1> is that of the file"
            )

    @_tell.register
    def _(self, event: ReleaseWaiting, _seconds: float, release: str | None) -> None:
        needs = escaped(", ".join(event.needs))
        self._terminal.line(f" - {_of(release)}waits for <c1>{needs}</c1>")

    @_tell.register
    def _(self, event: ReleaseBlocked, _seconds: float, release: str | None) -> None:
        by = escaped(", ".join(event.by))
        self._terminal.error_line(f" - {_of(release)}<error>blocked</error> by <c1>{by}</c1>")

    @_tell.register
    def _(self, event: ReleaseEnded, _seconds: float, release: str | None) -> None:
        if self._projects is None or event.verdict is Verdict.BLOCKED:
            return
        if event.verdict.exit_code == 0:
            self._terminal.line(f" - {_of(release)}<fg=green>{event.verdict}</>")
        else:
            self._terminal.error_line(f" - {_of(release)}<error>{event.verdict}</error>")

    @_tell.register
    def _(self, event: ProblemFound, _seconds: float, release: str | None) -> None:
        problem, style = event.problem, event.problem.severity
        words = f"{style.title()} {problem.code}: {_of(release)}{escaped(problem.message)}"
        self._terminal.error_line(f"<{style}>{words}</{style}>")
        self._terminal.error_line(f"  <c1>{escaped(problem.remedy)}</c1>")

    def end(self, verdict: Verdict, release: str, receipt: str | None) -> None:
        """The last words: the verdict, of which release, and where the receipt is."""
        good = verdict.exit_code == 0
        summary = _SUMMARIES[verdict]
        if self._kind == "wait":
            summary = str(verdict)
        self._terminal.repaint([])
        if verdict is Verdict.INTERRUPTED and receipt is None:
            summary = "interrupted"
        if self._projects is not None:
            for line in self._projects.failed():
                self._terminal.error_line(f"<error>{escaped(line)}</error>")
            release = self._projects.count()
        words = f"{summary}{f': {escaped(release)}' if release else ''}"
        if good:
            self._terminal.line(f"<success>{words}</success>")
        else:
            self._terminal.error_line(f"<error>{words}</error>")
        if receipt and (good or self._terminal.verbose):
            self._terminal.line(f"Receipt: {escaped(receipt)}")
        elif receipt:
            self._terminal.error_line(f"Receipt: {escaped(receipt)}")


_PAINTED = (
    UploadStarted,
    UploadUncertain,
    UploadDelayed,
    UploadEnded,
    WaitStarted,
    NotYetVisible,
    BecameVisible,
    IndexEnded,
    BuildStarted,
    DistributionsRead,
    SendingStarted,
    ReleaseWaiting,
    ReleaseEnded,
)


def _ordinal(number: int) -> str:
    """2nd, 3rd, 4th, 11th, 21st."""
    last = number % 10 if number % 100 not in {11, 12, 13} else 0
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') }"


def _of(release: str | None) -> str:
    return f"{escaped(release)}: " if release else ""


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
