"""What git says of a release: files that changed since it was built, tags of other versions."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.distribution import valid_requirement, valid_version
from poetry_publish_verified.core.preflight.values import Circumstances, Identity
from poetry_publish_verified.core.problems import distributions as problems
from poetry_publish_verified.errors import Problem

# Lines between the first and the last difference; with more of them a file has surely changed.
_MAX_LINES = 1000
_SEPARATORS = re.compile(r"[-/@]")


def of(release: Identity, circumstances: Circumstances) -> Iterator[Problem]:
    """Doubts, each a warning, and records that would change what is built next, an error."""
    if circumstances.tracked and circumstances.versioned_by:
        yield problems.record_changes_version(circumstances.tracked, circumstances.versioned_by)
    if circumstances.changed:
        yield problems.changed_since_build(circumstances.changed, built=circumstances.built)
    read = {tag: version for tag in circumstances.tags if (version := tagged_version(tag, release))}
    # 1.0+cu118 may well be built from what is tagged 1.0.
    ours = {release.version, Version(release.version.public)}
    if read and not ours & set(read.values()):
        yield problems.tag_disagrees(list(read), str(release.version))


def tagged_version(tag: str, release: Identity) -> Version | None:
    """The version that a tag names, bare or after this project's own name."""
    if (version := valid_version(tag)) is not None:
        return version
    for separator in _SEPARATORS.finditer(tag):
        if canonicalize_name(tag[: separator.start()]) == release.name:
            version = valid_version(tag[separator.end() :])
            if version is not None:
                return version
    return None


def version_tool(pyproject: Mapping[str, Any]) -> str | None:
    """What makes a project's version from the state of git, by its pyproject.toml."""
    named = _at(pyproject, "build-system", "requires")
    found = (valid_requirement(text) for text in named if isinstance(text, str)) if named else ()
    tools = {canonicalize_name(each.name) for each in found if each is not None}
    for tool in ("setuptools-scm", "hatch-vcs", "versioningit"):
        if tool in tools:
            return tool
    if _at(pyproject, "tool", "poetry-dynamic-versioning", "enable") is True:
        return "poetry-dynamic-versioning"
    scm = _at(pyproject, "tool", "pdm", "version", "source") == "scm"
    return "pdm-backend" if scm and "pdm-backend" in tools else None


def _at(table: Any, *keys: str) -> Any:
    for key in keys:
        table = table.get(key) if isinstance(table, Mapping) else None
    return table


def is_changed(name: str, source: bytes, packed: bytes, version: Version) -> bool:
    """Whether a source file differs from the packed one.

    What dynamic versioning replaces while it builds does not count: lines that hold the version,
    and a pyproject.toml's own fields for it.
    """
    if source == packed:
        return False
    if name == "pyproject.toml" and _same_project(source, packed):
        return False
    return b"\0" in source or b"\0" in packed or not _is_substituted(source, packed, version)


def _same_project(source: bytes, packed: bytes) -> bool:
    try:
        return _without_version(source) == _without_version(packed)
    except (ValueError, TypeError, AttributeError, RecursionError):  # no table where one belongs
        return False


def _without_version(text: bytes) -> dict[str, Any]:
    data = tomllib.loads(text.decode("utf-8"))
    project, tool = data.get("project", {}), data.get("tool", {})
    project.pop("version", None)
    project["dynamic"] = [field for field in project.get("dynamic", ()) if field != "version"]
    tool.get("poetry", {}).pop("version", None)
    # It is switched off in an sdist, whose version is settled.
    tool.get("poetry-dynamic-versioning", {}).pop("enable", None)
    return data


def _is_substituted(source: bytes, packed: bytes, version: Version) -> bool:
    """Whether all lines that differ on the packed side hold the version, and none was added."""
    here, there = _middle(source.splitlines(), packed.splitlines())
    if max(len(here), len(there)) > _MAX_LINES:
        return False
    holds = _holding(version)
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(
        None, here, there, autojunk=False
    ).get_opcodes():
        if kind == "equal":
            continue
        if i2 - i1 > j2 - j1 or not all(holds.search(line) for line in there[j1:j2]):
            return False
    return True


def _middle(here: list[bytes], there: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Both without the lines that they have in common at the beginning and at the end."""
    shorter = min(len(here), len(there))
    start = next((n for n in range(shorter) if here[n] != there[n]), shorter)
    here, there = here[start:], there[start:]
    shorter -= start
    end = next((n for n in range(shorter) if here[-1 - n] != there[-1 - n]), shorter)
    return here[: len(here) - end], there[: len(there) - end]


def _holding(version: Version) -> re.Pattern[bytes]:
    """A version as text, its release alone (`1.2.3` of `1.2.3rc1`), or as a tuple."""
    texts = {str(version), version.public, version.base_version}
    either = "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True))
    numbers = r"\s*,\s*".join(map(str, version.release))
    return re.compile(rf"(?<![\d.])(?:{either})(?!\.?\d)|\(\s*{numbers}\b".encode())
