"""What is wrong with a checkout's project plugins, and how to fix it.

Where stock Poetry dies while it loads its own `.poetry/plugins`, no plugin of this project can run:
so this looks from outside, and imports nothing from the checkout.
"""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from poetry_publish_verified.guard import problems
from poetry_publish_verified.guard.plugin_sets.required import names_required, required_plugins
from poetry_publish_verified.guard.plugin_sets.store import PluginSets
from poetry_publish_verified.guard.problems import Finding
from poetry_publish_verified.guard.python_environment import canonical_name, interpreter_identity
from poetry_publish_verified.guard.seams.application import PLUGIN_GROUPS


def diagnose(root: Path, environment: Mapping[str, str]) -> list[Finding]:
    """Everything that keeps the project at `root` from its plugins.

    `environment` has the distributions of Poetry's own environment: name → version.
    """
    sets = PluginSets.of_project(root)
    stock = sets.stock
    found = (
        _check_stock(root, stock, environment)
        if stock.is_dir()
        else _check_active(root, sets, environment)
    )
    left = [problems.set_abandoned(path) for path in sets.abandoned()]
    return [*found, *map(problems.set_damaged, sets.damaged()), *left]


def _check_active(
    root: Path, sets: PluginSets, environment: Mapping[str, str]
) -> Iterator[Finding]:
    section, missing, unreadable = _required(root, environment)
    yield from unreadable
    found = sets.best_for(section, interpreter_identity(), environment)
    if not missing or (found is not None and found.is_of(section, root)):
        return
    yield problems.plugins_not_active(", ".join(missing), sets.untrusted or sets.obstacle(), root)


def _check_stock(root: Path, stock: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    found = _distributions(stock)
    present = {**environment, **{name: one.version for name, one in found.items()}}
    _, missing, unreadable = _required(root, present)
    yield from unreadable
    has_plugin = any(one.is_plugin for one in found.values())
    if missing and not has_plugin:
        yield problems.stock_empty(root, stock)
    elif missing:
        yield problems.stock_incomplete(root, stock, ", ".join(missing))
    for name, one in found.items():
        if lacking := one.lacking(present):
            yield problems.stock_broken(root, stock, name, ", ".join(lacking[:3]))
    if has_plugin and not (stock / "config.toml").is_file():
        yield problems.stock_unfinished(root, stock)


def _required(
    root: Path, present: Mapping[str, str]
) -> tuple[Mapping[str, Any], list[str], list[Finding]]:
    """What `requires-plugins` says, which of it is missing, and why that is unknown, if it is."""
    file = root / "pyproject.toml"
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
        section = settings.get("tool", {}).get("poetry", {}).get("requires-plugins", {})
        required = required_plugins(section, root, present)
    except FileNotFoundError:
        return {}, [], []
    except (OSError, ValueError, TypeError, AttributeError) as error:
        return {}, [], [problems.list_unreadable(file, error)]
    return section, [plugin.name for plugin in required.missing], []


class _Distribution(NamedTuple):
    """What one `.dist-info` directory says, whole or not."""

    info: Path
    version: str

    @property
    def is_plugin(self) -> bool:
        points = metadata.PathDistribution(self.info).entry_points
        return any(point.group in PLUGIN_GROUPS for point in points)

    def lacking(self, present: Collection[str]) -> list[str]:
        """The distributions and files that it needs and does not have."""
        distribution = metadata.PathDistribution(self.info)
        files = [self.info / "RECORD", self.info / "METADATA"]
        # Files elsewhere, scripts most of all, keep no command from running; and Python compiles
        # again.
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
            # Nor did what cannot be read keep it from being installed.
            with suppress(ValueError):
                needed = names_required(distribution.requires or [])
        names = [str(file.relative_to(self.info.parent)) for file in lost]
        return [*(one for one in needed if one not in present), *names]


def _distributions(stock: Path) -> dict[str, _Distribution]:
    """Canonical name → distribution, by the names of directories: half of one counts too."""
    found = {}
    for info in sorted(stock.glob("*.dist-info")):
        name, _, version = info.stem.rpartition("-")
        if name and not name.startswith("~"):
            found[canonical_name(name)] = _Distribution(info, version)
    return found
