"""One run's reporting: every event goes to the receipt, its file, and the chosen output."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from contextlib import contextmanager
from contextlib import suppress
from datetime import UTC
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import anyio
from poetry.__version__ import __version__ as poetry_version

from poetry_publish_verified.adapters import receipt_file
from poetry_publish_verified.core.events import Event
from poetry_publish_verified.core.events import ProblemFound
from poetry_publish_verified.core.events import ProjectsFound
from poetry_publish_verified.core.events import ReleaseEnded
from poetry_publish_verified.core.events import ReleaseStarted
from poetry_publish_verified.core.events import RunEnded
from poetry_publish_verified.core.events import VersionSet
from poetry_publish_verified.core.problems import usage as problems
from poetry_publish_verified.core.receipt import DURABLE
from poetry_publish_verified.core.receipt import SCHEMA
from poetry_publish_verified.core.receipt import TOOL
from poetry_publish_verified.core.receipt import Receipt
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.output.console import Kind
from poetry_publish_verified.output.console import Text
from poetry_publish_verified.output.console import escaped
from poetry_publish_verified.output.json_lines import JsonLines
from poetry_publish_verified.sanitize import printable_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from cleo.io.io import IO


# Seconds.
_TICK = 1.0
# Of three hundred releases a receipt takes long to write, and there are thousands of events: it is
# written so rarely that no more than a twentieth of the time goes into it.
_SAVING = 20.0


class _Console:
    """cleo's io as `output.text` wants it; `quiet_output` keeps standard output clean.

    Where a person watches, `repaint` keeps some lines below all others and up to date.
    """

    def __init__(self, io: IO, *, quiet_output: bool) -> None:
        self._io = io
        self._quiet_output = quiet_output
        stream = getattr(io.output, "stream", None)
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self.animated = (
            not quiet_output
            and stream is not None
            and stream.isatty()
            and io.is_decorated()
            and "CI" not in os.environ
            and os.environ.get("TERM") != "dumb"
        )
        self.verbose = io.is_verbose()
        self._painted: list[str] = []

    @property
    def width(self) -> int:
        """Columns of the terminal; asked for each time, as windows change."""
        return shutil.get_terminal_size().columns

    def line(self, text: str) -> None:
        write = self._io.write_error_line if self._quiet_output else self._io.write_line
        self._above(write, text)

    def error_line(self, text: str) -> None:
        self._above(self._io.write_error_line, text)

    def repaint(self, lines: list[str]) -> None:
        self._wipe()
        # What has scrolled away could not be painted over.
        self._painted = lines[: max(shutil.get_terminal_size().lines - 2, 1)]
        for text in self._painted:
            self._io.write_line(self._fit(text))

    def _above(self, write: Callable[[str], None], text: str) -> None:
        self._wipe()
        write(self._fit(text))
        for painted in self._painted:
            self._io.write_line(self._fit(painted))

    def _wipe(self) -> None:
        if self._painted:
            # Up to the first of them, and all that is below away (ECMA-48: CUU, ED).
            self._io.write(f"\x1b[{len(self._painted)}F\x1b[0J")

    def _fit(self, text: str) -> str:
        # A terminal of the C locale knows no umlauts; that is no reason to fail.
        return text.encode(self._encoding, "replace").decode(self._encoding)


class Reporting:
    """Where a run's events go. Call it with each event; `end` once."""

    def __init__(self, io: IO, kind: Kind, *, as_json: bool, started: datetime) -> None:
        """With `as_json`, standard output is for the events alone, people's words go to errors."""
        self._io = io
        self._json = JsonLines(_standard_output_of(io)) if as_json else None
        self._console = _Console(io, quiet_output=as_json)
        self._text = Text(self._console, kind)
        self._receipt = Receipt(TOOL, version(TOOL), poetry_version, started)
        self._path: Path | None = None
        self._unwritable = False
        self._releases: dict[str | None, str] = {}
        self._several = False
        self._next_save = 0.0
        self._unsaved = False

    def keep_receipt(self, path: Path) -> None:
        """Write the receipt to `path` from now on; ReleaseError where that is not possible.

        One that this run has written elsewhere is taken away.
        """
        try:
            receipt_file.refuse_to_replace(path, SCHEMA)
            receipt_file.write(path, self._receipt.as_dict())
            if self._path not in {None, path}:
                with suppress(OSError):
                    self._path.unlink()
            self._path = path
        except (OSError, ValueError) as error:
            raise ReleaseError(
                Verdict.PREFLIGHT_REFUSED, problems.receipt_not_writable(str(path), error)
            ) from error

    def of(self, release: str) -> Callable[[Event], None]:
        """What is told of one release of several; `release` is any text that tells them apart."""
        return partial(self._tell, release=release)

    def __call__(self, event: Event) -> None:
        """Tell everyone of one event of the run, or of its one release."""
        self._tell(event, None)

    def _tell(self, event: Event, release: str | None) -> None:
        now = datetime.now(UTC)
        self._receipt.apply(event, now, release)
        if isinstance(event, ReleaseStarted):
            self._releases[release] = f"{event.name} {event.version}"
        elif isinstance(event, VersionSet):
            self._releases[release] = f"{self._releases[release].split()[0]} {event.version}"
        self._unsaved = self._unsaved or isinstance(event, DURABLE)
        if self._unsaved and (monotonic() >= self._next_save or _is_last(event)):
            with self._output():
                self._save()
        self._several = self._several or isinstance(event, ProjectsFound) or len(self._releases) > 1
        name = self._releases.get(release)
        with self._output():
            self._text.event(event, monotonic(), name if self._several else None)
        with self._output():
            if self._json:
                self._json.event(event, now, name)

    async def keep_ticking(self) -> None:
        """Keep what a person watches up to date, and the receipt of many, until cancelled."""
        while self._console.animated or self._several:
            await anyio.sleep(_TICK)
            with self._output():
                if self._unsaved:
                    self._save()
                if self._console.animated:
                    self._text.tick(monotonic())

    def end(self, error: BaseException | None, verdict: Verdict) -> int:
        """Tell how the run ended; the exit code."""
        if isinstance(error, ReleaseError):
            for problem in error.problems:
                self(ProblemFound(problem, release=not self._several))
            self._trace(error)
        elif error is not None and not isinstance(error, KeyboardInterrupt):
            self(ProblemFound(problems.internal(error), release=False))
            self._trace(error)
        self(RunEnded(verdict))
        if self._unwritable and self._path is not None:
            # It would say that the run goes on.
            receipt_file.remove(self._path)
            self._path = None
        with self._output():
            release = ", ".join(self._releases.values())
            self._text.end(verdict, release, str(self._path) if self._path else None)
        with self._output():
            if self._json:
                self._json.end(self._receipt.as_dict(), datetime.now(UTC))
            sys.stdout.flush()
        return 1 if verdict.exit_code is None else verdict.exit_code

    @contextmanager
    def _output(self) -> Iterator[None]:
        """A reader that has gone, or a full disk behind a pipe, is no fault of the release."""
        try:
            yield
        except OSError:
            _send_to_nowhere()

    def _save(self) -> None:
        self._unsaved = False
        if self._path is None:
            return
        begun = monotonic()
        try:
            receipt_file.write(self._path, self._receipt.as_dict())
            self._unwritable = False
            # One of three hundred releases takes long to write, and there are thousands of events.
            self._next_save = (
                monotonic() + _SAVING * (monotonic() - begun) if self._several else 0.0
            )
        except OSError as error:
            # Too late to refuse: what was sent is sent, and still has to be proven.
            if self._unwritable:
                return
            self._unwritable = True
            self._io.write_error_line(
                f"<warning>Warning {Code.RECEIPT_NOT_WRITABLE}: the receipt"
                f" {escaped(str(self._path))} cannot be written any more:"
                f" {escaped(str(error))}</warning>"
            )

    def _trace(self, error: BaseException) -> None:
        if self._io.is_debug():
            trace = printable_lines("".join(traceback.format_exception(error)))
            self._io.write_error_line(trace.replace("<", "\\<"))


def _send_to_nowhere() -> None:
    """Give both outputs up; else Python fails again when it flushes them at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
            continue
        with suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())


def _is_last(event: Event) -> bool:
    return isinstance(event, ReleaseEnded | RunEnded)


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
