"""`poetry publish-verified doctor`: what keeps a checkout from its project plugins."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING
from typing import ClassVar

from cleo.helpers import argument
from poetry.console.commands.command import Command

from poetry_publish_verified.errors import Verdict

if TYPE_CHECKING:
    from cleo.io.inputs.argument import Argument

_TROUBLED = Verdict.PREFLIGHT_REFUSED.exit_code or 1


class DoctorCommand(Command):
    """Looks at a checkout from outside; works where no project is, and changes nothing."""

    name = "publish-verified doctor"
    description = "Checks a checkout's project plugins, and says what to delete."
    arguments: ClassVar[list[Argument]] = [
        argument("path", "The checkout to look at (default: the current directory).", optional=True)
    ]

    def handle(self) -> int:
        """Print each problem with its remedy; exit code 3 if there is an error among them."""
        from poetry_publish_verified.guard.doctor import diagnose
        from poetry_publish_verified.guard.environment import distributions

        given = Path(self.argument("path") or ".").absolute()
        if not given.is_dir():
            self.line_error(f"<error>{given} is no directory.</error>")
            return 1
        root = next((one for one in (given, *given.parents) if _is_project(one)), given)
        own = distributions(entry for entry in sys.path if not Path(entry).is_relative_to(root))
        findings = diagnose(root, own)
        for found in findings:
            style = "error" if found.stops else "warning"
            self.line(f"<{style}>{found.message}</{style}>\n  {found.remedy}")
        if not findings:
            self.line(f"Project plugins of {root}: nothing wrong.")
        return _TROUBLED if any(found.stops for found in findings) else 0


def _is_project(directory: Path) -> bool:
    return (directory / "pyproject.toml").is_file()
