"""Every touch of Poetry's private behaviour, and every attribute of Poetry's that is replaced.

Tried with Poetry 2.0, 2.1, 2.2, 2.3, 2.4 and 2.5. `mismatch` checks at start what is relied
upon; where Poetry is not as expected the guard steps aside with one warning, and Poetry goes
on as stock. What is replaced for locks stands in `command_seams`, and to keep Poetry's files
whole in `storage_seams`. What is touched, and why:

`Application._run_command`, replaced on the application object
    The only place around a whole command from which a `with` reaches and an exit code can be
    chosen; a listener can do neither, and one added during dispatch is never called. It is
    cleo's method in all versions tried; if anyone replaced it, we do not.
`PluginManager.ensure_project_plugins`, replaced while `install` or `sync` runs
    Stock's own step, which removes and fills `.poetry/plugins`. Called by both commands on
    the class, hence replaced there; put back at the end.
`ProjectPluginCache._is_fresh`, called where a set cannot be built
    Only Poetry can say whether it would go on with its own directory. Not checked at start:
    without it no such directory counts as fresh.
`Application._poetry`, read
    Plugins of the group `poetry.plugin` are activated while Poetry's project object is made:
    if another plugin had it made already, ours must be activated on it.
`Application._io`, `Application._project_directory`, `ArgvInput._tokens`, read
    `activate` is given no input. Poetry 2.0 has no public `project_directory`.
`Env.paths` of an environment object of our own, changed before anything else reads it
    `Env.set_paths` came with 2.1 and knows neither `scripts` nor `data`; without those,
    console scripts of project plugins overwrite those in Poetry's own bin directory.
"""

# Poetry's private names are what this file is for.
# ruff: noqa: SLF001
from __future__ import annotations

import importlib
import inspect
import site
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from poetry_publish_verified.guard.python_environment import canonical

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Collection
    from collections.abc import Iterator

    # By these names the rest of the guard knows them.
    from cleo.io.io import IO as IO  # noqa: PLC0414
    from poetry.console.application import Application as Application  # noqa: PLC0414
    from poetry.console.commands.command import Command as Command  # noqa: PLC0414

PLUGIN_GROUPS = ("poetry.application.plugin", "poetry.plugin")


def mismatch(application: Application) -> str | None:
    """What of Poetry is not as expected, in a few words; None if all is."""
    from poetry.installation import Installer
    from poetry.installation.executor import Executor
    from poetry.plugins.plugin_manager import PluginManager
    from poetry.plugins.plugin_manager import ProjectPluginCache

    if not runs_commands_as_cleo(application):
        return "Application._run_command is not cleo's"
    step = getattr(PluginManager, "ensure_project_plugins", None)
    if getattr(step, "__module__", "") != "poetry.plugins.plugin_manager":
        return "PluginManager.ensure_project_plugins is not Poetry's"
    if getattr(ProjectPluginCache, "PATH", None) is None:
        return "project plugins have no path"
    if ProjectPluginCache.PATH.parts != (".poetry", "plugins"):
        return f"project plugins live in {ProjectPluginCache.PATH}"
    if not {"_poetry", "_io"} <= vars(application).keys():
        return "Application keeps its project elsewhere"
    if not {"installed", "executor", "pool"} <= inspect.signature(Installer).parameters.keys():
        return "Installer takes other arguments"
    if not {"env", "pool", "config", "io"} <= inspect.signature(Executor).parameters.keys():
        return "Executor takes other arguments"
    return None


def runs_commands_as_cleo(application: Application) -> bool:
    """Whether nobody has put anything around the application's commands yet."""
    run = getattr(application, "_run_command", None)
    replaced = "_run_command" in vars(application)
    return getattr(run, "__module__", "") == "cleo.application" and not replaced


def poetry_version() -> str:
    """The version of the Poetry that runs."""
    from poetry.__version__ import __version__

    return __version__


def project_file(application: Application) -> Path | None:
    """The pyproject.toml Poetry would use, `-C` and `-P` heeded; None outside a project."""
    from poetry.factory import Factory

    # 2.0 has only the private name; from 2.1 on that may be None.
    directory = getattr(application, "project_directory", None) or application._project_directory
    try:
        return Factory.locate(directory).absolute()
    except RuntimeError:
        return None


def command_words(application: Application) -> tuple[str, ...]:
    """The command line's command: its first word, and after `self` and our own the second.

    Empty where no command runs: `poetry`, `poetry --version`.
    """
    io = application._io
    given = io.input if io is not None else None
    first = given.first_argument if given is not None else None
    if given is None or first is None or given.has_parameter_option(["--version", "-V"], True):
        return ()
    if first not in ("self", "publish-verified"):
        return (first,)
    tokens: list[str] = getattr(given, "_tokens", [])
    rest = tokens[tokens.index(first) + 1 :] if first in tokens else []
    return (first, *[word for word in rest if not word.startswith("-")][:1])


def arguments_given(io: IO, command: str) -> list[str]:
    """What follows a command's name on the command line and is no option."""
    tokens: list[str] = getattr(io.input, "_tokens", [])
    rest = tokens[tokens.index(command) + 1 :] if command in tokens else []
    return [word for word in rest if not word.startswith("-")]


def only_shows_version(application: Application) -> bool:
    """Whether the command is `poetry version` without a new one."""
    io = application._io
    if io is None or command_words(application)[:1] != ("version",):
        return False
    return not arguments_given(io, "version")


def has_option(io: IO, name: str) -> bool:
    """Whether the command line has this option, before a `--`."""
    return bool(io.input.has_parameter_option(name, only_params=True))


