"""Standard output for programs: one JSON object per line, the receipt last."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from poetry_publish_verified.core.events import Event, UploadProgressed
from poetry_publish_verified.core.receipt import iso


def _name(event: Event) -> str:
    """`UploadStarted` is `upload-started`."""
    words = "".join(f"-{char.lower()}" if char.isupper() else char for char in type(event).__name__)
    return words.removeprefix("-")


class JsonLines:
    """Writes each event as one line: `event`, `time`, `of` (which release) and its fields."""

    def __init__(self, write: Callable[[str], None]) -> None:
        """`write` takes one line without its end."""
        self._write = write

    def event(self, event: Event, now: datetime, release: str | None) -> None:
        """Write one event of a release, named by `release`; progress is left to terminals."""
        if not isinstance(event, UploadProgressed):
            self._line(_name(event), now, {"of": release, **asdict(event)})

    def end(self, receipt: Mapping[str, Any], now: datetime) -> None:
        """Write the receipt, with `event` and `time` beside its keys."""
        self._line("receipt", now, receipt)

    def _line(self, name: str, now: datetime, fields: Mapping[str, Any]) -> None:
        line = json.dumps({"event": name, "time": iso(now), **fields})
        # A CI system would obey `##vso[…]` even here.
        self._write(line.replace("##", "#\\u0023"))
