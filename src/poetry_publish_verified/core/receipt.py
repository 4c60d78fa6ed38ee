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
from poetry_publish_verified.core.events import Looked
from poetry_publish_verified.core.events import ProblemFound
from poetry_publish_verified.core.events import ReleaseStarted
from poetry_publish_verified.core.events import RunEnded
from poetry_publish_verified.core.events import RunStarted
from poetry_publish_verified.core.events import TargetsFound
from poetry_publish_verified.core.events import UploadEnded
from poetry_publish_verified.core.events import UploadStarted
from poetry_publish_verified.core.events import VersionSet
from poetry_publish_verified.errors import Verdict

SCHEMA = "publish-verified.receipt/1"
# After these the file is written again: what they say must survive a kill.
DURABLE = (
    RunStarted,
    ReleaseStarted,
    DistributionsRead,
    UploadStarted,
    UploadEnded,
    BecameVisible,
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

    @singledispatchmethod
    def apply(self, event: Event, now: datetime) -> None:
        """Take in one event that happened `now`; what the receipt does not hold is passed over."""

    @apply.register
    def _(self, event: RunStarted, _now: datetime) -> None:
        self._run["until"] = event.until
        self._run["rehearsal"] = event.rehearsal
        self._run["sources"] = asdict(event.sources)

    @apply.register
    def _(self, event: ReleaseStarted, _now: datetime) -> None:
        self._run["releases"].append(_release(event))

    @apply.register
    def _(self, event: VersionSet, _now: datetime) -> None:
        self._run["releases"][-1]["version"] = event.version

    @apply.register
    def _(self, event: TargetsFound, _now: datetime) -> None:
        release = self._run["releases"][-1]
        release["repository"]["url"] = event.repository_url
        release["indexes"] = [{"url": url, "variants": []} for url in event.indexes]

    @apply.register
    def _(self, event: DistributionsRead, _now: datetime) -> None:
        self._run["releases"][-1]["distributions"] = [
            _distribution(file) for file in event.distributions
        ]

    @apply.register
    def _(self, event: FileCompared, _now: datetime) -> None:
        distribution = self._distribution(event.filename)
        distribution["remote_sha256"] = event.remote_sha256
        if event.state == "identical":
            distribution["upload"] = "already-there"

    @apply.register
    def _(self, event: UploadStarted, _now: datetime) -> None:
        distribution = self._distribution(event.filename)
        distribution["attempts"] = event.attempt
        # Until the answer is judged, that is all a killed run can say.
        distribution["upload"] = "unknown"

    @apply.register
    def _(self, event: UploadEnded, _now: datetime) -> None:
        distribution = self._distribution(event.filename)
        distribution["upload"] = event.upload
        if event.remote_sha256 is not None:
            distribution["remote_sha256"] = event.remote_sha256

    @apply.register
    def _(self, event: Looked, _now: datetime) -> None:
        variant = self._variant(event.index, event.variant)
        variant["requests"] = event.requests
        variant["edge"] = event.edge

    @apply.register
    def _(self, event: BecameVisible, now: datetime) -> None:
        variant = self._variant(event.index, event.variant)
        variant |= {"requests": event.requests, "edge": event.edge, "visible_at": iso(now)}

    @apply.register(FileListed)
    @apply.register(FileVerified)
    def _(self, event: FileListed | FileVerified, _now: datetime) -> None:
        if event.sha256 is not None:
            self._distribution(event.filename)["remote_sha256"] = event.sha256

    @apply.register
    def _(self, event: ProblemFound, _now: datetime) -> None:
        releases = self._run["releases"]
        place = releases[-1] if event.release and releases else self._run
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

    @apply.register
    def _(self, event: RunEnded, now: datetime) -> None:
        self._run["verdict"] = str(event.verdict)
        self._run["exit_code"] = event.verdict.exit_code
        self._run["finished"] = iso(now)
        for release in self._run["releases"]:
            release["verdict"] = str(event.verdict)

    def _distribution(self, filename: str) -> dict[str, Any]:
        for distribution in self._run["releases"][-1]["distributions"]:
            if distribution["filename"] == filename:
                found: dict[str, Any] = distribution
                return found
        raise KeyError(filename)

    def _variant(self, index: str, name: str) -> dict[str, Any]:
        (entry,) = [i for i in self._run["releases"][-1]["indexes"] if i["url"] == index]
        for variant in entry["variants"]:
            if variant["variant"] == name:
                found: dict[str, Any] = variant
                return found
        made = {"variant": name, "visible_at": None, "requests": 0, "edge": None}
        entry["variants"].append(made)
        return made


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
