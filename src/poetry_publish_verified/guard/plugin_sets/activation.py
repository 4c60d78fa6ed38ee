"""The story of one Poetry process in a project that requires plugins."""

from __future__ import annotations

import atexit
import importlib
import shutil
import sys
import tempfile
import tomllib
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from poetry_publish_verified.guard.layout import IN_PROJECT
from poetry_publish_verified.guard.locks.resource import Resource
from poetry_publish_verified.guard.plugin_sets import installer as requiring
from poetry_publish_verified.guard.plugin_sets.import_path import absolute
from poetry_publish_verified.guard.plugin_sets.import_path import entries_of
from poetry_publish_verified.guard.plugin_sets.import_path import is_in_use
from poetry_publish_verified.guard.plugin_sets.import_path import is_installed_from
from poetry_publish_verified.guard.plugin_sets.import_path import with_new_entries
from poetry_publish_verified.guard.plugin_sets.importing import read_only_imports
from poetry_publish_verified.guard.plugin_sets.legacy import tidy_sets
from poetry_publish_verified.guard.plugin_sets.store import PluginSet
from poetry_publish_verified.guard.plugin_sets.store import PluginSets
from poetry_publish_verified.guard.plugin_sets.store import SetKey
from poetry_publish_verified.guard.plugin_sets.store import finish
from poetry_publish_verified.guard.plugin_sets.store import way_out
from poetry_publish_verified.guard.python_environment import canonical
from poetry_publish_verified.guard.python_environment import distributions
from poetry_publish_verified.guard.python_environment import interpreter
from poetry_publish_verified.guard.seams import application as seams

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from collections.abc import Mapping
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from poetry_publish_verified.guard.seams.application import IO
    from poetry_publish_verified.guard.seams.application import Application
    from poetry_publish_verified.guard.seams.application import Command

OWN_NAME = "poetry-publish-verified"
_INSTALLING = ("install", "sync")
# These have no use for the project's plugins: no word about missing ones.
# `publish-verified` says so itself.
_WITHOUT_PROJECT = (
    "about", "cache", "config", "help", "init", "list", "new", "publish-verified", "python", "self",
)  # fmt: skip


