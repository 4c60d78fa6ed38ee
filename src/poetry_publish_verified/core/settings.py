"""Settings: the command line, then the environment, then pyproject.toml, then the default."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from enum import StrEnum
from functools import partial
from shlex import split
from typing import Any, Literal, get_args

from poetry_publish_verified import durations
from poetry_publish_verified.core.problems import usage as problems
from poetry_publish_verified.core.publishers import NamedPublisher, parse_publisher
from poetry_publish_verified.core.urls import goes_in_the_clear, split_credentials
from poetry_publish_verified.core.variants import CLIENTS, DEFAULT_CLIENTS, Client
from poetry_publish_verified.core.version_tags import checked_pattern
from poetry_publish_verified.errors import Problem, ReleaseError, Verdict
from poetry_publish_verified.sanitize import harmless, learn, learn_url, redacted
from poetry_publish_verified.values import Value

ENVIRONMENT_PREFIX = "POETRY_PUBLISH_VERIFIED_"
_TABLE = "[tool.publish-verified]"
# Read elsewhere, before any command runs.
_OTHER_VARIABLES = ("GUARD", "PLUGIN_SETS", "LOCK_TIMEOUT", "LOCKS_HELD")
_LEAST_SILENCE = 60.0

OPTIONS = {"stages": "stage"}
"""The names of options that are not those of their settings."""
TrustedPublishing = Literal["auto", "always", "never"]
Attest = Literal["off", "on", "require"]


class Until(StrEnum):
    """How far a release is followed before it counts as proven."""

    LISTED = "listed"
    DOWNLOADABLE = "downloadable"
    INSTALLABLE = "installable"


class Origin(StrEnum):
    """Where a setting can come from, in order of precedence."""

    OPTION = "the command line"
    ENVIRONMENT = "the environment"
    PYPROJECT = "pyproject.toml"

    def name_of(self, key: str) -> str:
        """The setting's name there, such as `--timeout`."""
        match self:
            case Origin.OPTION:
                return f"--{OPTIONS.get(key, key)}"
            case Origin.ENVIRONMENT:
                return ENVIRONMENT_PREFIX + _variable(key)
            case Origin.PYPROJECT:
                return f"{_TABLE} {harmless(key)}"


class Settings(Value, kw_only=True):
    """The settings of a run. Times are in seconds; hooks are a program and its arguments.

    `lock_stale` is None if no lock is ever broken because its holder is silent. `tags` are patterns
    of git tags, none if these do not count; None for the usual ones.
    """

    indexes: tuple[str, ...] = ()
    until: Until = Until.INSTALLABLE
    timeout: float = 900.0
    format: Literal["text", "json"] = "text"
    receipt: str | None = None
    metadata: str | None = None
    history: str | None = None
    summary: str | None = None
    report: str | None = None
    junit: str | None = None
    dotenv: str | None = None
    clients: tuple[Client, ...] = DEFAULT_CLIENTS
    strict: bool = False
    jobs: int = 4
    retries: int = 5
    projects: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    publish: bool = True
    tags: tuple[str, ...] | None = None
    grace: float = 3600.0
    trusted_publishing: TrustedPublishing = "auto"
    attest: Attest = "off"
    on_success: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()
    hook_timeout: float = 60.0
    notify_url: str | None = None
    provenance: tuple[NamedPublisher, ...] = ()
    stages: tuple[str, ...] = ()
    confirm: bool = False
    checklist: tuple[str, ...] = ()
    lock_stale: float | None = None


