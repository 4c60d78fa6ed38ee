"""CHANGELOG.md is kept as it says, and a release without it is refused."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.version import Version

from tests.beds.environments import ROOT

CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
# Those of https://keepachangelog.com, for versions after the first, and the parts of the plugin.
SECTIONS = {
    *("Added", "Changed", "Deprecated", "Removed", "Fixed"),
    *("Publish", "Checks before the upload", "Proof", "Several projects", "Wait", "Records"),
    *("Status", "Output and settings", "Parallel Poetry", "Documentation", "Speed", "Security"),
}


def test_versions() -> None:
    """What is unreleased comes first, then the versions, newest first, each with its date."""
    first, *headings = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)
    assert first == "[Unreleased]"
    released = []
    for heading in headings:
        match = re.fullmatch(r"\[(\S+)\] - (\S+)", heading)
        assert match, heading
        released.append((Version(match[1]), date.fromisoformat(match[2])))
    assert all(newer >= older for newer, older in pairwise(released))
    assert all(version <= Version(VERSION) for version, _ in released)


def test_sections() -> None:
    """Each part of a version has a known name, once, and a line for each change."""
    for version in CHANGELOG.split("\n## ")[1:]:
        names = re.findall(r"^### (.*)$", version, re.MULTILINE)
        assert set(names) <= SECTIONS
        assert len(set(names)) == len(names)
        for part in version.split("\n### ")[1:]:
            _, _, text = part.partition("\n")
            odd = [line for line in text.splitlines() if line and not line.startswith(("- ", "  "))]
            assert odd == []
            assert "\n- " in text


READY = {
    "CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n## [1.0] - 2026-01-02\n\n- It works.\n\n"
    "## [0.9] - 2025-01-02\n\n- It almost works.\n",
    "pyproject.toml": '[project]\nversion = "1.0"\n[project.urls]\nIssues = "https://a.b/issues"\n',
}


@pytest.mark.parametrize(
    ("tag", "change", "said"),
    [
        ("v1.0", None, "- It works.\n"),
        ("v1.1", None, "the version 1.0"),
        ("1.0", None, "The tag is 1.0"),
        ("v1.0", ("CHANGELOG.md", " - 2026-01-02", ""), 'nothing under "## [1.0] - <date>"'),
        ("v1.0", ("CHANGELOG.md", "- It works.", ""), "nothing under"),
        ("v1.0", ("pyproject.toml", "a.b/", "a.example/"), "placeholders: Issues"),
    ],
)
def test_release_is_checked(
    tag: str, change: tuple[str, str, str] | None, said: str, tmp_path: Path
) -> None:
    """A tag is released only with its version, its part of the changelog, and real URLs."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "check_release.py", tmp_path / ".ci")
    files = dict(READY)
    if change:
        name, before, after = change
        files[name] = files[name].replace(before, after)
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = [sys.executable, str(tmp_path / ".ci" / "check_release.py"), tag]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    good = said.startswith("- ")
    assert (done.returncode == 0) == good
    assert done.stdout == said if good else said in done.stderr
