"""Lists of names in a sentence, and advice that several problems share."""

from __future__ import annotations

from collections.abc import Collection

from poetry_publish_verified.sanitize import printable

_NAMES = 5

RERUN = "run the same command again"
RERUN_LATER = "Run the same command again later; nothing is uploaded twice."


def some(names: Collection[str], most: int = _NAMES) -> str:
    """The first names of many, fit to print, and how many more there are."""
    shown = [printable(name, 120) for name in list(names)[:most]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
