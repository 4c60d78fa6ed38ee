"""Building, or using again what an earlier run has built from the very same sources."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from poetry_publish_verified.adapters import dist_dir as dist_dir_adapter
from poetry_publish_verified.adapters import receipt_file
from poetry_publish_verified.adapters.changes import changed_since
from poetry_publish_verified.adapters.git import digest_of
from poetry_publish_verified.adapters.git import source_files
from poetry_publish_verified.adapters.git import sources_of
from poetry_publish_verified.adapters.git import tracked
from poetry_publish_verified.cli.signals import interrupts_recorded
from poetry_publish_verified.core.events import BuildReused
from poetry_publish_verified.core.events import DistributionsRead
from poetry_publish_verified.core.events import SendingStarted
from poetry_publish_verified.core.former_build import FormerBuild
from poetry_publish_verified.core.former_build import former_build
from poetry_publish_verified.core.former_build import lack_one_for
from poetry_publish_verified.core.problems.project import build_declined
from poetry_publish_verified.core.problems.project import build_failed
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.guard.layout import UNPACKED
from poetry_publish_verified.guard.ownership import keep_in_checkout
from poetry_publish_verified.guard.ownership import of_checkout
from poetry_publish_verified.poetry_api import project as poetry_project

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Mapping

    from poetry.console.commands.command import Command
    from poetry.poetry import Poetry

    from poetry_publish_verified.core.events import Event
    from poetry_publish_verified.core.events import Sources
    from poetry_publish_verified.poetry_api.project import Project


@dataclass(frozen=True, slots=True)
class ReleaseBuild:
    """What was built, or is used again, and the project as it was meanwhile.

    `other_sources` is what an earlier run built of this release from other sources than these.
    """

    project: Project
    dist_dir: Path
    sources: Sources
    made: tuple[str, ...]
    rest: str
    other_sources: FormerBuild | None

    def keep_record(self, files: Mapping[str, str]) -> None:
        """Note what is about to be sent, sha256 by name; else it is only built again."""
        with suppress(OSError):
            record = FormerBuild(self.sources, files, self.made, self.rest)
            path = _record(self.project)
            keep_in_checkout(self.project.root, path.parent)
            if not path.is_file():  # a pipe would be written to, and wait for a reader
                path.unlink(missing_ok=True)
            receipt_file.write(path, record.as_dict())


def recording_build(
    report: Callable[[Event], None], built: ReleaseBuild | None, building_alone: ExitStack
) -> Callable[[Event], None]:
    """Report, and once the sending starts, note what was built and let others build."""
    files: dict[str, str] = {}

    def tell(event: Event) -> None:
        report(event)
        if isinstance(event, DistributionsRead):
            files.update((each.filename, str(each.sha256)) for each in event.distributions)
        elif isinstance(event, SendingStarted):
            if built is not None:
                built.keep_record(files)
            building_alone.close()

    return tell


def ask(command: Command, project: Project, dist_dir: Path) -> None:
    """Ask as `poetry publish --build` does; ReleaseError where the answer is no."""
    if ready := _ready(command.poetry, project, dist_dir):
        _confirm(
            command,
            f"There are <info>{ready}</info> files ready for publishing in {dist_dir}.",
        )


def ask_for_all(command: Command, projects: Iterable[tuple[Poetry, Project, Path]]) -> None:
    """Ask once for all projects; ReleaseError where the answer is no."""
    ready = [(p.root.name, n) for poetry, p, folder in projects if (n := _ready(poetry, p, folder))]
    if ready:
        names, count = ", ".join(name for name, _ in ready), sum(n for _, n in ready)
        _confirm(command, f"There are <info>{count}</info> files ready for publishing in {names}.")


def _ready(poetry: Poetry, project: Project, dist_dir: Path) -> int:
    """How many files of the release are in the dist folder, and would be built anew."""
    identity = project.identity
    there = dist_dir_adapter.filenames(dist_dir, identity.name, identity.version)
    fit = bool(there) and _is_fit(_former(project), poetry, project, dist_dir)
    return 0 if fit else len(there)


def _confirm(command: Command, words: str) -> None:
    # cleo asks for ever where nobody can answer.
    if not (command.io.is_interactive() and sys.stdin and sys.stdin.isatty()):
        command.line(f"<warning>Warning: {words} Building anyway.</warning>")
    elif not command.confirm(f"{words} Build anyway?"):
        raise ReleaseError(Verdict.PREFLIGHT_REFUSED, build_declined())


def build(
    command: Command, project: Project, dist_dir: Path, report: Callable[[Event], None]
) -> ReleaseBuild:
    """Build, unless an earlier run has begun to send what it built from these very sources.

    ReleaseError where the build fails.
    """
    if (built := used_again(command.poetry, project, dist_dir, report)) is not None:
        return built
    sources = Before.of(project, dist_dir)
    _call_build(command, dist_dir)
    return sources.built(poetry_project.read(command.poetry))


def used_again(
    poetry: Poetry, project: Project, dist_dir: Path, report: Callable[[Event], None]
) -> ReleaseBuild | None:
    """What an earlier run has begun to send, where it was built from these very sources."""
    before = _former(project)
    if before is None or not _is_fit(before, poetry, project, dist_dir):
        return None
    report(BuildReused(tuple(before.files)))
    return ReleaseBuild(project, dist_dir, before.sources, before.made, before.rest, None)


@dataclass(frozen=True, slots=True)
class Before:
    """A project just before it is built, with the sha256 of its sources by name."""

    project: Project
    dist_dir: Path
    files: Mapping[str, str]
    sources: Sources

    @classmethod
    def of(cls, project: Project, dist_dir: Path) -> Before:
        """Read all sources."""
        files = source_files(project.root, dist_dir)
        return cls(project, dist_dir, files, sources_of(project.root, files))

    def built(self, project: Project) -> ReleaseBuild:
        """What was built of them, with the project as it is now."""
        after = source_files(self.project.root, self.dist_dir)
        made = _made(self.project, self.files, after)
        rest = digest_of({n: digest for n, digest in self.files.items() if n not in made})
        former = _former(project)
        same = former is None or _is_of_the_same_sources(former, self.files)
        return ReleaseBuild(
            project, self.dist_dir, self.sources, made, rest, None if same else former
        )


def _made(project: Project, before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """What a build has left or changed; what git tracks is a source, whoever changed it."""
    touched = [name for name, digest in now.items() if before.get(name) != digest]
    kept = tracked(project.root) if touched else ()
    return tuple(name for name in touched if name not in kept)


def _is_of_the_same_sources(before: FormerBuild, now: Mapping[str, str]) -> bool:
    return digest_of({n: d for n, d in now.items() if n not in before.made}) == before.rest


def _former(project: Project) -> FormerBuild | None:
    record = _record(project)
    with suppress(OSError):
        of_checkout(project.root).believe(record)
        return former_build(receipt_file.read(record)) if record.is_file() else None
    return None


def _is_fit(before: FormerBuild | None, poetry: Poetry, project: Project, dist_dir: Path) -> bool:
    """Whether the dist folder holds just what was built before, from the sources as they are."""
    identity = project.identity
    there = dist_dir_adapter.filenames(dist_dir, identity.name, identity.version)
    if before is None or sorted(before.files) != there:
        return False
    if not _is_of_the_same_sources(before, source_files(project.root, dist_dir)):
        return False
    if lack_one_for(there, partial(poetry_project.supported_tags, poetry)):
        return False
    found = dist_dir_adapter.look(dist_dir, identity.name, identity.version).distributions
    if {each.filename: each.sha256 for each in found} != before.files:
        return False
    # Git tells nothing of submodules' files, nor of what it is told to ignore.
    return not changed_since(project.root, dist_dir, found, identity.version, untracked=True)


def _call_build(command: Command, dist_dir: Path) -> None:
    # cleo splits this as a shell would.
    quoted = re.sub(r"(['\"])", r"\\\1", str(dist_dir))
    try:
        with interrupts_recorded() as interrupts:
            code = command.call("build", f'--output "{quoted}"')
    except Exception as error:
        problem = build_failed(str(error) or type(error).__name__)
        raise ReleaseError(Verdict.PREFLIGHT_REFUSED, problem) from error
    if interrupts:
        raise KeyboardInterrupt
    if code != 0:
        problem = build_failed(f"poetry build exited with code {code}.")
        raise ReleaseError(Verdict.PREFLIGHT_REFUSED, problem)


def default_receipt(dist_dir: Path, project: Project) -> Path:
    """Where the receipt of a release lies where nobody names another place."""
    return dist_dir / receipt_file.FOLDER / _of_release(project)


def _record(project: Project) -> Path:
    return project.root / UNPACKED / "builds-1" / _of_release(project)


def _of_release(project: Project) -> str:
    return f"{project.identity.name}-{project.identity.version}.json"
