"""The locks that a release holds on its checkout."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.guard.locks.lock import held
from poetry_publish_verified.guard.locks.places import Places
from poetry_publish_verified.guard.locks.places import personal_directory
from poetry_publish_verified.guard.locks.resource import LockRefusedError
from poetry_publish_verified.poetry_api.indexes import Targets
from poetry_publish_verified.poetry_api.project import Project


def hold_project(
    project: Project,
    targets: Targets,
    timeout: float,
    stack: ExitStack,
    say: Callable[[str], None],
    *,
    to_send: bool,
    among_many: bool = False,
) -> ExitStack:
    """Hold what others in this checkout must not do meanwhile; who is second waits `timeout`.

    One release of a project to a repository at a time; and until the returned stack is closed,
    nobody builds into, or reads, what may be built for another repository.
    """
    building_alone = stack.enter_context(ExitStack())
    places = Places(personal_directory())
    wanted = [(places.build(project.root), building_alone)]
    if to_send:
        wanted.insert(0, (places.release(project.root, targets.repository.url), stack))
    for resource, until in wanted:
        try:
            lock = held(resource, say, needed=True, usual=timeout, shown=not among_many)
            until.enter_context(lock)
        except LockRefusedError as error:
            raise ReleaseError(Verdict.LOCK_TIMEOUT, error.problem) from error
    return building_alone
