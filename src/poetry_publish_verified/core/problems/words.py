"""What problems are made of: their shape, lists of names, and advice that several share."""

import inspect
from collections.abc import Callable, Collection
from functools import wraps
from typing import NamedTuple, ParamSpec

from poetry_publish_verified.errors import Code, Problem, Severity
from poetry_publish_verified.sanitize import harmless, printable

Given = ParamSpec("Given")

_NAMES = 5

RERUN = "run the same command again"
MADE: dict[Code, list[Callable[..., Problem]]] = {}
"""The functions below `core/problems/` that make each code's problems, once they are imported."""


class Text(NamedTuple):
    """What is true now, and what to do next."""

    message: str
    remedy: str


def problem(
    code: Code, severity: Severity = "error"
) -> Callable[[Callable[Given, Text]], Callable[Given, Problem]]:
    """Make a function that returns a text return its problem.

    The function's parameters `filename`, `index` and `severity` are also the problem's own.
    """

    def of_text(text: Callable[Given, Text]) -> Callable[Given, Problem]:
        @wraps(text)
        def made(*args: Given.args, **kwargs: Given.kwargs) -> Problem:
            # Not for each function at the start, as most runs make no problem.
            bound = inspect.signature(text).bind(*args, **kwargs)
            given = {"severity": severity} | bound.arguments
            own = {key: given[key] for key in ("filename", "index", "severity") if key in given}
            return Problem(code, *text(*args, **kwargs), **own)

        MADE.setdefault(code, []).append(made)
        return made

    return of_text


def why(reason: str | None) -> str:
    """A reason that an index gives, in brackets; empty if it gives none."""
    return f" ({printable(reason, 200)})" if reason else ""


def words_of(error: object) -> str:
    """What went wrong, to end a sentence; a system's error has no number and no path here."""
    is_systems = isinstance(error, OSError) and type(error).__str__ is OSError.__str__
    said = getattr(error, "strerror", None) if is_systems else None
    return printable(said.lower() if said else str(error)).rstrip(".")


def some(names: Collection[str], most: int = _NAMES) -> str:
    """The first names of many, fit to print, and how many more there are."""
    shown = [harmless(name, 120) for name in list(names)[:most]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
