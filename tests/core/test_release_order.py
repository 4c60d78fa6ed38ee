"""Which of many projects needs which, in what order, and what is wrong with it."""

from __future__ import annotations

from graphlib import CycleError
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.release_order import (
    WorkspaceMember,
    all_needed,
    faults,
    in_order,
    needs,
    unsatisfied,
)
from poetry_publish_verified.errors import Code

if TYPE_CHECKING:
    from packaging.utils import NormalizedName


def named(name: str) -> NormalizedName:
    """A name as the graph has it."""
    return canonicalize_name(name)


def member(
    name: str, *requires: str, version: str = "1.0", builds_with: str = ""
) -> WorkspaceMember:
    """A project in a directory of its name."""
    return WorkspaceMember(
        named(name),
        Version(version),
        f"packages/{name}",
        requires,
        (builds_with,) if builds_with else (),
    )


def order(*members: WorkspaceMember) -> list[str]:
    """The names, in order of release."""
    return [each.name for each in in_order(members)]


def test_what_is_needed_comes_first() -> None:
    """Whatever extra, marker or range stands by it; what is no member does not count."""
    app = member("app", "lib>=1,<2", 'draw; extra == "pictures"', "requests>=2")
    lib = member("lib", 'Base_Tools ; sys_platform == "win32"')
    draw, base = member("draw"), member("base-tools", "base-tools[all]")
    assert needs([app, lib, draw, base]) == {
        "app": ("draw", "lib"),
        "lib": ("base-tools",),
        "draw": (),
        "base-tools": (),
    }
    assert order(app, lib, draw, base) == ["base-tools", "draw", "lib", "app"]
    direct = needs([app, lib, draw, base])
    assert all_needed(named("app"), direct) == {"lib", "draw", "base-tools"}
    assert all_needed(named("draw"), direct) == frozenset()


def test_what_cannot_be_read_is_no_need() -> None:
    """Preflight sees it in the files."""
    assert needs([member("app", "???", "lib"), member("lib")])[named("app")] == ("lib",)


def test_a_circle() -> None:
    """It is shown as it is read: each needs the next."""
    circle = [member("a", "b"), member("b", 'c; extra == "x"'), member("c", "a"), member("d", "a")]
    with pytest.raises(CycleError):
        in_order(circle)
    (fault,) = faults(circle)
    assert fault.code is Code.CYCLE
    shown = fault.message.split("cycle: ")[1].split(".")[0].split(" -> ")
    assert shown[0] == shown[-1]
    assert set(shown) == {"a", "b", "c"}
    direct = needs(circle)
    assert all(after in direct[named(before)] for before, after in pairwise(shown))


def test_a_name_twice() -> None:
    """Both directories are named."""
    other = WorkspaceMember(named("a"), Version("2.0"), "old/a")
    (fault,) = faults([member("a"), member("b", "a"), other])
    assert fault.code is Code.NAME_TWICE
    assert "old/a, packages/a" in fault.message


@pytest.mark.parametrize("text", ["lib @ file:///work/lib", 'other @ FILE:///x ; extra == "y"'])
def test_a_directory_of_this_machine(text: str) -> None:
    """Nobody else has it; the remedy names the very dependency."""
    (fault,) = faults([member("app", text), member("lib")])
    assert fault.code is Code.PATH_DEPENDENCY
    assert f'dependencies = ["{text.split(maxsplit=1)[0]}>=1.2,<2"]' in fault.remedy


def test_other_urls_are_left_to_preflight() -> None:
    """Only PyPI and TestPyPI refuse them."""
    assert faults([member("app", "lib @ https://files.example/lib-1.0-py3-none-any.whl")]) == []


def test_built_with_a_member() -> None:
    """The build would take the release before."""
    (fault,) = faults([member("app", builds_with="Build.Tool>=1"), member("build-tool")])
    assert fault.code is Code.BUILDS_WITH_MEMBER
    assert faults([member("app", builds_with="poetry-core>=2"), member("build-tool")]) == []
    assert faults([member("build-tool", builds_with="build-tool")]) == []


@pytest.mark.parametrize(
    ("requirement", "there", "does"),
    [
        ("lib", [], True),
        ("lib>=1.0,<2", [], True),
        ("lib<1", [], False),
        ("lib<1", ["0.9"], True),
        ("lib>=2", ["0.9"], False),
        ('lib>=2; extra == "new"', [], False),
        ("lib @ https://files.example/lib.whl", [], True),
        ("requests>=99", [], True),
    ],
)
def test_ranges(requirement: str, there: list[str], does: bool) -> None:
    """A member's own new version will be there, and what is there already."""
    members = [member("app", requirement), member("lib")]
    found = list(unsatisfied(members, {named("lib"): frozenset(map(Version, there))}))
    assert [fault.code for fault in found] == ([] if does else [Code.RANGE_UNSATISFIED])


def test_a_pre_release_will_do() -> None:
    """As installers take one where the range names nothing else that is there."""
    new = member("lib", version="2.0rc1")
    assert list(unsatisfied([member("app", "lib>=2.0rc1"), new], {})) == []
    assert list(unsatisfied([member("app", "lib>=1,<2"), new], {}))


NAMES = [f"p{number}" for number in range(12)]


@given(st.lists(st.sets(st.sampled_from(range(12)), max_size=4), min_size=12, max_size=12))
def test_any_graph(wanted: list[set[int]]) -> None:
    """Either there is a circle, and it is told, or each comes after all that it needs."""
    members = [
        member(name, *(NAMES[other] for other in others))
        for name, others in zip(NAMES, wanted, strict=True)
    ]
    found = faults(members)
    if found:
        assert [fault.code for fault in found] == [Code.CYCLE]
        return
    names = [each.name for each in in_order(members)]
    assert sorted(names) == sorted(NAMES)
    direct = needs(members)
    for name in direct:
        assert all(names.index(other) < names.index(name) for other in all_needed(name, direct))
