"""Checks what is written for programs against its JSON Schema, and that it has nothing else."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import fastjsonschema

from poetry_publish_verified.output.schemas import schemas

if TYPE_CHECKING:
    from collections.abc import Callable


def check(name: str, value: Any) -> None:
    """Raise an error where a document is not as its schema has it."""
    _validator(name)(value)


def check_event(line: dict[str, Any]) -> None:
    """The same of one line of `--format json`."""
    _validator("events", line["event"])(line)


@cache
def _validator(name: str, event: str = "") -> Callable[[Any], None]:
    schema = schemas()[name]
    if event:
        (kind,) = [
            each for each in schema["oneOf"] if each["properties"]["event"]["const"] == event
        ]
        schema = {**kind, "definitions": schema["definitions"]}
    made: Callable[[Any], None] = fastjsonschema.compile(_closed(schema))
    return made


def _closed(schema: Any) -> Any:
    """The schema without room for what it does not name."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(each) for key, each in schema.items()}
    if isinstance(schema.get("required"), list):
        closed["additionalProperties"] = False
    return closed
