"""Every build backend makes the same archive as from a clean checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.beds.environments import NEWEST_POETRY
from tests.beds.plugins import guarded, write_project
from tests.beds.simple_index import SimpleIndex
from tests.thorough import some

# What each backend needs besides [project], in pyproject.toml and as files.
MATURIN = '[package]\nname = "demo"\nversion = "0.1.0"\nedition = "2021"\n[lib]\npath = "lib.rs"\n'
BACKENDS: dict[str, dict[str, str]] = {
    "poetry.core.masonry.api": {},
    "hatchling.build": {},
    "setuptools.build_meta": {},
    "flit_core.buildapi": {},
    "pdm.backend": {},
    "scikit_build_core.build": {"CMakeLists.txt": "project(demo)\n"},
    "uv_build": {"src/demo/__init__.py": ""},
    "maturin": {
        "Cargo.toml": MATURIN,
        "lib.rs": "",
        "pyproject.toml": '[tool.maturin]\nbindings = "cffi"\n',
    },
}
BUILD = """
import importlib, sys
backend, goal = sys.argv[1:]
print(importlib.import_module(backend).build_sdist(goal))
"""


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory, index: SimpleIndex) -> Path:
    """A checkout in which guarded Poetry has locked, installed and changed the version."""
    root = tmp_path_factory.mktemp("used")
    project = write_project(root / "project", index.url, 'stamp-plugin = ">=1,<2"')
    file = project / "pyproject.toml"
    described = file.read_text().replace("[project]", '[project]\ndescription = "Shines."')
    file.write_text(described)
    poetry = guarded(NEWEST_POETRY, project, root / "home")
    for command in (["lock"], ["install"], ["version", "patch"]):
        poetry.run(*command, POETRY_VIRTUALENVS_IN_PROJECT="false").ok()
    kept = {path.name for path in (project / ".poetry").rglob("*")}
    assert {"set.json", "locks-1", ".gitignore"} <= kept
    return project


def sdist(root: Path, backend: str, goal: Path) -> dict[str, bytes]:
    """Build an sdist with what is installed here; its files by name."""
    goal.mkdir()
    command = [sys.executable, "-c", BUILD, backend, str(goal)]
    # Some are programs next to the interpreter.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "SOURCE_DATE_EPOCH": "315532800"}
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = goal.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        members = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        return {name: file.read() if file else b"" for name, file in members.items()}


@pytest.mark.parametrize("git", some(1, [True, False]), ids=some(1, ["git", "plain"]))
@pytest.mark.parametrize("backend", BACKENDS)
def test_archives_contain_nothing_of_the_plugin(
    used: Path, tmp_path: Path, backend: str, git: bool
) -> None:
    """With default settings, each backend builds the sdist of a clean checkout."""
    pytest.importorskip(backend, reason=f"{backend} could not be installed here")
    checkout = tmp_path / "checkout"
    shutil.copytree(used, checkout, symlinks=True)
    file = checkout / "pyproject.toml"
    file.write_text(file.read_text().replace("poetry.core.masonry.api", backend))
    for name, content in BACKENDS[backend].items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        with (checkout / name).open("a") as extra:
            extra.write(content)
    if git:
        subprocess.run(["git", "init", "-q"], cwd=checkout, check=True)
        status = subprocess.run(
            ["git", "status", "--porcelain", "-uall"], cwd=checkout, capture_output=True, check=True
        )
        assert b".poetry" not in status.stdout
    clean = tmp_path / "clean"
    shutil.copytree(checkout, clean, symlinks=True, ignore=shutil.ignore_patterns(".poetry"))
    packed = sdist(checkout, backend, tmp_path / "one")
    assert packed == sdist(clean, backend, tmp_path / "two")
    assert any(name.endswith("pyproject.toml") for name in packed)
