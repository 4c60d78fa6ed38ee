"""Everything of Poetry's private behavior that is used, beside what the other seams replace.

Read in Poetry 2.0 to 2.5. `mismatch` checks at start what is relied upon; where Poetry differs the
guard turns itself off with one warning, and Poetry runs as stock.

`Application._run_command` of cleo 2.1, replaced on the application object
    The only place around a whole command that a `with` can span, and where an exit code can be
    chosen; a listener can do neither, and one added during dispatch is never called. If anyone
    else has replaced it, we do not.
`PluginManager.ensure_project_plugins`, replaced while `install` or `sync` runs
    Stock's own step, which removes and fills `.poetry/plugins`. Both commands call it on the class.
`ProjectPluginCache._is_fresh`, called where a set cannot be built
    Only Poetry knows whether it would go on with its own directory. Not checked at start: without
    it no such directory counts as fresh.
`Application._poetry`, read
    Plugins of the group `poetry.plugin` are activated when Poetry's project object is created: if
    another plugin had it created already, ours have to be activated on it.
`Application._io`, `Application._project_directory`, `ArgvInput._tokens`, read
    `activate` is given no input. Poetry 2.0 has no public `project_directory`.
`Env.paths` of an environment object of our own, changed before anything else reads it
    `Env.set_paths` came with 2.1 and knows neither `scripts` nor `data`; without those, console
    scripts of project plugins overwrite those in Poetry's own bin directory.
"""

# Poetry's private names are what this file is for.
# ruff: noqa: SLF001
from __future__ import annotations

import importlib
import inspect
import site
import sys
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poetry_publish_verified.guard.python_environment import canonical_name

if TYPE_CHECKING:
    # By these names the rest of the guard knows them.
    from cleo.io.io import IO as IO  # noqa: PLC0414
    from poetry.console.application import Application as Application  # noqa: PLC0414
    from poetry.console.commands.command import Command as Command  # noqa: PLC0414

PLUGIN_GROUPS = ("poetry.application.plugin", "poetry.plugin")
_MAX_TEXT = 4000


def mismatch(application: Application) -> str | None:
    """How Poetry differs from what is relied upon, in a few words; None if it does not."""
    from poetry.installation import Installer
    from poetry.installation.executor import Executor
    from poetry.plugins.plugin_manager import PluginManager, ProjectPluginCache

    if not runs_commands_as_cleo(application):
        return "Application._run_command is not cleo's"
    step = getattr(PluginManager, "ensure_project_plugins", None)
    if getattr(step, "__module__", "") != "poetry.plugins.plugin_manager":
        return "PluginManager.ensure_project_plugins is not Poetry's"
    path = getattr(ProjectPluginCache, "PATH", None)
    if path is None or path.parts != (".poetry", "plugins"):
        return f"project plugins live in {path}"
    if not {"_poetry", "_io"} <= vars(application).keys():
        return "Application keeps its project elsewhere"
    if not {"installed", "executor", "pool"} <= inspect.signature(Installer).parameters.keys():
        return "Installer takes other arguments"
    if not {"env", "pool", "config", "io"} <= inspect.signature(Executor).parameters.keys():
        return "Executor takes other arguments"
    return None


def runs_commands_as_cleo(application: Application) -> bool:
    """Whether nobody has wrapped the application's commands yet."""
    run = getattr(application, "_run_command", None)
    is_replaced = "_run_command" in vars(application)
    return getattr(run, "__module__", "") == "cleo.application" and not is_replaced


def poetry_version() -> str:
    """The version of the Poetry that runs."""
    from poetry.__version__ import __version__

    return __version__


def project_file(application: Application) -> Path | None:
    """The pyproject.toml that Poetry uses, with `-C` and `-P`; None outside a project."""
    from poetry.factory import Factory

    # 2.0 has only the private name; from 2.1 on that may be None.
    directory = getattr(application, "project_directory", None) or application._project_directory
    try:
        return Factory.locate(directory).absolute()
    except RuntimeError:
        return None


def command_words(application: Application) -> tuple[str, ...]:
    """The command line's command: its first word, and the second after `self` or our own name.

    Empty where no command runs: `poetry`, `poetry --version`.
    """
    io = application._io
    given = io.input if io is not None else None
    first = given.first_argument if given is not None else None
    if io is None or given is None or first is None:
        return ()
    if given.has_parameter_option(["--version", "-V"], True):
        return ()
    if first not in ("self", "publish-verified"):
        return (first,)
    return (first, *arguments_after(io, first)[:1])


def arguments_after(io: IO, word: str) -> list[str]:
    """What follows a word on the command line and is not an option."""
    tokens: list[str] = getattr(io.input, "_tokens", [])
    rest = tokens[tokens.index(word) + 1 :] if word in tokens else []
    return [token for token in rest if not token.startswith("-")]


def only_shows_version(application: Application) -> bool:
    """Whether the command is `poetry version` without a new one."""
    io = application._io
    if io is None or command_words(application)[:1] != ("version",):
        return False
    return not arguments_after(io, "version")


def has_option(io: IO, name: str) -> bool:
    """Whether the command line has this option, before a `--`."""
    return bool(io.input.has_parameter_option(name, only_params=True))


