"""Gathers what preflight checks: the files, the project, git and the repository."""

from dataclasses import dataclass
from pathlib import Path
from threading import Event as Stop
from typing import Self

import anyio.to_thread

from poetry_publish_verified.adapters import dist_dir as dist_dir_adapter
from poetry_publish_verified.adapters.changes import changed_since
from poetry_publish_verified.adapters.git import tags_at_head
from poetry_publish_verified.cli.build import Recording, ReleaseBuild
from poetry_publish_verified.cli.started_release import StartedRelease
from poetry_publish_verified.core.events import DistributionsRead, FileFacts
from poetry_publish_verified.core.preflight import Circumstances, Identity
from poetry_publish_verified.poetry_api.indexes import Targets
from poetry_publish_verified.poetry_api.project import Project
from poetry_publish_verified.release.interfaces import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class DistDirRelease:
    """The release in the dist directory, not read yet.

    What was `built` just now is not compared with pyproject.toml: a plugin may change metadata.
    """

    project: Project
    targets: Targets
    dist_dir: Path
    built: ReleaseBuild | None
    report: Recording

    @classmethod
    def of(cls, release: StartedRelease, built: ReleaseBuild | None, *, to_keep: bool) -> Self:
        """What a started release hands over; `to_keep`: the next run may use what was `built`."""
        project = built.project if built else release.project
        return cls(
            project=project,
            targets=release.targets,
            dist_dir=release.dist_dir,
            built=built,
            report=Recording(release, built if to_keep else None),
        )

    @property
    def identity(self) -> Identity:
        return self.project.identity

    async def read(self) -> Release:
        """Read the files and their circumstances in a thread."""
        stop = Stop()
        try:
            release = await anyio.to_thread.run_sync(self._look, stop, abandon_on_cancel=True)
        finally:
            stop.set()
        self.report.distributions = release.distributions
        files = tuple(FileFacts(d.filename, d.size, d.sha256) for d in release.distributions)
        self.report(DistributionsRead(files))
        return release

    def _look(self, stop: Stop) -> Release:
        project, dist_dir = self.project, self.dist_dir
        name, version = project.identity.name, project.identity.version
        found = dist_dir_adapter.look(dist_dir, name, version, stop.is_set)
        circumstances = Circumstances(
            place=str(dist_dir),
            built=self.built is not None,
            repository=self.targets.repository,
            indexes=tuple(index.url for index in self.targets.shown_by),
            broken=found.broken,
            declared=project.declared if self.built is None else None,
            changed=changed_since(project.root, dist_dir, found.distributions, version),
            tags=tags_at_head(project.root),
        )
        before = self.built.other_sources if self.built else None
        return Release(project.identity, found.distributions, circumstances, before)
