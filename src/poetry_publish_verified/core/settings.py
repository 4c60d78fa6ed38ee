"""Settings: command line before environment before pyproject.toml before default."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from typing import Literal

from poetry_publish_verified.core import durations
from poetry_publish_verified.core.variants import CLIENTS
from poetry_publish_verified.core.variants import DEFAULT_CLIENTS
from poetry_publish_verified.core.variants import Client
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict

ENVIRONMENT_PREFIX = "POETRY_PUBLISH_VERIFIED_"
# Read elsewhere, before any command runs.
_OTHER_VARIABLES = {"GUARD", "PLUGIN_SETS", "LOCK_TIMEOUT", "LOCKS_HELD"}


class Until(StrEnum):
    """How far a release is followed before it counts as proven."""

    LISTED = "listed"
    DOWNLOADABLE = "downloadable"
    INSTALLABLE = "installable"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user asked for, checked. `timeout` is in seconds."""

    indexes: tuple[str, ...] = ()
    until: Until = Until.DOWNLOADABLE
    timeout: float = 900.0
    format: Literal["text", "json"] = "text"
    receipt: str | None = None
    clients: tuple[Client, ...] = DEFAULT_CLIENTS
    strict: bool = False
    jobs: int = 4
    retries: int = 5
    projects: tuple[str, ...] = ()


def resolve(
    options: Mapping[str, Any], environment: Mapping[str, str], project: Mapping[str, Any]
) -> Settings:
    """The settings of one run.

    `options` holds what the command line named (absent or None: not named),
    `environment` the variables that begin with `POETRY_PUBLISH_VERIFIED_`, without that
    prefix, and `project` the table `[tool.publish-verified]`.

    Raises ReleaseError with every unknown key and every bad value at once.
    """
    problems = [_unknown(f"[tool.publish-verified] {key}") for key in project if key not in _KEYS]
    problems += [
        _unknown(ENVIRONMENT_PREFIX + key)
        for key in environment
        if key not in _OTHER_VARIABLES and key not in {name.upper() for name in _KEYS}
    ]
    found: dict[str, Any] = {}
    for key, (field, read) in _KEYS.items():
        for place, value in (
            (f"--{key}", options.get(key)),
            (ENVIRONMENT_PREFIX + key.upper(), environment.get(key.upper())),
            (f"[tool.publish-verified] {key}", project.get(key)),
        ):
            if value is None or value == "" or (value == [] and read in {_texts, patterns}):
                continue
            try:
                found.setdefault(field, read(value))
            except ValueError as error:
                problems.append(
                    Problem(
                        Code.SETTING,
                        f"{place} has a bad value: {error}.",
                        f"Mend {place}.",
                    )
                )
    if problems:
        raise ReleaseError(Verdict.ERROR, *problems)
    return Settings(**found)


def _unknown(place: str) -> Problem:
    return Problem(
        Code.SETTING,
        f"{place} is not a setting of publish-verified.",
        f"Remove it, or use one of: {', '.join(_KEYS)}.",
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("a text is wanted")


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    if isinstance(value, list):
        return tuple(text for item in value if (text := _text(item).strip()))
    raise ValueError("a text or a list of texts is wanted")


def patterns(value: Any) -> tuple[str, ...]:
    """Paths, which may hold spaces: a list, or a text with one a line. Raises ValueError."""
    if isinstance(value, str):
        return tuple(line for line in map(str.strip, value.splitlines()) if line)
    return _texts(value)


def _seconds(value: Any) -> float:
    # A bare number in TOML; True is an int to Python, not to anyone else.
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    return durations.parse(_text(value))


def _until(value: Any) -> Until:
    if value in tuple(Until):
        return Until(value)
    raise ValueError(f"one of {', '.join(Until)} is wanted")


def _format(value: Any) -> str:
    if value in ("text", "json"):
        return str(value)
    raise ValueError("one of text, json is wanted")


def _clients(value: Any) -> tuple[str, ...]:
    names = _texts(value)
    if not names or not set(names) <= set(CLIENTS):
        raise ValueError(f"some of {', '.join(CLIENTS)} are wanted")
    return tuple(dict.fromkeys(names))


def _flag(value: Any) -> bool:
    # Poetry's own configuration reads its variables so.
    known = {"true": True, "1": True, "false": False, "0": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise ValueError("true or false is wanted")


def _number(value: Any, least: int, most: int) -> int:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 10:
        number = int(text)
        if least <= number <= most:
            return number
    raise ValueError(f"a whole number from {least} to {most} is wanted")


def _jobs(value: Any) -> int:
    return _number(value, 1, 32)


def _retries(value: Any) -> int:
    return _number(value, 0, 100)


_KEYS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "index": ("indexes", _texts),
    "until": ("until", _until),
    "timeout": ("timeout", _seconds),
    "format": ("format", _format),
    "receipt": ("receipt", _text),
    "clients": ("clients", _clients),
    "strict": ("strict", _flag),
    "jobs": ("jobs", _jobs),
    "retries": ("retries", _retries),
    "projects": ("projects", patterns),
}
