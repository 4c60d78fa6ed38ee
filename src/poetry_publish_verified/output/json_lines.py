"""Standard output for programs: one JSON object per line, the receipt last."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from poetry_publish_verified.core.events import Event, OnStage
from poetry_publish_verified.core.receipt import iso


def event_line(event: Event, now: datetime, release: str | None) -> str:
    """An event: its name as `event`, `time`, `of`, and its fields.

    One on a stage also has the name of that `stage`.
    """
    fields: dict[str, Any] = {"of": release}
    if isinstance(event, OnStage):
        fields["stage"], event = event.stage, event.event
    return _line(event_name(type(event)), now, fields | asdict(event))


def event_name(kind: type[Event]) -> str:
    """`upload-started`, of `UploadStarted`."""
    words = "".join(f"-{char.lower()}" if char.isupper() else char for char in kind.__name__)
    return words.removeprefix("-")


def receipt_line(receipt: Mapping[str, Any], now: datetime) -> str:
    """The receipt, with `event` and `time` beside its keys."""
    return _line("receipt", now, receipt)


def _line(name: str, now: datetime, fields: Mapping[str, Any]) -> str:
    return one_line({"event": name, "time": iso(now), **fields})


def one_line(fields: Mapping[str, Any]) -> str:
    """A JSON object on one line, without what a CI system would obey even here: `##vso[…]`."""
    return json.dumps(fields).replace("##", "#\\u0023")
