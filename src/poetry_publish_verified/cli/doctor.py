"""`poetry publish-verified doctor`: a checkout's plugins, the locks, and who holds them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from cleo.helpers import argument, option

from poetry_publish_verified.cli.options import SuggestingCommand
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.output.words import escaped

if TYPE_CHECKING:
    from cleo.io.inputs.argument import Argument
    from cleo.io.inputs.option import Option

_TROUBLED = Verdict.PREFLIGHT_REFUSED.exit_code or 1


class DoctorCommand(SuggestingCommand):
    """Looks at a checkout from outside; works where no project is; only `--clean` changes it."""

    name = "publish-verified doctor"
    description = (
        "Checks the plugins, locks and credentials of a checkout, and says how to fix problems."
    )
    arguments: ClassVar[list[Argument]] = [
        argument("path", "The checkout to check. Default is the current directory.", optional=True)
    ]

    options: ClassVar[list[Option]] = [
        option(
            "repository",
            "r",
            "The repository whose credentials to check. Default is PyPI.",
            flag=False,
        ),
        option(
            "clean",
            None,
            "Remove what this plugin keeps in the checkout and for this user: plugin sets, records,"
            " and locks that nobody holds.",
        ),
    ]

    def handle(self) -> int:
        """Print each problem with its remedy; exit code 3 if there is an error among them.

        With `--clean`: each thing that was removed; exit code 8 if something had to stay.
        """
        from poetry_publish_verified.guard.doctor.plugins import diagnose
        from poetry_publish_verified.guard.python_environment import installed_distributions

        given = Path(self.argument("path") or ".").absolute()
        if not given.is_dir():
            self.line_error(f"<error>{escaped(str(given))} is not a directory.</error>")
            return 1
        root = next((one for one in (given, *given.parents) if _is_project(one)), given)
        if self.option("clean"):
            return self._clean(root if _is_project(root) else None)
        own = installed_distributions(
            entry for entry in sys.path if not _is_of_a_project(Path(entry))
        )
        findings = diagnose(root, own)
        for found in findings:
            style = "error" if found.stops else "warning"
            self.line(f"<{style}>{escaped(found.message)}</{style}>\n  {escaped(found.remedy)}")
        if not _is_project(root):
            self.line(f"There is no project at {escaped(str(root))}.")
        elif not findings:
            self.line(f"Project plugins of {escaped(str(root))}: no problems found.")
        sound = self._locks(root if _is_project(root) else None)
        if _is_project(root):
            from poetry_publish_verified.cli.doctor_credentials import check_credentials

            sound = check_credentials(self, root) and sound
        return _TROUBLED if any(found.stops for found in findings) or not sound else 0

    def _clean(self, root: Path | None) -> int:
        from poetry.config.config import Config

        from poetry_publish_verified.adapters.kept_directory import KEPT
        from poetry_publish_verified.guard.doctor.cleaning import clean, remove

        cache = Path(Config.create().get("cache-dir")).expanduser()
        cleaned = [*clean(root, cache), *remove([cache / KEPT])]
        for one in cleaned:
            path = escaped(str(one.path))
            if one.kept:
                self.line_error(f"<warning>Kept {path}: {escaped(one.kept)}.</warning>")
            else:
                self.line(f"Removed {path}")
        if not cleaned:
            self.line("Nothing to remove.")
        return Verdict.LOCK_TIMEOUT.exit_code or 1 if any(one.kept for one in cleaned) else 0

    def _locks(self, root: Path | None) -> bool:
        from poetry_publish_verified.guard.doctor.locks import (
            check_filesystems,
            holders_in,
            lock_directories,
            locked_privately,
        )
        from poetry_publish_verified.guard.locks.attempt import is_free
        from poetry_publish_verified.guard.problems import holder_host_gone

        places = lock_directories(root)
        tried = check_filesystems(places)
        # What cannot be written cannot be broken by two at once either.
        unproven = [one.trial for one in tried if one.trial and not one.trial.is_sound]
        for one in tried:
            works = one.trial is not None and one.trial.is_sound
            self.line(escaped(one.words) if works else f"<warning>{escaped(one.words)}</warning>")
        if any(trial.unknown is None for trial in unproven):
            self.line(
                "  Parallel Poetry processes can still break each other there, and publish-verified"
                " refuses to run without a lock."
            )
        for name in locked_privately(root):
            self.line(f"The lock of {name} is yours alone: others who can change {name} ignore it.")
        for lock, holder in holders_in(places).items():
            what = f"<c1>{escaped(holder.resource)}</c1>"
            if holder.is_gone or not lock.exists() or is_free(lock):
                self.line(f"{what} is free, because its holder was killed: {escaped(str(holder))}.")
                continue
            self.line(f"{what} is in use by {escaped(str(holder))}.")
            if holder.is_elsewhere:
                self.line(f"  {escaped(holder_host_gone(holder.host, lock))}")
        return not unproven


def _is_of_a_project(entry: Path) -> bool:
    """Whether it is a plugin set, or Poetry's own `.poetry/plugins`, of whatever project."""
    stock = entry.parts[-2:] == (".poetry", "plugins")
    return stock or (entry.parent / "set.json").is_file()


def _is_project(directory: Path) -> bool:
    return (directory / "pyproject.toml").is_file()
