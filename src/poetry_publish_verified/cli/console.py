"""One run's reporting: every event goes to the receipt, its file, and the chosen output."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import anyio
from poetry.__version__ import __version__ as poetry_version

from poetry_publish_verified.adapters import receipt_file
from poetry_publish_verified.cli.documentation import own_version, page_of
from poetry_publish_verified.cli.lasting_output import send_to_nowhere
from poetry_publish_verified.core import events, receipt
from poetry_publish_verified.core.problems import usage as problems
from poetry_publish_verified.errors import Problem, ReleaseError, Verdict
from poetry_publish_verified.output import rollback
from poetry_publish_verified.output.console import Text
from poetry_publish_verified.output.json_lines import event_line, receipt_line
from poetry_publish_verified.output.summary import Kind
from poetry_publish_verified.output.words import escaped, problem_lines
from poetry_publish_verified.sanitize import harmless, make_public, printable_lines, redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cleo.io.io import IO

    from poetry_publish_verified.core.receipt_document import ReceiptDocument


# Seconds.
_TICK = 1.0
# Of three hundred releases a receipt takes long to write, and there are thousands of events: it is
# written so rarely that no more than a twentieth of the time goes into it.
_SAVING = 20.0
# What may hold secrets in an event and in a problem; a text has at most so many characters.
_TEXTS = {
    *("problem", "detail", "words", "edge", "skipped", "summary", "publisher"),
    *("index", "indexes", "repository_url", "project_page", "answers", "url"),
}
_OF_PROBLEMS = ("message", "remedy", "index")
_LONGEST = 8000


class Console:
    """cleo's io as `output.console` wants it; with `as_json`, standard output is left alone.

    Where a person watches, a section below all other lines shows what is being done.
    """

    def __init__(self, io: IO, *, as_json: bool) -> None:
        self._io = io
        self._write = io.write_error_line if as_json else io.write_line
        stream = getattr(io.output, "stream", None)
        watched = stream is not None and stream.isatty() and "CI" not in os.environ
        erases = io.is_decorated() and os.environ.get("TERM") != "dumb"
        self.animated = watched and erases and not (as_json or io.output.is_quiet())
        self.verbose = io.is_verbose()
        # cleo's section takes the width at its start for that of all its life.
        self._columns = shutil.get_terminal_size().columns
        self._section = io.section() if self.animated else None
        self._table = ""

    @property
    def width(self) -> int:
        """Columns of the terminal; read each time, as windows change."""
        return min(shutil.get_terminal_size().columns, self._columns)

    def line(self, text: str) -> None:
        self._above(self._write, text)

    def error_line(self, text: str) -> None:
        self._above(self._io.write_error_line, text)

    def repaint(self, lines: list[str]) -> None:
        # What has scrolled away could not be painted over.
        room = max(shutil.get_terminal_size().lines - 2, 1)
        if len(lines) > room:
            lines = [*lines[: room - 1], f"  ... and {len(lines) - room + 1} more"]
        table = "\n".join(lines)
        if table != self._table:
            self._clear()
            self._table = table
            self._paint()

    def _above(self, write: Callable[[str], None], text: str) -> None:
        self._clear()
        write(text)
        self._paint()

    def _clear(self) -> None:
        if self._section:
            self._section.clear()

    def _paint(self) -> None:
        if self._section and self._table:
            self._section.write_line(self._table)


class Reporting:
    """Where a run's events go. Call it with each event; `end` once."""

    def __init__(self, io: IO, kind: Kind, *, as_json: bool, started: datetime) -> None:
        """With `as_json`, standard output has the events alone; words go to standard error."""
        self._io = io
        self._json = _standard_output_of(io) if as_json else None
        self._console = Console(io, as_json=as_json)
        self._text = Text(self._console, kind)
        self._receipt = receipt.Receipt(receipt.TOOL, own_version(), poetry_version, started)
        self._path: Path | None = None
        # What the receipt of an earlier run at that path is of, and whether it is replaced now.
        self._earlier: set[tuple[str, str]] | None = None
        self.earlier: Any = None
        """The receipt of an earlier run at that path, as JSON; None if there is none."""
        self._begun = self._written = self._unwritable = False
        self.undecided = False
        """Whether somebody still has to say that this run may go on."""
        self._told = set[tuple[events.Event, str | None]]()
        self._next_save = 0.0
        self._unsaved = False

    def keep_receipt(self, path: Path) -> None:
        """Write the receipt to `path`; ReleaseError where that is not possible.

        That of an earlier run stays until this one knows its files, unless it is of another
        release. One that this run has written elsewhere is taken away.
        """
        if path == self._path:
            return
        try:
            earlier = receipt_file.earlier(path, receipt.SCHEMA)
            receipt_file.refuse_unwritable(path)
        except (OSError, ValueError) as error:
            raise ReleaseError.refused(problems.receipt_not_writable(str(path), error)) from error
        if self._path is not None and self._written:
            receipt_file.remove(self._path)
        self._earlier = None if earlier is None else receipt.releases_of(earlier)
        self.earlier = earlier
        self._path, self._written = path, False
        self._begun = self._unsaved = self._begun or self._is_of_another_release()

    def _is_of_another_release(self) -> bool:
        """Whether the receipt of an earlier run lacks a release of this one."""
        ours = receipt.releases_of(self._receipt.as_dict())
        return self._earlier is not None and not ours <= self._earlier

    def of(self, release: str) -> Callable[[events.Event], None]:
        """Where the events of one release of several go; `release` tells it from the others."""
        return partial(self, release=release)

    @property
    def receipt(self) -> ReceiptDocument:
        """The receipt so far, as JSON values."""
        return self._receipt.as_dict()

    @property
    def receipt_path(self) -> Path | None:
        """Where the receipt is; None while it is nowhere."""
        return self._path if self._written else None

    def show(self, problem: Problem) -> None:
        """Show a problem that is not of the run, and so not in its receipt."""
        for line in problem_lines(problem):
            self.error_line(line)

    def say(self, text: str) -> None:
        """Write a line of plain text beside the events."""
        with self._output():
            self._console.line(escaped(text))

    def command_ci(self, line: str) -> None:
        """Write a line that a CI system obeys; what is foreign in it is escaped already."""
        with self._output():
            self._console.line(line.replace("<", "\\<"))

    def print(self, lines: Iterable[str]) -> None:
        """Write lines of cleo's where questions are asked, with nothing kept up to date below."""
        with self._output():
            self._console.repaint([])
            for line in lines:
                self._console.error_line(line)

    def decided(self) -> None:
        """From now on the receipt is this run's own."""
        self.undecided = False
        self._begun = self._unsaved = True
        self._save()

    def error_line(self, text: str) -> None:
        """Write a line of cleo's to standard error, above what is kept up to date."""
        with self._output():
            self._console.error_line(text)

    def __call__(self, event: events.Event, release: str | None = None) -> None:
        """Report an event of the run, or of one release of it."""
        if isinstance(event, events.ProblemFound):
            # Its repository and its stages may all find the same wrong with a release.
            if (event, release) in self._told:
                return
            self._told.add((event, release))
        now = datetime.now(UTC)
        event = _without_secrets(event)
        if isinstance(event, events.ReleaseStarted):
            make_public(event.name)
        self._receipt.apply(event, now, release)
        happened = event.event if isinstance(event, events.OnStage) else event
        self._unsaved = self._unsaved or isinstance(happened, receipt.DURABLE)
        if not self._begun:
            known = isinstance(event, receipt.BEGINS) and event != events.DistributionsRead(())
            known = known and not self.undecided
            self._begun = self._unsaved = known or self._is_of_another_release()
        ends = isinstance(event, events.ReleaseEnded | events.RunEnded)
        if self._unsaved and (ends or monotonic() >= self._next_save):
            self._save()
        with self._output():
            self._text.event(event, monotonic(), release)
        with self._output():
            if self._json and not isinstance(happened, events.UploadProgressed):
                self._json(event_line(event, now, self._text.releases.title(release)))

    async def keep_ticking(self) -> None:
        """Keep the tables and the receipt of many releases up to date, until cancelled."""
        while self._console.animated or self._text.releases.several:
            await anyio.sleep(_TICK)
            if self._unsaved:
                self._save()
            with self._output():
                if self._console.animated:
                    self._text.tick(monotonic())

    def end(self, error: BaseException | None, verdict: Verdict) -> int:
        """Report how the run ended; the exit code."""
        if isinstance(error, ReleaseError):
            for problem in error.problems:
                self(events.ProblemFound(problem, release=not self._text.releases.several))
            self._trace(error)
        elif error is not None and not isinstance(error, KeyboardInterrupt):
            self(events.ProblemFound(problems.internal(error), release=False))
            self._trace(error)
        self._begun = self._begun or self._earlier is None
        self(events.RunEnded(verdict, self._text.summary(verdict)))
        if self._unwritable and self._written and self._path is not None:
            # It would say that the run goes on.
            receipt_file.remove(self._path)
            self._written = False
        path = str(self.receipt_path) if self.receipt_path else None
        for line in rollback.lines(self.receipt, path):
            self.error_line(line)
        found = error.problems if isinstance(error, ReleaseError) else ()
        code = next((each.code for each in found if each.severity == "error"), None)
        if code and (page := page_of(code)):
            self.error_line(f"More about {code}: {escaped(page)}")
        with self._output():
            self._text.end(verdict, path)
        with self._output():
            if self._json:
                self._json(receipt_line(self._receipt.as_dict(), datetime.now(UTC)))
            sys.stdout.flush()
        return 1 if verdict.exit_code is None else verdict.exit_code

    @contextmanager
    def _output(self) -> Iterator[None]:
        """A reader that has gone, or a full disk behind a pipe, is no fault of the release."""
        try:
            yield
        except OSError:
            send_to_nowhere()

    def _save(self) -> None:
        self._unsaved = False
        if self._path is None or not self._begun:
            return
        begun = monotonic()
        try:
            if not self._written:
                # What is there by now may be what the build has made.
                receipt_file.earlier(self._path, receipt.SCHEMA)
            document = self._receipt.as_dict()
            if self._written and receipt_file.is_of_another_run(self._path, document["started"]):
                # One that has broken this run's lock, or that had the same lock at once.
                self._path = self._path.with_suffix(f".second-run{self._path.suffix}")
            receipt_file.write(self._path, document)
            self._written, self._unwritable = True, False
            # One of three hundred releases takes long to write, and there are thousands of events.
            self._next_save = (
                monotonic() + _SAVING * (monotonic() - begun)
                if self._text.releases.several
                else 0.0
            )
        except OSError as error:
            # Too late to refuse: what was sent is sent, and still has to be proven.
            if self._unwritable:
                return
            self._unwritable = True
            problem = problems.receipt_not_writable(str(self._path), error)
            self.error_line(escaped(f"Warning {problem.code}: {problem.message}", "warning"))

    def _trace(self, error: BaseException) -> None:
        if self._io.is_debug():
            trace = printable_lines("".join(traceback.format_exception(error)))
            self.error_line(trace.replace("<", "\\<"))


def _without_secrets(event: events.Event) -> events.Event:
    """The event with secrets neither in its words nor in its URLs; names and hashes stay."""
    if isinstance(event, events.OnStage):
        return replace(event, event=_without_secrets(event.event))
    texts = {each.name for each in fields(event)} & _TEXTS
    return replace(event, **{name: _cleaned(getattr(event, name)) for name in texts})


def _cleaned(value: Any) -> Any:
    if isinstance(value, Problem):
        return replace(value, **{name: _cleaned(getattr(value, name)) for name in _OF_PROBLEMS})
    if isinstance(value, dict):
        return {key: _cleaned(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_cleaned, value))
    return harmless(redacted(value), _LONGEST) if isinstance(value, str) else value


def _standard_output_of(io: IO) -> Callable[[str], None]:
    """Take standard output away from everyone else; what writes a line to it."""
    if getattr(io.output, "stream", None) is not sys.stdout or sys.stdout is None:
        return io.write_line
    # Poetry's loggers and the programs that a build runs write to descriptor 1, whatever is
    # changed in Python: it becomes standard error for them.
    sys.stdout.flush()
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def write(line: str) -> None:
        own.write(line + "\n")
        own.flush()

    return write
