"""The state of each release of a run, from its events; source of the table and last lines."""

from collections import defaultdict
from dataclasses import dataclass, field

from poetry_publish_verified.core import events
from poetry_publish_verified.core.problems.words import some
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.variants import CLIENTS
from poetry_publish_verified.errors import Code, Problem, Verdict
from poetry_publish_verified.output.words import plural


@dataclass(slots=True)
class Proof:
    """What one index has shown of a release, to which of the variants that are waited for."""

    variants: set[str] = field(default_factory=set)
    seen_after: dict[str, float] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    downloaded: set[str] = field(default_factory=set)
    # The real clients that have fetched a wheel.
    clients: set[str] = field(default_factory=set)
    # Who published its files, verified.
    publishers: dict[str, None] = field(default_factory=dict)

    @property
    def level(self) -> Until:
        """How far the release is proven there."""
        if self.clients:
            return Until.INSTALLABLE
        return Until.DOWNLOADABLE if self.downloaded else Until.LISTED


@dataclass(slots=True)
class Release:
    """One release: its state, its files, its indexes, and what went wrong."""

    name: str = ""
    version: str = ""
    state: str = "ready"
    needs: tuple[str, ...] = ()
    indexes: int = 1
    page: str | None = None
    # Whether it is known which files it should have, and what is in them.
    complete: bool = True
    sending: bool = False
    repository: str | None = None
    verdict: Verdict = Verdict.RUNNING
    files: dict[str, events.Upload] = field(default_factory=dict)
    proofs: defaultdict[str, Proof] = field(default_factory=lambda: defaultdict(Proof))
    # What each index lacked at the last look.
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    errors: list[Problem] = field(default_factory=list)
    # How it fares on each stage.
    stages: dict[str, "Release"] = field(default_factory=dict)

    @property
    def on_stage(self) -> tuple[str, "Release"] | None:
        """The stage that has some of it and has not proven it, and how it fares there."""
        begun = (item for item in self.stages.items() if item[1].sending)
        return next((item for item in begun if item[1].verdict is not Verdict.VERIFIED), None)

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"

    def there(self) -> int:
        """How many files are on the index."""
        good = {"uploaded", "already-there", "kept-remote"}
        return sum(state in good for state in self.files.values())

    def arrived(self) -> str:
        """`1 of 2 files (1 unknown)`."""
        unknown = [*self.files.values()].count("unknown")
        words = f"{self.there()} of {plural(len(self.files), 'file')}"
        return f"{words} ({unknown} unknown)" if unknown else words

    def how(self, filename: str) -> str:
        """How a downloaded file compares: with what was built, or only with what is listed."""
        kept = self.files.get(filename) == "kept-remote"
        return "unchanged" if self.complete and not kept else "as listed"

    def unproven(self) -> str:
        """`lantern 1.0 is not verified on https://index.example/simple/ (lantern-1.0.tar.gz)`."""
        found: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for error in self.errors:
            if error.index is not None:
                late = error.code in {Code.NOT_LISTED_IN_TIME, Code.LISTED_IMPROPERLY}
                files = self.missing.get(error.index, ()) if late else (error.filename or "",)
                found[error.index].update(dict.fromkeys(files))
        places = []
        for index, names in found.items():
            named = some([name for name in names if name not in {"", self.title}])
            places.append(f"{index} ({named})" if named else index)
        return f"{self.title} is not verified{' on ' if places else ''}{', '.join(places)}"

    def proof(self, index: str) -> str:
        """`seen by pip, uv, poetry in 0.4 s; 2 files verified`."""
        proof = self.proofs[index]
        seen = ", ".join(name for name in CLIENTS if name in proof.seen_after)
        words = f"seen by {seen} in {max(proof.seen_after.values(), default=0.0):.1f} s; "
        listed = proof.level is Until.LISTED
        counted = plural(len(proof.listed if listed else proof.downloaded), "file")
        words += f"{counted} {'listed' if listed else 'verified'}"
        if as_listed := [*map(self.how, proof.downloaded)].count("as listed"):
            words += f" ({as_listed} as listed)"
        asked = ", ".join(name for name in CLIENTS if name in proof.clients)
        words += f", wheels also by {asked}" if asked else ""
        return words + (f"; published by {some(proof.publishers)}" if proof.publishers else "")

    def apply(self, event: events.Event) -> None:
        self._apply_state(event)
        self._apply_proof(event)
        match event:
            case events.VersionSet(version):
                self.version = version
            case events.TargetsFound(_, indexes, page):
                self.indexes, self.page = len(indexes), page
            case events.DistributionsRead(distributions):
                self.files = {file.filename: "not-sent" for file in distributions}
            case events.UploadStarted(filename):
                self.files[filename] = "unknown"
            case events.UploadEnded(filename, upload):
                self.files[filename] = upload
            case events.ProblemFound(problem):
                self.complete = self.complete and problem.code is not Code.COMPLETENESS_UNKNOWN
                self.errors += [problem] if problem.severity == "error" else []

    def _apply_proof(self, event: events.Event) -> None:
        match event:
            case events.BecameVisible(index, variant, waited=waited):
                self.proofs[index].seen_after[variant] = waited
            case events.NotYetVisible(index, missing=missing):
                self.missing[index] = missing
            case events.FileListed(index, filename):
                self.proofs[index].listed.add(filename)
            case events.FileVerified(index, filename, client="http"):
                self.proofs[index].downloaded.add(filename)
            case events.FileVerified(index, client=client):
                self.proofs[index].clients.add(client.lower())
            case events.ProvenanceChecked(index, publisher=publisher, verified=True):
                self.proofs[index].publishers[publisher] = None

    def _apply_state(self, event: events.Event) -> None:
        match event:
            case events.OnStage(stage, on_stage):
                self.stages.setdefault(stage, Release(self.name, self.version)).apply(on_stage)
            case events.BuildStarted():
                self.state = "building"
            case events.DistributionsRead():
                self.state = "built"
            case events.ReleaseWaiting(needs):
                self.state, self.needs = "waiting", needs
            case events.SendingStarted():
                self.state, self.sending = "uploading", True
            case events.WaitStarted(index, variants=variants):
                self.state, self.proofs[index].variants = "visible", set(variants)
            case events.ReleaseEnded(verdict):
                self.state, self.verdict = "ended", verdict


class Releases:
    """All releases of a run. `key` is any text that tells several apart, None for a single one."""

    def __init__(self) -> None:
        self._known: dict[str | None, Release] = {}
        self.last = Release()
        # How many projects of a workspace the run publishes, and what is wrong with it as a whole.
        self.projects = 0
        self.errors: list[Problem] = []

    @property
    def all(self) -> list[Release]:
        """In the order in which they were begun."""
        return [*self._known.values()]

    @property
    def several(self) -> bool:
        """Whether each line has to say which release it is about."""
        return self.projects > 0 or len(self._known) > 1

    def get(self, key: str | None) -> Release:
        """The release with this key, or the last begun."""
        return self._known.get(key, self.last)

    def title(self, key: str | None) -> str | None:
        """Name and version of a release; None for the run as a whole."""
        return self._known[key].title if key in self._known else None

    def apply(self, event: events.Event, key: str | None) -> None:
        match event:
            case events.ProjectsFound(count):
                self.projects = count
            case events.ReleaseStarted(name, version, repository):
                self.last = self._known[key] = Release(name, version, repository=repository)
            case events.ProblemFound(problem) if key not in self._known:
                self.errors += [problem] if problem.severity == "error" else []
            case _:
                self.get(key).apply(event)
