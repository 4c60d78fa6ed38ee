"""Builds a project's plugin set ahead of its first `install`: in an image, or to fill a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poetry_publish_verified.guard import problems
from poetry_publish_verified.guard.entry import is_off, plugin_settings
from poetry_publish_verified.guard.plugin_sets.activation import NoSetError, ProjectPlugins

if TYPE_CHECKING:
    from pathlib import Path

    from poetry_publish_verified.guard.problems import Finding
    from poetry_publish_verified.guard.seams.application import IO, Application


def build_plugins(application: Application, file: Path, io: IO) -> str | Finding:
    """Where the set for the project at `file` is, and what is in it; or why there is none."""
    if is_off():
        return problems.set_not_built(problems.GUARD_IS_OFF)
    settings = plugin_settings(file)
    if settings is None or not settings.get("requires-plugins"):
        return problems.nothing_required(file)
    try:
        found, is_new = ProjectPlugins(application, file, settings).build_ahead(io)
    except NoSetError as error:
        return problems.set_not_built(str(error))
    # Whatever Poetry's solver and installer raise, without a network, say.
    except Exception as error:  # noqa: BLE001
        return problems.installing_plugins_failed(error)
    if found is None:
        return problems.NO_SET_NEEDED
    names = sorted(found.record["distributions"].items())
    return problems.set_built([f"{name} {version}" for name, version in names], found.path, is_new)