class ProjectPlugins:
    """Decides which plugin set this process uses, and lets `install` and `sync` build it."""

    def __init__(self, application: Application, file: Path, settings: Mapping[str, Any]) -> None:
        """Read what decides; `settings` is `[tool.poetry]` of the project's `file`.

        Raises ValueError or TypeError where an entry of `requires-plugins` is no dependency.
        """
        self._application = application
        self._voice = seams.voice(application)
        self._words = seams.command_words(application)
        self._root = file.parent
        self._sets = PluginSets.of_project(self._root)
        self._stale = entries_of(self._sets.stock)
        self._section: dict[str, Any] = settings.get("requires-plugins", {})
        self._settings = settings
        self._judge(sys.path, quiet=self._words[:1] not in [(word,) for word in _INSTALLING])
        self._stock_in_use = False
        self._keeps_stock = False
        self._loaded: PluginSet | None = None

    def _judge(self, path: Sequence[str], *, quiet: bool = True) -> None:
        """Find out which plugins are missing, and the key, for an environment on `path`."""
        path = [entry for entry in path if not self._is_stale(entry)]
        self._environment = distributions(path)
        self._required = requiring.required_plugins(
            self._section, self._root, self._environment, quiet=quiet
        )
        self._own = self._own_distribution(path)
        self._key = SetKey(
            interpreter=interpreter(),
            poetry=seams.poetry_version(),
            plugins=self._section,
            sources=self._settings.get("source", []),
            environment={
                name: version for name, version in self._environment.items() if name != self._own
            },
            project=str(self._root.resolve()) if _points_into_project(self._section) else None,
        )

    def _own_distribution(self, path: Sequence[str]) -> str | None:
        """The name of the project itself, where it is installed in Poetry's own environment.

        No set is built upon it: its version changes all the time, and may be a plugin's work.
        """
        name = canonical(self._settings.get("name") or "")
        required = {canonical(plugin) for plugin in self._section}
        if name not in self._environment or name in required:
            return None
        # Poetry's own packages are projects too: one of them here may come from an index.
        return name if is_installed_from(name, self._root, path) else None

    def begin(self) -> Callable[[], None] | None:
        """Decide what this process loads; the answer loads it, with the plugins' own errors.

        None where nothing is to be loaded.
        """
        if not self._section:
            return None
        if self._is_project_plugin():
            self._voice.explain(
                f"{OWN_NAME} is installed as a project plugin only, where it cannot protect"
                f" the project's plugins: install it with `poetry self add {OWN_NAME}`."
            )
            return None
        if self._required.unsatisfied:
            if self._words[:1] != ("self",):
                self._say_unsatisfied()
        elif self._takes_over_from_stock():
            found = self._choose()
            if found is not None:
                seams.put_around_commands(self._application, self.around)
                return lambda: self._load(found)
        seams.put_around_commands(self._application, self.around)
        return None

    def _is_project_plugin(self) -> bool:
        if Path(__file__).is_relative_to(self._sets.stock):
            return True
        stock = distributions([str(self._sets.stock)])
        return OWN_NAME in stock and OWN_NAME not in self._environment

    def _say_unsatisfied(self) -> None:
        for plugin, version in self._required.unsatisfied:
            self._voice.warn(
                f"Poetry's own environment holds {plugin.name} {version}, but the project"
                f" requires {plugin.pretty_constraint}: run `poetry self update {plugin.name}`."
                " Until then parallel Poetry processes of this project are not protected."
            )

    def _takes_over_from_stock(self) -> bool:
        """Whether this process is free to load a set: Poetry has taken nothing from its own."""
        on_path = [entry for entry in sys.path if self._is_stale(entry)]
        if self._sets.stock.exists() and self._sets.directory.is_dir():
            self._voice.explain(
                f"There is {self._sets.stock} beside plugin sets: a Poetry without"
                f" {OWN_NAME} made it; the next `poetry install` with it removes it."
            )
        if not on_path:
            return True
        self._stock_in_use = is_in_use(self._sets.stock)
        if not self._stock_in_use:
            # An empty husk: what a killed `install` without the guard leaves behind.
            sys.path[:] = [entry for entry in sys.path if not self._is_stale(entry)]
        return not self._stock_in_use

    def _choose(self) -> PluginSet | None:
        changes_poetry = self._words[:1] == ("self",) and self._words[1:] != ("show",)
        # `self add` would see the set's distributions as installed in Poetry's environment.
        # It has to be able to say what is wrong with a set that cannot even be imported.
        looks_from_outside = self._words[:2] == ("publish-verified", "doctor")
        if not self._required.missing or changes_poetry or looks_from_outside:
            return None
        found = self._sets.find(self._key)
        if self._words[:1] and self._words[0] in _INSTALLING:
            return found if found is not None and found.is_whole() else None
        if found is not None:
            return found
        names = ", ".join(plugin.name for plugin in self._required.missing)
        found = self._sets.newest_serving(self._key.interpreter, self._environment)
        if not self._words or self._words[0] in _WITHOUT_PROJECT:
            return found
        hindrance = self._sets.not_believed or self._sets.hindrance()
        if found is not None:
            self._voice.warn(
                "The project's plugins have changed and are not built yet: an older set is"
                " used. Run `poetry install`."
            )
        elif hindrance:
            self._voice.warn(
                f"The project's plugins are not active: {names}. Sets of them cannot be kept, as"
                f" {hindrance}. {way_out(hindrance)}"
            )
        else:
            self._voice.warn(
                "The project's plugins are not built yet for this Poetry and Python, and are"
                f" not active: {names}. Run `poetry install`."
            )
        return found

    def _load(self, found: PluginSet) -> None:
        self._loaded = found
        found.touch()
        # Whatever Poetry's environment has, Poetry has loaded.
        read_only_imports(found.site)
        seams.load_plugins(self._application, found.site, without=[OWN_NAME, *self._environment])
        self._stale |= entries_of(found.site)

    def around(self, run: Callable[[], int], command: Command, io: IO) -> int:
        """Run a command; `install` and `sync` build the set first that is missing."""
        if command.name not in _INSTALLING:
            return run()
        self._voice = seams.Voice(io)
        if self._required.unsatisfied:
            with seams.stock_step_replaced(self._stock_under_lock):
                return run()
        if self._loaded is None and not seams.binds(command, io):
            # It will say so; should a listener make it known, the set is built then.
            with seams.stock_step_replaced(lambda _: self._late(io)):
                return run()
        try:
            found = self._ensure(io)
        except Exception as error:
            if self._stock_serves(io):
                self._voice.warn(f"The project's plugins go on as stock Poetry left them: {error}.")
                self._keeps_stock, found = True, None
            elif isinstance(error, (AttributeError, ImportError, KeyError, TypeError)):
                # Ours, not the network's or the project's: Poetry is not as expected.
                self._voice.warn(f"{OWN_NAME} leaves the project's plugins to Poetry: {error!r}.")
                return run()
            else:
                raise
        if found is not None and self._loaded is None and not self._stock_in_use:
            # Whatever was read of the project so far was read without its plugins.
            self._application.reset_poetry()
            self._load(found)
        if not self._stock_in_use:
            self._tidy(found)
        with seams.stock_step_replaced(lambda _: None):
            code = run()
        if code == 0 and not self._keeps_stock:
            found = self._follow(found, io)
        if self._stock_in_use:
            # Not earlier: this process may still import from there.
            self._tidy(found)
        return code

    def _late(self, io: IO) -> None:
        found = self._ensure(io)
        if not self._stock_in_use:
            self._tidy(found)

    def _stock_serves(self, io: IO) -> bool:
        """Whether Poetry has its plugins from its own directory, and would go on with it."""
        return self._stock_in_use and seams.stock_is_fresh(self._application, io)

    def _follow(self, used: PluginSet | None, io: IO) -> PluginSet | None:
        """Have a set for the environment as the command left it, where that was Poetry's own.

        The next command would find none for its key. Resolving again is only needed where
        something has gone that the set was built upon, or one of its plugins has come.
        """
        before = self._key
        try:
            importlib.invalidate_caches()
            self._judge(with_new_entries(sys.path))
            if self._key == before or not self._required.missing or self._required.unsatisfied:
                return used
            if self._sets.prepared():
                return used
            with self._held(self._sets.lock(self._key)):
                return self._sets.find(self._key) or self._renew(used, io)
        # The command has done its work.
        except Exception as error:  # noqa: BLE001
            self._voice.warn(
                "The project's plugins could not be built for what is in Poetry's environment"
                f" now: {error}. The next `poetry install` builds them."
            )
        return used

    def _renew(self, used: PluginSet | None, io: IO) -> PluginSet | None:
        if used is None or not used.serves(self._key.interpreter, self._environment):
            return self._build(self._sets, io)
        self._voice.explain(f"Poetry's own environment has changed: {used.path} is taken over.")
        return self._sets.adopt(used, self._key)

    def _held(self, resource: Resource) -> AbstractContextManager[bool]:
        from poetry_publish_verified.guard.locks.lock import held

        return held(resource, self._voice.warn)

    def _stock_under_lock(self, stock: Callable[[], None]) -> None:
        path = self._root / IN_PROJECT / "plugins"
        lock = Resource("the project's plugins", path, ground=self._root, saves_work=True)
        with self._held(lock):
            stock()

    def _ensure(self, io: IO) -> PluginSet | None:
        """The set for the present key, built if need be; None where none is needed."""
        if not self._required.missing:
            return None
        found = self._sets.find(self._key)
        if found is not None and found.is_whole():
            return found
        if found is not None:
            self._voice.warn(f"{found.path} has lost files and is built again.")
            self._sets.discard(found)
        hindrance = self._sets.prepared()
        if hindrance:
            if self._stock_serves(io):
                self._voice.explain(
                    f"Plugin sets cannot be kept, as {hindrance}: {self._sets.stock} stays in use."
                )
                self._keeps_stock = True
                return None
            self._voice.warn(
                f"Plugin sets cannot be kept, as {hindrance}: the plugins are built for this"
                f" process alone. {way_out(hindrance)}"
            )
            return self._build(self._temporary(), io)
        with self._held(self._sets.lock(self._key)):
            found = self._sets.find(self._key) or self._build(self._sets, io)
        return found or self._build(self._temporary(), io)

    def _temporary(self) -> PluginSets:
        directory = tempfile.mkdtemp(prefix="poetry-plugin-sets-")
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        return PluginSets(self._root, Path(directory))

    def _build(self, sets: PluginSets, io: IO) -> PluginSet | None:
        plugins = self._required.missing
        names = ", ".join(f"{plugin.name} ({plugin.pretty_constraint})" for plugin in plugins)
        self._voice.inform(f"Building the plugin set that the project requires: {names}")
        final = sets.directory / self._key.directory
        with sets.private() as private:
            with self._without_stale_entries():
                requiring.install_plugins(self._root, io, plugins, private, without=self._own)
            finish(private, self._key, final)
            published = sets.publish(self._key, private)
        self._voice.inform("")
        return published

    @contextmanager
    def _without_stale_entries(self) -> Iterator[None]:
        # Else Poetry finds the old plugins installed already, and the new set stays empty.
        before = sys.path[:]
        sys.path[:] = [entry for entry in before if not self._is_stale(entry)]
        try:
            yield
        finally:
            sys.path[:] = before

    def _tidy(self, found: PluginSet | None) -> None:
        if self._keeps_stock:
            return
        # Whatever is found there, it is no reason for the command to fail.
        try:
            if self._sets.retire_stock():
                self._voice.warn(
                    f"Removed {self._sets.stock}: plugin sets replace it. A Poetry without"
                    f" {OWN_NAME} in this checkout has its plugins again after a `poetry install`"
                    " of its own."
                )
            self._sets.sweep(found)
            tidy_sets(self._root)
        except Exception as error:  # noqa: BLE001
            self._voice.explain(f"{self._sets.directory} could not be tidied up: {error!r}.")

    def _is_stale(self, entry: str) -> bool:
        return absolute(entry) in self._stale


