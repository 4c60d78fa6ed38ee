"""What Poetry, pip and uv print about a release that fails can be found in the docs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.beds.documentation import ROOT
from tests.beds.environments import uv
from tests.beds.poetry import Poetry
from tests.beds.processes import HANG
from tests.beds.projects import make_project
from tests.beds.proxy import Answer, is_upload

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.environments import PoetryEnvironment
    from tests.beds.indexes import Index
    from tests.beds.projects import Project
    from tests.conftest import MakeProxy

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")


@pytest.fixture
def stock(stock_environment: PoetryEnvironment, tmp_path: Path) -> Poetry:
    """Poetry without the plugin."""
    return Poetry(stock_environment, tmp_path / "home")


def said(*command: str | Path) -> str:
    """What a command prints that must fail."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_"))}
    done = subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=HANG, check=False
    )
    assert done.returncode != 0
    return done.stdout + done.stderr


def found(output: str, *symptoms: str) -> None:
    """Each symptom is in the output and on the page."""
    output = re.sub(r"\s+", " ", output)
    for symptom in symptoms:
        assert symptom in output
        assert symptom in PAGE


def test_release_that_is_not_there(
    stock: Poetry, open_pypi: Index, project: Project, tmp_path: Path
) -> None:
    """No client finds it, and each says so in its own words."""
    old = project.set_version("0.9")
    old.build()
    open_pypi.upload(old)
    pip = sys.executable, "-m", "pip", "download", "--isolated", "--no-deps", "--dest", tmp_path
    found(
        said(*pip, "--index-url", open_pypi.simple_url, "lantern==1.0"),
        "ERROR: Could not find a version that satisfies the requirement lantern==1.0"
        " (from versions: 0.9)",
        "ERROR: No matching distribution found for lantern==1.0",
    )
    resolve = uv(), "pip", "install", "--dry-run", "--no-config", "--python", sys.executable
    found(
        said(*resolve, "--default-index", open_pypi.simple_url, "lantern==1.0"),
        "error: No solution found when resolving dependencies",
        "Because there is no version of lantern==1.0 and you require lantern==1.0",
    )
    source = f'[[tool.poetry.source]]\nname = "company"\nurl = "{open_pypi.simple_url}"\n'
    needing = make_project(tmp_path / "harbour", "harbour", more=source, requires=["lantern==1.0"])
    run = stock.run("lock", cwd=needing.path)
    assert run.code == 1
    found(
        run.said,
        "depends on lantern (1.0) which doesn't match any versions, version solving failed.",
    )


@pytest.mark.parametrize(
    ("status", "reason", "of_uv"),
    [
        (400, "File already exists ('lantern-1.0.tar.gz', with blake2_256 hash '", "Bad Request"),
        (403, "Invalid or non-existent authentication information.", "Forbidden"),
        (502, "Bad Gateway", "Bad Gateway"),
    ],
)
def test_upload_that_is_refused(
    status: int,
    reason: str,
    of_uv: str,
    stock: Poetry,
    open_pypi: Index,
    project: Project,
    make_proxy: MakeProxy,
) -> None:
    """Poetry and uv quote the server in their own ways."""
    project.build()
    proxy = make_proxy(open_pypi.origin)
    proxy.on(is_upload, lambda _: Answer(status, reason=reason.encode()))
    index = open_pypi.behind(proxy.origin)
    run = stock.run("publish", "-n", "-r", "harbour", cwd=project.path, **index.environment())
    assert run.code == 1
    found(run.said, f"HTTP Error {status}: {reason}")
    command = uv(), "publish", "--no-config", "--publish-url", index.upload_url
    login = "--username", "me", "--password", "secret"
    found(
        said(*command, *login, *project.dist.glob("*.whl")),
        "error: Failed to publish",
        f"Server returned status code {status} {of_uv}",
    )


def test_nothing_to_publish(stock: Poetry, open_pypi: Index, project: Project) -> None:
    """Without a build there is nothing to send."""
    variables = open_pypi.environment()
    run = stock.run("publish", "-n", "-r", "harbour", cwd=project.path, **variables)
    assert run.code == 1
    found(run.said, "No files to publish. Run poetry build first or use the --build option.")
