"""Builds a release, or uses what an earlier run built from the very same sources."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from poetry_publish_verified.adapters import dist_dir as dist_dir_adapter
from poetry_publish_verified.adapters import git, receipt_file
from poetry_publish_verified.adapters.changes import changed_since
from poetry_publish_verified.cli.projects import poetry_in
from poetry_publish_verified.cli.questions import agrees
from poetry_publish_verified.cli.run import interrupts_recorded, run_async
from poetry_publish_verified.cli.started_release import StartedRelease, temporary_directory
from poetry_publish_verified.core import events, former_build
from poetry_publish_verified.core.former_build import OtherSources
from poetry_publish_verified.core.problems.project import build_declined, build_failed
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.guard.layout import STATE_DIR
from poetry_publish_verified.guard.ownership import checkout_directory, make_in_checkout
from poetry_publish_verified.output.words import escaped
from poetry_publish_verified.poetry_api import build as poetry_build
from poetry_publish_verified.poetry_api import project as poetry_project
from poetry_publish_verified.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from poetry.console.commands.command import Command

    from poetry_publish_verified.core.distribution import Distribution
    from poetry_publish_verified.core.former_build import FormerBuild
    from poetry_publish_verified.poetry_api.project import Project

_in_thread = partial(anyio.to_thread.run_sync, abandon_on_cancel=True)
# Lines of a failed build's output that are shown.
_LAST_LINES = 25


class ReleaseBuild(Value):
    """What was built, or is used again, and the project as it was meanwhile.

    `record` is for the next run, still without what was built just now. `other_sources`: an
    earlier run built this release from other sources than these.
    """

    project: Project
    record: FormerBuild
    other_sources: OtherSources | None = None


class Recording:
    """Reports a release's events; once its sending starts, records what was built, and unlocks.

    `distributions` are those that are about to be sent; None in `built` records nothing.
    """

    def __init__(self, release: StartedRelease, built: ReleaseBuild | None) -> None:
        self.distributions: tuple[Distribution, ...] = ()
        self._release = release
        self._built = built

    def __call__(self, event: events.Event) -> None:
        """Report an event."""
        self._release.report(event)
        if isinstance(event, events.OnStage):
            event = event.event
        if isinstance(event, events.SendingStarted):
            if self._built is not None:
                with suppress(OSError):  # then it is built again
                    self._keep(self._built)
            self._release.build_lock.close()

    def _keep(self, built: ReleaseBuild) -> None:
        root, path = built.project.root, _record_of(built.project)
        make_in_checkout(root, path.parent)
        if not path.is_file():
            path.unlink(missing_ok=True)
        files = {each.filename: each.sha256 for each in self.distributions}
        packed = former_build.packed(self.distributions)
        receipt_file.write(path, replace(built.record, files=files, packed=packed).as_dict())


def confirm_build(command: Command, releases: Sequence[StartedRelease]) -> None:
    """Ask as `poetry publish --build` does; raises ReleaseError where the answer is no."""
    ready = {release: count for release in releases if (count := _outdated(release))}
    if not ready:
        return
    places = ", ".join(
        release.project.root.name if release.member else str(release.dist_dir) for release in ready
    )
    count, where = sum(ready.values()), escaped(places)
    words = f"There are <info>{count}</info> files ready for publishing in {where}."
    if not (command.io.is_interactive() and sys.stdin and sys.stdin.isatty()):
        command.line(f"<warning>Warning: {words} Building anyway.</warning>")
    elif not agrees(command.io, f"{words} Build anyway?"):
        raise ReleaseError.refused(build_declined())


def _outdated(release: StartedRelease) -> int:
    """How many files of the release are in the dist directory and not from an earlier run."""
    identity = release.project.identity
    there = dist_dir_adapter.filenames(release.dist_dir, identity.name, identity.version)
    ours = bool(there) and _as_recorded(_former(release.project), release) is not None
    return 0 if ours else len(there)


def build_here(command: Command, release: StartedRelease) -> ReleaseBuild:
    """Build the project at hand, unless an earlier run has begun to send what it built from this.

    Raises ReleaseError if the build fails.
    """
    before = _BeforeBuild.of(release)
    if before.former and (reused := run_async(_reused, command, before)):
        return reused
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
    before = await _in_thread(_BeforeBuild.of, release)
    if (reused := await _reused(command, before)) is not None:
        return reused
    release.report(events.BuildStarted())
    await _build(command, release, release.dist_dir)
    project = poetry_project.read(poetry_in(command, release.project.root))
    return await _in_thread(before.built, project)


async def _build(command: Command, release: StartedRelease, into: Path, *options: str) -> None:
    try:
        await poetry_build.build_in_subprocess(release.project.root, into, *options)
    except poetry_build.BuildError as error:
        raise _failed(command, release, error) from error


def _failed(
    command: Command, release: StartedRelease, error: poetry_build.BuildError
) -> ReleaseError:
    directory = release.member.directory if release.member else None
    of = f"{escaped(directory)}: " if directory else ""
    for line in error.output[-_LAST_LINES:]:
        command.line_error(f"  {of}{escaped(line)}")
    return ReleaseError.refused(build_failed(error, directory))


async def _reused(command: Command, before: _BeforeBuild) -> ReleaseBuild | None:
    """What an earlier run has begun to send, if these sources still make it.

    Where a file has changed, building decides: the sdist (without one: a wheel) is built again.
    """
    release, former = before.release, before.former
    there = await _in_thread(_as_recorded, former, release)
    if former is None or there is None:
        return None
    if not await _in_thread(before.are_the_sources_of, former, there):
        kind = min(each.parsed.kind for each in there)  # "sdist" before "wheel"
        (compared, *_) = [each.filename for each in there if each.parsed.kind == kind]
        release.report(events.BuildCompared(compared))
        with temporary_directory() as directory:
            await _build(command, release, Path(directory), "--format", kind)
            if await _in_thread(before.differing, former, Path(directory)):
                return None
    release.report(events.BuildReused(tuple(former.files)))
    return ReleaseBuild(release.project, replace(former, rest=_without(former.made, before.files)))


class _BeforeBuild(Value):
    """A release just before it is built: its sources, and the sha256 of each by its path.

    `former` is what an earlier run built of it and began to send.
    """

    release: StartedRelease
    files: Mapping[str, str]
    sources: events.Sources
    former: FormerBuild | None

    @classmethod
    def of(cls, release: StartedRelease) -> _BeforeBuild:
        root = release.project.root
        files = git.source_files(root, release.dist_dir)
        return cls(release, files, git.sources_of(root, files), _former(release.project))

    def are_the_sources_of(
        self, former: FormerBuild, distributions: Sequence[Distribution]
    ) -> bool:
        """Whether no file has changed since these `distributions` were built."""
        if _without(former.made, self.files) != former.rest:
            return False
        project, dist_dir = self.release.project, self.release.dist_dir
        # Git lists neither the files of submodules nor ignored ones.
        version = project.identity.version
        return not changed_since(project.root, dist_dir, distributions, version, untracked=True)

    def differing(self, former: FormerBuild, directory: Path) -> tuple[str, ...]:
        """The members in which the archives in a directory differ from the former ones."""
        project = self.release.project
        name, version = project.identity.name, project.identity.version
        built = dist_dir_adapter.look(directory, name, version).distributions
        return former.differing(former_build.packed(built))

    def built(self, project: Project) -> ReleaseBuild:
        """What was built of them, with the project as it is now."""
        if project.identity != self.release.project.identity:
            self.release.report(events.VersionSet(str(project.identity.version)))
        after = git.source_files(project.root, self.release.dist_dir)
        made = _made(project, self.files, after)
        rest = _without(made, self.files)
        record = former_build.FormerBuild(sources=self.sources, made=made, rest=rest)
        former, other = self.former, None
        if former is not None and _without(former.made, self.files) != former.rest:
            differing = self.differing(former, self.release.dist_dir)
            other = OtherSources(former.sources.commit, differing) if differing else None
        return ReleaseBuild(project, record, other)


def _made(project: Project, before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """What a build has left or changed; what git tracks is a source, whoever changed it."""
    touched = [name for name, digest in now.items() if before.get(name) != digest]
    tracked = git.tracked(project.root) if touched else ()
    return tuple(name for name in touched if name not in tracked)


def _without(made: tuple[str, ...], files: Mapping[str, str]) -> str:
    return git.digest_of({name: digest for name, digest in files.items() if name not in made})


def _former(project: Project) -> FormerBuild | None:
    record = _record_of(project)
    with suppress(OSError):
        checkout_directory(project.root).require_trusted(record)
        if record.is_file():
            return former_build.former_build(receipt_file.read(record))
    return None


def _as_recorded(
    former: FormerBuild | None, release: StartedRelease
) -> tuple[Distribution, ...] | None:
    """The release's distributions in the dist directory, if they are just those built before."""
    project, dist_dir = release.project, release.dist_dir
    name, version = project.identity.name, project.identity.version
    there = dist_dir_adapter.filenames(dist_dir, name, version)
    if former is None or sorted(former.files) != there:
        return None
    if former_build.lack_one_for(there, partial(poetry_project.supported_tags, project.poetry)):
        return None
    found = dist_dir_adapter.look(dist_dir, name, version).distributions
    return found if {each.filename: each.sha256 for each in found} == former.files else None


def default_receipt(dist_dir: Path, project: Project) -> Path:
    """Where the receipt of a release lies unless somebody names another place."""
    return dist_dir / receipt_file.DIRECTORY / _filename(project)


def _record_of(project: Project) -> Path:
    return project.root / STATE_DIR / "builds-1" / _filename(project)


def _filename(project: Project) -> str:
    return f"{project.identity.name}-{project.identity.version}.json"
