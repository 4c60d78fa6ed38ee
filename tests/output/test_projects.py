"""Several projects: the plan, the table, the log, the last lines."""

from __future__ import annotations

import json

from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.events import (
    BecameVisible,
    BuildStarted,
    DistributionsRead,
    Event,
    FileFacts,
    ProblemFound,
    ProjectsFound,
    ReleaseBlocked,
    ReleaseEnded,
    ReleaseStarted,
    ReleaseWaiting,
    SendingStarted,
    TargetsFound,
    UploadEnded,
    VersionSet,
    WaitStarted,
)
from poetry_publish_verified.core.release_order import LeftOut, WorkspaceMember
from poetry_publish_verified.errors import Code, Problem, Verdict
from poetry_publish_verified.output.console import Text
from poetry_publish_verified.output.plan import as_json, as_tree
from tests.output.test_text import Screen

INDEX, MIRROR = "https://index.example/simple/", "https://mirror.example/simple/"
REFUSED = Problem(Code.UPLOAD_REFUSED, "It was refused.", "Ask for access.")
FILES = (FileFacts("app-1.0-py3-none-any.whl", 1, "aa"), FileFacts("app-1.0.tar.gz", 1, "bb"))


def member(name: str, *requires: str) -> WorkspaceMember:
    """A project."""
    return WorkspaceMember(canonicalize_name(name), Version("1.0"), f"packages/{name}", requires)


MEMBERS = [
    member("base"),
    member("draw", "base"),
    member("lib", "base"),
    member("app", "draw", "lib"),
]


TOOL = LeftOut("packages/tool", "package-mode = false")


def begun(screen: Screen) -> Text:
    """Two projects, known but not built; app needs base."""
    text = Text(screen, "publish")
    text.event(ProjectsFound(2, (TOOL,)), 0.0)
    for name in ("app", "base"):
        report(text, name, ReleaseStarted(name, "1.0", "harbour"))
        report(text, name, TargetsFound("https://upload.example.org/", (INDEX, MIRROR)))
    return text


def report(text: Text, name: str, *events: Event) -> None:
    """Report an event of one project."""
    for event in events:
        text.event(event, 1.0, name)


def row(screen: Screen, name: str) -> str:
    """A project's row in the table."""
    (found,) = [line for line in screen.table if line.split()[0] == name]
    return found.split(maxsplit=1)[1]


def test_project_table() -> None:
    """One row per project, active ones above waiting ones; finished ones are counted."""
    screen = Screen()
    text = begun(screen)
    assert screen.table == []
    report(text, "app", BuildStarted())
    assert row(screen, "app") == "building"
    report(text, "app", DistributionsRead(FILES), ReleaseWaiting(("base",)))
    assert row(screen, "app") == "waiting for base"
    report(text, "base", DistributionsRead(FILES), SendingStarted())
    report(text, "base", UploadEnded(FILES[0].filename, "uploaded"))
    assert row(screen, "base") == "uploading 1/2"
    assert screen.table[0] == "2 to go"
    assert [line.split()[0] for line in screen.table[1:]] == ["base", "app"]
    for index in (INDEX, MIRROR):
        report(text, "base", WaitStarted(index, 900.0, ("pip", "uv")))
    report(text, "base", BecameVisible(INDEX, "pip", 2, 1.0), BecameVisible(INDEX, "uv", 2, 1.0))
    report(text, "base", BecameVisible(MIRROR, "uv", 2, 1.0))
    assert row(screen, "base") == "visible on 1 of 2"
    report(text, "base", ReleaseEnded(Verdict.VERIFIED))
    assert screen.table[0] == "1 verified, 1 to go"


def test_narrow_table() -> None:
    """No line is wider than the terminal, and many dependencies become a number."""
    screen = Screen(width=24)
    needs = ReleaseWaiting(tuple(f"needed-{number}" for number in range(9)))
    report(begun(screen), "app", needs)
    assert max(map(len, screen.table)) < 24
    screen = Screen()
    report(begun(screen), "app", needs)
    assert row(screen, "app") == "waiting for needed-0, needed-1, needed-2 and 6 more"


def test_log() -> None:
    """One line per step of each project; then what failed and what to do first."""
    screen = Screen(animated=False)
    text = begun(screen)
    report(text, "base", BuildStarted(), VersionSet("1.1"), SendingStarted())
    report(text, "base", WaitStarted(INDEX, 900.0, ("pip",)), BecameVisible(INDEX, "pip", 2, 1.0))
    report(text, "base", ProblemFound(REFUSED), ReleaseEnded(Verdict.UPLOAD_FAILED))
    report(text, "app", ReleaseBlocked(("base",)), ReleaseEnded(Verdict.BLOCKED))
    text.end(Verdict.UPLOAD_FAILED, "run.json")
    assert screen.said == [
        "",
        "Publishing <c1>2</c1> projects",
        " - packages/tool is left out (package-mode = false)",
        " - base 1.0: building",
        " - base 1.1: the build set the version to <c2>1.1</c2>",
        "<error>Error PV407: base 1.1: It was refused.</error>",
        "  <c1>Ask for access.</c1>",
        " - base 1.1: <error>upload-failed</error>",
        "<error>upload-failed (PV407): base 1.1</error>",
        "  <c1>Ask for access.</c1>",
        "<error>blocked: app 1.0</error>",
        (
            "<error>upload-failed: 1 of 2 projects failed: base 1.1 (PV407); 1 is blocked; "
            "0 are proven</error>"
        ),
        "Receipt: run.json",
    ]


