"""What is wrong with a checkout's project plugins, and what to delete.

Where stock Poetry dies while it loads its own `.poetry/plugins`, no plugin of this project
gets to run there: so this looks from outside, and imports nothing from the checkout.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from poetry_publish_verified.guard import poetry_seams as seams
from poetry_publish_verified.guard import requiring
from poetry_publish_verified.guard.environment import canonical
from poetry_publish_verified.guard.plugin_sets import PluginSets

if TYPE_CHECKING:
    from collections.abc import Collection
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; `stops` where Poetry's commands fail or go without a plugin."""

    code: str
    message: str
    remedy: str
    stops: bool = True


def diagnose(root: Path, environment: Collection[str]) -> list[Finding]:
    """Everything that keeps the project at `root` from its plugins.

    `environment` names the distributions of Poetry's own environment.
    """
    sets = PluginSets.of_project(root)
    return [*_stock(sets.stock, environment), *_sets(sets)]


def _stock(stock: Path, environment: Collection[str]) -> Iterator[Finding]:
    if not stock.is_dir():
        return
    remedy = f"Delete {stock}, then run `poetry install` in {stock.parents[1]}."
    found = {
        canonical(one.metadata["Name"]): one
        for one in metadata.distributions(path=[str(stock)])
        if one.metadata and "Name" in one.metadata
    }
    plugins = {
        name: one
        for name, one in found.items()
        if any(point.group in seams.PLUGIN_GROUPS for point in one.entry_points)
    }
    if not plugins:
        message = f"{stock} holds no plugin, though Poetry takes it for complete or in the making."
        yield Finding("guard.stock-empty", message, remedy)
    for name, plugin in plugins.items():
        lost = [
            file for file in plugin.files or [] if not Path(str(plugin.locate_file(file))).is_file()
        ]
        needed = requiring.names_required(plugin.requires or [])
        lacking = [one for one in needed if one not in found and one not in environment]
        if lost or lacking:
            what = ", ".join([*lacking, *map(str, lost)][:3])
            message = f"{stock} holds {name} without {what}: every Poetry command there fails."
            yield Finding("guard.stock-broken", message, remedy)
    if plugins and not (stock / "config.toml").is_file():
        message = f"{stock} was never finished: Poetry removes it at the next `poetry install`."
        yield Finding("guard.stock-unfinished", message, remedy, stops=False)


def _sets(sets: PluginSets) -> Iterator[Finding]:
    for path in sets.damaged():
        yield Finding(
            "guard.set-damaged",
            f"{path} has lost files since it was built.",
            "Run `poetry install` in the project: it is built again.",
        )
    for path in sets.abandoned():
        yield Finding(
            "guard.set-abandoned",
            f"{path} was left by a builder that was killed.",
            "Nothing need be done: the next `poetry install` removes it.",
            stops=False,
        )
