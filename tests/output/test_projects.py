"""Many projects: the plan, the table, the log, the last words."""

from __future__ import annotations

import json

from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.events import BecameVisible
from poetry_publish_verified.core.events import BuildStarted
from poetry_publish_verified.core.events import DistributionsRead
from poetry_publish_verified.core.events import Event
from poetry_publish_verified.core.events import FileFacts
from poetry_publish_verified.core.events import ProjectsFound
from poetry_publish_verified.core.events import ReleaseBlocked
from poetry_publish_verified.core.events import ReleaseEnded
from poetry_publish_verified.core.events import ReleaseStarted
from poetry_publish_verified.core.events import ReleaseWaiting
from poetry_publish_verified.core.events import SendingStarted
from poetry_publish_verified.core.events import TargetsFound
from poetry_publish_verified.core.events import UploadEnded
from poetry_publish_verified.core.events import VersionSet
from poetry_publish_verified.core.events import WaitStarted
from poetry_publish_verified.core.release_order import WorkspaceMember
from poetry_publish_verified.errors import Verdict
from poetry_publish_verified.output.console import Text
from poetry_publish_verified.output.plan import as_json
from poetry_publish_verified.output.plan import as_tree
from tests.output.test_text import Screen

INDEX, MIRROR = "https://index.example/simple/", "https://mirror.example/simple/"
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


def begun(screen: Screen) -> Text:
    """Two projects, known and built; app needs base."""
    text = Text(screen, "publish")
    text.event(ProjectsFound(2, ("packages/tool",)), 0.0)
    for name in ("app", "base"):
        tell(text, name, ReleaseStarted(name, "1.0", "harbour"))
        tell(text, name, TargetsFound("https://upload.example.org/", (INDEX, MIRROR)))
    return text


def tell(text: Text, name: str, *events: Event) -> None:
    """Tell of one project."""
    for event in events:
        text.event(event, 1.0, f"{name} 1.0")


def row(screen: Screen, name: str) -> str:
    """What the table says of a project."""
    (found,) = [line for line in screen.table if line.split()[0] == name]
    return found.split(maxsplit=1)[1]


def test_a_table() -> None:
    """Each project's state in a row, what moves above what waits; those that ended are counted."""
    screen = Screen()
    text = begun(screen)
    tell(text, "app", BuildStarted())
    assert row(screen, "app") == "building"
    tell(text, "app", DistributionsRead(FILES), ReleaseWaiting(("base",)))
    assert row(screen, "app") == "waiting for base"
    tell(text, "base", DistributionsRead(FILES), SendingStarted())
    tell(text, "base", UploadEnded(FILES[0].filename, "uploaded"))
    assert row(screen, "base") == "uploading 1/2"
    assert screen.table[0] == "2 to go"
    assert [line.split()[0] for line in screen.table[1:]] == ["base", "app"]
    for index in (INDEX, MIRROR):
        tell(text, "base", WaitStarted(index, 900.0, ("pip", "uv")))
    tell(text, "base", BecameVisible(INDEX, "pip", 2, 1.0), BecameVisible(INDEX, "uv", 2, 1.0))
    tell(text, "base", BecameVisible(MIRROR, "uv", 2, 1.0))
    assert row(screen, "base") == "visible on 1 of 2"
    tell(text, "base", ReleaseEnded(Verdict.VERIFIED))
    assert screen.table[0] == "1 verified, 1 to go"


def test_a_narrow_table() -> None:
    """No line is wider than the terminal."""
    screen = Screen(width=24)
    tell(begun(screen), "app", ReleaseWaiting(tuple(f"needed-{number}" for number in range(9))))
    assert max(map(len, screen.table)) < 24


def test_a_log() -> None:
    """A line for each step of each project, and no more; what was left out, and who is blocked."""
    screen = Screen(animated=False)
    text = begun(screen)
    tell(text, "base", BuildStarted(), VersionSet("1.0"), SendingStarted())
    tell(text, "base", WaitStarted(INDEX, 900.0, ("pip",)), BecameVisible(INDEX, "pip", 2, 1.0))
    tell(text, "base", ReleaseEnded(Verdict.UPLOAD_FAILED))
    tell(text, "app", ReleaseBlocked(("base",)), ReleaseEnded(Verdict.BLOCKED))
    text.end(Verdict.UPLOAD_FAILED, "", "run.json")
    said = "\n".join(screen.said)
    assert "Publishing <c1>2</c1> projects" in said
    assert "packages/tool has nothing to publish" in said
    assert " - base 1.0: building" in said
    assert " - app 1.0: <error>blocked</error> by <c1>base</c1>" in said
    assert "lists every file" not in said
    assert "upload-failed: base" in said
    assert "blocked: app" in said
    assert "0 of 2 projects" in said


def test_more_in_a_log() -> None:
    """With -v each step is told."""
    screen = Screen(animated=False, verbose=True)
    tell(begun(screen), "base", BecameVisible(INDEX, "pip", 2, 1.0))
    assert "lists every file" in "\n".join(screen.said)


def test_a_plan_as_a_tree() -> None:
    """Each below the last of those that it needs, the others named."""
    tree = as_tree(MEMBERS, ["packages/tool"])
    names = [line.split("<c1>")[1].split("</c1>")[0] for line in tree if "<c1>" in line]
    depths = [(len(line) - len(line.lstrip())) // 2 for line in tree if "<c1>" in line]
    assert list(zip(names, depths, strict=True)) == [
        ("base", 0),
        ("draw", 1),
        ("lib", 1),
        ("app", 2),
    ]
    assert tree[3].endswith("packages/app, needs draw too")
    assert "packages/tool" in tree[-1]


def test_a_plan_for_a_matrix() -> None:
    """One line, every project after all that it needs."""
    line = as_json(MEMBERS, ["packages/tool"])
    assert "\n" not in line
    assert json.loads(line) == {
        "schema": "publish-verified.plan/1",
        "projects": [
            {"name": "base", "version": "1.0", "folder": "packages/base", "needs": []},
            {"name": "draw", "version": "1.0", "folder": "packages/draw", "needs": ["base"]},
            {"name": "lib", "version": "1.0", "folder": "packages/lib", "needs": ["base"]},
            {"name": "app", "version": "1.0", "folder": "packages/app", "needs": ["draw", "lib"]},
        ],
        "left_out": ["packages/tool"],
    }
