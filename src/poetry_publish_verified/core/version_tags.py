"""Git tags that name versions of a project, as patterns such as `v{version}` describe them."""

import re
from collections.abc import Iterable
from datetime import datetime

from packaging.utils import NormalizedName
from packaging.version import Version

from poetry_publish_verified.core.distribution import valid_version
from poetry_publish_verified.values import Value

PATTERNS = ("v{version}", "{version}")
IN_MONOREPO = ("{name}-{version}", *PATTERNS)
"""The patterns of a project that has its repository to itself, and of one of several."""
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class Tag(Value):
    """A tag, the version that it names, and when it (if lightweight: its commit) was made."""

    name: str
    version: Version
    made: datetime


class VersionTags(Value):
    """The tags that name a project's versions.

    `lacking` says why the repository may have more of them than this clone; empty if it has all.
    """

    found: tuple[Tag, ...] = ()
    lacking: str = ""

    @property
    def versions(self) -> frozenset[Version]:
        """The versions that are tagged."""
        return frozenset(tag.version for tag in self.found)


def checked_pattern(text: str) -> str:
    """The pattern itself; raises ValueError if it is none."""
    names = _PLACEHOLDER.findall(text)
    if names.count("version") != 1 or not set(names) <= {"version", "name"}:
        raise ValueError("expected patterns with {version} and perhaps {name}, or none")
    return text


def matching(
    tags: Iterable[tuple[str, datetime]], patterns: Iterable[str], name: NormalizedName
) -> tuple[Tag, ...]:
    """The tags that match a pattern.

    Where some match one with `{name}`, only those count: the others are of other projects, or of
    the repository as a whole.
    """
    tags, patterns = tuple(tags), tuple(patterns)
    own = [pattern for pattern in patterns if "{name}" in pattern]
    return _found(tags, own, name) or _found(tags, patterns, name)


def _found(
    tags: Iterable[tuple[str, datetime]], patterns: Iterable[str], name: NormalizedName
) -> tuple[Tag, ...]:
    expressions = [_expression(pattern, name) for pattern in patterns]
    return tuple(
        Tag(tag, version, made)
        for tag, made in tags
        for expression in expressions
        if (match := expression.fullmatch(tag)) and (version := valid_version(match["version"]))
    )


def _expression(pattern: str, name: NormalizedName) -> re.Pattern[str]:
    """What tags must match; the name in any spelling (PEP 503)."""
    spelled = "[-_.]+".join(map(re.escape, name.split("-")))
    parts = {"version": "(?P<version>[0-9].*)", "name": f"(?i:{spelled})"}
    pieces = _PLACEHOLDER.split(pattern)
    return re.compile(
        "".join(parts[each] if n % 2 else re.escape(each) for n, each in enumerate(pieces))
    )
