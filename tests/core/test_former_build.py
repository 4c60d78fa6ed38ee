"""What an earlier run has noted of its build is used only where it is whole."""

from __future__ import annotations

import json

import pytest
from packaging.tags import Tag

from poetry_publish_verified.core.events import Sources
from poetry_publish_verified.core.former_build import FormerBuild
from poetry_publish_verified.core.former_build import are_for
from poetry_publish_verified.core.former_build import depend_on_the_machine
from poetry_publish_verified.core.former_build import former_build
from tests.core.making import SDIST
from tests.core.making import WHEEL

BUILD = FormerBuild(Sources("c0ffee", "d1"), {WHEEL: "aa" * 32, SDIST: "bb" * 32})
LINUX = "lantern-1.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"


def test_noted_and_read_again() -> None:
    """What is written is read as it was, outside git too."""
    for build in (BUILD, FormerBuild(Sources(None, "d1"), {WHEEL: "aa" * 32}, ("a/b.so",))):
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
def test_nothing_of_use(record: object) -> None:
    """A damaged record is none; then it is only built again."""
    assert former_build(record) is None


def test_what_depends_on_the_machine() -> None:
    """Another Python would build the very same pure wheel, and another one of its own."""
    assert not depend_on_the_machine([WHEEL, SDIST])
    assert depend_on_the_machine([SDIST, LINUX])
    assert depend_on_the_machine(["lantern-1.0-py3-none-win_amd64.whl"])
    linux = Tag("cp312", "cp312", "manylinux2014_x86_64")
    assert are_for([LINUX, SDIST], frozenset({linux}))
    assert not are_for([LINUX, SDIST], frozenset({Tag("cp313", "cp313", "manylinux2014_x86_64")}))
    assert not are_for([LINUX, WHEEL], frozenset({linux}))
