"""What `status` found: a table for people, JSON for programs."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, Literal, TypedDict

from poetry_publish_verified.core.receipt import iso
from poetry_publish_verified.core.receipt_document import Moment, VerdictName
from poetry_publish_verified.core.release_order import LeftOut
from poetry_publish_verified.core.status import Kind, Place, ProjectStatus
from poetry_publish_verified.errors import Problem, Severity, Verdict
from poetry_publish_verified.output.words import escaped, plural, shortened, unstyled

SCHEMA: Final = "publish-verified.status/1"
_WIDEST_VERSION = 24
# Nothing is wrong then.
_CALM = {"agrees", "ahead", "young", "none", "not-asked"}


class ProblemDocument(TypedDict):
    """A problem; `name` is that of a disagreement, such as `mirror-behind`."""

    code: str
    name: str
    severity: Severity
    message: str
    remedy: str


class PlaceDocument(TypedDict):
    """Where a version is to be seen, the newest one, and how that compares."""

    kind: Kind
    where: str
    version: str | None
    state: str
    detail: str


class ProjectDocument(TypedDict):
    """One project."""

    name: str
    version: str
    verdict: VerdictName
    places: list[PlaceDocument]
    problems: list[ProblemDocument]


class LeftOutDocument(TypedDict):
    """A project that is not checked, and why."""

    directory: str
    reason: str


class StatusDocument(TypedDict):
    """The whole document; `problems` are those of no project."""

    schema: Literal["publish-verified.status/1"]
    checked: Moment
    verdict: VerdictName
    exit_code: int | None
    projects: list[ProjectDocument]
    left_out: list[LeftOutDocument]
    problems: list[ProblemDocument]


def document(
    projects: Sequence[ProjectStatus],
    left_out: Sequence[LeftOut],
    problems: Sequence[Problem],
    verdict: Verdict,
    checked: datetime,
) -> StatusDocument:
    """What was found, as JSON values."""
    return {
        "schema": SCHEMA,
        "checked": iso(checked),
        "verdict": str(verdict),
        "exit_code": verdict.exit_code,
        "projects": [
            {
                "name": each.name,
                "version": str(each.version),
                "verdict": str(each.verdict),
                "places": [_place(place) for place in each.places],
                "problems": [_problem(problem) for problem in each.problems],
            }
            for each in projects
        ],
        "left_out": [{"directory": e.directory, "reason": e.reason} for e in left_out],
        "problems": [_problem(problem) for problem in problems],
    }


def _place(place: Place) -> PlaceDocument:
    return {
        "kind": place.kind,
        "where": place.where,
        "version": str(place.version) if place.version else None,
        "state": place.state,
        "detail": place.detail,
    }


def _problem(problem: Problem) -> ProblemDocument:
    return {
        "code": str(problem.code),
        "name": problem.code.named,
        "severity": problem.severity,
        "message": problem.message,
        "remedy": problem.remedy,
    }


def table(project: ProjectStatus, width: int) -> Iterator[str]:
    """A line for each place, none longer than `width` unless that is tiny; styles are cleo's."""
    yield f"<c1>{escaped(project.name)}</c1>"
    versions = [str(place.version or "-") for place in project.places]
    column = min(max(map(len, versions)), _WIDEST_VERSION)
    widest = min(max(len(each.where) for each in project.places), max(width - column - 26, 10))
    room = max(width - widest - column - 6, 12)
    for place, version in zip(project.places, versions, strict=True):
        where = shortened(unstyled(place.where), widest)
        words = escaped(_words(place)[:room], "" if place.state == "agrees" else _style(place))
        shown = shortened(version, column)
        yield f"  {where:<{widest}}  <c2>{shown:<{column}}</c2>  {words}".rstrip()


def _style(place: Place) -> str:
    return "comment" if place.state in _CALM else "error"


def _words(place: Place) -> str:
    """`tagged, not published`, or what an index has of a release."""
    if place.state == "agrees":
        return place.detail
    named = place.state.replace("-not-", ", not ").replace("-", " ")
    return place.detail if place.state in _CALM and place.detail else named


def verdict_line(projects: Sequence[ProjectStatus], verdict: Verdict) -> str:
    """How it ended, on one line: `disagrees: lantern (tagged, not published)`."""
    bad = [each for each in projects if each.verdict is not Verdict.AGREES]
    if not projects:
        return f"{verdict}: nothing was checked"
    if not bad and len(projects) == 1:
        return f"{verdict}: {_what_is_out(projects[0])}"
    if not bad:
        return f"{verdict}: all of {plural(len(projects), 'project')} that should be published is"
    reasons = [f"{each.name} ({'; '.join(dict.fromkeys(_reasons(each)))})" for each in bad]
    of = f"{len(bad)} of {plural(len(projects), 'project')}: " if len(projects) > 1 else ""
    return f"{verdict}: {of}{', '.join(reasons)}"


def _what_is_out(project: ProjectStatus) -> str:
    """`lantern 1.0 is out, 1.1 is not released yet`."""
    out = next((place.version for place in project.places if place.kind == "index"), None)
    ahead = any(place.state == "ahead" for place in project.places)
    if out is None:
        return f"nothing of {project.name} is out, or should be"
    more = f", {project.version} is not released yet" if ahead else ""
    return f"{project.name} {out} is out{more}"


def _reasons(project: ProjectStatus) -> Iterator[str]:
    """What is wrong, each once; of what is unknown, where."""
    for place in project.places:
        if any(problem.severity == "error" for problem in place.problems):
            yield place.where if place.state == "unknown" else _words(place)
