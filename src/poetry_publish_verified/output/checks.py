"""What `doctor` finds, one thing after the other, as text and as JSON."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Literal

from poetry_publish_verified.errors import Problem
from poetry_publish_verified.output.words import escaped
from poetry_publish_verified.values import Value

SCHEMA = "publish-verified.doctor/1"


class Check(Value):
    """One thing that a run needs, what is true of it, and what to do if that is wrong.

    A run would fail if its `state` is "error"; "note" is worth knowing.
    """

    subject: str
    state: Literal["ok", "note", "warning", "error"]
    message: str
    remedy: str = ""
    code: str | None = None

    @classmethod
    def of(cls, subject: str, problem: Problem) -> "Check":
        """A problem as a check that has failed."""
        return cls(subject, problem.severity, problem.message, problem.remedy, problem.code)


def as_lines(checks: Iterable[Check]) -> Iterator[str]:
    """Each check on a line, with its remedy below, for cleo."""
    for each in checks:
        style = {"warning": "warning", "error": "error"}.get(each.state, "")
        code = f" {each.code}" if each.code and each.code.startswith("PV") else ""
        label = f"{each.state.title()}{code}: " if style else ""
        yield escaped(f"{label}{each.message}", style)
        if each.remedy:
            yield f"  {escaped(each.remedy)}"


def as_json(checks: Iterable[Check], project: str | None) -> str:
    """All checks as one JSON object; `project` is the directory of the project, if any."""
    checks = tuple(checks)
    ready = all(each.state != "error" for each in checks)
    found = [asdict(each) for each in checks]
    return json.dumps({"schema": SCHEMA, "project": project, "ready": ready, "checks": found})
