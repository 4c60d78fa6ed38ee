"""The target machine for which a wheel is requested."""

from __future__ import annotations

import itertools

import pytest
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags, generic_tags

from poetry_publish_verified.core.distribution import parse_filename
from poetry_publish_verified.core.verification import PipTarget, pip_target
from tests.core.rows import each


def accepted(target: PipTarget) -> set[Tag]:
    """The tags that pip itself accepts for a target."""
    version = [int(part) for part in target.python_version.split(".")][:2]
    interpreter = f"{target.implementation}{version[0]}{version[1]}"
    abis, platforms = list(target.abis), list(target.platforms)
    own = (
        cpython_tags(version, abis, platforms)
        if target.implementation == "cp"
        else generic_tags(interpreter, abis, platforms)
    )
    return {*own, *compatible_tags(version, interpreter, platforms)}


@pytest.mark.parametrize(
    ("tags", "requires", "version", "implementation"),
    [
        ("py3-none-any", None, "3.0", "py"),
        ("py3-none-any", ">=3.11", "3.11", "py"),
        ("py3-none-any", ">=3.11,!=3.11.*", "3.12", "py"),
        ("py3-none-any", "==3.11.4", "3.11.4", "py"),
        ("py2.py3-none-any", ">=3.8", "3.8", "py"),
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", ">=3.9", "3.11", "cp"),
        ("cp39-abi3-win_amd64", ">=3.12", "3.12", "cp"),
        ("cp312-cp312-macosx_11_0_arm64", ">=3.12.3", "3.12.3", "cp"),
        ("cp310.cp311-none-any", "<3.11", "3.10", "cp"),
        ("pp310-pypy310_pp73-linux_x86_64", ">=3.9", "3.10", "pp"),
        ("cp313-cp313t-linux_x86_64", None, "3.13", "cp"),
    ],
)
def test_target_of_a_wheel(
    tags: str, requires: str | None, version: str, implementation: str
) -> None:
    """The target is the first Python that tags and Requires-Python allow."""
    parsed = parse_filename(f"lantern-1.0-{tags}.whl")
    target = pip_target(parsed, requires)
    assert target is not None
    assert target.implementation == implementation
    assert target.python_version == version
    assert SpecifierSet(requires or "").contains(target.python_version)
    assert accepted(target) & parsed.tags
    # Without Requires-Python the version is a guess, and pip must not judge the wheel by it.
    assert ("--ignore-requires-python" in target.arguments) == (requires is None)


@pytest.mark.parametrize(
    ("tags", "requires"),
    [
        ("py3-none-any", "<3"),
        ("cp311-cp311-linux_x86_64", ">=3.12"),
        ("cp39-abi3-linux_x86_64", "<3.9"),
        ("py3-none-any", "newest"),
        ("weird-none-any", None),
    ],
)
def test_wheel_without_a_target(tags: str, requires: str | None) -> None:
    """Where tags and Requires-Python exclude each other there is no target."""
    assert pip_target(parse_filename(f"lantern-1.0-{tags}.whl"), requires) is None


TAGS = [
    *("py3-none-any", "py2.py3-none-any", "py2-none-any", "py38-none-any", "py3-none-win_amd64"),
    *("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", "cp38-abi3-win32.win_amd64"),
    *("cp314-cp314t-linux_x86_64", "pp310-pypy310_pp73-linux_x86_64", "cp38-none-any"),
    *("cp310.cp311-none-macosx_11_0_arm64", "py3.cp311-none-any", "cp37-cp37m-linux_x86_64"),
]
REQUIRES = [
    *("", ">=3.9", ">=3.12", "<3.12", "==3.14.*", ">=2.7,<3", ">=3.11.5,<3.12", "!=3.8.*"),
    *("~=3.10", "===3.11", ">=4"),
]


@each(itertools.product(TAGS, REQUIRES))
def test_pip_accepts_the_wheel_for_its_target(tags: str, requires: str) -> None:
    """pip accepts the wheel for its target, and Requires-Python is met."""
    parsed = parse_filename(f"lantern-1.0-{tags}.whl")
    target = pip_target(parsed, requires)
    if target is not None:
        assert SpecifierSet(requires).contains(target.python_version)
        assert accepted(target) & parsed.tags
        return
    for minor in range(20):
        assert not SpecifierSet(requires).contains(f"3.{minor}") or not parsed.tags & accepted(
            PipTarget(
                f"3.{minor}",
                tags[:2] if "." not in tags.split("-", maxsplit=1)[0] else "py",
                tuple({tag.abi for tag in parsed.tags}),
                tuple({tag.platform for tag in parsed.tags}),
            )
        )


def test_pip_arguments() -> None:
    """pip is given version, implementation, and each ABI and platform."""
    target = PipTarget("3.11", "cp", ("abi3", "cp311"), ("linux_x86_64",))
    assert target.arguments == [
        *("--python-version", "3.11", "--implementation", "cp"),
        *("--abi", "abi3", "--abi", "cp311", "--platform", "linux_x86_64"),
    ]
