"""Building, or using again what an earlier run has built from the very same sources."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from poetry_publish_verified import project as poetry_project
from poetry_publish_verified.adapters import dist_dir as dist_dir_adapter
from poetry_publish_verified.adapters import receipt_file
from poetry_publish_verified.adapters.changes import changed_since
from poetry_publish_verified.adapters.git import digest_of
from poetry_publish_verified.adapters.git import source_files
from poetry_publish_verified.adapters.git import sources_of
from poetry_publish_verified.adapters.git import tracked
from poetry_publish_verified.commands.running import interrupts_noted
from poetry_publish_verified.core.events import BuildUsedAgain
from poetry_publish_verified.core.foreign import printable
from poetry_publish_verified.core.former_build import FormerBuild
from poetry_publish_verified.core.former_build import former_build
from poetry_publish_verified.core.former_build import lack_one_for
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.guard.resources import UNPACKED

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping

    from poetry.console.commands.command import Command

    from poetry_publish_verified.core.events import Event
    from poetry_publish_verified.core.events import Sources
    from poetry_publish_verified.project import Project


@dataclass(frozen=True, slots=True)
class Built:
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
            record, path = (
                FormerBuild(self.sources, files, self.made, self.rest),
                _record(self.project),
            )
            if not path.parent.is_symlink():
                receipt_file.write(path, record.as_dict())
                # Nothing of this is for a repository.
                (path.parent / ".gitignore").write_text("*", encoding="utf-8")


def ask(command: Command, project: Project, dist_dir: Path) -> None:
    """Ask as `poetry publish --build` does; ReleaseError where the answer is no."""
    identity = project.identity
    ready = dist_dir_adapter.filenames(dist_dir, identity.name, identity.version)
    if not ready or _is_fit(_former(project), command, project, dist_dir):
        return
    words = f"There are <info>{len(ready)}</info> files ready for publishing in {dist_dir}."
    # cleo asks for ever where nobody can answer.
    if not (command.io.is_interactive() and sys.stdin and sys.stdin.isatty()):
        command.line(f"<warning>Warning: {words} Build anyway!</warning>")
    elif not command.confirm(f"{words} Build anyway?"):
        raise _not_built(Code.BUILD_DECLINED, "The build was declined.")


def build(
    command: Command, project: Project, dist_dir: Path, report: Callable[[Event], None]
) -> Built:
    """Build, unless an earlier run has begun to send what it built from these very sources.

    ReleaseError where the build fails.
    """
    before = _former(project)
    if before is not None and _is_fit(before, command, project, dist_dir):
        report(BuildUsedAgain(tuple(before.files)))
        return Built(project, dist_dir, before.sources, before.made, before.rest, None)
    files = source_files(project.root, dist_dir)
    now = sources_of(project.root, files)
    _call_build(command, dist_dir)
    made = _made(project, files, source_files(project.root, dist_dir))
    rest = digest_of({name: digest for name, digest in files.items() if name not in made})
    built = poetry_project.read(command.poetry)
    if built.identity != project.identity:
        before = _former(built)
    same = before is None or _is_of_the_same_sources(before, files)
    return Built(built, dist_dir, now, made, rest, None if same else before)


def _made(project: Project, before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """What a build has left or changed; what git tracks is a source, whoever changed it."""
    touched = [name for name, digest in now.items() if before.get(name) != digest]
    kept = tracked(project.root) if touched else ()
    return tuple(name for name in touched if name not in kept)


def _is_of_the_same_sources(before: FormerBuild, now: Mapping[str, str]) -> bool:
    return digest_of({n: d for n, d in now.items() if n not in before.made}) == before.rest


def _former(project: Project) -> FormerBuild | None:
    record = _record(project)
    linked = record.is_symlink() or record.parent.is_symlink()
    with suppress(OSError):
        return None if linked else former_build(receipt_file.read(record))
    return None


def _is_fit(before: FormerBuild | None, command: Command, project: Project, dist_dir: Path) -> bool:
    """Whether the dist folder holds just what was built before, from the sources as they are."""
    identity = project.identity
    there = dist_dir_adapter.filenames(dist_dir, identity.name, identity.version)
    if before is None or sorted(before.files) != there:
        return False
    if not _is_of_the_same_sources(before, source_files(project.root, dist_dir)):
        return False
    if lack_one_for(there, partial(poetry_project.supported_tags, command.poetry)):
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
        with interrupts_noted() as noted:
            code = command.call("build", f'--output "{quoted}"')
    except Exception as error:
        words = printable(str(error)) or type(error).__name__
        raise _not_built(Code.BUILD_FAILED, f"The build failed: {words}") from error
    if noted:
        raise KeyboardInterrupt
    if code != 0:
        raise _not_built(Code.BUILD_FAILED, f"poetry build ended with exit code {code}.")


def _not_built(code: Code, message: str) -> ReleaseError:
    return ReleaseError(
        Verdict.PREFLIGHT_REFUSED,
        Problem(code, message, "Run poetry build, mend what it says, and leave --build out."),
    )


def default_receipt(dist_dir: Path, project: Project) -> Path:
    """Where the receipt of a release lies where nobody names another place."""
    return dist_dir / receipt_file.FOLDER / _of_release(project)


def _record(project: Project) -> Path:
    return project.root / UNPACKED / "builds-1" / _of_release(project)


def _of_release(project: Project) -> str:
    return f"{project.identity.name}-{project.identity.version}.json"