def test_last_lines_of_forty_projects() -> None:
    """They fit on a screen: projects with one cause share a line, and many become a number."""
    screen = Screen(animated=False)
    text = Text(screen, "publish")
    text.event(ProjectsFound(40, ()), 0.0)
    names = [f"p{number}" for number in range(40)]
    for name in names:
        report(text, name, ReleaseStarted(name, "1", None))
    for name in names[:15]:
        report(text, name, ProblemFound(REFUSED), ReleaseEnded(Verdict.PREFLIGHT_REFUSED))
    for name in names[15:]:
        report(text, name, ReleaseBlocked(tuple(names[:15])), ReleaseEnded(Verdict.BLOCKED))
    before = len(screen.said)
    text.end(Verdict.PREFLIGHT_REFUSED, None)
    shown = ", ".join(f"p{number} 1" for number in range(10))
    blocked = ", ".join(f"p{number} 1" for number in range(15, 25))
    assert screen.said[before:] == [
        f"<error>preflight-refused (PV407): {shown} and 5 more</error>",
        "  <c1>Ask for access.</c1>",
        f"<error>blocked: {blocked} and 15 more</error>",
        (
            "<error>preflight-refused: 15 of 40 projects failed: p0 1, p1 1, p2 1 and 12 more "
            "(PV407: It was refused); 25 are blocked; nothing was uploaded</error>"
        ),
    ]


WORDS = REFUSED.message.rstrip(".")


def ended(verdict: Verdict, **errors: Verdict) -> str:
    """The last line for eight projects that end so, those in `errors` with an error."""
    screen = Screen(animated=False)
    text = Text(screen, "publish")
    text.event(ProjectsFound(8, ()), 0.0)
    for name in "abcdefgh":
        report(text, name, ReleaseStarted(name, "1", None), SendingStarted())
        end = errors.get(name, Verdict.VERIFIED)
        report(text, name, *[ProblemFound(REFUSED)] * bool(end.exit_code))
        report(text, name, *[ReleaseEnded(end)] * (end is not Verdict.RUNNING))
    text.end(verdict, None)
    shown = screen.said[-1].removeprefix(f"<error>{verdict}: ").removesuffix("</error>")
    # The errors are just above, and not above what the receipt says.
    assert shown == text.summary(verdict).removeprefix(f"{verdict}: ").replace(f": {WORDS}", "")
    return shown


def test_failures_come_before_counts() -> None:
    """The last line of a failure names what failed and why, and then counts."""
    failed, running = Verdict.UPLOAD_FAILED, Verdict.RUNNING
    why = "(PV407)"
    assert ended(failed, c=failed) == f"1 of 8 projects failed: c 1 {why}; 7 are proven"
    assert ended(failed, c=failed, d=Verdict.BLOCKED, e=Verdict.NOT_VISIBLE) == (
        f"2 of 8 projects failed: c 1, e 1 {why}; 1 is blocked; 5 are proven"
    )
    assert ended(Verdict.INTERRUPTED, a=running, h=running) == (
        "2 of 8 projects are not proven: a 1, h 1; 6 are proven."
        " Run the same command again to finish."
    )


def test_errors_of_the_whole_run() -> None:
    """Of several errors that belong to no project, the last lines repeat the first."""
    screen = Screen(animated=False)
    text = begun(screen)
    for code in (Code.BUILD_FAILED, *[Code.NO_PROJECT] * 3):
        problem = Problem(code, "It failed.", f"Look at {code}.")
        text.event(ProblemFound(problem, release=False), 1.0)
    text.end(Verdict.PREFLIGHT_REFUSED, None)
    assert screen.said[-3:] == [
        "<error>4 errors, the first: PV204</error>",
        "  <c1>Look at PV204.</c1>",
        "<error>preflight-refused: PV204: It failed, and 3 more; nothing was uploaded</error>",
    ]


def test_verbose_log() -> None:
    """With -v each step is a line."""
    screen = Screen(animated=False, verbose=True)
    text = begun(screen)
    report(text, "base", BecameVisible(INDEX, "pip", 2, 1.0))
    report(text, "app", ReleaseBlocked(("base",)))
    assert screen.said[-2:] == [
        f" - base 1.0: <info>{INDEX}</info> lists every file for pip after 1.0 s",
        " - app 1.0: <error>blocked</error> by <c1>base</c1>",
    ]


def test_plan_as_a_tree() -> None:
    """Each project is below the last one it needs; the others are named."""
    tree = as_tree(MEMBERS, [TOOL])
    names = [line.split("<c1>")[1].split("</c1>")[0] for line in tree if "<c1>" in line]
    depths = [(len(line) - len(line.lstrip())) // 2 for line in tree if "<c1>" in line]
    assert list(zip(names, depths, strict=True)) == [
        ("base", 0),
        ("draw", 1),
        ("lib", 1),
        ("app", 2),
    ]
    assert tree[3].endswith("packages/app, also needs draw")
    assert "packages/tool is left out (package-mode = false)" in tree[-1]


def test_plan_as_json() -> None:
    """One line, every project after all it needs."""
    line = as_json(MEMBERS, [TOOL])
    assert "\n" not in line
    assert json.loads(line) == {
        "schema": "publish-verified.plan/1",
        "projects": [
            {"name": "base", "version": "1.0", "directory": "packages/base", "needs": []},
            {"name": "draw", "version": "1.0", "directory": "packages/draw", "needs": ["base"]},
            {"name": "lib", "version": "1.0", "directory": "packages/lib", "needs": ["base"]},
            {
                "name": "app",
                "version": "1.0",
                "directory": "packages/app",
                "needs": ["draw", "lib"],
            },
        ],
        "left_out": [{"directory": "packages/tool", "reason": "package-mode = false"}],
    }
