"""The dress rehearsal: all of it, on this machine alone, and nothing is left of it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from tests.beds.environments import call
from tests.beds.environments import environment
from tests.beds.environments import uv
from tests.beds.indexes import PASSWORD
from tests.beds.poetry import Poetry
from tests.beds.projects import read_receipt
from tests.beds.proxy import Answer
from tests.beds.release import ended
from tests.beds.release import holds
from tests.beds.release import uploads

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.projects import Project
    from tests.conftest import MakeProxy


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder, with its sha256."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_rehearsal_touches_nothing(poetry: Poetry, project: Project) -> None:
    """What was built is rehearsed to `verified` without configuration, and nothing changes."""
    project.build()
    ended(poetry.run("--version", cwd=project.path), 0)
    before, home = tree(project.path), tree(poetry.home)
    run = poetry.run("publish-verified", "-n", "--rehearse", cwd=project.path)
    ended(run, 0)
    assert "verified" in run.said
    assert tree(project.path) == before
    assert tree(poetry.home) == home
    assert not poetry.left_over()


def test_rehearsal_goes_the_whole_way(poetry: Poetry, project: Project) -> None:
    """A rehearsal builds, sends, and is proven as far as pip; its receipt says what it was."""
    file = project.path / "receipt.json"
    run = poetry.run(
        "publish-verified", "-n", "--rehearse", "--build", "--receipt", file, cwd=project.path
    )
    ended(run, 0)
    receipt = read_receipt(file)
    release = holds(receipt, "verified", 0)
    assert (receipt["rehearsal"], receipt["until"]) == (True, "installable")
    assert uploads(release) == {project.wheel: "uploaded", project.sdist: "uploaded"}
    assert not project.dist.exists()
    assert release["repository"]["url"].startswith("http://127.0.0.1:")


def test_rehearsal_leaves_the_real_index_alone(
    poetry: Poetry, project: Project, make_proxy: MakeProxy
) -> None:
    """Even where a repository and proxies are configured, a rehearsal speaks to loopback alone."""
    elsewhere = make_proxy("http://127.0.0.1:9")
    elsewhere.answer(lambda _: True, Answer(500))
    configured = poetry.with_variables(
        POETRY_REPOSITORIES_HARBOUR_URL=f"{elsewhere.origin}/",
        POETRY_HTTP_BASIC_HARBOUR_USERNAME="harbour",
        POETRY_HTTP_BASIC_HARBOUR_PASSWORD=PASSWORD,
        HTTP_PROXY=elsewhere.origin,
        http_proxy=elsewhere.origin,
        ALL_PROXY=elsewhere.origin,
    )
    project.build()
    ended(configured.run("publish-verified", "-n", "--rehearse", cwd=project.path), 0)
    assert elsewhere.requests == []


def test_rehearsal_refuses_as_a_run_would(poetry: Poetry, project: Project) -> None:
    """Without distributions a rehearsal is refused like the real thing."""
    run = poetry.run("publish-verified", "-n", "--rehearse", cwd=project.path)
    ended(run, 3)
    assert "--build" in run.said
    assert not project.receipt_file.exists()


def test_rehearsal_without_the_extra(project: Project, tmp_path: Path) -> None:
    """Without the extra the refusal names the command that installs it."""
    own = environment().copy(tmp_path / "environment")
    call(uv(), "pip", "uninstall", "--quiet", "--python", own.python, "pypiserver")
    project.build()
    poetry = Poetry(own, tmp_path / "home")
    file = project.path / "receipt.json"
    run = poetry.run("publish-verified", "-n", "--rehearse", "--receipt", file, cwd=project.path)
    ended(run, 3)
    assert "poetry self add" in run.said
    assert "poetry-publish-verified[rehearsal]" in run.said
    assert json.loads(file.read_text(encoding="utf-8"))["verdict"] == "preflight-refused"
