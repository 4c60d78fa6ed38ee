"""Prints docs/reference/settings.md, made from the settings themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from make_commands import cell, commands

from poetry_publish_verified.core import settings
from poetry_publish_verified.core.settings import KEYS, OPTIONS, Origin, Settings

HEAD = """# Settings

Each setting has three spellings: an option, an environment variable, and a key in the table
`[tool.publish-verified]` of pyproject.toml, which does not have to belong to a Poetry project. The
command line takes precedence over the environment, and the environment over pyproject.toml. An
unknown key and an invalid value are errors (PV101), an empty variable counts as unset, and `-v`
shows where each setting comes from. A path is relative to the current directory, or, in
pyproject.toml, to that file. (Generated from the code by `docs/make_settings.py`.)

Variables that are not settings are on [a page of their own](environment.md).

| setting | default | what it is |
| --- | --- | --- |
"""


class Kind(NamedTuple):
    """What a setting can be, and one value in its spellings: on a command line, and in TOML."""

    words: str
    typed: str
    toml: str


DURATION = "a duration: `90`, `90s`, `15m`, `1h30m`"
# By the function that reads the setting, or by the setting's name where that says more.
KINDS: dict[str, Kind] = {
    "_texts": Kind("words, in a string separated by spaces or commas", "company", '["company"]'),
    "_lines": Kind("a list; in a string, one per line", "'packages/*'", '["packages/*"]'),
    "_text": Kind("a path", "{}", '"{}"'),
    "_seconds": Kind(DURATION, "30m", '"30m"'),
    "_silence": Kind("a duration of at least a minute, or `off`", "10m", '"10m"'),
    "_flag": Kind("`true` or `false`", "true", "true"),
    "_command": Kind(
        "a program and its arguments: a list, or a string that is split as a shell would",
        "'scripts/announce --channel releases'",
        '["scripts/announce", "--channel", "releases"]',
    ),
    "_webhook": Kind(
        "an https:// URL", "https://chat.example/hooks/x", '"https://chat.example/hooks/x"'
    ),
    "_clients": Kind("any of `pip`, `uv`, `poetry`, `html`", "'pip uv'", '["pip", "uv"]'),
    "_tag_patterns": Kind("patterns, or `none`", "'release-{version}'", '["release-{version}"]'),
    "_publishers": Kind(
        "publishers", "github:octo/lantern:release.yml", '["github:octo/lantern:release.yml"]'
    ),
    "_attest": Kind("`off`, `on` or `require`", "require", '"require"'),
    "until": Kind("`listed`, `downloadable` or `installable`", "downloadable", '"downloadable"'),
    "format": Kind("`text` or `json`", "json", '"json"'),
    "trusted-publishing": Kind("`auto`, `always` or `never`", "always", '"always"'),
    "jobs": Kind("a whole number from 1 to 32", "8", "8"),
    "retries": Kind("a whole number from 0 to 100", "2", "2"),
    "checklist": Kind(
        "a list; in a string, one per line", "'The docs are updated'", '["The docs are updated"]'
    ),
}
PATHS = {
    "receipt": "receipt.json",
    "metadata": "latest-release.json",
    "history": "releases.jsonl",
    "summary": "release.md",
    "report": "release.html",
    "junit": "junit.xml",
    "dotenv": "release.env",
}
MORE: dict[str, str] = {
    "index": "[Which index must show the release]"
    "(../how-to/publish.md#which-index-must-show-the-release), and [secrets in URLs]"
    "(receipt.md#secrets)",
    "until": "[The clients](../explanation/visibility.md)",
    "metadata": "[Release metadata](records.md#release-metadata)",
    "history": "[History](records.md#history)",
    "summary": "[Summary and report](records.md#summary-and-report)",
    "report": "[Summary and report](records.md#summary-and-report)",
    "junit": "[GitLab](records.md#gitlab)",
    "dotenv": "[GitLab](records.md#gitlab)",
    "receipt": "[The receipt](receipt.md)",
    "format": "[Events](events.md)",
    "projects": "[Several projects in one repository](../how-to/monorepo.md)",
    "exclude": "[Leaving projects out](../how-to/monorepo.md#leaving-projects-out)",
    "publish": "[Leaving projects out](../how-to/monorepo.md#leaving-projects-out)",
    "tags": "[Status](../how-to/status.md)",
    "grace": "[Status](../how-to/status.md)",
    "trusted-publishing": "[Trusted publishing](../how-to/trusted-publishing.md)",
    "attest": "[Attestations](../how-to/trusted-publishing.md#attestations)",
    "provenance": "[Who published a file](../how-to/trusted-publishing.md#who-published-a-file)",
    "on-success": "[Hooks](../how-to/hooks.md#hooks)",
    "on-failure": "[Hooks](../how-to/hooks.md#hooks)",
    "notify-url": "[Notifications](../how-to/hooks.md#notifications)",
    "stages": "[Stages](../how-to/stages.md)",
    "confirm": "[Confirm before publishing](../how-to/confirm.md)",
    "checklist": "[Checklist](../how-to/confirm.md#checklist)",
    "lock-stale": "[Silent holders](../explanation/locks.md#silent-holders)",
}
# No option describes these.
SAID = {
    "checklist": "Questions that `--confirm` asks one by one before it asks whether to publish.",
    "lock-stale": "How long a run may give no sign of life before another one takes the lock of the"
    " release away from it. The variable also counts for the locks of Poetry's own commands.",
    "publish": "Whether this project is published at all. Counts in the project's own"
    " pyproject.toml.",
}
DEFAULTS: dict[str, str] = {
    "index": "the repository's own",
    "receipt": "in the dist directory; for `wait`: none",
    "timeout": "`15m`; for `status`: `1m`",
    "until": "`installable`; for `wait`: `downloadable`",
    "grace": "`1h`",
    "hook-timeout": "`60s`",
    "lock-stale": "`off`",
    "tags": "`v{version}`, `{version}`",
}


def page() -> str:
    """The page as Markdown."""
    rows = "".join(f"| [`{k}`](#{k}) | {default(k)} | {kind(k).words} |\n" for k in all_keys())
    return HEAD + rows + "".join(map(section, all_keys()))


def all_keys() -> tuple[str, ...]:
    """Every setting, those of one project last."""
    return (*KEYS, *settings._OF_PROJECT)  # noqa: SLF001 - its names are said nowhere else


def reader(key: str) -> tuple[str, Callable[[Any], Any]]:
    """A setting's field, and the function that reads it."""
    return (settings._KEYS | settings._OF_PROJECT)[key]  # noqa: SLF001 - the same


