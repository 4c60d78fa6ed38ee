"""Files must agree with each other, with the project, and with the commit's tags."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.preflight import Circumstances, Declared, Identity, check
from poetry_publish_verified.core.preflight.origin import is_changed
from poetry_publish_verified.errors import Code
from tests.core.distributions import SDIST, WHEEL, core_metadata, distribution

LANTERN = Identity(canonicalize_name("lan-tern"), Version("1.2.3"))
ONE = Identity(canonicalize_name("lantern"), Version("1.0"))
ANOTHER_WHEEL = "lantern-1.0-py2-none-any.whl"


def built(filename: str, *lines: str, version: str = "2.4") -> Distribution:
    """A file with these extra metadata lines and this metadata version."""
    metadata = core_metadata(*lines).replace(b"2.4", version.encode(), 1)
    return distribution(filename, metadata=metadata)


def reported(
    *distributions: Distribution, declared: Declared | None = None
) -> list[tuple[Code, str]]:
    """Codes and severities of what is wrong."""
    found = check(ONE, distributions, Circumstances(declared=declared), public=False)
    return [(problem.code, problem.severity) for problem in found]


DISAGREE = (Code.FILES_DISAGREE, "warning")


@pytest.mark.parametrize(
    ("sdist", "wheel", "agree"),
    [
        (["Requires-Python: >=3.11"], ["Requires-Python: >=3.11"], True),
        (["Requires-Python: >=3.11,<4"], ["Requires-Python: <4.0, >=3.11"], True),
        (["Requires-Python: >=3.11"], ["Requires-Python: >=3.12"], False),
        (["Requires-Python: >=3.11"], [], False),
        (["Requires-Dist: oil>=1", "Requires-Dist: wick"], ["Requires-Dist: wick"], False),
        (
            ["Requires-Dist: oil>=1", "Requires-Dist: wick"],
            ["Requires-Dist: Wick", "Requires-Dist: oil (>= 1)"],
            True,
        ),
        (["Requires-Dist: oil; python_version<'3.12'"], ["Requires-Dist: oil"], False),
        (["Dynamic: Requires-Dist", "Requires-Dist: a"], ["Requires-Dist: b"], True),
        (["Dynamic: requires-python"], ["Requires-Python: >=3.11"], True),
        (["Dynamic: Requires-Dist"], ["Requires-Python: >=3.11"], False),
    ],
)
def test_sdist_and_wheel_must_agree(sdist: list[str], wheel: list[str], agree: bool) -> None:
    """Both require the same, in any notation, except what the sdist calls dynamic."""
    found = reported(built(WHEEL, *wheel), built(SDIST, *sdist))
    assert found == ([] if agree else [DISAGREE])


def test_old_sdist_metadata_is_not_compared() -> None:
    """Before metadata 2.2 an sdist's fields promised nothing."""
    assert reported(built(WHEEL, "Requires-Dist: a"), built(SDIST, version="2.1")) == []
    assert reported(built(WHEEL, "Requires-Dist: a"), built(SDIST, version="2.2")) == [DISAGREE]


def test_wheels_are_compared_without_an_sdist() -> None:
    """Without an sdist the wheels are compared with each other."""
    assert reported(built(WHEEL), built(ANOTHER_WHEEL, "Requires-Dist: a")) == [DISAGREE]


OTHER = Code.BUILT_FROM_ANOTHER


@pytest.mark.parametrize(
    ("python", "requires", "lines", "severity"),
    [
        (None, (), [], None),
        (
            ">=3.11",
            ("oil (>=1,<2)",),
            ["Requires-Python: >=3.11", "Requires-Dist: Oil<2,>=1"],
            None,
        ),
        (">=3.12", (), ["Requires-Python: >=3.11"], "error"),
        (None, (), ["Requires-Python: >=3.11"], "error"),
        (">=3.12", (), [], "error"),
        (None, ("oil", "wick"), ["Requires-Dist: oil"], "error"),
        (None, ("oil",), ["Requires-Dist: oil", "Requires-Dist: wick"], "error"),
        (None, ("oil (>=2)",), ["Requires-Dist: oil>=1"], "warning"),
        (None, ("oil[lamp] (>=1)",), ["Requires-Dist: oil>=1"], "warning"),
        (None, ('oil ; python_version < "4"',), ["Requires-Dist: oil"], None),
    ],
)
def test_files_must_match_pyproject(
    python: str | None, requires: tuple[str, ...], lines: list[str], severity: str | None
) -> None:
    """Other names or another Python are refused, other version ranges are warnings."""
    found = reported(built(WHEEL, *lines), declared=Declared(python, requires))
    assert found == ([(OTHER, severity)] if severity else [])


@given(st.text(), st.text(), st.text())
@example(">=" + "9" * 5000, "oil>=" + "9" * 5000, "")
@example("===\x1b", "oil @ http://[", "oil ===x")
def test_any_values_can_be_compared(python: str, here: str, there: str) -> None:
    """Whatever the values, comparing them gives problems at most."""
    files = (
        built(WHEEL, f"Requires-Python: {python}"),
        built(SDIST, f"Requires-Dist: {there}"),
        built(ANOTHER_WHEEL, f"Requires-Dist: {here}"),
    )
    for declared in (None, Declared(python, (here,))):
        found = check(ONE, files, Circumstances(declared=declared), public=True)
        assert not any("\x1b" in problem.message for problem in found)


def test_difference_a_plugin_may_cause_is_a_warning() -> None:
    """Where a plugin may change metadata, a difference is a warning."""
    declared = Declared(">=3.12", ("oil",), surely=False)
    assert reported(built(WHEEL), declared=declared) == [(OTHER, "warning")]


