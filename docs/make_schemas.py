"""Writes the JSON Schemas in the package from the code itself: `python docs/make_schemas.py`."""

from __future__ import annotations

import json
from pathlib import Path

import poetry_publish_verified
from poetry_publish_verified.output.schemas import schemas

PLACE = Path(poetry_publish_verified.__file__).parent / "schemas"

if __name__ == "__main__":
    PLACE.mkdir(exist_ok=True)
    for name, schema in schemas().items():
        (PLACE / f"{name}.json").write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")
