"""Which git tags name versions of a project."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from packaging.utils import canonicalize_name

from poetry_publish_verified.core.settings import resolve
from poetry_publish_verified.core.version_tags import IN_MONOREPO, PATTERNS, matching

MADE = datetime(2026, 1, 1, tzinfo=UTC)


def versions(patterns: tuple[str, ...], *tags: str, name: str = "beacon-core") -> list[str]:
    """The versions that these tags name."""
    dated = [(tag, MADE) for tag in tags]
    return [str(tag.version) for tag in matching(dated, patterns, canonicalize_name(name))]


def test_usual_forms() -> None:
    """With and without a v; what is no version, or of another project, does not count."""
    tags = ("v1.0", "1.1", "V1.2", "latest", "v", "vv1.3", "v1.x", "beacon-core-1.4", "v2.0rc1")
    assert sorted(versions(PATTERNS, *tags)) == ["1.0", "1.1", "2.0rc1"]


def test_monorepo_prefers_tags_with_the_name() -> None:
    """Tags of the repository count only for a project that has none of its own."""
    tags = ("v9.0", "beacon-core-1.0", "Beacon_Core-1.1", "beacon-2.0", "beacon-core-app-3.0")
    assert versions(IN_MONOREPO, *tags) == ["1.0", "1.1"]
    assert versions(IN_MONOREPO, *tags, name="rope") == ["9.0"]


@pytest.mark.parametrize(
    ("pattern", "tag"),
    [
        ("{name}/v{version}", "beacon-core/v1.0"),
        ("{name}@{version}", "beacon.core@1.0"),
        ("release-{version}+final", "release-1.0+final"),
        ("{version}", "1.0"),
    ],
)
def test_own_patterns(pattern: str, tag: str) -> None:
    """A pattern is text with placeholders, not an expression."""
    assert versions((pattern,), tag, "v3.0", "release-1x0+final", "beacon-core/v") == ["1.0"]


@pytest.mark.parametrize(
    "pattern", ["v*", "{name}", "{version}{version}", "v{ver}", "{version}-{}"]
)
def test_invalid_patterns(pattern: str) -> None:
    """What names no version is refused with its place."""
    (problem,) = resolve({"tags": [pattern]}, {}, {}).problems
    assert "--tags: expected patterns with {version}" in problem.message


def test_tags_can_be_left_out() -> None:
    """The word `none` switches them off; nothing given means the usual patterns."""
    assert resolve({}, {"TAGS": "none"}, {}).checked().tags == ()
    assert resolve({}, {}, {"tags": ["{name}-{version}"]}).checked().tags == ("{name}-{version}",)
    assert resolve({}, {}, {}).checked().tags is None
