"""JSON Schemas: made from the code, shipped, and true of what is written."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest

import poetry_publish_verified
from poetry_publish_verified.core.events import Event, OnStage, UploadProgressed
from poetry_publish_verified.core.history import history_line
from poetry_publish_verified.core.release_metadata import of_release
from poetry_publish_verified.output.json_lines import event_line, event_name
from poetry_publish_verified.output.schemas import schemas
from tests.beds.schemas import check, check_event
from tests.output.ended_run import NOON, STORY, of_many, receipt

SHIPPED = Path(poetry_publish_verified.__file__).parent / "schemas"


@pytest.mark.parametrize("name", schemas())
def test_shipped_schemas_are_made_from_the_code(name: str) -> None:
    """They are what docs/make_schemas.py writes, and schemas that a validator takes."""
    shipped = json.loads((SHIPPED / f"{name}.json").read_text(encoding="utf-8"))
    assert shipped == schemas()[name]
    fastjsonschema.compile(shipped)
    assert len(list(SHIPPED.iterdir())) == len(schemas())


@pytest.mark.parametrize("events", range(len(STORY) + 1))
def test_receipts(events: int) -> None:
    """At any moment of a run the receipt is one, and the history's line too."""
    made = json.loads(json.dumps(receipt(STORY[:events])))
    check("receipt", made)
    check("history", json.loads(json.dumps(history_line(made))))


def test_receipt_of_many() -> None:
    """With all kinds of verdicts."""
    check("receipt", json.loads(json.dumps(of_many(3))))


def test_metadata() -> None:
    """With and without a commit."""
    (release,) = receipt()["releases"]
    for commit in (None, "c0ffee"):
        document = of_release(release, commit, [], "2026-01-02T12:00:00.000Z")
        check("metadata", json.loads(json.dumps(document)))


def test_events() -> None:
    """Each line of the story, on a stage too."""
    for _, event in STORY:
        check_event(json.loads(event_line(event, NOON, None)))
        check_event(json.loads(event_line(OnStage("testpypi", event), NOON, "lantern 1.0")))


def test_every_event_is_described() -> None:
    """By name, with what it means and all of its fields."""
    described = {
        each["properties"]["event"]["const"]: each for each in schemas()["events"]["oneOf"]
    }
    written = set(Event.__subclasses__()) - {OnStage, UploadProgressed}
    assert set(described) == {event_name(kind) for kind in written} | {"receipt"}
    for kind in written:
        schema = described[event_name(kind)]
        assert schema["description"].endswith(".")
        assert {field.name for field in fields(kind)} < set(schema["required"])


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "fine"},
        {"started": "yesterday"},
        {"exit_code": "0"},
        {"releases": [{}]},
        {"more": 1},
    ],
)
def test_other_documents_are_refused(change: dict[str, Any]) -> None:
    """A schema that takes everything proves nothing."""
    with pytest.raises(fastjsonschema.JsonSchemaException):
        check("receipt", json.loads(json.dumps(receipt())) | change)
