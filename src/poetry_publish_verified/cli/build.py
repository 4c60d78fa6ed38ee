"""Builds a release, or uses what an earlier run built from the very same sources."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from poetry_publish_verified.adapters import dist_dir as dist_dir_adapter
from poetry_publish_verified.adapters import git, receipt_file
from poetry_publish_verified.adapters.changes import changed_since
from poetry_publish_verified.cli.projects import poetry_in
from poetry_publish_verified.cli.signals import interrupts_recorded
from poetry_publish_verified.core import events, former_build
from poetry_publish_verified.core.problems.project import build_declined, build_failed
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.guard.layout import STATE_DIR
from poetry_publish_verified.guard.ownership import checkout_directory, make_in_checkout
from poetry_publish_verified.output.words import escaped
from poetry_publish_verified.poetry_api import build as poetry_build
from poetry_publish_verified.poetry_api import project as poetry_project

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from poetry.console.commands.command import Command

    from poetry_publish_verified.cli.started_release import StartedRelease
    from poetry_publish_verified.core.former_build import FormerBuild
    from poetry_publish_verified.poetry_api.project import Project

# Lines of a failed build's output that are shown.
_LAST_LINES = 25


@dataclass(frozen=True, slots=True)
class ReleaseBuild:
    """What was built, or is used again, and the project as it was meanwhile.

    `record` is for the next run, still without files where they were built just now.
    `other_sources` is what an earlier run built of this release from other sources than these.
    """

    project: Project
    record: FormerBuild
    other_sources: FormerBuild | None = None

    def keep_record(self, files: Mapping[str, str]) -> None:
        """Record what is about to be sent, sha256 by name; where that fails, it is built again."""
        with suppress(OSError):
            path = _record_of(self.project)
            make_in_checkout(self.project.root, path.parent)
            if not path.is_file():  # a pipe would be written to, and wait for a reader
                path.unlink(missing_ok=True)
            receipt_file.write(path, replace(self.record, files=files).as_dict())


def recording_build(
    release: StartedRelease, built: ReleaseBuild | None
) -> Callable[[events.Event], None]:
    """Report a release's events; once its sending starts, record what was `built`, and unlock."""
    files: dict[str, str] = {}

    def tell(event: events.Event) -> None:
        release.report(event)
        if isinstance(event, events.DistributionsRead):
            files.update((each.filename, str(each.sha256)) for each in event.distributions)
        elif isinstance(event, events.SendingStarted):
            if built is not None:
                built.keep_record(files)
            release.build_lock.close()

    return tell


def confirm_build(command: Command, releases: Sequence[StartedRelease]) -> None:
    """Ask as `poetry publish --build` does; raises ReleaseError where the answer is no."""
    ready = {release: count for release in releases if (count := _outdated(release))}
    if not ready:
        return
    places = ", ".join(
        release.project.root.name if release.member else str(release.dist_dir) for release in ready
    )
    words = f"There are <info>{sum(ready.values())}</info> files ready for publishing in {places}."
    # cleo asks for ever where nobody can answer.
    if not (command.io.is_interactive() and sys.stdin and sys.stdin.isatty()):
        command.line(f"<warning>Warning: {words} Building anyway.</warning>")
    elif not command.confirm(f"{words} Build anyway?"):
        raise ReleaseError.refused(build_declined())


def _outdated(release: StartedRelease) -> int:
    """How many files of the release are in the dist directory, and would be built again."""
    identity = release.project.identity
    there = dist_dir_adapter.filenames(release.dist_dir, identity.name, identity.version)
    reused = bool(there) and _is_current(_former(release.project), release)
    return 0 if reused else len(there)


def build_here(command: Command, release: StartedRelease) -> ReleaseBuild:
    """Build the project at hand, unless an earlier run has begun to send what it built from this.

    Raises ReleaseError where the build fails.
    """
    if (reused := _reused(release)) is not None:
        return reused
    before = _BeforeBuild.of(release)
    with interrupts_recorded() as interrupts:
        try:
            poetry_build.build_in_process(command, release.dist_dir)
        except poetry_build.BuildError as error:
            if not interrupts:
                raise _failed(command, release, error) from error
    if interrupts:
        raise KeyboardInterrupt
    return before.built(poetry_project.read(release.project.poetry))


