"""The record of an earlier build is used only if it is complete."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from packaging.tags import Tag

from poetry_publish_verified.core.contents import ArchiveMember, Contents
from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.events import Sources
from poetry_publish_verified.core.former_build import (
    FormerBuild,
    former_build,
    lack_one_for,
    packed,
)
from tests.core.distributions import SDIST, WHEEL, distribution

BUILD = FormerBuild(
    sources=Sources("c0ffee", "d1"),
    files={WHEEL: "aa" * 32, SDIST: "bb" * 32},
    packed={SDIST: {"README.md": "cc" * 32}},
    made=("a/b.so",),
    rest="d0",
)
LINUX = "lantern-1.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"


def test_record_round_trips() -> None:
    """What is written is read back, outside git too."""
    bare = FormerBuild(sources=Sources(None, "d1"), files={WHEEL: "aa" * 32}, rest="d1")
    for build in (BUILD, bare):
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
        {**BUILD.as_dict(), "packed": {SDIST: "cc"}},
    ],
)
def test_damaged_record_is_ignored(record: object) -> None:
    """A damaged record counts as none, so the project is built again."""
    assert former_build(record) is None


def archive(filename: str, *members: ArchiveMember) -> Distribution:
    """An archive with these members."""
    made = distribution(filename)
    return replace(made, contents=Contents(members, 0))


def member(name: str, content: bytes) -> ArchiveMember:
    """A file in an archive."""
    return ArchiveMember(name, len(content), {"sha256": content.hex()}, start=content)


RECEIPT = b'{\n  "schema": "publish-verified.receipt/1"'
PACKED = (
    member("lantern-1.0/README.md", b"a"),
    member("lantern-1.0/receipt.json", RECEIPT),
    member("lantern-1.0/stamp.py", b"1"),
    ArchiveMember("lantern-1.0/link", 0, target="README.md"),
)
FORMER = (
    archive(SDIST, *PACKED),
    archive(WHEEL, member("lantern.py", b"a"), member("lantern-1.0.dist-info/RECORD", b"a")),
)


@pytest.mark.parametrize(
    ("now", "differing"),
    [
        (FORMER, ()),
        (FORMER[::-1], ()),
        ((replace(FORMER[0], sha256="ee" * 32), FORMER[1]), ()),
        ([archive(SDIST, *reversed(PACKED))], ()),
        ([archive(SDIST, *PACKED, member("lantern-1.0/b", b""))], ("b",)),
        ([archive(SDIST, *PACKED[:3])], ("link",)),
        ([archive(SDIST, member("./lantern-1.0/README.md", b"b"))], ("README.md", "link")),
        (FORMER[1:], (WHEEL, SDIST)),
        ((), (SDIST,)),
    ],
)
def test_members_decide(now: Sequence[Distribution], differing: tuple[str, ...]) -> None:
    """Names and contents count; order, compression, own files and what a build makes do not."""
    former = replace(BUILD, packed=packed(FORMER), made=("stamp.py",))
    assert former.differing(packed(now)) == differing


def test_wheels_decide_without_sdist() -> None:
    """Of several wheels those count that are built again; RECORD is made from the others."""
    linux = archive(LINUX, member("lamp.so", b"1"))
    former = replace(BUILD, packed=packed((FORMER[1], linux)), made=("src/lamp.so",))
    again = archive(WHEEL, member("lantern.py", b"a"), member("lantern-1.0.dist-info/RECORD", b"b"))
    assert former.differing(packed([again])) == ()
    assert former.differing(packed([archive(LINUX, member("lamp.so", b"2"))])) == ()
    assert former.differing(packed([archive(LINUX, member("a.py", b"2"))])) == ("a.py",)


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