def kind(key: str) -> Kind:
    """What the setting can be; raises KeyError for a kind that is not described here."""
    read = reader(key)[1]
    name = (read.func if isinstance(read, partial) else read).__name__
    found = KINDS[key] if key in KINDS else KINDS[name]
    path = PATHS.get(key, "")
    return Kind(found.words, found.typed.format(path), found.toml.format(path)) if path else found


def default(key: str) -> str:
    """The default, in words."""
    if key in DEFAULTS:
        return DEFAULTS[key]
    found = getattr(Settings(), reader(key)[0])
    if found is None or found == ():
        return "none"
    values = found if isinstance(found, tuple) else (found,)
    return " ".join(f"`{str(each).lower() if each in (True, False) else each}`" for each in values)


def spellings(key: str) -> Iterator[tuple[Origin, str]]:
    """Each way to give the setting one value."""
    like = kind(key)
    if takes(key):
        flag = like.words.startswith("`true`")
        typed = "" if flag else f"={like.typed}" if key == "attest" else f" {like.typed}"
        yield Origin.OPTION, Origin.OPTION.name_of(key) + typed
    if key in KEYS:
        yield Origin.ENVIRONMENT, f"{Origin.ENVIRONMENT.name_of(key)}={like.typed}"
    yield Origin.PYPROJECT, f"{key} = {like.toml}"


def takes(key: str) -> dict[str, str]:
    """The commands that have the option of a setting, each with the option's description."""
    name = OPTIONS.get(key, key)
    return {
        f"poetry {command.name}": option.description
        for command in commands()
        for option in command.definition.options
        if option.name == name and key in KEYS
    }


def section(key: str) -> str:
    """A setting: what it is for, its spellings, and where there is more."""
    taken = takes(key)
    said = SAID.get(key) or cell(next(iter(taken.values())))
    block = "\n".join(line for _, line in spellings(key))
    names = [f"[`{each.split()[-1]}`](commands.md#{each.replace(' ', '-')})" for each in taken]
    where = f"Option of {', '.join(names)}. " if taken else "There is no option. "
    more = f"More: {MORE[key]}." if key in MORE else ""
    value = f"Value: {kind(key).words}. "
    if "Default" not in said:
        value += f"Default: {default(key)}. "
    return f"\n## {key}\n\n{said}\n\n```text\n{block}\n```\n\n{(value + where + more).strip()}\n"


if __name__ == "__main__":
    print(page(), end="")