def is_installer(command: Command) -> bool:
    """Whether it is one of the commands that run Poetry's installer."""
    return _inherits(command, "poetry.console.commands.installer_command")


def uses_environment(command: Command) -> bool:
    """Whether the command may make, change or remove the project's virtual environment."""
    is_of_env = _inherits(command, "poetry.console.commands.env_command")
    return is_of_env or (command.name or "").startswith("env ")


def _inherits(command: Command, module: str) -> bool:
    # By name: importing these would cost the commands that have nothing to do with them.
    return any(one.__module__ == module for one in type(command).__mro__)


def config_directory() -> Path:
    """Where Poetry keeps its settings and its system project."""
    from poetry.locations import CONFIG_DIR

    return CONFIG_DIR


def environments_directory() -> Path:
    """Where Poetry makes virtual environments that are not in their project."""
    from poetry.config.config import Config

    return Config.create().virtualenvs_path


def poetry_prefix() -> Path:
    """The environment that Poetry itself runs in, and `self` commands change."""
    return Path(sys.prefix)


@dataclass(frozen=True, slots=True)
class Voice:
    """Says something to people on standard error, by Poetry's own formatter."""

    io: IO

    def warn(self, text: str) -> None:
        """One line that everybody sees."""
        self.io.write_error_line(f"<warning>{self._plain(text)}</warning>")

    def step_aside(self, reason: str) -> None:
        """Say that the guard leaves everything to Poetry, and how to silence that."""
        self.warn(
            f"poetry-publish-verified steps aside, and Poetry goes on without it: {reason}."
            " (POETRY_PUBLISH_VERIFIED_GUARD=off silences this.)"
        )

    def explain(self, text: str) -> None:
        """One line that is seen at `-v`."""
        if self.io.is_verbose():
            self.io.write_error_line(self._plain(text))

    def inform(self, text: str) -> None:
        """One line among those of `install`."""
        self.io.write_line(f"<info>{self._plain(text)}</info>")

    def _plain(self, text: str) -> str:
        from cleo.formatters.formatter import Formatter

        return Formatter.escape(text)


def voice(application: Application) -> Voice:
    """The voice of the application's present input and output."""
    from cleo.io.null_io import NullIO

    return Voice(application._io or NullIO())


def put_around_commands(
    application: Application, around: Callable[[Callable[[], int], Command, IO], int]
) -> None:
    """From now on `around(run, command, io)` runs each command of this application."""
    run_command = application._run_command

    def guarded(command: Command, io: IO) -> int:
        return around(lambda: run_command(command, io), command, io)

    application._run_command = guarded  # type: ignore[method-assign, assignment]


@contextmanager
def stock_step_replaced(
    replacement: Callable[[Callable[[], None]], None],
) -> Iterator[None]:
    """Run `replacement(stock)` where `install` would run stock's own plugin step."""
    from poetry.plugins.plugin_manager import PluginManager

    stock = vars(PluginManager)["ensure_project_plugins"]

    def step(cls: type[PluginManager], *args: Any, **kwargs: Any) -> None:
        replacement(lambda: stock.__get__(None, cls)(*args, **kwargs))

    PluginManager.ensure_project_plugins = classmethod(step)  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        PluginManager.ensure_project_plugins = stock  # type: ignore[method-assign]


def binds(command: Command, io: IO) -> bool:
    """Whether the command knows all options and arguments that it is given."""
    from cleo.exceptions import CleoError

    try:
        # As cleo does, before any listener may add options.
        command.merge_application_definition()
        io.input.bind(command.definition)
    except CleoError:
        return False
    return True


def stock_is_fresh(application: Application, io: IO) -> bool:
    """Whether `install` of stock Poetry would go on with its own plugin directory as it is."""
    from poetry.plugins.plugin_manager import ProjectPluginCache

    try:
        return bool(ProjectPluginCache(application.poetry, io)._is_fresh())
    # No such method, or the directory's record cannot be read: in doubt it is not.
    except Exception:  # noqa: BLE001
        return False


def redirect(paths: Any, into: Path) -> None:
    """Install into this directory: modules into `into/site-packages`, all else beside it."""
    lib = str(into / "site-packages")
    paths.update(purelib=lib, platlib=lib)
    paths.update(scripts=str(into / "bin"), data=str(into), include=str(into / "include"))
    # Where the user's own site directory is enabled Poetry would fall back on it.
    for user in ("usersite", "userbase"):
        paths.pop(user, None)


def load_plugins(application: Application, directory: Path, without: Collection[str]) -> None:
    """Put `directory` on `sys.path` and load its plugins as Poetry does its own.

    Distributions named in `without` are not loaded. A plugin's own errors pass through.
    """
    from poetry.plugins.application_plugin import ApplicationPlugin
    from poetry.plugins.plugin import Plugin
    from poetry.plugins.plugin_manager import PluginManager

    sys.path.insert(0, str(directory))
    # For the .pth files; Poetry does this from 2.3 on, editable plugins need it before too.
    site.addsitedir(str(directory))
    importlib.invalidate_caches()
    entry_points = [
        entry_point
        for distribution in metadata.distributions(path=[str(directory)])
        if canonical(distribution.name) not in without
        for entry_point in distribution.entry_points
    ]

    class OfThisSet(PluginManager):
        def get_plugin_entry_points(self) -> list[metadata.EntryPoint]:
            return [found for found in entry_points if found.group == self._group]

    if application._poetry is not None:
        # Made before this set was on sys.path, by another plugin's activate.
        manager = OfThisSet(Plugin.group)
        manager.load_plugins()
        manager.activate(application._poetry, application._io)
    manager = OfThisSet(ApplicationPlugin.group)
    manager.load_plugins()
    manager.activate(application)