class ResolvedSettings(Value):
    """The settings of a run, where each comes from, and everything that is wrong with them.

    `given` has, by key, the origin and the text of each setting that somebody gave. `found` has
    the default where all that was given is invalid.
    """

    found: Settings
    given: Mapping[str, tuple[Origin, str]]
    problems: tuple[Problem, ...]

    def checked(self) -> Settings:
        """The settings; raises ReleaseError with every unknown key and every invalid value."""
        if self.problems:
            raise ReleaseError(Verdict.ERROR, *self.problems)
        return self.found

    def origin(self, key: str) -> Origin | None:
        """Where a setting comes from; None for a default."""
        return self.given[key][0] if key in self.given else None

    def explained(self) -> list[str]:
        """A line for each setting that is given: `timeout = 15m (from pyproject.toml)`."""
        return [
            f"{key} = {text} (from {origin if origin is Origin.PYPROJECT else origin.name_of(key)})"
            for key, (origin, text) in self.given.items()
        ]


def resolve(
    options: Mapping[str, Any],
    environment: Mapping[str, str],
    table: object,
    defaults: Settings = Settings(),
) -> ResolvedSettings:
    """The settings of one run: the first place that gives a setting counts.

    `options` holds what the command line names, `environment` the variables that begin with
    `POETRY_PUBLISH_VERIFIED_`, without that prefix, and `table` what pyproject.toml has at
    `tool.publish-verified`. None, an empty string and an empty list give nothing.
    """
    table, faults = (table, []) if isinstance(table, dict) else ({}, [problems.not_a_table()])
    known = _KEYS | _OF_PROJECT
    faults += [_unknown(Origin.PYPROJECT, key, known) for key in table if key not in known]
    variables = (*map(_variable, _KEYS), *_OTHER_VARIABLES)
    faults += [
        _unknown(Origin.ENVIRONMENT, key, variables)
        for key, value in environment.items()
        if value and key not in variables
    ]
    found: dict[str, Any] = {}
    given: dict[str, tuple[Origin, str]] = {}
    for key, (field, read) in known.items():
        for origin, value in (
            (Origin.OPTION, options.get(key)),
            (Origin.ENVIRONMENT, environment.get(_variable(key))),
            (Origin.PYPROJECT, table.get(key)),
        ):
            if value in (None, "", []):
                continue
            try:
                found.setdefault(field, read(value))
                given.setdefault(key, (origin, _shown(value)))
            except ValueError as error:
                faults.append(problems.invalid_setting(origin.name_of(key), error))
    if given.get("exclude", ("",))[0] is Origin.OPTION and "projects" not in found:
        faults.append(problems.invalid_setting("--exclude", "there are no --projects"))
    return ResolvedSettings(replace(defaults, **found), given, tuple(faults))


def _variable(key: str) -> str:
    return key.upper().replace("-", "_")


def _shown(value: Any) -> str:
    texts = value if isinstance(value, list) else [value]
    words = (str(each).lower() if isinstance(each, bool) else str(each) for each in texts)
    return harmless(", ".join(map(redacted, words)))


def closest(word: object, known: Iterable[str]) -> str | None:
    """The known word that `word` is probably a typo of; None if there is none."""
    matches = get_close_matches(word, list(known), 1) if isinstance(word, str) else []
    return matches[0] if matches else None


def _unknown(origin: Origin, key: str, known: Iterable[str]) -> Problem:
    meant = closest(key, known)
    if meant and origin is not Origin.PYPROJECT:
        meant = origin.name_of(meant)
    return problems.unknown_setting(origin.name_of(key), meant, _KEYS)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("expected a string")


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    if isinstance(value, list):
        return tuple(text for item in value if (text := _text(item).strip()))
    raise ValueError("expected a string or a list of strings")


def _lines(value: Any) -> tuple[str, ...]:
    """Paths and sentences contain spaces, so a string has one per line."""
    if isinstance(value, str):
        return tuple(line for line in map(str.strip, value.splitlines()) if line)
    return _texts(value)


def _command(value: Any) -> tuple[str, ...]:
    """A program and its arguments: a list, or a string as a shell would split it."""
    arguments = split(value) if isinstance(value, str) else value
    texts = isinstance(arguments, list) and all(isinstance(each, str) for each in arguments)
    if not texts or not arguments or not arguments[0]:
        raise ValueError("expected a program and its arguments, as a list of strings")
    return tuple(arguments)


