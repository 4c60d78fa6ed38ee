"""Every fault of what was built is reported before a byte leaves."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.preflight import Circumstances, Identity, check
from poetry_publish_verified.core.urls import Access, RepositoryTarget
from poetry_publish_verified.errors import Code, Problem
from tests.core.distributions import SDIST, WHEEL, core_metadata, distribution

LANTERN = Identity(canonicalize_name("lantern"), Version("1.0"))


def faults(*distributions: Distribution, release: Identity = LANTERN) -> list[Problem]:
    """What preflight finds for an index that accepts any version."""
    return list(check(release, distributions, public=False))


def test_sound_release_passes() -> None:
    """A wheel and an sdist with the same plain metadata pass."""
    assert faults(distribution(WHEEL), distribution(SDIST)) == []


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://harbour.example/", True),
        ("http://192.0.2.7:8080/", True),
        ("https://harbour.example/", False),
        ("http://localhost:8080/", False),
        ("http://127.0.0.2/", False),
        ("http://[::1]:8080/", False),
        ("http://localhost.example/", True),
    ],
)
def test_plain_http_is_a_warning(url: str, told: bool) -> None:
    """Unencrypted HTTP beyond this machine is a warning, once per address."""
    target = RepositoryTarget("harbour", url, Access())
    where = Circumstances(repository=target, indexes=(url, "https://mirror.example/simple/"))
    found = check(LANTERN, [distribution(WHEEL)], where, public=False)
    assert [problem.code for problem in found] == [Code.PLAIN_HTTP] * told
    assert all(problem.severity == "warning" for problem in found)


def test_no_distributions_is_one_fault() -> None:
    """Without distributions there is one fault, and its remedy is to build."""
    (fault,) = faults()
    assert fault.code is Code.NO_DISTRIBUTIONS
    assert "poetry build" in fault.remedy


def test_a_build_of_nothing_is_not_told_to_build() -> None:
    """What this very run has built is not to be built again, whether missing or changed."""
    (missing,) = check(LANTERN, [], Circumstances(built=True), public=False)
    (changed,) = check(
        LANTERN, [distribution(WHEEL)], Circumstances(built=True, changed=("a.py",)), public=False
    )
    assert [missing.code, changed.code] == [Code.NO_DISTRIBUTIONS, Code.CHANGED_SINCE_BUILD]
    assert not any("--build" in problem.remedy for problem in (missing, changed))


def test_two_sdists_are_refused() -> None:
    """An index accepts one sdist per release, so both names are reported."""
    other = "lantern-1.0.0.tar.gz"
    (fault,) = faults(distribution(SDIST), distribution(other))
    assert fault.code is Code.MORE_THAN_ONE_SDIST
    assert SDIST in fault.message
    assert other in fault.message


@pytest.mark.parametrize("public", [True, False])
def test_local_version_is_refused_on_pypi(public: bool) -> None:
    """A version with a + is refused only where the index does not accept it."""
    wheel = "lantern-1.0+dark-py3-none-any.whl"
    built = distribution(wheel, metadata=core_metadata(version="1.0+dark"))
    release = Identity(canonicalize_name("lantern"), Version("1.0+dark"))
    found = check(release, [built], public=public)
    assert [fault.code for fault in found] == ([Code.LOCAL_VERSION] if public else [])


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("torch", "1.0"),
        ("lantern", "1.1"),
        ("lantern", "one"),
        ("lantern", ""),
        ("", "1.0"),
        pytest.param("lantern", "9" * 5000, id="a-number-too-long-for-python"),
    ],
)
def test_metadata_of_another_release_is_refused(name: str, version: str) -> None:
    """A file whose metadata names another project or version is refused."""
    found = faults(distribution(WHEEL, metadata=core_metadata(name=name, version=version)))
    (fault,) = [fault for fault in found if fault.code is Code.METADATA_DISAGREES]
    assert fault.filename == WHEEL
    assert fault.severity == "error"


@pytest.mark.parametrize(("name", "version"), [("Lantern", "1.0.0"), ("LANTERN", "v1.0")])
def test_names_and_versions_are_normalized(name: str, version: str) -> None:
    """Names and versions are compared by the packaging rules, not letter by letter."""
    found = faults(distribution(WHEEL, metadata=core_metadata(name=name, version=version)))
    assert Code.METADATA_DISAGREES not in [fault.code for fault in found]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("Requires-Python: newest", "requires-python"),
        ("Requires-Dist: a b c", "requires-dist"),
        ("Description-Content-Type: text/word", "description-content-type"),
        ("Provides-Extra: !", "provides-extra"),
        ("License-Expression: Free Beer", "license-expression"),
        ("License-File: ../LICENSE", "license-file"),
        ("Dynamic: name", "dynamic"),
    ],
)
def test_invalid_metadata_field_is_an_error(line: str, field: str) -> None:
    """A forbidden field is named as an error of that file."""
    (fault,) = faults(distribution(WHEEL, metadata=core_metadata(line)))
    assert (fault.code, fault.severity) == (Code.METADATA_INVALID, "error")
    assert fault.filename == WHEEL
    assert f"field {field}" in fault.message.replace("license-files", "license-file")


def test_all_faults_of_all_files_are_reported() -> None:
    """Two files with two bad fields each are four faults."""
    bad = core_metadata("Requires-Python: newest", "Dynamic: name")
    found = faults(distribution(WHEEL, metadata=bad), distribution(SDIST, metadata=bad))
    assert [(f.code, f.filename) for f in found] == [
        (Code.METADATA_INVALID, WHEEL),
        (Code.METADATA_INVALID, WHEEL),
        (Code.METADATA_INVALID, SDIST),
        (Code.METADATA_INVALID, SDIST),
    ]


def test_unknown_metadata_version_is_a_warning() -> None:
    """A newer metadata version does not stop the release."""
    future = core_metadata().replace(b"Metadata-Version: 2.4", b"Metadata-Version: 2.99")
    (fault,) = faults(distribution(WHEEL, metadata=future))
    assert (fault.code, fault.severity) == (Code.METADATA_UNKNOWN, "warning")


def test_missing_metadata_version_is_an_error() -> None:
    """Metadata without a version is invalid, not just unknown."""
    without = core_metadata().replace(b"Metadata-Version: 2.4\n", b"")
    (fault,) = faults(distribution(WHEEL, metadata=without))
    assert fault.severity == "error"


def test_messages_are_sanitized() -> None:
    """Foreign metadata appears in messages on one line and without colours."""
    found = faults(
        distribution(WHEEL, metadata=core_metadata("Requires-Python: \x1b[31mred", name="\x1b[1mx"))
    )
    assert {fault.code for fault in found} >= {Code.METADATA_DISAGREES, Code.METADATA_INVALID}
    assert not any("\x1b" in fault.message for fault in found)


@given(st.binary())
@example(b"Metadata-Version: \xff")
@example(b"Metadata-Version: 2.4\nName: lantern\nVersion: 1.0\nName: lantern")
@example(b"Metadata-Version: 2.4\nName: lantern\nVersion: 1.0\nProject-URL: a\nProject-URL: a")
def test_any_metadata_is_judged(metadata: bytes) -> None:
    """Preflight never crashes, and only this release's own metadata passes."""
    found = faults(distribution(WHEEL, metadata=metadata))
    raw = distribution(WHEEL, metadata=metadata).raw_metadata
    if not any(fault.severity == "error" for fault in found):
        assert raw["name"] == "lantern"
