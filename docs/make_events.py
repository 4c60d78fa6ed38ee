"""Prints docs/reference/events.md, made from the code itself."""

from __future__ import annotations

from typing import Any

from poetry_publish_verified.output.schemas import schemas

HEAD = """# Events

With `--format json`, standard output has one JSON object per line: every event, and the
[receipt](receipt.md) as the last line. (Generated from the code by `docs/make_events.py`.)

Each line has `event` (the name below), `time` (UTC, ISO 8601) and `of` (name and version of the
release, or null for the run as a whole). What happens on a [stage](../how-to/stages.md) has its
name as `stage`. The [JSON Schemas](records.md#json-schemas) have the types. New events and fields
may be added; ignore those that you do not know.

| event | fields | meaning |
| --- | --- | --- |
"""
_EVERYWHERE = {"event", "time", "of", "stage"}


def page() -> str:
    """The page as Markdown."""
    return HEAD + "".join(map(_row, schemas()["events"]["oneOf"]))


def _row(event: dict[str, Any]) -> str:
    name, meaning = event["properties"]["event"]["const"], event["description"]
    if name == "receipt":
        return f"| `{name}` | those of the [receipt](receipt.md) | {meaning} |\n"
    own = [f"`{each}`" for each in event["properties"] if each not in _EVERYWHERE]
    meaning = meaning.replace("None", "null").replace("|", "\\|")
    return f"| `{name}` | {', '.join(own)} | {meaning} |\n"


if __name__ == "__main__":
    print(page(), end="")
