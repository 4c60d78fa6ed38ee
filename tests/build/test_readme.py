"""The README as the package's page on an index shows it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from readme_renderer import markdown

from tests.beds.environments import ROOT, share_pip
from tests.build.test_docs import anchors_of
from tests.thorough import THOROUGH

if TYPE_CHECKING:
    from tests.beds.poetry import Poetry

README = ROOT / "README.md"
RECORDING = ROOT / "docs" / "_static" / "terminal.svg"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEFINITION = re.compile(r"^\[([^\]]+)\]: (\S+)$", re.MULTILINE)


def test_addresses_are_those_of_the_project() -> None:
    """Running docs/make_readme.py again changes nothing."""
    before = README.read_text(encoding="utf-8")
    subprocess.run([sys.executable, ROOT / "docs" / "make_readme.py"], check=True)
    assert README.read_text(encoding="utf-8") == before


def test_links_lead_somewhere() -> None:
    """Every address is a page of the docs, with its heading, or a file of the repository."""
    links = dict(DEFINITION.findall(README.read_text(encoding="utf-8")))
    urls = PROJECT["urls"]
    missing = []
    for url in set(links.values()) - {urls["Issues"]}:
        path, _, anchor = url.removeprefix(urls["Documentation"]).partition("#")
        file = ROOT / "docs" / path.replace(".html", ".md")
        if url.startswith(urls["Repository"]):
            file = ROOT / url.removeprefix(f"{urls['Repository']}/blob/main/")
        if not file.is_file() or (anchor and anchor not in anchors_of(file)):
            missing.append(url)
    assert missing == []


def test_page_renders() -> None:
    """The index renders it, and all that it links to is absolute."""
    html = markdown.render(README.read_text(encoding="utf-8"))
    assert html is not None
    found = set(re.findall(r'(?:href|src)="([^"#][^"]*)"', html))
    assert [each for each in found if not each.startswith("https://")] == []
    # A reference without a definition stays as it is written, and a definition may have none.
    assert not re.search(r"\]\[|\[\w+\]", re.sub(r"<code.*?</code>", "", html, flags=re.DOTALL))
    assert set(dict(DEFINITION.findall(README.read_text(encoding="utf-8"))).values()) == found


def said_in(svg: Path) -> list[str]:
    """The lines that a recording shows."""
    lines: dict[float, str] = {}
    for text in ET.parse(svg).iter("{http://www.w3.org/2000/svg}text"):  # noqa: S314 - our own
        if "matrix" not in text.get("class", "") and text.get("clip-path"):
            height = float(text.get("y", "0"))
            lines[height] = lines.get(height, "") + (text.text or "").replace("\xa0", " ")
    return [line.rstrip() for _, line in sorted(lines.items())]


def test_recording() -> None:
    """It shows a release that is proven, and loads nothing from elsewhere."""
    lines = said_in(RECORDING)
    assert lines[0] == "$ poetry publish-verified --rehearse --build"
    assert lines[-1] == "verified: lighthouse-example 1.2.0 is installable"
    text = RECORDING.read_text(encoding="utf-8")
    assert not re.findall(r"(?:href|src|url)\W+https?:|@import|<script", text)


@pytest.mark.skipif(not THOROUGH, reason="rehearses; with TESTS_THOROUGH=1")
def test_recording_is_what_a_run_says(poetry: Poetry, tmp_path: Path) -> None:
    """A rehearsal still says the same, but for its port and time."""
    share_pip(poetry.home / "cache/publish-verified/clients", poetry.environment.python)
    kept = shutil.ignore_patterns("dist")
    project = shutil.copytree(ROOT / "examples/lighthouse", tmp_path / "lighthouse", ignore=kept)
    run = poetry.run("publish-verified", "--rehearse", "--build", "--no-interaction", cwd=project)
    lines = [line.rstrip() for line in run.ok().splitlines()]

    def timeless(lines: list[str]) -> list[str]:
        text = "\n".join(line for line in lines if line)
        return re.sub(r"127\.0\.0\.1:\d+|[\d.]+ s;", "…", text).splitlines()

    assert timeless(said_in(RECORDING)[1:]) == timeless(lines)
