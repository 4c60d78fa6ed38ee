"""Projects whose builds tell of themselves, or never come out the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.projects import Project


def build_anew(project: Project, log: Path) -> None:
    """Make every build of the project have other bytes, and note itself as a line of `log`."""
    package = project.name.replace("-", "_")
    _set_build_script(project, log, f"pathlib.Path({package!r}, 'stamp.py').write_text(stamp)")


def note_builds(project: Project, log: Path) -> None:
    """Make every build of the project note itself as a line of `log`."""
    _set_build_script(project, log, "")


def _set_build_script(project: Project, log: Path, more: str) -> None:
    """Give the project a build script.

    It runs in Poetry's own process only where no build backend is named, which keeps the network
    out of it.
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
