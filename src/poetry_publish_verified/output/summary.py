"""What a run amounts to, from its events: one line per index, and the last lines of all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from typing import Literal

from poetry_publish_verified.core import events
from poetry_publish_verified.core.problems.words import some
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.variants import CLIENTS
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.output.words import plural

Kind = Literal["publish", "dry-run", "wait"]

_STATES = {
    Verdict.CONFLICT: "the index holds other bytes under the same file name",
    Verdict.VERIFICATION_FAILED: "an index serves something other than what was published",
    Verdict.LOCK_TIMEOUT: "nothing was changed",
}
_LEVELS = list(Until)


@dataclass(slots=True)
class _Proof:
    """What one index has shown of a release."""

    seen_after: dict[str, float] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    downloaded: set[str] = field(default_factory=set)
    # The real clients that have fetched a wheel, in the order of their answers.
    clients: dict[str, None] = field(default_factory=dict)

    @property
    def level(self) -> Until:
        if self.clients:
            return Until.INSTALLABLE
        return Until.DOWNLOADABLE if self.downloaded else Until.LISTED


@dataclass(slots=True)
class _Release:
    """One release: its files with what became of each, its indexes, and what went wrong."""

    name: str = ""
    version: str = ""
    sending: bool = False
    # Whether it is known which files it should have, and what is in them.
    complete: bool = True
    page: str | None = None
    verdict: Verdict = Verdict.RUNNING
    files: dict[str, events.Upload] = field(default_factory=dict)
    proofs: dict[str, _Proof] = field(default_factory=lambda: defaultdict(_Proof))
    errors: list[Problem] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def arrived(self) -> str:
        """`1 of 2 files (1 unknown)`."""
        states = [*self.files.values()]
        there = sum(state in {"uploaded", "already-there", "kept-remote"} for state in states)
        unknown = f" ({count} unknown)" if (count := states.count("unknown")) else ""
        return f"{there} of {plural(len(states), 'file')}{unknown}"

    def how(self, filename: str) -> str:
        """How a downloaded file compares: with what was built, or only with what is listed."""
        kept = self.files.get(filename) == "kept-remote"
        return "unchanged" if self.complete and not kept else "as listed"

    def apply(self, event: events.Event) -> None:
        match event:
            case events.VersionSet(version):
                self.version = version
            case events.TargetsFound(project_page=page):
                self.page = page
            case events.DistributionsRead(distributions):
                self.files = {file.filename: "not-sent" for file in distributions}
            case events.SendingStarted():
                self.sending = True
            case events.UploadStarted(filename):
                self.files[filename] = "unknown"
            case events.UploadEnded(filename, upload):
                self.files[filename] = upload
            case events.ReleaseEnded(verdict):
                self.verdict = verdict
            case events.BecameVisible(index, variant, waited=waited):
                self.proofs[index].seen_after[variant] = waited
            case events.FileListed(index, filename):
                self.proofs[index].listed.add(filename)
            case events.FileVerified(index, filename, client="http"):
                self.proofs[index].downloaded.add(filename)
            case events.FileVerified(index, client=client):
                self.proofs[index].clients[client.lower()] = None


class Summary:
    """All releases of a run. `release` is any text that tells several apart, or None."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._releases: dict[str | None, _Release] = {}
        self._last = _Release()
        self._errors: list[Problem] = []
        self._projects = 0

    @property
    def many(self) -> bool:
        """Whether the run publishes the projects of a workspace."""
        return self._projects > 0

    @property
    def several(self) -> bool:
        """Whether each line has to say which release it is about."""
        return self.many or len(self._releases) > 1

    def title(self, release: str | None) -> str | None:
        """Name and version of a release; None for the run as a whole."""
        return self._releases[release].title if release in self._releases else None

    def apply(self, event: events.Event, release: str | None) -> None:
        """Take in one event."""
        match event:
            case events.ProjectsFound(count):
                self._projects = count
            case events.ReleaseStarted(name, version):
                self._last = self._releases[release] = _Release(name, version)
            case events.ProblemFound(problem):
                self._apply_problem(problem, self._releases.get(release))
            case _:
                self._releases.get(release, self._last).apply(event)

    def _apply_problem(self, problem: Problem, release: _Release | None) -> None:
        if problem.severity == "error":
            (release.errors if release else self._errors).append(problem)
        elif problem.code is Code.COMPLETENESS_UNKNOWN and release:
            release.complete = False

    def how(self, release: str | None, filename: str) -> str:
        """`unchanged` or `as listed`, of a downloaded file."""
        return self._releases.get(release, self._last).how(filename)

    def proof(self, release: str | None, index: str) -> str:
        """`seen by pip, uv, poetry in 0.4 s; 2 files verified`."""
        found = self._releases.get(release, self._last)
        proof = found.proofs[index]
        seen = ", ".join(name for name in CLIENTS if name in proof.seen_after)
        words = f"seen by {seen} in {max(proof.seen_after.values(), default=0.0):.1f} s; "
        if proof.level is Until.LISTED:
            return f"{words}{plural(len(proof.listed), 'file')} listed"
        words += f"{plural(len(proof.downloaded), 'file')} verified"
        if as_listed := [*map(found.how, proof.downloaded)].count("as listed"):
            words += f" ({as_listed} as listed)"
        return words + (f", wheels also by {', '.join(proof.clients)}" if proof.clients else "")

    def page(self) -> str | None:
        """The page of the one release, where it is known."""
        page = self._last.page
        return f"{page}{self._last.version}/" if page and not self.several else None

    def reasons(self) -> Iterator[tuple[str, str]]:
        """Who failed, how, and with which error first; and what to do about that, if anything.

        Nothing of a single release with a single error, which is just above.
        """
        releases = [*self._releases.values()] if self.several else []
        groups: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for each in releases:
            for first in each.errors[:1]:
                groups[f"{each.verdict} ({first.code})", first.remedy].append(each.title)
        for (how, remedy), names in groups.items():
            yield f"{how}: {some(names, 10)}", remedy
        if blocked := [each.title for each in releases if each.verdict is Verdict.BLOCKED]:
            yield f"blocked: {some(blocked, 10)}", ""
        errors = self._errors if self.several else [*self._errors, *self._last.errors]
        if len(errors) > 1:
            yield f"{len(errors)} errors, the first: {errors[0].code}", errors[0].remedy

    def verdict(self, verdict: Verdict) -> str:
        """The verdict with the level that was proven, or with how far the run came."""
        subject, is_ = self._last.title.strip() or "nothing", "is"
        if self.several:
            good = sum(each.verdict.exit_code == 0 for each in self._releases.values())
            noun = "project" if self.many else "release"
            subject, is_ = f"{good} of {plural(self._projects or len(self._releases), noun)}", "are"
        proofs = [proof for each in self._releases.values() for proof in each.proofs.values()]
        level = min((proof.level for proof in proofs), key=_LEVELS.index, default=Until.LISTED)
        match verdict:
            case Verdict.VERIFIED:
                words = f"{subject} {is_} {level}"
            case Verdict.KEPT_REMOTE:
                words = f"{subject} {is_} {level}, partly with other bytes than were built"
            case Verdict.DRY_RUN:
                words = f"{subject} passed every check; nothing was sent, no credentials were tried"
            case Verdict.UPLOAD_FAILED if not self.several:
                words = f"{self._last.arrived} are on the index"
            case _ if verdict in _STATES and not self.several:
                words = _STATES[verdict]
            case _:
                words = self._progress(verdict, subject)
        return f"{verdict}: {words}"

    def _progress(self, verdict: Verdict, subject: str) -> str:
        if self._kind != "wait" and not any(each.sending for each in self._releases.values()):
            return "nothing was uploaded"
        words = f"{self._last.arrived} uploaded, not yet verified"
        if self.several or self._kind == "wait":
            words = f"{subject} {'' if self.several else 'is not '}verified"
        again = ". Run the same command again to finish."
        return words + again * (verdict in {Verdict.INTERRUPTED, Verdict.NOT_VISIBLE})
