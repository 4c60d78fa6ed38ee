"""Takes away plugin sets that earlier versions kept elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poetry_publish_verified.guard.locks.legacy import tidy_ignore_file
from poetry_publish_verified.guard.ownership import of_checkout
from poetry_publish_verified.guard.plugin_sets.files import delete

if TYPE_CHECKING:
    from pathlib import Path


def tidy_sets(root: Path) -> None:
    """Remove plugin sets from where build backends packed them."""
    try:
        of_checkout(root).believe(root / ".poetry")
    except OSError:
        return
    delete(root / ".poetry" / "plugin-sets")
    for left in (root / ".poetry").glob(".trash-*"):
        delete(left)
    tidy_ignore_file(root)
