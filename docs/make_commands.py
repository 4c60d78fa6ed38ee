"""Prints docs/reference/commands.md, made from the commands themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cleo.io.inputs.argument import Argument
from cleo.io.inputs.option import Option
from poetry.console.commands.command import Command

from poetry_publish_verified.core.settings import KEYS, OPTIONS
from poetry_publish_verified.plugin import _SUBCOMMANDS, _publish_verified

HEAD = """# Commands

`poetry help publish-verified` prints this too, and each command has `--help`. The options that
all commands of Poetry have (`--no-interaction`, `--verbose`, `--quiet`, `--directory`, `--project`
and others) mean the same here. (Generated from the code by `docs/make_commands.py`.)

| command | what it does |
| --- | --- |
"""
SETTING_OF = {OPTIONS.get(key, key): key for key in KEYS}


def commands() -> list[Command]:
    """Every command that the plugin registers."""
    return [_publish_verified(), *(factory() for factory in _SUBCOMMANDS.values())]


def page() -> str:
    """The page as Markdown."""
    found = commands()
    rows = (f"| [`poetry {c.name}`](#poetry-{anchor(c)}) | {c.description} |\n" for c in found)
    return HEAD + "".join(rows) + "".join(map(section, found))


def anchor(command: Command) -> str:
    """What GitHub and the site make of a heading."""
    return str(command.name).replace(" ", "-")


def section(command: Command) -> str:
    """A command, with its arguments and options, and its help."""
    rows = "".join((*map(argument_row, command.definition.arguments), *option_rows(command)))
    said = plain(command.help).strip()
    usage = " ".join((f"poetry {command.name}", "[options]" * bool(command.definition.options)))
    arguments = "".join(map(argument_usage, command.definition.arguments))
    return (
        f"\n## poetry {command.name}\n\n{command.description}\n\n"
        f"```text\n{usage.strip()}{arguments}\n```\n\n"
        + (f"| | | setting |\n| --- | --- | --- |\n{rows}" if rows else "")
        + (f"\n```text\n{said}\n```\n" if said else "")
    )


def argument_usage(argument: Argument) -> str:
    """An argument as in a usage line."""
    return f" [{argument.name}{' …' if argument.is_list() else ''}]"


def argument_row(argument: Argument) -> str:
    """An argument as a row."""
    return f"| `{argument.name}` | {cell(argument.description)} | |\n"


def option_rows(command: Command) -> Iterator[str]:
    """Each option as a row: its names, its description, and the setting that it overrides."""
    for each in command.definition.options:
        short = f", `-{each.shortcut}`" if each.shortcut else ""
        key = SETTING_OF.get(each.name)
        setting = f"[`{key}`](settings.md#{key})" if key else ""
        yield f"| `--{each.name}{value(each)}`{short} | {cell(each.description)} | {setting} |\n"


def value(option: Option) -> str:
    """What the option takes, as in help."""
    if not option.accepts_value():
        return ""
    name = option.name.upper()
    return f" {name}{' …' if option.is_list() else ''}" if option.requires_value() else f"[={name}]"


def cell(words: str) -> str:
    """Words in a table."""
    outside = re.split(r"(`[^`]*`)", plain(words).replace("|", "\\|"))
    return "".join(each if each.startswith("`") else each.replace("<", "\\<") for each in outside)


def plain(words: str) -> str:
    """Without cleo's tags for colors and its escapes."""
    return re.sub(r"</?c1>", "", words or "").replace("\\<", "<")


if __name__ == "__main__":
    print(page(), end="")
