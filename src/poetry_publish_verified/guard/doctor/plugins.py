"""What is wrong with a checkout's project plugins, and what to delete.

Where stock Poetry dies while it loads its own `.poetry/plugins`, no plugin of this project
gets to run there: so this looks from outside, and imports nothing from the checkout.
"""

from __future__ import annotations

import tomllib
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple

from poetry_publish_verified.guard.plugin_sets import installer as requiring
from poetry_publish_verified.guard.plugin_sets.store import PluginSets
from poetry_publish_verified.guard.plugin_sets.store import way_out
from poetry_publish_verified.guard.python_environment import canonical
from poetry_publish_verified.guard.python_environment import interpreter
from poetry_publish_verified.guard.seams import application as seams

if TYPE_CHECKING:
    from collections.abc import Collection
    from collections.abc import Iterator
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; `stops` where Poetry's commands fail or go without a plugin."""

    code: str
    message: str
    remedy: str
    stops: bool = True


def diagnose(root: Path, environment: Mapping[str, str]) -> list[Finding]:
    """Everything that keeps the project at `root` from its plugins.

    `environment` has the distributions of Poetry's own environment: name → version.
    """
    sets = PluginSets.of_project(root)
    return [*_stock(root, sets.stock, environment), *_absent(root, sets, environment), *_sets(sets)]


def _absent(root: Path, sets: PluginSets, environment: Mapping[str, str]) -> Iterator[Finding]:
    if sets.stock.is_dir():
        return
    wanted, unreadable = _required(root, environment)
    if unreadable is not None:
        yield unreadable
    if not wanted.missing or sets.holds(interpreter(), environment, wanted.section, wanted.sources):
        return
    names = ", ".join(wanted.missing)
    hindrance = sets.not_believed or sets.hindrance()
    if hindrance:
        yield Finding(
            "guard.sets-hindered",
            f"The plugins that {root} requires are not active: {names}. They cannot be"
            f" stored, because {hindrance}.",
            way_out(hindrance),
        )
    else:
        yield Finding(
            "guard.set-absent",
            f"The plugins that {root} requires are not built yet for this Poetry and Python, and"
            f" are not active: {names}.",
            f"Run `poetry install` in {root}.",
        )


def _stock(root: Path, stock: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    if not stock.is_dir():
        return
    remedy = f"Delete {stock}, then run `poetry install` in {root}."
    found = _distributions(stock)
    versions = {name: one.version for name, one in found.items()}
    wanted, unreadable = _required(root, {**environment, **versions})
    absent = wanted.missing
    if unreadable is not None:
        yield unreadable
    plugins = [name for name, one in found.items() if one.is_plugin]
    if absent and not plugins:
        message = f"{stock} holds no plugin, although Poetry treats it as complete."
        yield Finding("guard.stock-empty", message, remedy)
    elif absent:
        names = ", ".join(absent)
        message = f"{stock} lacks {names}: every Poetry command silently runs without it."
        yield Finding("guard.stock-incomplete", message, remedy)
    for name, one in found.items():
        wrong = one.lacking({**environment, **versions})
        if wrong:
            what = ", ".join(wrong[:3])
            message = f"{stock} holds {name} without {what}: Poetry's commands fail there."
            yield Finding("guard.stock-broken", message, remedy)
    if plugins and not (stock / "config.toml").is_file():
        message = f"{stock} was never finished: Poetry removes it at the next `poetry install`."
        yield Finding("guard.stock-unfinished", message, remedy, stops=False)


class _Wanted(NamedTuple):
    """What `requires-plugins` says, and the names of those that are not there."""

    section: Mapping[str, Any]
    missing: list[str]
    sources: Any = ()


def _required(root: Path, present: Mapping[str, str]) -> tuple[_Wanted, Finding | None]:
    nothing = _Wanted({}, [])
    file = root / "pyproject.toml"
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
        poetry = settings.get("tool", {}).get("poetry", {})
        section, sources = poetry.get("requires-plugins", {}), poetry.get("source", [])
        required = requiring.required_plugins(section, root, present)
    except FileNotFoundError:
        return nothing, None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        message = f"{file} does not say which plugins the project requires: {error}"
        return nothing, Finding("guard.list-unreadable", message, "Correct the file first.")
    return _Wanted(section, [plugin.name for plugin in required.missing], sources), None


@dataclass(frozen=True, slots=True)
class _Distribution:
    """What one `.dist-info` directory says, be it whole or not."""

    info: Path
    version: str

    @property
    def is_plugin(self) -> bool:
        points = metadata.PathDistribution(self.info).entry_points
        return any(point.group in seams.PLUGIN_GROUPS for point in points)

    def lacking(self, present: Collection[str]) -> list[str]:
        """The distributions and files that it needs and has not."""
        distribution = metadata.PathDistribution(self.info)
        files = [self.info / "RECORD", self.info / "METADATA"]
        # Those beside the directory, scripts most of all, keep no command from running; and
        # compiled files are made anew.
        files += [
            path
            for file in distribution.files or []
            if ".." not in file.parts and file.suffix != ".pyc"
            for path in [Path(str(distribution.locate_file(file)))]
            if path.is_relative_to(self.info.parent)
        ]
        lost = dict.fromkeys(file for file in files if not file.is_file())
        needed: list[str] = []
        if (self.info / "METADATA").is_file():
            # What cannot be read was no hindrance to installing it.
            with suppress(ValueError):
                needed = requiring.names_required(distribution.requires or [])
        names = [str(file.relative_to(self.info.parent)) for file in lost]
        return [*(one for one in needed if one not in present), *names]


def _distributions(stock: Path) -> dict[str, _Distribution]:
    """Canonical name → distribution, by the names of directories: half of one counts too."""
    found = {}
    for info in sorted(stock.glob("*.dist-info")):
        name, _, version = info.stem.rpartition("-")
        if name and not name.startswith("~"):
            found[canonical(name)] = _Distribution(info, version)
    return found


def _sets(sets: PluginSets) -> Iterator[Finding]:
    for path in sets.damaged():
        yield Finding(
            "guard.set-damaged",
            f"{path} has lost files or its record since it was built.",
            "Run `poetry install` in the project with the same Python and Poetry, or delete it.",
        )
    for path in sets.abandoned():
        yield Finding(
            "guard.set-abandoned",
            f"{path} was left by a builder that was killed.",
            "No action needed: the next `poetry install` removes it.",
            stops=False,
        )
