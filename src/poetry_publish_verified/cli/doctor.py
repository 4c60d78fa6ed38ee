"""`poetry publish-verified doctor`: what a release of a checkout needs, and who holds locks."""

from __future__ import annotations

import platform
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from cleo.helpers import argument, option

from poetry_publish_verified.cli.options import SuggestingCommand
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.output.checks import Check, as_json, as_lines
from poetry_publish_verified.output.words import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cleo.io.inputs.argument import Argument
    from cleo.io.inputs.option import Option

    from poetry_publish_verified.core.settings import ResolvedSettings


class DoctorCommand(SuggestingCommand):
    """Looks at a checkout from outside; works where no project is; changes nothing unless told."""

    name = "publish-verified doctor"
    description = "Checks what a release of a checkout would need, and says how to fix problems."
    arguments: ClassVar[list[Argument]] = [
        argument("path", "The checkout to check. Default is the current directory.", optional=True)
    ]

    options: ClassVar[list[Option]] = [
        option(
            "repository",
            "r",
            "The repository to which a release would go. Default is PyPI.",
            flag=False,
        ),
        option(
            "format", None, "The output format: `text` or `json`. Default is `text`.", flag=False
        ),
        option(
            "clean",
            None,
            "Remove what this plugin keeps in the checkout and for this user: plugin sets, records,"
            " and locks that nobody holds.",
        ),
        option(
            "build-plugins",
            None,
            "Build the plugin set that the project requires, for this Poetry and its Python, but"
            " install nothing else: for an image, or a cache.",
        ),
    ]

    help = """The doctor command asks for all that a release would need, as a run does, and sends
nothing.

Exit codes:
    0  A release would find what it needs, as far as that can be known.
    1  It would fail, or wrong usage. With <c1>--build-plugins</c1>: there is no plugin set.
    8  With <c1>--clean</c1>: something is in use, or may not be removed.
"""

    def handle(self) -> int:
        """Print each check with its remedy; exit code 1 if a release would fail.

        With `--clean`: each thing that was removed; exit code 8 if something had to stay.
        """
        given = Path(self.argument("path") or ".").absolute()
        if not given.is_dir():
            self.line_error(f"<error>{escaped(str(given))} is not a directory.</error>")
            return 1
        root = next((one for one in (given, *given.parents) if _is_project(one)), None)
        if self.option("clean"):
            return self._clean(root)
        settings = self._settings(root)
        if self.option("build-plugins"):
            checks = [self._build_plugins(root, given, settings)]
        else:
            checks = [*self._checks(root, given, settings)]
        if settings.found.format == "json":
            words = as_json(checks, str(root) if root else None)
            self.line(words.replace("<", "\\<"))
        else:
            for line in as_lines(checks):
                self.line(line)
        return 1 if any(each.state == "error" for each in checks) else 0

    def _checks(
        self, root: Path | None, given: Path, settings: ResolvedSettings
    ) -> Iterator[Check]:
        yield _versions()
        yield from _plugins(root or given)
        yield from _locks(root)
        if root is None:
            yield Check("project", "note", f"There is no project at {given}.")
        else:
            from poetry_publish_verified.cli.doctor_release import check_release

            yield from check_release(self, root, settings)

    def _build_plugins(self, root: Path | None, given: Path, settings: ResolvedSettings) -> Check:
        if root is None:
            return Check("project", "error", f"There is no project at {given}.")
        from cleo.io.io import IO

        from poetry_publish_verified.guard.doctor.building import build_plugins

        io: IO = self.io
        if settings.found.format == "json":
            # Standard output has the one object alone.
            io = IO(io.input, io.error_output, io.error_output)
        found = build_plugins(self.get_application(), root / "pyproject.toml", io)
        if isinstance(found, str):
            return Check("plugins", "ok", found)
        return Check("plugins", "error", found.message, found.remedy, found.code)

    def _settings(self, root: Path | None) -> ResolvedSettings:
        from poetry_publish_verified.core.settings import resolve
        from poetry_publish_verified.poetry_api.project import environment_settings, settings_table

        table: object = {}
        # Poetry itself says what is wrong with the file.
        with suppress(OSError, ValueError):
            table = settings_table(root / "pyproject.toml") if root else {}
        return resolve({"format": self.option("format")}, environment_settings(), table)

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


def _versions() -> Check:
    from poetry.__version__ import __version__ as poetry

    plugin, python = version("poetry-publish-verified"), platform.python_version()
    words = f"poetry-publish-verified {plugin}, Poetry {poetry}, Python {python}."
    return Check("versions", "ok", words)


def _plugins(root: Path) -> Iterator[Check]:
    """The plugins that a project requires, seen from outside."""
    from poetry_publish_verified.guard.doctor.plugins import diagnose
    from poetry_publish_verified.guard.plugin_sets.import_path import is_of_a_project
    from poetry_publish_verified.guard.python_environment import installed_distributions

    own = installed_distributions(entry for entry in sys.path if not is_of_a_project(entry))
    findings = diagnose(root, own)
    for found in findings:
        state: Literal["error", "warning"] = "error" if found.stops else "warning"
        yield Check("plugins", state, found.message, found.remedy, found.code)
    if _is_project(root) and not findings:
        yield Check("plugins", "ok", f"Project plugins of {root}: no problems found.")


def _locks(root: Path | None) -> Iterator[Check]:
    from poetry_publish_verified.guard.doctor.locks import (
        check_filesystems,
        holders_in,
        lock_directories,
        locked_privately,
    )
    from poetry_publish_verified.guard.locks.attempt import is_free
    from poetry_publish_verified.guard.locks.holders import last_heartbeat
    from poetry_publish_verified.guard.locks.places import is_of_a_release
    from poetry_publish_verified.guard.locks.problems import break_if_gone, delete_if_gone

    places = lock_directories(root)
    for one in check_filesystems(places):
        yield Check("locks", one.state, one.words, one.remedy)
    for name in locked_privately(root):
        words = f"The lock of {name} is yours alone: others who can change {name} ignore it."
        yield Check("locks", "note", words)
    for lock, holder in holders_in(places).items():
        if holder.is_gone or not lock.exists() or is_free(lock):
            words = f"{holder.resource} is free, because its holder was killed: {holder}."
            yield Check("locks", "ok", words)
        else:
            last = last_heartbeat(lock)
            remedy = delete_if_gone(holder.host, lock)
            if is_of_a_release(lock):
                remedy = break_if_gone(holder.host, lock, last.age if last else None)
            remedy = remedy if holder.is_elsewhere else ""
            yield Check("locks", "note", f"{holder.resource} is in use by {holder}.", remedy)


def _is_project(directory: Path) -> bool:
    return (directory / "pyproject.toml").is_file()
