"""The plan of a run of many projects: a tree for people, JSON for programs."""

import json
from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypedDict

from poetry_publish_verified.core import release_order
from poetry_publish_verified.core.release_order import LeftOut, WorkspaceMember
from poetry_publish_verified.output.words import escaped

SCHEMA: Final = "publish-verified.plan/1"


class PlannedProject(TypedDict):
    """A project, and the names of those that it needs directly."""

    name: str
    version: str
    directory: str
    needs: list[str]


class LeftOutProject(TypedDict):
    """A directory whose project is not published, and why."""

    directory: str
    reason: str


class PlanDocument(TypedDict):
    """The plan: every project comes after all that it needs."""

    schema: Literal["publish-verified.plan/1"]
    projects: list[PlannedProject]
    left_out: list[LeftOutProject]


def as_json(members: Sequence[WorkspaceMember], left_out: Iterable[LeftOut]) -> str:
    """One line for a CI matrix, with every project after all that it needs."""
    needs = release_order.needs(members)
    projects: list[PlannedProject] = [
        {
            "name": member.name,
            "version": str(member.version),
            "directory": member.directory,
            "needs": list(needs[member.name]),
        }
        for member in members
    ]
    others: list[LeftOutProject] = [
        {"directory": each.directory, "reason": each.reason} for each in left_out
    ]
    plan: PlanDocument = {"schema": SCHEMA, "projects": projects, "left_out": others}
    return json.dumps(plan)


def as_tree(members: Sequence[WorkspaceMember], left_out: Iterable[LeftOut]) -> list[str]:
    """Every project below the last of those that it needs, naming the others."""
    needs = release_order.needs(members)
    place = {member.name: number for number, member in enumerate(members)}
    below: dict[str | None, list[WorkspaceMember]] = {}
    for member in members:
        last = max(needs[member.name], key=place.__getitem__, default=None)
        below.setdefault(last, []).append(member)
    lines: list[str] = []

    def grow(above: str | None, depth: int) -> None:
        for member in below.get(above, ()):
            others = [name for name in needs[member.name] if name != above]
            also = f", also needs {escaped(', '.join(others))}" if others else ""
            lines.append(
                f"{'  ' * depth}<c1>{escaped(member.name)}</c1>"
                f" (<c2>{escaped(str(member.version))}</c2>) {escaped(member.directory)}{also}"
            )
            grow(member.name, depth + 1)

    grow(None, 0)
    lines += [f"<warning>{escaped(str(each))}</warning>" for each in left_out]
    return lines
