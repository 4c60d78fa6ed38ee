"""Monorepos: many small projects in one repository that depend on each other."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.beds.projects import Project, make_project, read_receipt

_ROOT = """\
[tool.poetry]
package-mode = false

[tool.publish-verified]
projects = ["packages/*"]
"""
# Names as people write them; the index knows only their normalized form.
_SPELLINGS = ("{0}-lamp-{1:02}", "{0}.Wick.{1:02}", "{0}_oil_{1:02}", "{0}-Glass.Top_{1:02}")
_RANGES = (">=1.{0},<2", "~=1.{0}.0", "==1.{0}.*", ">=1.{0}.0,!=1.99", "")
_MARKERS = ("python_version >= '3.8'", "sys_platform == 'win32'", "python_version < '3.0'")


@dataclass(frozen=True)
class Monorepo:
    """A repository of projects: `members`, and which other members each one `needs` directly.

    All names are normalized. Every member comes after everything it needs.
    """

    root: Path
    members: Mapping[str, Project]
    needs: Mapping[str, frozenset[str]]

    @property
    def receipt_file(self) -> Path:
        """The default place of the receipt for all projects."""
        return self.root / "dist" / ".publish-verified" / "run.json"

    def receipt(self) -> dict[str, Any]:
        """The receipt of the last run."""
        return read_receipt(self.receipt_file)

    def releases(self) -> dict[str, dict[str, Any]]:
        """The releases of that receipt, by name."""
        return by_name(self.receipt())

    def dependents(self, name: str) -> set[str]:
        """All members that need this one, directly or not."""
        found = {name}
        for each, needed in self.needs.items():
            if needed & found:
                found.add(each)
        return found - {name}

    def chain(self, seconds: Mapping[str, float]) -> tuple[float, list[str]]:
        """The longest chain of dependencies if each member takes this long, and its duration."""
        ends: dict[str, tuple[float, list[str]]] = {}
        for name, needed in self.needs.items():
            before = max((ends[other] for other in needed), default=(0.0, []))
            ends[name] = before[0] + seconds[name], [*before[1], name]
        return max(ends.values())


def by_name(receipt: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The releases of a receipt, by name."""
    return {release["name"]: release for release in receipt["releases"]}


def make_root(root: Path) -> Path:
    """Make a repository whose root is not a package and whose settings name its projects."""
    (root / "packages").mkdir(parents=True)
    (root / "pyproject.toml").write_text(_ROOT, encoding="utf-8")
    return root


def add_member(
    root: Path,
    name: str,
    *requires: str,
    version: str = "1.0",
    directory: str | None = None,
    more: str = "",
) -> Project:
    """Add a project with these dependencies under `packages`."""
    return make_project(root / "packages" / (directory or name), name, version, more, requires)


def make_monorepo(
    root: Path, prefix: str, *, count: int = 40, layers: int = 5, seed: int = 0
) -> Monorepo:
    """Make `count` projects in `layers`, each needing at least one of the layer below.

    Every name begins with `prefix`. The same seed makes the same edges: ranges in `[project]
    dependencies`, behind a marker or in an extra, each with a path dependency beside it.
    """
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    make_root(root)
    names = [_SPELLINGS[n % len(_SPELLINGS)].format(prefix, n) for n in range(count)]
    members: dict[str, Project] = {}
    needs: dict[str, frozenset[str]] = {}
    layer_of = [n * layers // count for n in range(count)]
    for number in range(count):
        below = [n for n in range(number) if layer_of[n] < layer_of[number]]
        wanted = _wanted(chance, [n for n in below if layer_of[n] == layer_of[number] - 1], below)
        project = _add(chance, root, names, number, wanted)
        members[project.name] = project
        needs[project.name] = frozenset(list(members)[n] for n in wanted)
    return Monorepo(root, members, needs)


def _wanted(chance: random.Random, just_below: Sequence[int], below: Sequence[int]) -> list[int]:
    """One member of the layer below, so that chains span all layers, and some others."""
    if not below:
        return []
    others = chance.sample(below, min(len(below), chance.randrange(3)))
    return sorted({chance.choice(just_below), *others})


def _add(
    chance: random.Random, root: Path, names: Sequence[str], number: int, wanted: Collection[int]
) -> Project:
    plain: list[str] = []
    extras: dict[str, list[str]] = defaultdict(list)
    for other in wanted:
        requirement = f"{names[other]}{chance.choice(_RANGES).format(other)}"
        kind = chance.choice(("plain", "plain", "marker", "extra"))
        if kind == "extra":
            extras[chance.choice(("bright", "dim"))].append(requirement)
        elif kind == "marker":
            plain.append(f"{requirement} ; {chance.choice(_MARKERS)}")
        else:
            plain.append(requirement)
    more = "\n".join(_tables(extras, [names[other] for other in wanted]))
    return add_member(root, names[number], *plain, version=f"1.{number}.0", more=more)


def _tables(extras: Mapping[str, Sequence[str]], paths: Sequence[str]) -> Iterator[str]:
    if extras:
        yield "[project.optional-dependencies]"
        yield from (f"{extra} = {json.dumps(texts)}" for extra, texts in extras.items())
    if paths:
        yield "[tool.poetry.dependencies]"
        yield from (f'"{name}" = {{ path = "../{name}", develop = true }}' for name in paths)
    yield ""
