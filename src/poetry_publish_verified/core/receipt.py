"""The receipt: the JSON record of a run, folded from its events."""

import re
from datetime import UTC, datetime
from typing import Any, Final, cast

from poetry_publish_verified.core import events
from poetry_publish_verified.core.receipt_document import (
    ClientEntry,
    DistributionEntry,
    IndexEntry,
    PlaceEntry,
    PreviousFileEntry,
    ProblemEntry,
    ProvenanceEntry,
    ReceiptDocument,
    ReleaseEntry,
    StageEntry,
    VariantEntry,
)
from poetry_publish_verified.core.rollback_plan import ENDS, plan_of
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.errors import Problem, Verdict

TOOL = "poetry-publish-verified"
SCHEMA: Final = "publish-verified.receipt/1"
OWN_FILES = ".publish-verified"
"""How names begin of what only this plugin writes."""
# The start of a receipt, of a plan and of `--format json`, which users let go to any file; and of
# the other records of a run.
_WRITTEN = re.compile(
    rb'\s*\{\s*"(?:schema": "publish-verified\.'
    rb'|event": "[a-z-]+", "time": "[0-9T:.-]+Z", "(?:of|schema)": )'
    rb"|(?:<!doctype html>|<\?xml [^>]*\?>\s*)?<!-- publish-verified\."
    rb"|RELEASE_VERSION=[^\n]*\nRELEASE_VERDICT="
)
START = 128
"""How many bytes of a file say whether a run wrote it."""
# The release is known, with its files: what an earlier run recorded of it is no longer of use.
BEGINS = (events.DistributionsRead, events.WaitStarted)
# The file is written after each of these: a kill must not take away what they say.
DURABLE = (
    events.RunStarted,
    events.ReleaseStarted,
    events.DistributionsRead,
    events.UploadStarted,
    events.UploadEnded,
    events.BecameVisible,
    events.IndexEnded,
    events.ReleaseEnded,
    events.RunEnded,
)


def is_written_by_runs(path: str, start: bytes) -> bool:
    """Whether a file is a receipt, a plan or the like, by its path and its first `START` bytes."""
    own = any(part.startswith(OWN_FILES) for part in path.split("/"))
    return own or _WRITTEN.match(start) is not None


def releases_of(receipt: Any) -> set[tuple[str, str]]:
    """Name and version of each release in a receipt; none if it is damaged."""
    try:
        return {(str(each["name"]), str(each["version"])) for each in receipt["releases"]}
    except (KeyError, TypeError):
        return set()


