"""A run in words, line by line, in Poetry's own colours."""

from collections.abc import Iterator
from functools import partial
from typing import Protocol

from poetry_publish_verified import durations
from poetry_publish_verified.core import events
from poetry_publish_verified.core.problems.words import some
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.errors import Code, Problem, Verdict
from poetry_publish_verified.output import summary
from poetry_publish_verified.output.releases import Release, Releases
from poetry_publish_verified.output.tables import UploadTable, WaitTable, project_rows
from poetry_publish_verified.output.words import escaped, problem_lines

_VERBS: dict[summary.Kind, str] = {
    "publish": "Publishing",
    "dry-run": "Checking",
    "wait": "Waiting for",
}
_FILES = {
    "absent": "{} is not on the index yet",
    "identical": "{} is already on the index with the same content",
    "other": "{} is already on the index <warning>with different content</warning>",
    "uploaded": "Uploaded {}",
    "already-there": "{} is already on the index with the same content",
    "kept-remote": "{} is already on the index <warning>with different content</warning>, kept",
    "failed": "{} <error>failed to upload</error>",
    "unknown": "{} <error>may or may not be on the index</error>",
    "not-sent": "{} was not uploaded",
}
# They come with normal use, and need no action.
_NOTES = {Code.COMPLETENESS_UNKNOWN, Code.NOT_INSTALLABLE_BY_NATURE}
# Seconds: how often a log repeats what has not changed, and how often a table is painted at most.
_REPEATED = 60.0
_PAINTED = 0.1
_name = partial(escaped, style="c1")
_index = partial(escaped, style="info")


class Terminal(Protocol):
    """Where the text goes; styles are cleo's tags."""

    def line(self, text: str) -> None: ...
    def error_line(self, text: str) -> None: ...
    def repaint(self, lines: list[str]) -> None:
        """Show these lines below all others, in place of the last ones."""

    @property
    def width(self) -> int: ...  # of a line, in characters

    # Whether a person watches, so that lines may be rewritten; and whether the user asked for more.
    animated: bool
    verbose: bool


