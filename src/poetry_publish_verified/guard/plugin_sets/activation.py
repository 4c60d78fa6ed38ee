"""One Poetry process in a project that requires plugins: which set it loads, and builds."""

from __future__ import annotations

import atexit
import importlib
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poetry_publish_verified.guard import problems
from poetry_publish_verified.guard.layout import LOCKS_DIR
from poetry_publish_verified.guard.locks.resource import Resource
from poetry_publish_verified.guard.plugin_sets import import_path
from poetry_publish_verified.guard.plugin_sets.plugin_set import PluginSet, SetKey, finish
from poetry_publish_verified.guard.plugin_sets.required import required_plugins
from poetry_publish_verified.guard.plugin_sets.store import PluginSets
from poetry_publish_verified.guard.python_environment import (
    canonical_name,
    installed_distributions,
    interpreter_identity,
)
from poetry_publish_verified.guard.seams import application as seams

if TYPE_CHECKING:
    from poetry_publish_verified.guard.seams.application import IO, Application, Command

_INSTALLING = ("install", "sync")
# These have no use for the project's plugins and do not warn of missing ones; `publish-verified`
# does so itself.
_WITHOUT_PLUGINS = (
    "about", "cache", "config", "help", "init", "list", "new", "publish-verified", "python", "self",
)  # fmt: skip


class NoSetError(Exception):
    """There is no use for a plugin set, or no place; `str` says why, as a sentence."""