def iso(moment: datetime) -> str:
    """A moment in UTC, ISO 8601, to the millisecond."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


class Receipt:
    """The record of one run: `apply` each event in turn, and write `as_dict`."""

    def __init__(self, tool: str, version: str, poetry: str, started: datetime) -> None:
        """`tool` and `version` name this distribution, `poetry` is Poetry's version."""
        self._release: ReleaseEntry
        # That release, or its stage, that the event at hand is about.
        self._place: PlaceEntry
        self._releases: list[ReleaseEntry] = []
        self._known: dict[str, ReleaseEntry] = {}
        # Of each release, by its name, what the project has beyond it.
        self._later: dict[str, set[str]] = {}
        self._run: ReceiptDocument = {
            "schema": SCHEMA,
            "tool": {"name": tool, "version": version},
            "poetry": poetry,
            "started": iso(started),
            "finished": None,
            "verdict": str(Verdict.RUNNING),
            "exit_code": None,
            "summary": None,
            "rehearsal": False,
            "sources": {"commit": None, "digest": None},
            "until": None,
            "confirmation": None,
            "problems": [],
            "releases": self._releases,
        }

    def as_dict(self) -> ReceiptDocument:
        """The receipt as JSON values; the caller must not change it."""
        return self._run

    def apply(self, event: events.Event, now: datetime, release: str | None = None) -> None:
        """Take in an event that happens `now`; events that the receipt does not record are ignored.

        `release` is any text that tells several releases apart; None is the last that started.
        """
        if isinstance(event, events.ReleaseStarted):
            self._release = _release(event, iso(now))
            self._releases.append(self._release)
            if release is not None:
                self._known[release] = self._release
        elif release is not None:
            self._release = self._known[release]
        if isinstance(event, events.OnStage):
            self._place = stage = self._stage(event.stage)
            event = event.event
            self._apply_to_stage(event, iso(now), stage)
        else:
            self._apply_to_run(event, iso(now))
            self._apply_to_release(event, iso(now))
            if self._releases:
                self._place = self._release
        self._apply_to_place(event)
        self._apply_to_distribution(event, iso(now))
        self._apply_to_index(event, iso(now))

    def _apply_to_stage(self, event: events.Event, now: str, stage: StageEntry) -> None:
        match event:
            case events.StageProvenBefore(proof):
                stage.update(cast(StageEntry, proof))
            case events.ReleaseEnded(verdict):
                stage["verdict"], stage["finished"] = str(verdict), now

    def _apply_to_place(self, event: events.Event) -> None:
        match event:
            case events.TargetsFound(repository_url, indexes):
                self._place["repository"]["url"] = repository_url
                self._place["indexes"] = [_index(url) for url in indexes]
            case events.DistributionsRead(distributions):
                self._place["distributions"] = [_distribution(file) for file in distributions]
            case events.LaterVersionsFound(versions):
                self._later.setdefault(self._release["name"], set()).update(versions)
            case events.PreviousFound(version, distributions):
                files: list[PreviousFileEntry] = [
                    {"filename": file.filename, "size": file.size} for file in distributions
                ]
                self._place["previous"] = {"version": version, "distributions": files}

    def _apply_to_run(self, event: events.Event, now: str) -> None:
        match event:
            case events.RunStarted(until, rehearsal, sources):
                self._run["until"], self._run["rehearsal"] = until, rehearsal
                self._run["sources"] = {"commit": sources.commit, "digest": sources.digest}
            case events.Confirmed(by, confirmed, answers):
                self._run["confirmation"] = {
                    "by": by,
                    "confirmed": confirmed,
                    "at": now,
                    "checklist": [{"item": item, "done": done} for item, done in answers],
                }
            case events.ProblemFound(problem, of_release):
                place = self._release if of_release and self._releases else self._run
                place["problems"].append(_problem(problem))
            case events.RunEnded(verdict, summary):
                self._run["summary"] = summary
                self._run["verdict"] = str(verdict)
                self._run["exit_code"] = verdict.exit_code
                self._run["finished"] = now
                for release in self._releases:
                    if release["verdict"] == str(Verdict.RUNNING):
                        release.update({"verdict": str(verdict), "finished": now})
                    if release["verdict"] in ENDS:
                        later = self._later.get(release["name"], ())
                        release["rollback"] = plan_of(release, later)

    def _apply_to_release(self, event: events.Event, now: str) -> None:
        match event:
            case events.VersionSet(version):
                page, old = self._release["page"], self._release["version"]
                self._release["page"] = page and f"{page.removesuffix(f'{old}/')}{version}/"
                self._release["version"] = version
            case events.TargetsFound(project_page=page):
                self._release["page"] = page and f"{page}{self._release['version']}/"
            case events.ReleaseBlocked(by):
                self._release["blocked_by"] = list(by)
            case events.ReleaseEnded(verdict):
                self._release.update({"verdict": str(verdict), "finished": now})

    def _apply_to_distribution(self, event: events.Event, now: str) -> None:
        match event:
            case events.FileCompared(filename, state, sha256):
                distribution = self._distribution(filename)
                distribution["remote_sha256"] = sha256
                if state == "identical":
                    distribution["upload"] = "already-there"
            case events.UploadStarted(filename, attempt=attempt):
                # Until the answer is judged, a killed run can say no more.
                file = self._distribution(filename)
                file.update({"attempts": attempt, "upload": "unknown"})
                file["started"] = file["started"] or now
            case events.UploadEnded(filename, upload, sha256):
                self._distribution(filename).update({"upload": upload, "finished": now})
                self._set_remote_sha256(filename, sha256)
            case events.FileListed(index, filename, sha256, url):
                self._set_remote_sha256(filename, sha256)
                if index in [each["url"] for each in self._place["indexes"][:1]]:
                    self._distribution(filename)["url"] = url
            case events.FileVerified(_, filename, sha256):
                self._set_remote_sha256(filename, sha256)
            case events.ProvenanceChecked(index, filename, publisher, predicate, log, verified):
                found: ProvenanceEntry = {
                    "index": index,
                    "publisher": publisher,
                    "predicate": predicate,
                    "log_index": log,
                    "verified": verified,
                }
                # It may be that of a file that was not expected.
                for file in self._place["distributions"]:
                    if file["filename"] == filename:
                        file["provenance"].append(found)

    def _apply_to_index(self, event: events.Event, now: str) -> None:
        match event:
            case events.WaitStarted(index):
                entry = self._index(index)
                entry["started"] = entry["started"] or now
            case events.NotYetVisible(index, variant, requests, edge=edge):
                if variant != UNSEEN.name:
                    self._variant(index, variant).update({"requests": requests, "edge": edge})
            case events.BecameVisible(index, variant, requests, edge=edge):
                self._variant(index, variant).update(
                    {"requests": requests, "edge": edge, "visible_at": now}
                )
            case events.ClientAsked(index, client, downloaded, resolved):
                asked: ClientEntry = {
                    "client": client,
                    "downloaded": downloaded,
                    "resolved": resolved,
                    "finished": now,
                }
                self._index(index)["clients"].append(asked)
            case events.Rechecked(index, variant, requests):
                self._variant(index, variant)["requests"] = requests
            case events.IndexEnded(index, proven, not_offered):
                entry = self._index(index)
                entry.update({"proven": proven, "not_offered": list(not_offered)})
                entry["finished"] = now

    def _set_remote_sha256(self, filename: str, sha256: str | None) -> None:
        if sha256 is not None:
            self._distribution(filename)["remote_sha256"] = sha256

    def _distribution(self, filename: str) -> DistributionEntry:
        return next(file for file in self._place["distributions"] if file["filename"] == filename)

    def _stage(self, name: str) -> StageEntry:
        stages = self._release["stages"]
        if all(stage["repository"]["name"] != name for stage in stages):
            stages.append(
                {
                    "verdict": None,
                    "repository": {"name": name, "url": None},
                    "previous": None,
                    "distributions": [],
                    "indexes": [],
                    "finished": None,
                }
            )
        return next(stage for stage in stages if stage["repository"]["name"] == name)

    def _index(self, url: str) -> IndexEntry:
        # Two URLs may be the same without their secrets.
        return next(index for index in self._place["indexes"] if index["url"] == url)

    def _variant(self, index: str, name: str) -> VariantEntry:
        variants = self._index(index)["variants"]
        if all(variant["variant"] != name for variant in variants):
            variants.append({"variant": name, "visible_at": None, "requests": 0, "edge": None})
        return next(variant for variant in variants if variant["variant"] == name)


def _distribution(file: events.FileFacts) -> DistributionEntry:
    return {
        "filename": file.filename,
        "size": file.size,
        "sha256": file.sha256,
        "requires_python": file.requires_python,
        "remote_sha256": None,
        "url": None,
        "upload": "not-sent",
        "attempts": 0,
        "provenance": [],
        "started": None,
        "finished": None,
    }


def _index(url: str) -> IndexEntry:
    return {
        "url": url,
        "proven": False,
        "not_offered": [],
        "variants": [],
        "clients": [],
        "started": None,
        "finished": None,
    }


def _problem(problem: Problem) -> ProblemEntry:
    return {
        "code": str(problem.code),
        "severity": problem.severity,
        "message": problem.message,
        "remedy": problem.remedy,
        "filename": problem.filename,
        "index": problem.index,
    }


def _release(event: events.ReleaseStarted, now: str) -> ReleaseEntry:
    return {
        "name": event.name,
        "version": event.version,
        "verdict": str(Verdict.RUNNING),
        "page": None,
        "blocked_by": [],
        "stages": [],
        "repository": {"name": event.repository, "url": None},
        "previous": None,
        "distributions": [],
        "indexes": [],
        "problems": [],
        "rollback": None,
        "started": now,
        "finished": None,
    }