def missing_plugins(file: Path) -> list[str]:
    """The plugins that the project at `file` requires and this process does not have active.

    `NAME (constraint)` each. Right with the guard and without: it asks what is on `sys.path`
    in a fitting version and, where that has plugins, whether they are loaded.
    """
    settings = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
    section = settings.get("poetry", {}).get("requires-plugins", {})
    if not section:
        return []
    present = distributions(sys.path)
    required = requiring.required_plugins(section, file.parent, present)
    wrong = [*required.missing, *(plugin for plugin, _ in required.unsatisfied)]
    idle = [canonical(name) for name in section if _is_idle(canonical(name), present)]
    named = [f"{plugin.name} ({plugin.pretty_constraint})" for plugin in wrong]
    return named + [name for name in idle if name not in {plugin.name for plugin in wrong}]


def _is_idle(name: str, present: Mapping[str, str]) -> bool:
    """Whether a distribution is there, with plugins, none of which is imported."""
    if name not in present:
        return False
    points = metadata.distribution(name).entry_points
    modules = [found.module for found in points if found.group in seams.PLUGIN_GROUPS]
    return bool(modules) and not any(module in sys.modules for module in modules)


def _points_into_project(section: Mapping[str, Any]) -> bool:
    constraints = [
        one for given in section.values() for one in (given if isinstance(given, list) else [given])
    ]
    return any(isinstance(one, dict) and one.get("develop") for one in constraints)
