"""Where a rehearsal sends its release: an index on this machine."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from poetry.config.config import Config

from poetry_publish_verified.adapters.kept_directory import KEPT
from poetry_publish_verified.adapters.rehearsal import throwaway_index
from poetry_publish_verified.core.urls import Access, IndexTarget, RepositoryTarget
from poetry_publish_verified.poetry_api.indexes import Indexes, Targets


def rehearsal_targets(stack: ExitStack) -> Targets:
    """Start an index on this machine, which runs to the end of `stack`."""
    directory = Path(stack.enter_context(temporary_directory()))
    url = stack.enter_context(throwaway_index(directory, kept_in() / "rehearsal"))
    index = IndexTarget(f"{url}simple/", Access())
    repository = RepositoryTarget("rehearsal", url, Access())
    return Targets(repository, Indexes(index, (index,)), proxies=False)


def kept_in() -> Path:
    """The directory in Poetry's cache for what the next run needs again."""
    return Path(Config.create().get("cache-dir")).expanduser().absolute() / KEPT


def temporary_directory() -> tempfile.TemporaryDirectory[str]:
    """A directory that is removed when its context ends."""
    return tempfile.TemporaryDirectory(prefix="publish-verified-", ignore_cleanup_errors=True)
