"""Prints docs/reference/fields.md, made from the JSON Schemas."""

from __future__ import annotations

from typing import Any

from poetry_publish_verified.output.schemas import schemas

HEAD = """# Fields and types

What is written for programs, field by field, as the [JSON Schemas](records.md#json-schemas) have
it. A field is always there, unless it is optional. What the fields mean is on the pages about [the
receipt](receipt.md), [records](records.md), [the plan](../how-to/monorepo.md#the-plan) and
[status](../how-to/status.md#json); [events](events.md) have a page of their own. (Generated from
the code by `docs/make_fields.py`.)
"""


def page() -> str:
    """The page as Markdown."""
    return HEAD + "".join(document(n, s) for n, s in schemas().items() if n != "events")


def document(name: str, schema: dict[str, Any]) -> str:
    """One kind of file, and what is in it."""
    parts = {each: found for each, found in schema["definitions"].items() if "properties" in found}
    tables = "".join(
        f"\n### {name}: {part}\n\n{words(found)}{table(name, found)}"
        for part, found in parts.items()
    )
    return f"\n## {name}.json\n\n{words(schema)}{table(name, schema)}{tables}"


def words(schema: dict[str, Any]) -> str:
    """What a part is about."""
    return schema["description"].replace("None", "null") + "\n\n"


def table(name: str, schema: dict[str, Any]) -> str:
    """The fields of an object."""
    needed = schema.get("required", ())
    rows = (
        f"| `{key}` | {kind(name, value)}{'' if key in needed else ', optional'} |\n"
        for key, value in schema["properties"].items()
    )
    return "| field | type |\n| --- | --- |\n" + "".join(rows)


def kind(name: str, value: dict[str, Any]) -> str:
    """A type in words; raises KeyError for one that has none here."""
    if "$ref" in value:
        part = value["$ref"].rpartition("/")[2]
        return f"[{part}](#{name.lower()}-{part.lower()})"
    if "enum" in value:
        return " or ".join(f"`{each}`" for each in value["enum"])
    if "anyOf" in value:
        return " or ".join(kind(name, each) for each in value["anyOf"])
    if value["type"] == "array":
        return f"a list of: {kind(name, value['items'])}" if "items" in value else "a list"
    types = value["type"] if isinstance(value["type"], list) else [value["type"]]
    if types == ["object"] and isinstance(value.get("additionalProperties"), dict):
        return f"an object of: {kind(name, value['additionalProperties'])}"
    said = {"date-time": "date and time"}.get(value.get("format", ""))
    return " or ".join(said if said and each == "string" else each for each in types)


if __name__ == "__main__":
    print(page(), end="")
