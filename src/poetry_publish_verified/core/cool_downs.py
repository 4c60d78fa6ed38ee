"""Cool-downs: settings of the user that keep a fresh release from their own clients.

The checks of this tool do not follow them; they are told of, since the user's next install does.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from collections.abc import Mapping

from poetry_publish_verified.sanitize import printable

_VARIABLES = ("UV_EXCLUDE_NEWER", "PIP_UPLOADED_PRIOR_TO")
# A line of `pip config list`: section.key='value', the section `:env:` for variables.
_PIP_LINE = re.compile(r"(?P<section>[\w-]+)\.uploaded[-_]prior[-_]to=(?P<value>.*)")


def cool_downs(
    environment: Mapping[str, str],
    poetry_age: object = None,
    pip_listed: str = "",
    uv_files: Iterable[tuple[str, str]] = (),
) -> list[tuple[str, str]]:
    """Setting and value of each, fit to print.

    `poetry_age` is Poetry's `solver.min-release-age` (days; 0 and None: none), `pip_listed`
    what `pip config list` says, `uv_files` name and text of each uv.toml and pyproject.toml
    that uv would read; what is no TOML there has none.
    """
    found = [("solver.min-release-age (Poetry)", str(poetry_age))] if poetry_age else []
    found += [(name, environment[name]) for name in _VARIABLES if environment.get(name)]
    for line in pip_listed.splitlines():
        if match := _PIP_LINE.fullmatch(line.strip()):
            value = match["value"].strip("'\"")
            found.append((f"{match['section']}.uploaded-prior-to (pip)", value))
    for name, text in uv_files:
        if value := _of_uv(name, text):
            found.append((f"exclude-newer in {name} (uv)", value))
    return [(printable(setting), printable(value, 100)) for setting, value in found]


def _of_uv(name: str, text: str) -> str | None:
    try:
        table: object = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
    keys = ("tool", "uv") if name.endswith("pyproject.toml") else ()
    for key in (*keys, "exclude-newer"):
        table = table.get(key) if isinstance(table, dict) else None
    return None if table is None or table is False else str(table)
