"""The locks of a release: taken at its start, and looked at before it changes an index."""

from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import anyio.to_thread
from poetry.console.commands.command import Command

from poetry_publish_verified.errors import Problem, ReleaseError, Verdict
from poetry_publish_verified.guard.locks.breaking import Breaking
from poetry_publish_verified.guard.locks.lock import acquire, held_file, lost_lock
from poetry_publish_verified.guard.locks.one_host import first_warning
from poetry_publish_verified.guard.locks.places import LockPlaces, user_lock_directory
from poetry_publish_verified.guard.locks.resource import LockRefusedError, Resource
from poetry_publish_verified.guard.seams.application import Notifier
from poetry_publish_verified.values import Value


def release_locks(root: Path, urls: Collection[str]) -> list[Resource]:
    """Those of the project at `root` and these repositories, in an order that never deadlocks."""
    places = LockPlaces(user_lock_directory())
    return [places.release(root, url) for url in sorted(urls)]


class Taking(Value, kw_only=True):
    """How a command takes its locks: `timeout` in seconds, and when it breaks those of others.

    `at_once`: as soon as one is not free; or after a holder was `silent_for` so many seconds.
    """

    command: Command
    timeout: float
    report: Callable[[Problem], None]
    at_once: bool
    silent_for: float | None
    export: bool = True

    def all(self, resources: Iterable[Resource], until: ExitStack) -> None:
        """Hold them to the end of `until`; raises ReleaseError."""
        breaking = Breaking(self.report, self.at_once, self.silent_for)
        for resource in resources:
            lock = acquire(
                resource,
                Notifier(self.command.io).warn,
                required=True,
                default_timeout=self.timeout,
                export=self.export,
                breaking=breaking,
            )
            try:
                until.enter_context(lock)
            except LockRefusedError as error:
                raise ReleaseError(Verdict.LOCK_TIMEOUT, error.problem) from error

    def releases(self, resources: Collection[Resource], until: ExitStack) -> None:
        """The same for the locks of releases; the first one says if they are of this host alone."""
        self.all(resources, until)
        for file in map(held_file, resources):
            if file is not None and (problem := first_warning(file)) is not None:
                self.report(problem)


async def require(resources: Iterable[Resource]) -> None:
    """Raise ReleaseError if this process held one of them, and another one has broken it."""
    for resource in resources:
        look = partial(lost_lock, resource)
        # A dead server may never answer.
        problem = await anyio.to_thread.run_sync(look, abandon_on_cancel=True)
        if problem is not None:
            raise ReleaseError(Verdict.LOCK_LOST, problem)
