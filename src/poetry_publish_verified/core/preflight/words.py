"""Lists of names in a sentence."""

from __future__ import annotations

from collections.abc import Collection

from poetry_publish_verified.sanitize import printable

_NAMES = 5


def some(names: Collection[str]) -> str:
    """The first names of many, fit to print, and how many more there are."""
    shown = [printable(name, 120) for name in list(names)[:_NAMES]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