class ProjectPlugins:
    """Decides which plugin set this process uses, and lets `install` and `sync` build it."""

    def __init__(self, application: Application, file: Path, settings: Mapping[str, Any]) -> None:
        """Read what the decision depends on; `settings` is `[tool.poetry]` of the project's `file`.

        Raises ValueError or TypeError where an entry of `requires-plugins` is not a dependency.
        """
        self._application = application
        self._notifier = seams.notifier_of(application)
        self._words = seams.command_words(application)
        self._is_installing = bool(self._words) and self._words[0] in _INSTALLING
        self._root = file.parent
        self._sets = PluginSets.of_project(self._root)
        self._stale_entries = import_path.entries_of(self._sets.stock)
        self._section: dict[str, Any] = settings.get("requires-plugins", {})
        self._settings = settings
        self._examine(sys.path, quiet=not self._is_installing)
        self._stock_in_use = False
        self._keeps_stock = False
        self._loaded: PluginSet | None = None

    def _examine(self, path: Sequence[str], *, quiet: bool = True) -> None:
        """Find the missing plugins, and the key, for an environment on `path`."""
        path = [entry for entry in path if not self._is_stale(entry)]
        self._environment = installed_distributions(path)
        self._required = required_plugins(self._section, self._root, self._environment, quiet=quiet)
        self._own = self._own_distribution(path)
        self._key = SetKey(
            interpreter=interpreter_identity(),
            poetry=seams.poetry_version(),
            plugins=self._section,
            sources=self._settings.get("source", []),
            environment={
                name: version for name, version in self._environment.items() if name != self._own
            },
            project=str(self._root.resolve()) if _points_into_project(self._section) else None,
        )

    def _own_distribution(self, path: Sequence[str]) -> str | None:
        """The name of the project itself, if it is installed in Poetry's own environment.

        No set is built upon it: its version changes all the time, and may be a plugin's work.
        """
        name = canonical_name(self._settings.get("name") or "")
        required = {canonical_name(plugin) for plugin in self._section}
        if name not in self._environment or name in required:
            return None
        # Poetry's own packages are projects too: one of them may come from an index.
        return name if import_path.is_installed_from(name, self._root, path) else None

    def prepare_loading(self) -> Callable[[], None] | None:
        """Decide what this process loads; the result loads it, with the plugins' own errors.

        None where there is nothing to load.
        """
        if not self._section:
            return None
        if self._is_project_plugin():
            self._notifier.detail(problems.PROJECT_PLUGIN_ONLY)
            return None
        found = None
        if self._required.unsatisfied:
            for plugin, version in self._required.unsatisfied:
                if self._words[:1] != ("self",):
                    constraint = plugin.pretty_constraint
                    problem = problems.unsatisfied_plugin(plugin.name, version, constraint)
                    self._notifier.warn(problem)
        elif self._takes_over_from_stock():
            found = self._choose()
        seams.wrap_commands(self._application, self.around)
        return (lambda: self._load(found)) if found is not None else None

    def _is_project_plugin(self) -> bool:
        if Path(__file__).is_relative_to(self._sets.stock):
            return True
        stock = installed_distributions([str(self._sets.stock)])
        return problems.PLUGIN in stock and problems.PLUGIN not in self._environment

    def _takes_over_from_stock(self) -> bool:
        """Whether this process may load a set: Poetry has taken nothing from its own directory."""
        is_on_path = any(self._is_stale(entry) for entry in sys.path)
        if self._sets.stock.exists() and self._sets.directory.is_dir():
            self._notifier.detail(problems.stock_beside_sets(self._sets.stock))
        if not is_on_path:
            return True
        self._stock_in_use = import_path.is_in_use(self._sets.stock)
        if not self._stock_in_use:
            # An empty husk: what a killed `install` without the guard leaves behind.
            sys.path[:] = [entry for entry in sys.path if not self._is_stale(entry)]
        return not self._stock_in_use

    def _choose(self) -> PluginSet | None:
        # `self add` would take the set's distributions for installed in Poetry's environment.
        changes_poetry = self._words[:1] == ("self",) and self._words[1:] != ("show",)
        # It has to be able to say what is wrong with a set that cannot even be imported.
        is_doctor = self._words[:2] == ("publish-verified", "doctor")
        if not self._required.missing or changes_poetry or is_doctor:
            return None
        found = self._sets.find(self._key)
        if self._is_installing:
            return found if found is not None and found.is_whole() else None
        if found is not None:
            return found
        section, interpreter = self._section, self._key.interpreter
        found = self._sets.best_for(section, interpreter, self._environment)
        # A set of the same list has the right plugins; the next `install` builds it again.
        is_right = found is not None and found.is_of(section, self._root)
        if not is_right and self._words and self._words[0] not in _WITHOUT_PLUGINS:
            self._notifier.warn(self._not_active(found))
        return found

    def _not_active(self, stand_in: PluginSet | None) -> str:
        if stand_in is not None:
            return problems.OLDER_SET_IN_USE
        names = ", ".join(plugin.name for plugin in self._required.missing)
        obstacle = self._sets.untrusted or self._sets.obstacle()
        found = problems.plugins_not_active(names, obstacle)
        return f"{found.message} {found.remedy}"

    def _load(self, found: PluginSet) -> None:
        self._loaded = found
        found.touch()
        import_path.make_imports_read_only(found.site)
        # Poetry has loaded whatever its own environment has.
        without = [problems.PLUGIN, *self._environment]
        seams.load_plugins(self._application, found.site, without=without)
        self._stale_entries |= import_path.entries_of(found.site)

    def build_ahead(self, io: IO) -> tuple[PluginSet | None, bool]:
        """The set that this Poetry needs, and whether it was built now; it is not loaded.

        None where Poetry's own environment has everything. Raises NoSetError, and what Poetry's
        installer raises.
        """
        self._notifier = seams.Notifier(io)
        self._examine([entry for entry in sys.path if not import_path.is_of_a_project(entry)])
        if self._is_project_plugin():
            raise NoSetError(problems.PROJECT_PLUGIN_ONLY)
        for plugin, version in self._required.unsatisfied:
            constraint = plugin.pretty_constraint
            raise NoSetError(problems.unsatisfied_plugin(plugin.name, version, constraint))
        if not self._required.missing:
            return None, False
        if obstacle := self._sets.prepare():
            raise NoSetError(problems.sets_hindered(obstacle))
        before = self._sets.find(self._key)
        found = self._ensure_set(io)
        if found is None or found.path.parent != self._sets.directory:
            raise NoSetError(problems.sets_hindered(self._sets.untrusted or "others change it"))
        return found, before is None or found.record["built"] != before.record["built"]

    def around(self, run: Callable[[], int], command: Command, io: IO) -> int:
        """Run a command; `install` and `sync` first build the set that is missing."""
        if command.name not in _INSTALLING:
            return run()
        self._notifier = seams.Notifier(io)
        if self._required.unsatisfied:
            with seams.plugin_step_replaced(self._run_stock_step):
                return run()
        if self._loaded is None and not seams.accepts_arguments(command, io):
            # Poetry will say so; should a listener make them known, the set is built then.
            with seams.plugin_step_replaced(lambda _: self._build_late(io)):
                return run()
        try:
            found = self._ensure_set(io)
        except Exception as error:
            if self._goes_on_with_stock(io):
                self._notifier.warn(problems.keeping_stock_plugins(error))
                self._keeps_stock, found = True, None
            elif isinstance(error, (AttributeError, ImportError, KeyError, TypeError)):
                # Ours, not the network's or the project's: Poetry differs.
                self._notifier.warn(problems.leaving_plugins_to_poetry(error))
                return run()
            else:
                raise
        return self._run_with(found, run, io)

    def _run_with(self, found: PluginSet | None, run: Callable[[], int], io: IO) -> int:
        if found is not None and self._loaded is None and not self._stock_in_use:
            # What was read of the project so far was read without its plugins.
            self._application.reset_poetry()
            self._load(found)
        if not self._stock_in_use:
            self._clean_up(found)
        with seams.plugin_step_replaced(lambda _: None):
            code = run()
        if code == 0 and not self._keeps_stock:
            found = self._follow_environment(found, io)
        if self._stock_in_use:
            # Only now: this process may have imported from there.
            self._clean_up(found)
        return code

    def _build_late(self, io: IO) -> None:
        found = self._ensure_set(io)
        if not self._stock_in_use:
            self._clean_up(found)

    def _goes_on_with_stock(self, io: IO) -> bool:
        """Whether Poetry has its plugins from its own directory, and would go on with it."""
        return self._stock_in_use and seams.stock_is_fresh(self._application, io)

    def _follow_environment(self, used: PluginSet | None, io: IO) -> PluginSet | None:
        """Have a set for the environment as the command left it, where that is Poetry's own.

        The next command would find none for its key. Resolving again is only needed if something
        is gone that the set was built upon, or one of its plugins has come.
        """
        before = self._key
        try:
            importlib.invalidate_caches()
            self._examine(import_path.with_new_entries(sys.path))
            if self._key == before or not self._required.missing or self._required.unsatisfied:
                return used
            if self._sets.prepare():
                return used
            with self._acquire(self._sets.lock(self._key)):
                if found := self._sets.find(self._key):
                    return found
                if used is None or not used.serves(self._key.interpreter, self._environment):
                    return self._build(self._sets, io)
                self._notifier.detail(problems.copying_set(used.path))
                return self._sets.copy_for(self._key, used)
        # The command has done its work.
        except Exception as error:  # noqa: BLE001
            self._notifier.warn(problems.set_not_renewed(error))
        return used

    def _acquire(self, resource: Resource) -> AbstractContextManager[bool]:
        # Most commands need no lock.
        from poetry_publish_verified.guard.locks.lock import acquire

        return acquire(resource, self._notifier.warn)

    def _run_stock_step(self, stock: Callable[[], None]) -> None:
        path = self._root / LOCKS_DIR / "plugins"
        lock = Resource("the project's plugins", path, base=self._root, saves_work=True)
        with self._acquire(lock):
            stock()

    def _ensure_set(self, io: IO) -> PluginSet | None:
        """The set for the present key, built if need be; None where none is needed."""
        if not self._required.missing:
            return None
        found = self._sets.find(self._key)
        if found is not None and found.is_whole():
            return found
        if found is not None:
            self._notifier.warn(problems.set_lost_files(found.path))
            self._sets.remove(found.path)
        obstacle = self._sets.prepare()
        if obstacle and self._goes_on_with_stock(io):
            self._notifier.detail(problems.stock_stays_in_use(obstacle, self._sets.stock))
            self._keeps_stock = True
            return None
        if obstacle:
            self._notifier.warn(problems.building_for_this_process(obstacle))
            return self._build(self._temporary_sets(), io)
        with self._acquire(self._sets.lock(self._key)):
            found = self._sets.find(self._key) or self._build(self._sets, io)
        return found or self._build(self._temporary_sets(), io)

    def _temporary_sets(self) -> PluginSets:
        directory = tempfile.mkdtemp(prefix="poetry-plugin-sets-")
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        return PluginSets(self._root, Path(directory))

    def _build(self, sets: PluginSets, io: IO) -> PluginSet | None:
        # Nothing else needs Poetry's installer.
        from poetry_publish_verified.guard.plugin_sets.installer import install_plugins

        plugins = self._required.missing
        names = ", ".join(f"{plugin.name} ({plugin.pretty_constraint})" for plugin in plugins)
        self._notifier.progress(problems.building_set(names))
        final = sets.directory / self._key.directory
        with sets.build_directory() as private:
            with self._without_stale_entries():
                install_plugins(self._root, io, plugins, private, without=self._own)
            finish(private, self._key, final)
            published = sets.publish(self._key, private)
        self._notifier.progress("")
        return published

    @contextmanager
    def _without_stale_entries(self) -> Iterator[None]:
        # Or Poetry finds the old plugins installed already, and the new set stays empty.
        before = sys.path[:]
        sys.path[:] = [entry for entry in before if not self._is_stale(entry)]
        try:
            yield
        finally:
            sys.path[:] = before

    def _clean_up(self, found: PluginSet | None) -> None:
        if self._keeps_stock:
            return
        # Nothing found there is a reason for the command to fail.
        try:
            if self._sets.retire_stock():
                self._notifier.warn(problems.stock_removed(self._sets.stock))
            self._sets.sweep(found)
        except Exception as error:  # noqa: BLE001
            self._notifier.detail(problems.not_cleaned_up(self._sets.directory, error))

    def _is_stale(self, entry: str) -> bool:
        return import_path.absolute(entry) in self._stale_entries


def missing_plugins(file: Path) -> list[str]:
    """The plugins that the project at `file` requires and this process does not have active.

    `NAME (constraint)` each. Right with the guard and without it: what counts is what is on
    `sys.path` in a fitting version and, if that has plugins, whether they are loaded.
    """
    settings = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
    section = settings.get("poetry", {}).get("requires-plugins", {})
    if not section:
        return []
    present = installed_distributions(sys.path)
    required = required_plugins(section, file.parent, present)
    wrong = [*required.missing, *(plugin for plugin, _ in required.unsatisfied)]
    idle = [canonical_name(name) for name in section if _is_idle(canonical_name(name), present)]
    named = [f"{plugin.name} ({plugin.pretty_constraint})" for plugin in wrong]
    return named + [name for name in idle if name not in {plugin.name for plugin in wrong}]


def _is_idle(name: str, present: Mapping[str, str]) -> bool:
    """Whether a distribution with plugins is there, and none of them is imported."""
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
