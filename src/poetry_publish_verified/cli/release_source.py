"""Gathers what preflight checks: the files, the project, git and the repository."""

from collections.abc import Sequence
from pathlib import Path
from threading import Event as Stop
from typing import Self

import anyio.to_thread

from poetry_publish_verified.adapters import dist_dir as dist_dir_adapter
from poetry_publish_verified.adapters.changes import changed_since
from poetry_publish_verified.adapters.git import is_tracked, tags_at_head
from poetry_publish_verified.cli.build import Recording, ReleaseBuild
from poetry_publish_verified.cli.started_release import StartedRelease
from poetry_publish_verified.core.confirmation import changed
from poetry_publish_verified.core.events import DistributionsRead, FileFacts
from poetry_publish_verified.core.preflight import Circumstances
from poetry_publish_verified.core.problems.confirmation import changed_since_confirmed
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.poetry_api.project import versioned_by
from poetry_publish_verified.release.interfaces import Release


class DistDirRelease:
    """The release in the dist directory, not read yet.

    What was `built` just now is not compared with pyproject.toml: a plugin may change metadata.
    `records` are files that runs for this project write.
    """

    def __init__(
        self, started: StartedRelease, built: ReleaseBuild | None, records: Sequence[Path]
    ) -> None:
        self.started = started
        self.built = built
        self.project = built.project if built else started.project
        self.identity = self.project.identity
        self._records = records
        self.agreed: dict[str, str] = {}
        """The files that somebody has confirmed, names to sha256; then no others will do."""
        # The next run may use what was built, unless this is a rehearsal.
        self.report = Recording(started, None if started.options.rehearsal else built)

    def for_a_look(self) -> Self:
        """The same release, of which nothing is sent."""
        look = type(self)(self.started.for_a_look(), self.built, self._records)
        look.agreed = self.agreed
        return look

    async def read(self) -> Release:
        """Read the files and their circumstances in a thread."""
        stop = Stop()
        try:
            release = await anyio.to_thread.run_sync(self._look, stop, abandon_on_cancel=True)
        finally:
            stop.set()
        files = {each.filename: each.sha256 for each in release.distributions}
        if self.agreed and files != self.agreed:
            names = changed(self.agreed, files)
            raise ReleaseError.refused(changed_since_confirmed(names))
        self.report.distributions = release.distributions
        facts = tuple(
            FileFacts(d.filename, d.size, d.sha256, d.raw_metadata.get("requires_python"))
            for d in release.distributions
        )
        self.report(DistributionsRead(facts))
        return release

    def _look(self, stop: Stop) -> Release:
        project, dist_dir = self.project, self.started.dist_dir
        # Where nothing goes yet, no credentials are needed.
        targets = None if self.started.options.stage_only else self.started.targets
        name, version = project.identity.name, project.identity.version
        found = dist_dir_adapter.look(dist_dir, name, version, stop.is_set)
        root = project.root.resolve()
        records = [path.parent.resolve() / path.name for path in self._records]
        circumstances = Circumstances(
            place=str(dist_dir),
            built=self.built is not None,
            repository=targets.repository if targets else None,
            indexes=tuple(index.url for index in targets.shown_by) if targets else (),
            broken=found.broken,
            declared=project.declared if self.built is None else None,
            changed=changed_since(project.root, dist_dir, found.distributions, version),
            tags=tags_at_head(project.root),
            records=tuple(
                path.relative_to(root).as_posix() for path in records if path.is_relative_to(root)
            ),
            tracked=tuple(str(path) for path in records if is_tracked(path)),
            versioned_by=versioned_by(project.poetry),
        )
        before = self.built.other_sources if self.built else None
        attest = self.started.plan.attest != "off"
        made = dist_dir_adapter.attestations(dist_dir, found.distributions) if attest else {}
        return Release(project.identity, found.distributions, circumstances, before, made)
