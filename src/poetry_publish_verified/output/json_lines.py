"""Standard output for programs: one JSON object per line, the receipt last."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from poetry_publish_verified.core.events import Event, OnStage
from poetry_publish_verified.core.receipt import iso


def event_line(event: Event, now: datetime, release: str | None) -> str:
    """An event: `event` (`UploadStarted` is `upload-started`), `time`, `of`, and its fields.

    One on a stage also has the name of that `stage`.
    """
    fields: dict[str, Any] = {"of": release}
    if isinstance(event, OnStage):
        fields["stage"], event = event.stage, event.event
    words = "".join(f"-{char.lower()}" if char.isupper() else char for char in type(event).__name__)
    return _line(words.removeprefix("-"), now, fields | asdict(event))


def receipt_line(receipt: Mapping[str, Any], now: datetime) -> str:
    """The receipt, with `event` and `time` beside its keys."""
    return _line("receipt", now, receipt)


def _line(name: str, now: datetime, fields: Mapping[str, Any]) -> str:
    return one_line({"event": name, "time": iso(now), **fields})


def one_line(fields: Mapping[str, Any]) -> str:
    """A JSON object on one line, without what a CI system would obey even here: `##vso[…]`."""
    return json.dumps(fields).replace("##", "#\\u0023")
