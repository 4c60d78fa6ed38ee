"""The receipt of an earlier run: kept until this one knows its files."""

from __future__ import annotations

import os
import signal
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.beds.building import build_with_hatchling
from tests.beds.monorepo import add_member, make_root
from tests.beds.processes import HANG, wait_until
from tests.beds.projects import read_receipt
from tests.beds.release import ended, holds, publish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry
    from tests.beds.projects import Project

MISTAKES = {
    "value": (("--until", "instalable"), 1),
    "index": (("--index", "nowhere"), 3),
    "several": (("--until", "instalable", "--index", "nowhere", "--timeout", "soon"), 1),
    "repository": (("--repository", "nowhere"), 3),
    "files": (("--dist-dir", "empty"), 3),
    "certificate": (("--cert", "missing.pem"), 3),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_early_mistake(
    poetry: Poetry, project: Project, pypi: Index, tmp_path: Path, mistake: str
) -> None:
    """A run that does not get as far as its files leaves the receipt of a proven release alone."""
    file = tmp_path / "receipt.json"
    ended(publish(poetry, project, pypi, "--build", "--receipt", file), 0)
    before = file.read_bytes()
    options, code = MISTAKES[mistake]
    run = publish(poetry, project, pypi, "--receipt", file, *options)
    ended(run, code)
    assert file.read_bytes() == before
    assert "Receipt:" not in run.said
    assert [path.name for path in tmp_path.glob("*.tmp")] == []
    as_json = publish(poetry, project, pypi, "--receipt", file, "--format", "json", *options)
    assert as_json.events[-1]["event"] == "receipt"
    assert as_json.events[-1]["exit_code"] == code
    assert file.read_bytes() == before


def test_early_mistake_and_default_place(poetry: Poetry, project: Project, pypi: Index) -> None:
    """The receipt at the default place is left alone as well."""
    ended(publish(poetry, project, pypi, "--build"), 0)
    before = project.receipt()
    ended(publish(poetry, project, pypi, "--until", "instalable"), 1)
    ended(publish(poetry, project, pypi, "--index", "nowhere"), 3)
    assert project.receipt() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_in_the_build(
    poetry: Poetry, project: Project, pypi: Index, tmp_path: Path, number: signal.Signals
) -> None:
    """A run that is stopped in its build leaves it alone."""
    file, building = tmp_path / "receipt.json", tmp_path / "building"
    ended(publish(poetry, project, pypi, "--build", "--receipt", file), 0)
    before = file.read_bytes()
    build_with_hatchling(project)
    (project.path / "backend" / "here.py").write_text(
        f"import pathlib, time\n\npathlib.Path({str(building)!r}).touch()\ntime.sleep({HANG})\n",
        encoding="utf-8",
    )
    call = poetry.with_variables(**pypi.environment())
    command = ("publish-verified", "-n", "-r", "harbour", "--build", "--receipt", file)
    with call.started(*command, cwd=project.path) as process:
        wait_until(building.exists, "the build")
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=HANG)
    assert process.returncode == (130 if number is not signal.SIGKILL else -number), out + err
    assert file.read_bytes() == before
    assert "Receipt:" not in out + err


def test_another_version(poetry: Poetry, project: Project, pypi: Index, tmp_path: Path) -> None:
    """The receipt of another version is replaced as soon as the version is known."""
    file = tmp_path / "receipt.json"
    ended(publish(poetry, project, pypi, "--build", "--receipt", file), 0)
    newer = project.set_version("1.1")
    ended(publish(poetry, newer, pypi, "--index", "nowhere", "--receipt", file), 3)
    assert holds(read_receipt(file), "preflight-refused", 3)["version"] == "1.1"


def test_same_version_with_its_files(
    poetry: Poetry, project: Project, pypi: Index, tmp_path: Path
) -> None:
    """Once its files are known, a run that fails says so."""
    file = tmp_path / "receipt.json"
    ended(publish(poetry, project, pypi, "--build", "--receipt", file), 0)
    project.change("Another light")
    ended(publish(poetry, project, pypi, "--build", "--receipt", file), 5)
    holds(read_receipt(file), "conflict", 5)


def test_several_projects(poetry: Poetry, pypi: Index, tmp_path: Path) -> None:
    """The common receipt of several projects is left alone as well."""
    root = make_root(tmp_path / "mono")
    add_member(root, "oil")
    lamp = add_member(root, "lamp", "oil")
    file = root / "all.json"
    listed = ("publish-verified", "-n", "-r", "harbour", "--until", "listed", "--receipt", file)
    call = (*listed, "--projects", "packages/*")
    many = poetry.with_variables(**pypi.environment())
    ended(many.run(*call, "--build", cwd=root), 0)
    before = file.read_bytes()
    ended(many.run(*call, "--until", "instalable", cwd=root), 1)
    ended(many.run(*call, "--index", "nowhere", cwd=root), 3)
    assert file.read_bytes() == before
    lamp.set_version("7.0")
    ended(many.run(*call, "--index", "nowhere", cwd=root), 3)
    assert {release["version"] for release in read_receipt(file)["releases"]} == {"1.0", "7.0"}


def test_receipt_is_not_packed(poetry: Poetry, project: Project, pypi: Index) -> None:
    """A backend that packs whatever is in the root does not pack the run's own receipt."""
    build_with_hatchling(project)
    ended(publish(poetry, project, pypi, "--build", "--receipt", "receipt.json"), 0)
    with tarfile.open(project.dist / project.sdist) as sdist:
        assert not any("receipt" in name for name in sdist.getnames())


def test_wait(poetry: Poetry, project: Project, pypi: Index, tmp_path: Path) -> None:
    """A wait leaves it alone until it waits."""
    file = tmp_path / "receipt.json"
    ended(publish(poetry, project, pypi, "--build", "--receipt", file), 0)
    before = file.read_bytes()
    wait = ("publish-verified", "wait", "lantern==1.0", "--receipt", file)
    ended(poetry.run(*wait, "--index", "nowhere", cwd=tmp_path), 3)
    ended(poetry.run(*wait, "--until", "soon", cwd=tmp_path), 1)
    assert file.read_bytes() == before
    ended(poetry.run(*wait, "--index", pypi.simple_url, "--until", "listed", cwd=tmp_path), 0)
    assert holds(read_receipt(file), "verified", 0)["repository"]["url"] is None
