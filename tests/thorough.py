"""Whether to test everything (`make test-all`) or what a change needs at once (`make test`)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

_T = TypeVar("_T")
THOROUGH = os.environ.get("TESTS_THOROUGH", "") == "1"


def some(count: int, examples: Iterable[_T]) -> list[_T]:
    """The first examples of what takes a process each; all of them where everything is tested.

    The same cases are tested without a process, or differ in what is not ours.
    """
    return list(examples)[: None if THOROUGH else count]
