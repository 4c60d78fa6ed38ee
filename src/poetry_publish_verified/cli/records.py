"""The files that a run leaves for others beside its receipt."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from poetry_publish_verified.adapters import receipt_file
from poetry_publish_verified.adapters.git import tags_at_head
from poetry_publish_verified.cli.console import Reporting
from poetry_publish_verified.cli.release_source import DistDirRelease
from poetry_publish_verified.cli.settings import RunSettings
from poetry_publish_verified.core import events, release_metadata
from poetry_publish_verified.core.preflight.origin import tagged_version
from poetry_publish_verified.core.problems import usage as problems
from poetry_publish_verified.core.receipt import iso
from poetry_publish_verified.core.release_metadata import MetadataDocument, NotMetadataError
from poetry_publish_verified.errors import Problem, ReleaseError, Verdict
from poetry_publish_verified.values import Value

_NAME = "{name}"


class Records(Value):
    """Where a run for users leaves its records; None for those that nobody asked for.

    `metadata` may have `{name}` in it, which becomes that of the project.
    """

    metadata: Path | None = None
    history: Path | None = None

    @classmethod
    def of(cls, given: RunSettings, *, several: bool = False) -> Self:
        """What the settings say; raises ReleaseError where they are for one project alone."""
        path = given.path("metadata")
        if path is not None and several and _NAME not in str(path):
            fault = problems.invalid_setting("metadata", f"several projects need {_NAME} in it")
            raise ReleaseError(Verdict.ERROR, fault)
        return cls(path, given.path("history"))

    def of_project(self, name: str) -> tuple[Path, ...]:
        """The files that runs for this project write, and that may be kept in its repository."""
        return tuple(filter(None, (self._metadata_of(name), self.history)))

    def refuse_unwritable(self, names: Iterable[str]) -> None:
        """Raise ReleaseError where what these projects would leave cannot be written."""
        faults = []
        for path in filter(None, map(self._metadata_of, names)):
            try:
                receipt_file.earlier(path, release_metadata.SCHEMA, "release metadata")
                receipt_file.refuse_unwritable(path)
            except (OSError, ValueError) as error:
                faults.append(problems.record_not_writable("metadata", str(path), error))
        if faults:
            raise ReleaseError.refused(*faults)

    def write_metadata(self, ended: Mapping[DistDirRelease, Verdict], report: Reporting) -> None:
        """Write that of each release that is proven; raises ReleaseError with what failed."""
        faults = []
        for release, verdict in ended.items():
            if verdict not in {Verdict.VERIFIED, Verdict.KEPT_REMOTE}:
                continue
            path = self._metadata_of(release.identity.name)
            found = [*_write(path, _metadata(release, report), release)] if path else []
            if found:
                release.report(events.ReleaseEnded(verdict))
                faults += found
        if faults:
            raise ReleaseError(Verdict.ERROR, *faults)

    def _metadata_of(self, name: str) -> Path | None:
        return Path(str(self.metadata).replace(_NAME, name)) if self.metadata else None


def _metadata(release: DistDirRelease, report: Reporting) -> MetadataDocument:
    identity, run = release.identity, report.receipt
    (proven,) = [each for each in run["releases"] if each["name"] == identity.name]
    tags = tags_at_head(release.project.root)
    ours = [tag for tag in tags if tagged_version(tag, identity) == identity.version]
    moment = iso(datetime.now(UTC))
    return release_metadata.of_release(proven, run["sources"]["commit"], ours, moment)


def _write(path: Path, new: MetadataDocument, release: DistDirRelease) -> Iterator[Problem]:
    """Write it unless what is there is newer, or says the same; yields what kept it from that."""
    with suppress(OSError, NotMetadataError):
        there = receipt_file.read(path)
        version = release_metadata.read_metadata(there).version
        if version > release.identity.version:
            named = f"{release.identity.name} {version}"
            fault = problems.newer_metadata(str(path), named, str(release.identity.version))
            release.report(events.ProblemFound(fault))
            return
        if there == {**new, "released": there["released"]}:
            return
    try:
        receipt_file.write(path, new)
    except OSError as error:
        yield problems.record_not_writable("metadata", str(path), error)