async def build_apart(command: Command, release: StartedRelease) -> ReleaseBuild:
    """The same of one of several projects, in a process of its own."""
    in_thread = partial(anyio.to_thread.run_sync, abandon_on_cancel=True)
    if (reused := await in_thread(_reused, release)) is not None:
        return reused
    before = await in_thread(_BeforeBuild.of, release)
    release.report(events.BuildStarted())
    root = release.project.root
    try:
        await poetry_build.build_in_subprocess(root, release.dist_dir)
    except poetry_build.BuildError as error:
        raise _failed(command, release, error) from error
    return await in_thread(before.built, poetry_project.read(poetry_in(command, root)))


def _failed(
    command: Command, release: StartedRelease, error: poetry_build.BuildError
) -> ReleaseError:
    directory = release.member.directory if release.member else None
    for line in error.output[-_LAST_LINES:]:
        command.line_error(f"  {escaped(directory or '')}: {escaped(line)}")
    return ReleaseError.refused(build_failed(error, directory))


def _reused(release: StartedRelease) -> ReleaseBuild | None:
    """What an earlier run has begun to send, where it was built from these very sources."""
    former = _former(release.project)
    if former is None or not _is_current(former, release):
        return None
    release.report(events.BuildReused(tuple(former.files)))
    return ReleaseBuild(release.project, former)


@dataclass(frozen=True, slots=True)
class _BeforeBuild:
    """A release just before it is built: its sources, and the sha256 of each by its path."""

    release: StartedRelease
    files: Mapping[str, str]
    sources: events.Sources

    @classmethod
    def of(cls, release: StartedRelease) -> _BeforeBuild:
        files = git.source_files(release.project.root, release.dist_dir)
        return cls(release, files, git.sources_of(release.project.root, files))

    def built(self, project: Project) -> ReleaseBuild:
        """What was built of them, with the project as it is now."""
        if project.identity != self.release.project.identity:
            self.release.report(events.VersionSet(str(project.identity.version)))
        after = git.source_files(project.root, self.release.dist_dir)
        made = _made(project, self.files, after)
        record = former_build.FormerBuild(self.sources, {}, made, _without(made, self.files))
        former = _former(self.release.project)
        same = former is None or _is_of_sources(former, self.files)
        return ReleaseBuild(project, record, None if same else former)


def _made(project: Project, before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """What a build has left or changed; what git tracks is a source, whoever changed it."""
    touched = [name for name, digest in now.items() if before.get(name) != digest]
    tracked = git.tracked(project.root) if touched else ()
    return tuple(name for name in touched if name not in tracked)


def _without(made: tuple[str, ...], files: Mapping[str, str]) -> str:
    return git.digest_of({name: digest for name, digest in files.items() if name not in made})


def _is_of_sources(former: FormerBuild, now: Mapping[str, str]) -> bool:
    return _without(former.made, now) == former.rest


def _former(project: Project) -> FormerBuild | None:
    record = _record_of(project)
    with suppress(OSError):
        checkout_directory(project.root).require_trusted(record)
        if record.is_file():
            return former_build.former_build(receipt_file.read(record))
    return None


def _is_current(former: FormerBuild | None, release: StartedRelease) -> bool:
    """Whether the dist directory holds just what was built before, from the sources as they are."""
    project, dist_dir = release.project, release.dist_dir
    name, version = project.identity.name, project.identity.version
    there = dist_dir_adapter.filenames(dist_dir, name, version)
    if former is None or sorted(former.files) != there:
        return False
    if not _is_of_sources(former, git.source_files(project.root, dist_dir)):
        return False
    if former_build.lack_one_for(there, partial(poetry_project.supported_tags, project.poetry)):
        return False
    found = dist_dir_adapter.look(dist_dir, name, version).distributions
    if {each.filename: each.sha256 for each in found} != former.files:
        return False
    # Git lists neither the files of submodules nor ignored ones.
    return not changed_since(project.root, dist_dir, found, version, untracked=True)


def default_receipt(dist_dir: Path, project: Project) -> Path:
    """Where the receipt of a release lies unless somebody names another place."""
    return dist_dir / receipt_file.DIRECTORY / _filename(project)


def _record_of(project: Project) -> Path:
    return project.root / STATE_DIR / "builds-1" / _filename(project)


def _filename(project: Project) -> str:
    return f"{project.identity.name}-{project.identity.version}.json"
