"""A release as teams are told to do it: a test index first, a yes, a record, an alarm, and back."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from tests.beds.projects import make_project
from tests.beds.release import ended, holds, problems, publish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry
    from tests.conftest import MakeProxy

_ALARM = """
import os, pathlib, sys
told = [os.environ["PUBLISH_VERIFIED_" + name] for name in ("NAME", "VERSION", "VERDICT")]
pathlib.Path(sys.argv[1]).write_text(" ".join(told))
"""


def test_staged_confirmed_failed_and_taken_back(
    poetry: Poetry, volatile_devpi: Index, open_pypi: Index, make_proxy: MakeProxy, tmp_path: Path
) -> None:
    """The stage proves the files, the index corrupts one: the team is alarmed and goes back."""
    alarm = tmp_path / "alarm"
    command = json.dumps([sys.executable, "-c", _ALARM, str(alarm)])
    settings = 'stages = ["rehearsals"]\nconfirm = true\nchecklist = ["the docs are updated"]\n'
    settings += 'history = "releases.jsonl"\nsummary = "summary.md"\n'
    more = f"\n[tool.publish-verified]\n{settings}on-failure = {command}\n"
    project = make_project(tmp_path / "lantern", more=more)
    poetry = poetry.with_variables(**volatile_devpi.environment("rehearsals"))
    front = make_proxy(open_pypi.origin)
    index = open_pypi.behind(front.origin)

    ended(publish(poetry, project, index, "--build"), 3)
    assert [each["code"] for each in problems(project.receipt())] == ["PV249"]
    assert volatile_devpi.stored("lantern") == open_pypi.stored("lantern") == {}

    project.build()
    size = (project.dist / project.wheel).stat().st_size
    corrupting = front.serve_other_bytes(project.wheel, b"x" * size)
    ended(publish(poetry, project, index, "--yes"), 7)
    receipt = project.receipt()
    release = holds(receipt, "verification-failed", 7)
    (stage,) = release["stages"]
    assert stage["verdict"] == "verified"
    assert volatile_devpi.stored("lantern") == open_pypi.stored("lantern") == project.hashes()
    assert receipt["confirmation"]["by"] == "--yes"
    assert receipt["confirmation"]["checklist"] == [{"item": "the docs are updated", "done": True}]
    assert alarm.read_text() == "lantern 1.0 verification-failed"
    lines = (project.path / "releases.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[-1])["verdict"] == "verification-failed"
    assert project.wheel in (project.path / "summary.md").read_text(encoding="utf-8")
    assert release["rollback"]["next_version"] == "1.0.1"

    corrupting.lift()
    back = ("publish-verified", "rollback", "--receipt", project.receipt_file)
    poetry = poetry.with_variables(**index.environment())
    ended(poetry.run(*back, "-n", cwd=project.path), 3)
    assert open_pypi.stored("lantern") == project.hashes()
    ended(poetry.run(*back, "--yes", "-n", cwd=project.path), 0)
    assert volatile_devpi.stored("lantern") == open_pypi.stored("lantern") == {}
