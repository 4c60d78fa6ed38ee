"""The user's own machine: what would keep a proven release from its clients."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from poetry_publish_verified.adapters.clients.poetry import min_release_age
from poetry_publish_verified.adapters.cool_downs import pip_listed
from poetry_publish_verified.adapters.cool_downs import uv_files
from poetry_publish_verified.core.cool_downs import cool_downs
from poetry_publish_verified.core.events import ProblemFound
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.guard.seams.cache import forget_release

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable

    from poetry.config.config import Config

    from poetry_publish_verified.cli.release_source import DistDirRelease
    from poetry_publish_verified.core.events import Event


def mention_cool_downs(config: Config, report: Callable[[Event], None]) -> None:
    """Warn of settings that keep fresh releases from the user's clients, but not from ours."""
    listed = anyio.run(pip_listed, os.environ)
    found = cool_downs(os.environ, min_release_age(config), listed, uv_files(Path(), os.environ))
    for setting, value in found:
        problem = Problem(
            Code.COOL_DOWN,
            f"{setting} is set to {value}: your own client may pass this release over for a while."
            " The check here does not follow it.",
            "Nothing is to be done if that is meant.",
            severity="warning",
        )
        report(ProblemFound(problem))


def forget_in_poetrys_caches(
    index_urls: Iterable[str], name: str, version: str, report: Callable[[Event], None]
) -> None:
    """Drop what Poetry's own caches hold of a release, so that the next `poetry lock` sees it."""
    for url in index_urls:
        if (warning := forget_release(url, name, version).warning) is not None:
            problem = Problem(
                Code.POETRY_CACHE_NOT_CLEARED,
                warning,
                "Run that command where the next poetry lock does not see the release.",
                severity="warning",
                index=url,
            )
            report(ProblemFound(problem))


def forget_arrived(source: DistDirRelease) -> None:
    """The same of what was released here."""
    urls = [index.url for index in source.targets.indexes.shown_by]
    identity = source.identity
    forget_in_poetrys_caches(urls, identity.name, str(identity.version), source.report)
