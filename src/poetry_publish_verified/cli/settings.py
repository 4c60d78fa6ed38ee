"""The settings of a run, from the command line, the environment and pyproject.toml."""

from pathlib import Path

from cleo.io.outputs.output import Verbosity
from poetry.console.commands.command import Command

from poetry_publish_verified.core.problems.project import unreadable
from poetry_publish_verified.core.settings import (
    KEYS,
    OPTIONS,
    Origin,
    ResolvedSettings,
    Settings,
    resolve,
)
from poetry_publish_verified.errors import Problem, ReleaseError
from poetry_publish_verified.output.words import escaped
from poetry_publish_verified.poetry_api.project import (
    environment_settings,
    project_file,
    settings_table,
)
from poetry_publish_verified.values import Value


class RunSettings(Value):
    """The settings of a run, and the directory of the pyproject.toml that has some of them.

    It need not be a Poetry project. `unreadable` says why the file cannot be read.
    """

    root: Path
    resolved: ResolvedSettings
    unreadable: Problem | None

    def checked(self) -> Settings:
        """The settings; raises ReleaseError with everything wrong with them."""
        if self.unreadable:
            raise ReleaseError.refused(self.unreadable)
        return self.resolved.checked()

    @property
    def as_json(self) -> bool:
        """Whether the output is for machines, known before all settings are checked."""
        return self.resolved.found.format == "json"

    @property
    def projects(self) -> tuple[str, ...]:
        """The patterns of `projects`, relative to `base("projects")`."""
        return self.resolved.found.projects

    @property
    def receipt(self) -> Path | None:
        """Where the receipt goes; None where no setting says."""
        return self.path("receipt")

    def path(self, key: str) -> Path | None:
        """The file that a setting names, None where it names none."""
        named = getattr(self.resolved.found, key)
        return self.base(key) / named if named else None

    def is_typed(self, key: str) -> bool:
        """Whether a setting comes from the command line or the environment."""
        return self.resolved.origin(key) in {Origin.OPTION, Origin.ENVIRONMENT}

    def base(self, key: str) -> Path:
        """The directory that paths in a setting are relative to."""
        return self.root if self.resolved.origin(key) is Origin.PYPROJECT else Path.cwd()


def read_settings(command: Command, defaults: Settings) -> RunSettings:
    """The settings of a command; errors in them are raised by `checked`, not here.

    `-v` shows where each one that is not the default comes from.
    """
    directory = Path(command.option("project") or "").resolve()
    file = project_file(directory)
    table: object = {}
    fault = None
    try:
        table = settings_table(file) if file else {}
    except (OSError, ValueError) as error:
        fault = unreadable(str(file), error)
    options = {key: command.option(OPTIONS.get(key, key)) or None for key in KEYS}
    if command.option("attest", "") is None and command.io.input.has_parameter_option("--attest"):
        options["attest"] = True  # it may have a value
    resolved = resolve(options, environment_settings(), table, defaults)
    for line in resolved.explained():
        command.line_error(escaped(line), verbosity=Verbosity.VERBOSE)
    return RunSettings(file.parent if file else directory, resolved, fault)
