"""Gathers what preflight is to judge: the files, the project, git and the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poetry_publish_verified.adapters import dist_dir as dist_dir_adapter
from poetry_publish_verified.adapters.changes import changed_since
from poetry_publish_verified.adapters.git import tags_at_head
from poetry_publish_verified.core.preflight import Circumstances
from poetry_publish_verified.world import Release

if TYPE_CHECKING:
    from pathlib import Path

    from poetry_publish_verified.commands.wiring import Targets
    from poetry_publish_verified.project import Project


def look_at(project: Project, targets: Targets, dist_dir: Path, *, built_now: bool) -> Release:
    """The release that is in the dist folder, and its circumstances.

    What was `built_now` is not held against pyproject.toml: what differs is a plugin's doing.
    """
    identity = project.identity
    found = dist_dir_adapter.look(dist_dir, identity.name, identity.version)
    changed = changed_since(project.root, dist_dir, found.distributions, identity.version)
    circumstances = Circumstances(
        place=str(dist_dir),
        repository=targets.repository,
        indexes=tuple(index.url for index in targets.indexes.shown_by),
        broken=found.broken,
        declared=None if built_now else project.declared,
        changed=changed,
        tags=tags_at_head(project.root),
    )
    return Release(identity, found.distributions, circumstances)
