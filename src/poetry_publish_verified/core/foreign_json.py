"""Values of JSON that somebody else wrote, checked: TypeError for anything else."""

import re
from typing import Any

from poetry_publish_verified.sanitize import harmless


def plain_text(value: Any, longest: int = 300) -> str:
    """Text on one line, without anything that a terminal would obey."""
    if isinstance(value, str) and value == harmless(value, longest):
        return value
    raise TypeError(value)


def sha256_of(value: Any) -> str:
    """A sha256 in lower-case hexadecimal digits."""
    if isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F]{64}", value):
        return value.lower()
    raise TypeError(value)
