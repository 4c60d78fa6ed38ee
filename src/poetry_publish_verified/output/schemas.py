"""JSON Schemas (draft 7) of everything that is written for programs, made from its own types."""

import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from typing import (
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from poetry_publish_verified.core import events
from poetry_publish_verified.core.history import HistoryLine
from poetry_publish_verified.core.receipt_document import Moment, ReceiptDocument
from poetry_publish_verified.core.release_metadata import MetadataDocument
from poetry_publish_verified.errors import Code
from poetry_publish_verified.output.json_lines import event_name
from poetry_publish_verified.output.plan import PlanDocument
from poetry_publish_verified.output.status import StatusDocument

Schema = dict[str, Any]

_DRAFT = "http://json-schema.org/draft-07/schema#"
_PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number", types.NoneType: "null"}
# One has the event that happens there, and one is only for people.
_NOT_WRITTEN = (events.OnStage, events.UploadProgressed)


def schemas() -> dict[str, Schema]:
    """All of them, by the name of what they describe."""
    documents: dict[str, Callable[[_Definitions], Schema]] = {
        "receipt": partial(_reference, kind=ReceiptDocument),
        "metadata": partial(_reference, kind=MetadataDocument),
        "history": partial(_reference, kind=HistoryLine),
        "plan": partial(_reference, kind=PlanDocument),
        "status": partial(_reference, kind=StatusDocument),
        "events": _any_event,
    }
    return {name: _whole(name, make) for name, make in documents.items()}


class _Definitions:
    """The objects that a schema refers to, by name."""

    def __init__(self) -> None:
        self.known: dict[str, Schema] = {}

    def of(self, kind: Any) -> Schema:
        """The schema of a type."""
        origin, arguments = get_origin(kind), get_args(kind)
        if kind in _PLAIN:
            return {"type": _PLAIN[kind]}
        if kind is Code:
            return {"type": "string", "pattern": "^PV[0-9]{3}$"}
        if origin is Annotated:
            return _annotated(*arguments)
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin in {Union, types.UnionType}:
            return _either([self.of(each) for each in arguments])
        if origin in {list, tuple, dict}:
            return self._collection(origin, arguments)
        return self._of_class(kind)

    def _collection(self, origin: type, arguments: Sequence[Any]) -> Schema:
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if origin is list or arguments[-1] is ...:
            return {"type": "array", "items": self.of(arguments[0])}
        items = [self.of(each) for each in arguments]
        return {"type": "array", "items": items, "minItems": len(items), "maxItems": len(items)}

    def _of_class(self, kind: Any) -> Schema:
        if inspect.isclass(kind) and issubclass(kind, Enum):
            return _annotated(str, kind)
        return self._object(kind) if is_typeddict(kind) or is_dataclass(kind) else {}

    def _object(self, kind: Any) -> Schema:
        if kind.__name__ not in self.known:
            self.known[kind.__name__] = {}
            self.known[kind.__name__] = object_of(kind, self)
        return {"$ref": f"#/definitions/{kind.__name__}"}


def object_of(
    kind: Any, definitions: _Definitions, more: Mapping[str, Schema] | None = None
) -> Schema:
    """An object with the fields of a TypedDict or a dataclass, and `more`."""
    hints = get_type_hints(kind, include_extras=True)
    names = list(hints) if is_typeddict(kind) else [field.name for field in fields(kind)]
    properties = {**(more or {}), **{name: definitions.of(hints[name]) for name in names}}
    description = re.sub(r"\s+", " ", inspect.cleandoc(kind.__doc__ or ""))
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
    }


def _whole(name: str, make: Callable[[_Definitions], Schema]) -> Schema:
    definitions = _Definitions()
    schema = make(definitions)
    title = f"publish-verified {name}"
    return {"$schema": _DRAFT, "title": title, **schema, "definitions": definitions.known}


def _reference(definitions: _Definitions, kind: Any) -> Schema:
    return object_of(kind, definitions)


def _any_event(definitions: _Definitions) -> Schema:
    """One line: an event, on a stage or not, or the receipt at the end."""
    written = [kind for kind in events.Event.__subclasses__() if kind not in _NOT_WRITTEN]
    choices = []
    for kind in written:
        more = _line(event_name(kind), definitions) | {"of": definitions.of(str | None)}
        event = object_of(kind, definitions, more)
        event["properties"]["stage"] = {"type": "string"}
        choices.append(event)
    choices.append(object_of(ReceiptDocument, definitions, _line("receipt", definitions)))
    return {"description": "One line of --format json.", "oneOf": choices}


def _line(name: str, definitions: _Definitions) -> dict[str, Schema]:
    return {"event": {"const": name}, "time": definitions.of(Moment)}


def _annotated(kind: Any, meaning: Any) -> Schema:
    """Text with a format, or the values of an enumeration."""
    if isinstance(meaning, str):
        return {"type": _PLAIN[kind], "format": meaning}
    return {"enum": [str(each.value) for each in meaning]}


def _either(choices: list[Schema]) -> Schema:
    if all(choice.keys() == {"type"} for choice in choices):
        return {"type": [choice["type"] for choice in choices]}
    return {"anyOf": choices}
