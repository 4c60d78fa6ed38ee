"""Projects that log their builds, or whose builds always differ."""

from __future__ import annotations

import sys
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


def build_with_hatchling(project: Project) -> None:
    """Make the project build with the hatchling of these tests, which needs no index then.

    Its sdist has all files of the root that git does not ignore.
    """
    backend = project.path / "backend"
    backend.mkdir()
    (backend / "here.py").write_text(
        f"import sys\n\nsys.path += {[each for each in sys.path if each]!r}\n"
        "from hatchling.build import *\n",
        encoding="utf-8",
    )
    file = project.path / "pyproject.toml"
    text = file.read_text(encoding="utf-8").partition("[build-system]")[0]
    own = 'requires = []\nbuild-backend = "here"\nbackend-path = ["backend"]\n'
    file.write_text(f"{text}[build-system]\n{own}", encoding="utf-8")


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
