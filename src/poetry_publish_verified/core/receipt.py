"""The receipt: the JSON record of a run, folded from its events."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC
from datetime import datetime
from functools import singledispatchmethod
from typing import Any

from poetry_publish_verified.core.events import BecameVisible
from poetry_publish_verified.core.events import DistributionsRead
from poetry_publish_verified.core.events import Event
from poetry_publish_verified.core.events import FileCompared
from poetry_publish_verified.core.events import FileFacts
from poetry_publish_verified.core.events import FileListed
from poetry_publish_verified.core.events import FileVerified
from poetry_publish_verified.core.events import IndexEnded
from poetry_publish_verified.core.events import NotYetVisible
from poetry_publish_verified.core.events import ProblemFound
from poetry_publish_verified.core.events import Rechecked
from poetry_publish_verified.core.events import ReleaseBlocked
from poetry_publish_verified.core.events import ReleaseEnded
from poetry_publish_verified.core.events import ReleaseStarted
from poetry_publish_verified.core.events import RunEnded
from poetry_publish_verified.core.events import RunStarted
from poetry_publish_verified.core.events import TargetsFound
from poetry_publish_verified.core.events import UploadEnded
from poetry_publish_verified.core.events import UploadStarted
from poetry_publish_verified.core.events import VersionSet
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.errors import Verdict

TOOL = "poetry-publish-verified"
SCHEMA = "publish-verified.receipt/1"
# After these the file is written again: what they say must survive a kill.
DURABLE = (
    RunStarted,
    ReleaseStarted,
    DistributionsRead,
    UploadStarted,
    UploadEnded,
    BecameVisible,
    IndexEnded,
    ReleaseEnded,
    RunEnded,
)


def iso(moment: datetime) -> str:
    """A moment in UTC, ISO 8601, to the millisecond."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


