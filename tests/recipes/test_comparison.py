"""The table in docs/explanation/comparison.md: what tools end with when something goes wrong."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.beds.environments import ROOT, share_pip
from tests.beds.indexes import Index
from tests.beds.processes import HANG
from tests.beds.projects import Project, make_project
from tests.beds.proxy import Answer, FaultProxy, is_upload
from tests.bench.bed import Bed, Command, set_up
from tests.thorough import THOROUGH

PAGE = (ROOT / "docs" / "explanation" / "comparison.md").read_text(encoding="utf-8")
_OURS = ("publish-verified", "--until", "downloadable", "--timeout")

TOOLS: dict[str, Callable[[Bed, Index, Project], Command]] = {
    "poetry publish": lambda bed, front, _: bed.poetry(front, "publish", stock=True),
    "twine upload": lambda bed, front, project: bed.twine(front, project),
    "uv publish": lambda bed, front, project: bed.uv(front, project),
    "uv publish --check-url": lambda bed, front, project: _checking(bed.uv(front, project), front),
    "poetry publish-verified": lambda bed, front, _: bed.poetry(front, *_OURS, "20s"),
}


def _checking(command: Command, front: Index) -> Command:
    argv = (*command.argv, "--check-url", front.simple_url)
    return Command(argv, command.environment)


def never_listed(proxy: FaultProxy, project: Project, _: Index) -> None:
    """No page ever has the files."""
    for name in project.filenames:
        proxy.hide(name)


def other_hash(proxy: FaultProxy, project: Project, _: Index) -> None:
    """Each page has another hash for the wheel."""
    proxy.change_hash(project.wheel, "0" * 64)


def lost(proxy: FaultProxy, _: Project, __: Index) -> None:
    """The index stores a file, and nobody hears of it."""
    proxy.cut_after(is_upload, times=1)


def other_content(_: FaultProxy, project: Project, index: Index) -> None:
    """Both names are taken."""
    index.upload(project)
    project.change("Changed.")
    shutil.rmtree(project.dist)
    project.build()


def unavailable(proxy: FaultProxy, _: Project, __: Index) -> None:
    """The first upload is refused for now."""
    proxy.answer(is_upload, Answer(503), times=1)


FAULTS: dict[str, Callable[[FaultProxy, Project, Index], None]] = {
    "the index takes the files and does not list them": never_listed,
    "the index lists them with another hash": other_hash,
    "the answer to an upload gets lost": lost,
    "the index has other content under one of the names": other_content,
    "one upload is answered with 503": unavailable,
}


def rows() -> dict[str, list[int]]:
    """The exit codes on the page, by what happens."""
    table = PAGE.partition("## When something")[2].partition("\n## ")[0]
    found = re.findall(r"^\| ([^`|]+?) \|((?: \d+ \|)+)$", table, re.MULTILINE)
    return {what: [int(code) for code in re.findall(r"\d+", codes)] for what, codes in found}


def test_page_has_every_tool_and_fault() -> None:
    """The table on the page has those that are tried here, and no other."""
    header = " | ".join(f"`{tool}`" for tool in TOOLS)
    assert f"| what happens | {header} |" in PAGE
    assert {what for what in rows() if not what.startswith("…")} == set(FAULTS)


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    """The tools, and an index."""
    with set_up() as bed:
        share_pip(bed.work / "home/cache/publish-verified/clients", bed.guarded.python)
        yield bed


def code(command: Command, where: Path) -> int:
    """How a tool ends."""
    return subprocess.run(
        command.argv,
        cwd=where,
        env=dict(command.environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=HANG,
        check=False,
    ).returncode


@pytest.mark.skipif(not THOROUGH, reason="takes long; with TESTS_THOROUGH=1")
@pytest.mark.parametrize("what", FAULTS)
@pytest.mark.parametrize("tool", TOOLS)
def test_exit_codes(tool: str, what: str, bed: Bed, tmp_path: Path) -> None:
    """Each is as on the page."""
    column = list(TOOLS).index(tool)
    project = make_project(tmp_path / "lamp", f"lamp-{column}-{list(FAULTS).index(what)}")
    project.build()
    with FaultProxy(bed.index.origin) as proxy:
        front = bed.index.behind(proxy.origin)
        FAULTS[what](proxy, project, bed.index)
        command = TOOLS[tool](bed, front, project)
        assert code(command, project.path) == rows()[what][column]
        if what == "the answer to an upload gets lost":
            again = rows()["… and the same command is run again"]
            assert code(command, project.path) == again[column]
