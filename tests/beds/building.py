"""Projects that log their builds, or whose builds always differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.projects import Project


def make_builds_differ(project: Project, log: Path) -> None:
    """Make every build of the project produce other bytes, and log it as a line of `log`."""
    package = project.name.replace("-", "_")
    _set_build_script(project, log, f"pathlib.Path({package!r}, 'stamp.py').write_text(stamp)")


def log_builds(project: Project, log: Path) -> None:
    """Log every build of the project as a line of `log`."""
    _set_build_script(project, log, "")


def _set_build_script(project: Project, log: Path, more: str) -> None:
    """Give the project a build script.

    Poetry runs it in its own process only where the project names no build backend, which avoids
    the network.
    """
    (project.path / "stamp.py").write_text(
        f"""\
import pathlib
import uuid

stamp = f"STAMP = {{uuid.uuid4().hex!r}}\\n"
{more}
with open({str(log)!r}, "a") as log:
    log.write(stamp)
""",
        encoding="utf-8",
    )
    file = project.path / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    text = text.replace('build-backend = "poetry.core.masonry.api"\n', "")
    script = '[tool.poetry.build]\nscript = "stamp.py"\ngenerate-setup-file = false\n'
    file.write_text(f"{text}\n{script}", encoding="utf-8")
