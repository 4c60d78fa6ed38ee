"""The record of an earlier build is used only if it is complete."""

from __future__ import annotations

import json

import pytest
from packaging.tags import Tag

from poetry_publish_verified.core.events import Sources
from poetry_publish_verified.core.former_build import FormerBuild, former_build, lack_one_for
from tests.core.distributions import SDIST, WHEEL

BUILD = FormerBuild(Sources("c0ffee", "d1"), {WHEEL: "aa" * 32, SDIST: "bb" * 32}, (), "d1")
LINUX = "lantern-1.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"


def test_record_round_trips() -> None:
    """What is written is read back, outside git too."""
    for build in (BUILD, FormerBuild(Sources(None, "d1"), {WHEEL: "aa" * 32}, ("a/b.so",), "d0")):
        assert former_build(json.loads(json.dumps(build.as_dict()))) == build


@pytest.mark.parametrize(
    "record",
    [
        *(None, 5, "x", [], {}, {"schema": "publish-verified.receipt/1"}),
        {**BUILD.as_dict(), "schema": "publish-verified.build/2"},
        {**BUILD.as_dict(), "sources": None},
        {**BUILD.as_dict(), "sources": {"commit": None, "digest": None}},
        {**BUILD.as_dict(), "files": {}},
        {**BUILD.as_dict(), "files": [WHEEL]},
        {**BUILD.as_dict(), "made": None},
    ],
)
def test_damaged_record_is_ignored(record: object) -> None:
    """A damaged record counts as none, so the project is built again."""
    assert former_build(record) is None


def test_platform_wheels_must_fit_this_python() -> None:
    """Pure wheels fit everywhere; otherwise one must be for this Python."""
    here = frozenset({Tag("cp312", "cp312", "manylinux2014_x86_64")})
    other = frozenset({Tag("cp313", "cp313", "manylinux2014_x86_64")})
    windows = "lantern-1.0-cp312-cp312-win_amd64.whl"
    assert not lack_one_for([WHEEL, SDIST], lambda: other)
    assert not lack_one_for([LINUX, SDIST, windows], lambda: here)
    assert lack_one_for([LINUX, SDIST, windows], lambda: other)
    assert lack_one_for([LINUX, WHEEL], lambda: other)
    assert not lack_one_for([], lambda: here)
