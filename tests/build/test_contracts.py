"""The import contracts are enforced: each forbidden import is detected."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "poetry_publish_verified"
LINT = (Path(sys.executable).parent / "lint-imports", "--no-cache")
LINT_EACH = (sys.executable, Path(__file__).with_name("lint_each.py"))


def lint_imports(
    checkout: Path, command: Sequence[str | Path] = LINT, asked: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Check the contracts of a checkout."""
    return subprocess.run(
        command,
        cwd=checkout,
        input=asked,
        env={**os.environ, "PYTHONPATH": str(checkout / "src")},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the sources with their contracts."""
    shutil.copytree(ROOT / "src", tmp_path / "src")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_sources_keep_all_contracts(copy: Path) -> None:
    """The sources break no contract."""
    done = lint_imports(copy)
    assert done.returncode == 0, done.stdout


FORBIDDEN = [
    ("core", "os"),
    ("core", "pathlib"),
    ("core", "time"),
    ("core", "httpx"),
    ("core", "poetry.core"),
    ("core", f"{PACKAGE}.adapters"),
    ("core", f"{PACKAGE}.cli"),
    ("core/events", f"{PACKAGE}.core.receipt"),
    ("sanitize", "os"),
    ("errors", f"{PACKAGE}.core"),
    ("errors", "subprocess"),
    ("release", "httpx"),
    ("release", "cleo.io"),
    ("release", f"{PACKAGE}.adapters"),
    ("release", f"{PACKAGE}.output"),
    ("release", f"{PACKAGE}.poetry_api"),
    ("release", f"{PACKAGE}.guard"),
    ("release/upload", f"{PACKAGE}.release.publish"),
    ("release/interfaces", f"{PACKAGE}.release.poll"),
    ("release/wait", f"{PACKAGE}.release.publish"),
    ("adapters", f"{PACKAGE}.release.interfaces"),
    ("adapters", "httpx"),
    ("adapters", "poetry"),
    ("adapters", f"{PACKAGE}.output"),
    ("adapters", f"{PACKAGE}.guard"),
    ("poetry_api", f"{PACKAGE}.release"),
    ("output", "cleo"),
    ("output", f"{PACKAGE}.adapters"),
    ("guard", "httpx"),
    ("guard", "filelock"),
    ("guard", "poetry"),
    ("guard", f"{PACKAGE}.core"),
    ("guard", f"{PACKAGE}.release"),
    ("cli", "httpx"),
    ("cli/options", f"{PACKAGE}.cli.publish_verified"),
    ("plugin", "httpx"),
    ("plugin", "anyio"),
]


def place(checkout: Path, module: str) -> Path:
    """The file of a module or package in a checkout."""
    path = checkout / "src" / PACKAGE / module
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_forbidden_imports_are_detected(copy: Path) -> None:
    """One forbidden import in one module fails, and an allowed one does not."""
    rows = [*FORBIDDEN, ("core", "json")]
    asked = json.dumps([(str(place(copy, module)), imported) for module, imported in rows])
    done = lint_imports(copy, LINT_EACH, asked)
    assert done.returncode == 0, done.stderr
    *found, fine = [code == 1 and "BROKEN" in said for code, said in json.loads(done.stdout)]
    assert [row for row, seen in zip(FORBIDDEN, found, strict=True) if not seen] == []
    assert not fine


def test_new_modules_need_a_layer(copy: Path) -> None:
    """A top-level module that no layer names is refused."""
    (copy / "src" / PACKAGE / "attic.py").write_text('"""New."""\n', encoding="utf-8")
    assert lint_imports(copy).returncode == 1