class Text:
    """Describes a run, event by event.

    Each event comes with its moment (seconds of a monotonic clock), and with any text that tells
    the releases of a run apart; None if there is just one.
    """

    def __init__(self, terminal: Terminal, kind: summary.Kind) -> None:
        self._terminal = terminal
        self._kind = kind
        self.releases = Releases()
        self._waits = WaitTable()
        self._uploads = UploadTable()
        self._painted = 0.0
        self._advised = ""
        self._noted: set[Code] = set()
        # When a log last had a line, by what the line says.
        self._logged: dict[tuple[object, ...], float] = {}

    def event(self, event: events.Event, seconds: float, release: str | None = None) -> None:
        self.releases.apply(event, release)
        title = (self.releases.title(release) or "") if self.releases.several else ""
        about, stage = self.releases.get(release), ""
        if isinstance(event, events.OnStage):
            stage, event = event.stage, event.event
            about = about.stages[stage]
        self._uploads.apply(event, seconds)
        self._waits.apply(event, seconds, title)
        for line in self._lines(event, seconds, about, title):
            self._advised = ""
            self._terminal.line(line.replace(" - ", f" - {_name(stage)}: ", 1) if stage else line)
        progress = isinstance(event, events.UploadProgressed)
        if self._terminal.animated and not (progress and seconds < self._painted + _PAINTED):
            self.tick(seconds)

    def tick(self, seconds: float) -> None:
        """Bring the tables up to date."""
        width = max(self._terminal.width - 1, 10)
        if self.releases.projects:
            lines = project_rows(self.releases, width)
        else:
            lines = [*self._uploads.lines(seconds, width), *self._waits.lines(seconds, width)]
        self._terminal.repaint(lines)
        self._painted = seconds

    def end(self, verdict: Verdict, receipt: str | None) -> None:
        """Say who failed, how the run ended, and where the receipt is."""
        self._terminal.repaint([])
        good = verdict.exit_code == 0
        say = self._terminal.line if good else self._terminal.error_line
        for who, remedy in summary.reasons(self.releases):
            say(escaped(who, "error"))
            if remedy:
                say(f"  {_name(remedy)}")
        line = summary.verdict_line(self.releases, verdict, self._kind, below=True)
        say(escaped(line, "success" if good else "error"))
        last = self.releases.last
        if good and last.page and not self.releases.several:
            say(escaped(f"{last.page}{last.version}/"))
        if receipt:
            say(f"Receipt: {escaped(receipt)}")

    def summary(self, verdict: Verdict) -> str:
        """How the run ended, on one line that says it alone."""
        return summary.verdict_line(self.releases, verdict, self._kind)

    def _lines(
        self, event: events.Event, seconds: float, about: Release, title: str
    ) -> Iterator[str]:
        of = f"{escaped(title)}: " if title else ""
        if isinstance(event, events.ProblemFound):
            self._say_problem(event.problem, of)
            return
        yield from self._release_lines(event, of)
        yield from self._stage_lines(event, of)
        yield from self._upload_lines(event)
        yield from self._index_lines(event, about, of)
        yield from self._provenance_lines(event, of)
        yield from self._late_lines(event, seconds, title, of)

    def _say_problem(self, problem: Problem, of: str) -> None:
        say = self._terminal.error_line
        if problem.code in _NOTES and not self._terminal.verbose:
            if problem.code not in self._noted:
                say(f"Note {problem.code}: {escaped(problem.message)}")
            self._noted.add(problem.code)
            return
        first, remedy = problem_lines(problem, of)
        say(first)
        if problem.remedy != self._advised:  # else it is just above
            say(remedy)
        self._advised = problem.remedy

    def _release_lines(self, event: events.Event, of: str) -> Iterator[str]:
        """What happens to a project as a whole; a table of many projects says most of it."""
        many, verbose = self.releases.projects, self._terminal.verbose
        table = many and self._terminal.animated and not verbose
        match event:
            case events.ProjectsFound(count, left_out):
                yield from ("", f"{_VERBS[self._kind]} <c1>{count}</c1> projects")
                yield from (f" - {escaped(str(each))}" for each in left_out)
            case events.ReleaseStarted(name, version, repository) if not many:
                to = "to" if self._kind == "publish" else "for"
                where = f" {to} {_index(repository)}" if repository else ""
                title = f"{_name(name)} ({escaped(version, 'c2')})"
                yield from ("", f"{_VERBS[self._kind]} {title}{where}")
            case events.VersionSet(version):
                yield f" - {of}the build set the version to {escaped(version, 'c2')}"
            case events.BuildStarted() if not table:
                yield f" - {of}building"
            case events.BuildCompared(filename):
                yield f" - {of}rebuilding {_name(filename)} to see whether it has changed"
            case events.BuildReused(filenames):
                yield f" - {of}reusing {_name(some(filenames))}: the sources have not changed"
            case events.ReleaseWaiting(needs) if not table:
                yield f" - {of}waiting for {_name(some(needs))}"
            case events.ReleaseBlocked(by) if verbose or not many:
                yield f" - {of}<error>blocked</error> by {_name(some(by))}"
            case events.ReleaseEnded(verdict) if of and verdict is not Verdict.BLOCKED:
                style = "success" if verdict.exit_code == 0 else "error"
                yield f" - {of}<{style}>{verdict}</{style}>"

    def _stage_lines(self, event: events.Event, of: str) -> Iterator[str]:
        match event:
            case events.StagesFound(names, _, used=False):
                yield f" - a rehearsal skips {_name(some(names))}, where a release goes first"
            case events.StagesFound(names, only):
                goes = "would go" if self._kind == "dry-run" else "goes"
                yield f" - {goes} to {_name(some(names))} {'only' if only else 'first'}"
            case events.StageProvenBefore(proof):
                yield f" - {of}already verified at {escaped(str(proof['finished']))}"
            case events.StageSkipped():
                yield f" - {of}skipped, because the repository has every file already"

    def _upload_lines(self, event: events.Event) -> Iterator[str]:
        match event:
            case events.FileCompared(filename, state) if self._kind == "dry-run":
                yield f" - {_FILES[state].format(_name(filename))}"
            case events.UploadStarted(filename, _, attempt, attempts) if attempt > 1:
                yield f" - {_name(filename)}: retrying (attempt {attempt} of {attempts})"
            case events.UploadTokenMinted(publisher):
                yield f" - signed in by trusted publishing as {escaped(publisher)}"
            case events.FilesAttested(filenames):
                yield f" - attested {_name(some(filenames))}"
            case events.UploadEnded(filename, upload):
                yield f" - {_FILES[upload].format(_name(filename))}"
            case events.UploadUncertain(filename, words):
                yield f" - {_name(filename)}: checking whether the index has it ({escaped(words)})"
            case events.UploadDelayed(_, words, pause) | events.SigningDelayed(_, words, pause):
                again = durations.in_words(pause)
                yield f" - {escaped(words).rstrip('.')}. Retrying in {again}."

    def _index_lines(self, event: events.Event, about: Release, of: str) -> Iterator[str]:
        """One line per index; with -v each step; for many projects only the verdicts."""
        verbose = self._terminal.verbose
        match event:
            case events.IndexEnded(index, proven=True) if verbose or not self.releases.projects:
                yield f" - {of}{_index(index)} {about.proof(index)}"
                if verbose and event.not_offered:
                    yield f"   not offered, so not compared: {', '.join(event.not_offered)}"
            case events.FirstLookDelayed(index, detail, pause):
                again = durations.in_words(pause)
                yield f" - {of}{_index(index)}: {escaped(detail)}. Retrying in {again}."
            case _ if not verbose:
                return
            case events.WaitStarted(index):
                yield f" - {of}waiting for {_index(index)}"
            case events.BecameVisible(index, variant, waited=waited):
                yield f" - {of}{_index(index)} lists every file for {variant} after {waited:.1f} s"
            case events.FileVerified(index, filename, client=client):
                how = about.how(filename)
                way = "" if client == "http" else f" with {client}"
                yield f" - {of}{_name(filename)} downloads {how} from {_index(index)}{way}"
            case events.ClientAsked(index, client, downloaded, resolved):
                wheels = "1 wheel" if downloaded == 1 else f"{downloaded} wheels"
                more = f", and only resolves {resolved} more" if resolved else ""
                yield f" - {of}{client} downloads {wheels} from {_index(index)}{more}"
                for reason, filenames in event.skipped:
                    yield f" - {of}{client} skips {some(filenames)}: {escaped(reason)}"
            case events.MetadataVerified(_, filename):
                yield f" - {of}{_name(f'{filename}.metadata')} matches the file"

    def _provenance_lines(self, event: events.Event, of: str) -> Iterator[str]:
        match event:
            case events.ProvenanceAwaited(index, filename, detail):
                what = f"the provenance of {_name(filename)}"
                yield f" - {of}waiting for {what} on {_index(index)} ({escaped(detail)})"
            case events.ProvenanceChecked(index, filename, publisher, verified=True) if (
                self._terminal.verbose
            ):
                logged = f" (entry {event.log_index} of Sigstore's log)" if event.log_index else ""
                by = f"{escaped(publisher)}{logged}"
                yield f" - {of}{_name(filename)} on {_index(index)} was published by {by}"

    def _late_lines(
        self, event: events.Event, seconds: float, title: str, of: str
    ) -> Iterator[str]:
        """In a log, one line per change and one a minute; variants that see the same share it."""
        if not isinstance(event, events.NotYetVisible) or self._terminal.animated:
            return
        left = event.expires_in if (event.expires_in or 0.0) > 1 else None
        state = (title, event.index, event.missing, event.detail, left is None)
        if not event.missing or seconds - self._logged.get(state, -_REPEATED) < _REPEATED:
            return
        self._logged[state] = seconds
        reader = "" if event.variant == UNSEEN.name else f" for {event.variant}"
        words = [self._waits.elapsed(title, event.index, seconds), event.detail]
        if left is not None:
            words.append(f"a cache may serve the old page for another {durations.in_words(left)}")
        missing, why = escaped(some(event.missing)), escaped("; ".join(filter(None, words)))
        yield f" - {of}waiting for {_index(event.index)} to list {missing}{reader} ({why})"