def _webhook(value: Any) -> str:
    """A URL to post to; nobody sees its path, which is the secret of most such URLs."""
    url = _text(value).strip()
    learn_url(url)
    address = split_credentials(url)[0]
    path = address.partition("://")[2].partition("/")[2]
    learn(path)
    if goes_in_the_clear(address):
        raise ValueError("expected an https:// URL (http:// only on this machine)")
    return url


def _seconds(value: Any, *, zero: bool = False) -> float:
    # A bare number in TOML; True is an int to Python, not to anyone else.
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    return durations.parse(_text(value), zero=zero)


def _silence(value: Any) -> float | None:
    if value == "off":
        return None
    seconds = _seconds(value)
    # A holder has a heartbeat every ten seconds, which others may see half a minute later.
    if seconds < _LEAST_SILENCE:
        raise ValueError("expected a duration of at least 1m, or off")
    return seconds


def _one_of(known: Iterable[str], value: Any) -> Any:
    for each in known:
        if value == each:
            return each
    meant = closest(value, known)
    hint = f" (did you mean {meant}?)" if meant else ""
    raise ValueError(f"expected one of {', '.join(known)}{hint}")


def _clients(value: Any) -> tuple[str, ...]:
    names = tuple(_one_of(CLIENTS, name) for name in _texts(value))
    if not names:
        raise ValueError(f"expected one or more of {', '.join(CLIENTS)}")
    return tuple(dict.fromkeys(names))


def _tag_patterns(value: Any) -> tuple[str, ...]:
    patterns = _texts(value)
    return () if patterns == ("none",) else tuple(map(checked_pattern, patterns))


def _publishers(value: Any) -> tuple[NamedPublisher, ...]:
    # A variable that is not set, in a script, must not switch the check off.
    return tuple(map(parse_publisher, _texts(value) or ("",)))


def _flag(value: Any) -> bool:
    # As Poetry reads the variables of its own configuration.
    known = {"true": True, "1": True, "false": False, "0": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise ValueError("expected true or false")


def _attest(value: Any) -> Any:
    # `--attest` alone, and `attest = true` in TOML.
    if isinstance(value, bool):
        value = "on" if value else "off"
    return _one_of(get_args(Attest), value)


def _number(least: int, most: int, value: Any) -> int:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 10:
        number = int(text)
        if least <= number <= most:
            return number
    raise ValueError(f"expected a whole number from {least} to {most}")


_KEYS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "index": ("indexes", _texts),
    "until": ("until", partial(_one_of, tuple(Until))),
    "timeout": ("timeout", _seconds),
    "format": ("format", partial(_one_of, ("text", "json"))),
    "receipt": ("receipt", _text),
    "metadata": ("metadata", _text),
    **{key: (key, _text) for key in ("history", "summary", "report", "junit", "dotenv")},
    "clients": ("clients", _clients),
    "strict": ("strict", _flag),
    "jobs": ("jobs", partial(_number, 1, 32)),
    "retries": ("retries", partial(_number, 0, 100)),
    "projects": ("projects", _lines),
    "exclude": ("exclude", _lines),
    "tags": ("tags", _tag_patterns),
    "grace": ("grace", partial(_seconds, zero=True)),
    "trusted-publishing": ("trusted_publishing", partial(_one_of, get_args(TrustedPublishing))),
    "attest": ("attest", _attest),
    "on-success": ("on_success", _command),
    "on-failure": ("on_failure", _command),
    "hook-timeout": ("hook_timeout", _seconds),
    "notify-url": ("notify_url", _webhook),
    "provenance": ("provenance", _publishers),
    "stages": ("stages", _texts),
    "confirm": ("confirm", _flag),
    "checklist": ("checklist", _lines),
    "lock-stale": ("lock_stale", _silence),
}
KEYS = tuple(_KEYS)
"""The names of all settings, in pyproject.toml and on the command line."""
# Said of one project, in its own pyproject.toml.
_OF_PROJECT = {"publish": ("publish", _flag)}
