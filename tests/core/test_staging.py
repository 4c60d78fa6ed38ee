"""What an earlier run's receipt says of a stage."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.preflight import Identity
from poetry_publish_verified.core.staging import earlier_proof

URL = "https://quay.example/"
LANTERN = Identity(canonicalize_name("lantern"), Version("1.0"))
FILES = {"lantern-1.0.tar.gz": "aa"}
STAGE: dict[str, Any] = {
    "verdict": "verified",
    "finished": "2026-01-01T00:00:00.000Z",
    "repository": {"name": "quay", "url": URL},
    "distributions": [{"filename": "lantern-1.0.tar.gz", "sha256": "aa"}],
    "indexes": [],
}
RECEIPT: dict[str, Any] = {
    "schema": "publish-verified.receipt/1",
    "releases": [{"name": "lantern", "version": "1.0", "stages": [STAGE]}],
}


def staged(**wrong: Any) -> dict[str, Any]:
    """The releases of a receipt in which this is otherwise."""
    return {"releases": [{"name": "lantern", "version": "1.0", "stages": [STAGE | wrong]}]}


def test_proof_of_these_very_files() -> None:
    """It is what the receipt has on the stage, under whatever name."""
    proof = earlier_proof(RECEIPT, LANTERN, URL, FILES)
    assert proof == {key: value for key, value in STAGE.items() if key != "repository"}


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "publish-verified.receipt/2"},
        {"releases": [{"name": "lamp", "version": "1.0", "stages": [STAGE]}]},
        {"releases": [{"name": "lantern", "version": "1.1", "stages": [STAGE]}]},
        {"releases": [{"name": "lantern", "version": "?", "stages": [STAGE]}]},
        {"releases": [{"name": "lantern", "version": "1.0"}]},
        staged(verdict="not-visible"),
        staged(finished=None),
        staged(repository={"name": "quay", "url": "https://other.example/"}),
        staged(distributions=[]),
        staged(distributions=[{"filename": "lantern-1.0.tar.gz", "sha256": "bb"}]),
        staged(distributions=None),
    ],
)
def test_anything_else_proves_nothing(change: dict[str, Any]) -> None:
    """Another release, stage, file or verdict, and a damaged receipt."""
    assert earlier_proof(copy.deepcopy(RECEIPT) | change, LANTERN, URL, FILES) is None
    assert earlier_proof({}, LANTERN, URL, FILES) is None
    assert earlier_proof(None, LANTERN, URL, FILES) is None