def is_installer(command: Command) -> bool:
    """Whether it is one of the commands that run Poetry's installer."""
    return _inherits(command, "poetry.console.commands.installer_command")


def uses_environment(command: Command) -> bool:
    """Whether the command may create, change or remove the project's virtual environment."""
    is_of_env = _inherits(command, "poetry.console.commands.env_command")
    return is_of_env or (command.name or "").startswith("env ")


def _inherits(command: Command, module: str) -> bool:
    # By name: an import would slow down the commands that have nothing to do with these.
    return any(one.__module__ == module for one in type(command).__mro__)


def config_directory() -> Path:
    """Where Poetry keeps its settings and its system project."""
    from poetry.locations import CONFIG_DIR

    return CONFIG_DIR


def environments_directory() -> Path:
    """Where Poetry creates virtual environments that are not in their project."""
    from poetry.config.config import Config

    return Config.create().virtualenvs_path


def poetry_prefix() -> Path:
    """The environment that Poetry itself runs in, and `self` commands change."""
    return Path(sys.prefix)


class Notifier:
    """Says something to people by Poetry's own formatter, on standard error unless noted."""

    def __init__(self, io: IO) -> None:
        self.io = io

    def warn(self, text: str) -> None:
        """One line that everybody sees."""
        self.io.write_error_line(f"<warning>{_harmless(text)}</warning>")

    def detail(self, text: str) -> None:
        """One line that `-v` shows."""
        if self.io.is_verbose():
            self.io.write_error_line(_harmless(text))

    def progress(self, text: str) -> None:
        """One line on standard output, among those of `install`."""
        self.io.write_line(f"<info>{_harmless(text)}</info>")


def _harmless(text: str) -> str:
    # Most commands say nothing.
    from cleo.formatters.formatter import Formatter

    from poetry_publish_verified.sanitize import harmless

    return Formatter.escape(harmless(text, _MAX_TEXT))


def notifier_of(application: Application) -> Notifier:
    """A notifier for the application's present input and output."""
    from cleo.io.null_io import NullIO

    return Notifier(application._io or NullIO())


def wrap_commands(
    application: Application, around: Callable[[Callable[[], int], Command, IO], int]
) -> None:
    """From now on `around(run, command, io)` runs each command of this application."""
    run_command = application._run_command

    def guarded(command: Command, io: IO) -> int:
        return around(lambda: run_command(command, io), command, io)

    application._run_command = guarded  # type: ignore[method-assign, assignment]


def plugin_step_replaced(
    replacement: Callable[[Callable[[], None]], None],
) -> AbstractContextManager[list[str]]:
    """Run `replacement(stock)` where `install` would run stock's own plugin step."""
    from poetry_publish_verified.guard.seams.replacement import Seam, replaced

    def step(stock: Any, _: object, *args: Any, **kwargs: Any) -> None:
        replacement(lambda: stock(*args, **kwargs))

    module = "poetry.plugins.plugin_manager"
    return replaced([Seam(module, "PluginManager", "ensure_project_plugins", step)], None)


def accepts_arguments(command: Command, io: IO) -> bool:
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
    # There is no such method, or the directory's record cannot be read.
    except Exception:  # noqa: BLE001
        return False


def redirect_installation(paths: Any, into: Path) -> None:
    """Install modules into `into/site-packages`, and everything else beside it."""
    modules = str(into / "site-packages")
    paths.update(purelib=modules, platlib=modules)
    paths.update(scripts=str(into / "bin"), data=str(into), include=str(into / "include"))
    # Poetry would fall back on the user's own site directory where that is enabled.
    for user in ("usersite", "userbase"):
        paths.pop(user, None)


def load_plugins(application: Application, directory: Path, without: Collection[str]) -> None:
    """Put `directory` on `sys.path` and load its plugins as Poetry does its own.

    Not those of distributions named in `without`. A plugin's own errors pass through.
    """
    from poetry.plugins.application_plugin import ApplicationPlugin
    from poetry.plugins.plugin import Plugin
    from poetry.plugins.plugin_manager import PluginManager

    sys.path.insert(0, str(directory))
    # For the .pth files. Poetry does this from 2.3 on; editable plugins need it before, too.
    site.addsitedir(str(directory))
    importlib.invalidate_caches()
    entry_points = [
        entry_point
        for distribution in metadata.distributions(path=[str(directory)])
        for entry_point in distribution.entry_points
        # Only then the name: that parses the distribution's whole METADATA.
        if entry_point.group in PLUGIN_GROUPS and canonical_name(distribution.name) not in without
    ]

    class SetPluginManager(PluginManager):
        def get_plugin_entry_points(self) -> list[metadata.EntryPoint]:
            return [found for found in entry_points if found.group == self._group]

    if application._poetry is not None:
        # Another plugin's `activate` had it created, before this set was on sys.path.
        manager = SetPluginManager(Plugin.group)
        manager.load_plugins()
        manager.activate(application._poetry, application._io)
    manager = SetPluginManager(ApplicationPlugin.group)
    manager.load_plugins()
    manager.activate(application)