@pytest.mark.parametrize(
    ("tags", "warned"),
    [
        ((), False),
        (("1.2.3",), False),
        (("v1.2.3",), False),
        (("lan-tern-1.2.3",), False),
        (("Lan_tern-v1.2.3",), False),
        (("lan-tern/v1.2.3",), False),
        (("lan.tern@1.2.3",), False),
        (("nightly", "tested", "release-of-may"), False),
        (("lamp-9.9", "lan-9.9", "lan-tern-oil-9.9"), False),
        (("v1.2.4", "v1.2.3"), False),
        (("1.2.4",), True),
        (("v1.2",), True),
        (("v1.2.3rc1", "lamp-1.2.3"), True),
        (("lan-tern-v2",), True),
        (("lan-tern/2.0", "nightly"), True),
        (("9" * 5000,), False),
    ],
)
def test_tag_of_another_version_is_a_warning(tags: tuple[str, ...], warned: bool) -> None:
    """A tag with another version of this project is a warning."""
    wheel = distribution(
        "lan_tern-1.2.3-py3-none-any.whl",
        metadata=core_metadata(name="lan-tern", version="1.2.3"),
    )
    found = check(LANTERN, [wheel], Circumstances(tags=tags), public=False)
    expected = [(Code.TAG_DISAGREES, "warning")] if warned else []
    assert [(problem.code, problem.severity) for problem in found] == expected


def test_local_version_matches_the_public_tag() -> None:
    """1.2.3+cu118 is built from the tag 1.2.3."""
    release = Identity(LANTERN.name, Version("1.2.3+cu118"))
    found = check(release, [], Circumstances(tags=("v1.2.3",)), public=False)
    assert Code.TAG_DISAGREES not in [problem.code for problem in found]


def test_changed_files_are_listed() -> None:
    """At most five names, the others counted, all sanitized."""
    names = ("a\x1b[31m.py", *(f"{n}.py" for n in range(9)))
    (problem,) = check(ONE, [distribution(WHEEL)], Circumstances(changed=names), public=False)
    assert (problem.code, problem.severity) == (Code.CHANGED_SINCE_BUILD, "warning")
    assert "and 5 more" in problem.message
    assert "\x1b" not in problem.message


@pytest.mark.parametrize(
    ("source", "packed", "changed"),
    [
        ("a\nb\n", "a\nb\n", False),
        ("a\nb\n", "a\nc\n", True),
        ('v = "0.0.0"\nb\n', 'v = "1.2.3"\nb\n', False),
        ("v = (0, 0, 0)\n", "v = (1, 2, 3)\n", False),
        ('v = (0, 0)\nw = ""\n', 'v = (1,2,3, "x")\nw = "v1.2.3"\n', False),
        ("a\n", "a\nv = 1.2.3\n", False),
        ("a\nv = 1.2.3\n", "a\n", True),
        ('a\nv = "0"\nnew = 1\n', 'a\nv = "1.2.3"\n', True),
        ('v = "0"\nb\n', 'v = "1.2.3"\nc\n', True),
        ('v = "0"\n', 'v = "1.2.34"\n', True),
        ('v = "0"\n', 'v = "11.2.3"\n', True),
        ('v = "0"\n', 'v = "1.2.3.4"\n', True),
        ("v = 0\n", "v = (1, 2, 34)\n", True),
        ("x\0", "1.2.3\0", True),
        ("", "", False),
    ],
)
def test_substituted_version_is_no_change(source: str, packed: str, changed: bool) -> None:
    """Lines that contain the version in the packed file may differ; all others count."""
    said = is_changed("lantern.py", source.encode(), packed.encode(), LANTERN.version)
    assert said is changed


SWITCH = "[tool.poetry-dynamic-versioning]\nenable = "
DYNAMIC = f'[project]\nname = "lantern"\ndynamic = ["version"]\n{SWITCH}true\n[tool.poetry]\n'


@pytest.mark.parametrize(
    ("packed", "changed"),
    [
        (f'[project]\nname = "lantern"\nversion = "7"\n[tool.poetry]\n{SWITCH}false\n', False),
        (f'[project]\nname = "lamp"\nversion = "7"\n[tool.poetry]\n{SWITCH}false\n', True),
        (DYNAMIC.replace('"version"', '"version", "readme"'), True),
        (f"{DYNAMIC}version = '7'\n", False),
        (f"{DYNAMIC}package-mode = true\n", True),
        ("[project\n", True),
        ("project = 3\n", True),
    ],
)
def test_dynamic_version_in_pyproject(packed: str, changed: bool) -> None:
    """Only the version fields may differ."""
    said = is_changed("pyproject.toml", DYNAMIC.encode(), packed.encode(), LANTERN.version)
    assert said is changed


@given(
    st.lists(st.sampled_from([b"", b"a", b"1.2.3", b"b"])), st.lists(st.sampled_from([b"", b"a"]))
)
def test_any_difference_without_the_version_is_a_change(
    packed: list[bytes], source: list[bytes]
) -> None:
    """Other lines are a change unless they contain the version; equal ones are not."""
    here, there = b"\n".join(source), b"\n".join(packed)
    said = is_changed("lantern.py", here, there, LANTERN.version)
    if here == there:
        assert not said
    elif b"1.2.3" not in there and here.splitlines() != there.splitlines():
        assert said


def test_long_files_are_compared_quickly() -> None:
    """Thousands of differing lines are not compared with each other."""
    here = b"\n" * 20_000 + b"a\n" * 20_000
    assert is_changed("lantern.py", here, here.replace(b"a", b"b"), LANTERN.version)
    one = here[:15_000] + b"v = 0\n" + here[15_000:]
    assert not is_changed("x.py", one, one.replace(b"v = 0", b"v = 1.2.3"), LANTERN.version)