class Receipt:
    """One run's record. `apply` each event in turn; `as_dict` is what is written."""

    def __init__(self, tool: str, version: str, poetry: str, started: datetime) -> None:
        """`tool` and `version` name this distribution, `poetry` is Poetry's version."""
        self._release: dict[str, Any] = {}
        self._known: dict[str, dict[str, Any]] = {}
        self._run: dict[str, Any] = {
            "schema": SCHEMA,
            "tool": {"name": tool, "version": version},
            "poetry": poetry,
            "started": iso(started),
            "finished": None,
            "verdict": str(Verdict.RUNNING),
            "exit_code": None,
            "rehearsal": False,
            "sources": {"commit": None, "digest": None},
            "until": None,
            "problems": [],
            "releases": [],
        }

    def as_dict(self) -> dict[str, Any]:
        """The receipt as JSON values; the caller must not change it."""
        return self._run

    def apply(self, event: Event, now: datetime, release: str | None = None) -> None:
        """Take in one event that happened `now`; what the receipt does not hold is passed over.

        `release` tells several apart, by any text of the caller's; None is the last begun.
        """
        if isinstance(event, ReleaseStarted):
            self._release = _release(event)
            self._run["releases"].append(self._release)
            if release is not None:
                self._known[release] = self._release
        elif release is not None:
            self._release = self._known[release]
        self._apply(event, now)

    @singledispatchmethod
    def _apply(self, event: Event, now: datetime) -> None:
        pass

    @_apply.register
    def _(self, event: RunStarted, _now: datetime) -> None:
        self._run["until"] = event.until
        self._run["rehearsal"] = event.rehearsal
        self._run["sources"] = asdict(event.sources)

    @_apply.register
    def _(self, event: VersionSet, _now: datetime) -> None:
        self._release["version"] = event.version

    @_apply.register
    def _(self, event: TargetsFound, _now: datetime) -> None:
        self._release["repository"]["url"] = event.repository_url
        self._release["indexes"] = [
            {"url": url, "proven": False, "not_offered": [], "variants": []}
            for url in event.indexes
        ]

    @_apply.register
    def _(self, event: DistributionsRead, _now: datetime) -> None:
        self._release["distributions"] = [_distribution(file) for file in event.distributions]

    @_apply.register
    def _(self, event: FileCompared, _now: datetime) -> None:
        distribution = self._distribution(event.filename)
        distribution["remote_sha256"] = event.remote_sha256
        if event.state == "identical":
            distribution["upload"] = "already-there"

    @_apply.register
    def _(self, event: UploadStarted, _now: datetime) -> None:
        distribution = self._distribution(event.filename)
        distribution["attempts"] = event.attempt
        # Until the answer is judged, that is all a killed run can say.
        distribution["upload"] = "unknown"

    @_apply.register
    def _(self, event: UploadEnded, _now: datetime) -> None:
        distribution = self._distribution(event.filename)
        distribution["upload"] = event.upload
        if event.remote_sha256 is not None:
            distribution["remote_sha256"] = event.remote_sha256

    @_apply.register
    def _(self, event: NotYetVisible, _now: datetime) -> None:
        if event.variant == UNSEEN.name:
            return
        variant = self._variant(event.index, event.variant)
        variant["requests"] = event.requests
        variant["edge"] = event.edge

    @_apply.register
    def _(self, event: BecameVisible, now: datetime) -> None:
        variant = self._variant(event.index, event.variant)
        variant |= {"requests": event.requests, "edge": event.edge, "visible_at": iso(now)}

    @_apply.register
    def _(self, event: Rechecked, _now: datetime) -> None:
        self._variant(event.index, event.variant)["requests"] = event.requests

    @_apply.register(FileListed)
    @_apply.register(FileVerified)
    def _(self, event: FileListed | FileVerified, _now: datetime) -> None:
        if event.sha256 is not None:
            self._distribution(event.filename)["remote_sha256"] = event.sha256

    @_apply.register
    def _(self, event: ProblemFound, _now: datetime) -> None:
        place = self._release if event.release and self._release else self._run
        place["problems"].append(
            {
                "code": str(event.problem.code),
                "severity": event.problem.severity,
                "message": event.problem.message,
                "remedy": event.problem.remedy,
                "filename": event.problem.filename,
                "index": event.problem.index,
            }
        )

    @_apply.register
    def _(self, event: IndexEnded, _now: datetime) -> None:
        entry = self._index(event.index)
        entry |= {"proven": event.proven, "not_offered": list(event.not_offered)}

    @_apply.register
    def _(self, event: ReleaseBlocked, _now: datetime) -> None:
        self._release["blocked_by"] = list(event.by)

    @_apply.register
    def _(self, event: ReleaseEnded, _now: datetime) -> None:
        self._release["verdict"] = str(event.verdict)

    @_apply.register
    def _(self, event: RunEnded, now: datetime) -> None:
        self._run["verdict"] = str(event.verdict)
        self._run["exit_code"] = event.verdict.exit_code
        self._run["finished"] = iso(now)
        for release in self._run["releases"]:
            if release["verdict"] == str(Verdict.RUNNING):
                release["verdict"] = str(event.verdict)

    def _distribution(self, filename: str) -> dict[str, Any]:
        for distribution in self._release["distributions"]:
            if distribution["filename"] == filename:
                found: dict[str, Any] = distribution
                return found
        raise KeyError(filename)

    def _variant(self, index: str, name: str) -> dict[str, Any]:
        variants = self._index(index)["variants"]
        for variant in variants:
            if variant["variant"] == name:
                found: dict[str, Any] = variant
                return found
        made = {"variant": name, "visible_at": None, "requests": 0, "edge": None}
        variants.append(made)
        return made

    def _index(self, url: str) -> dict[str, Any]:
        (entry,) = [i for i in self._release["indexes"] if i["url"] == url]
        found: dict[str, Any] = entry
        return found


def _release(event: ReleaseStarted) -> dict[str, Any]:
    return {
        "name": event.name,
        "version": event.version,
        "verdict": str(Verdict.RUNNING),
        "blocked_by": [],
        "repository": {"name": event.repository, "url": None},
        "distributions": [],
        "indexes": [],
        "problems": [],
    }


def _distribution(file: FileFacts) -> dict[str, Any]:
    return {
        "filename": file.filename,
        "size": file.size,
        "sha256": file.sha256,
        "remote_sha256": None,
        "upload": "not-sent",
        "attempts": 0,
    }
