"""The docs match the code that they describe."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "poetry_publish_verified"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# `path/of/module.py`, or a package's directory, and what is named after it: `module.py`: `a`, `B.c`
PLACE = re.compile(r"`((?:[a-z_]+/)*(?:[a-z_]+\.py|[a-z_]+/))`(?:: `([A-Za-z_.]+)`)?")


def names_in(module: Path) -> set[str]:
    """The names that a module defines, methods as `Class.method`."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (ast.FunctionDef, ast.AsyncFunctionDef)
            found |= {f"{node.name}.{each.name}" for each in node.body if isinstance(each, methods)}
        targets = node.targets if isinstance(node, ast.Assign) else []
        found |= {each.id for each in targets if isinstance(each, ast.Name)}
    return found


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["codes", "commands", "events", "fields", "settings", "supported"])
def test_pages_that_are_generated_from_the_code(page: str) -> None:
    """docs/reference/codes.md is what docs/make_codes.py prints, and so on: see `make pages`."""
    made = subprocess.run(
        [sys.executable, ROOT / "docs" / f"make_{page}.py"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert (ROOT / "docs" / "reference" / f"{page}.md").read_text(encoding="utf-8") == made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_resolve(page: Path) -> None:
    """Every relative link leads to a file, and to one of its headings if it names one."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if "://" in link:
            continue
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []


def test_design_page_names_only_what_exists() -> None:
    """Every file, directory and function that the page on design names is in the package."""
    named = PLACE.findall((ROOT / "docs" / "explanation" / "design.md").read_text(encoding="utf-8"))
    assert len(named) > 30
    missing = [
        f"{path}: {name}" if name else path
        for path, name in named
        if not (PACKAGE / path).exists() or (name and name not in names_in(PACKAGE / path))
    ]
    assert missing == []


def workflows() -> dict[str, list[str]]:
    """The workflow files in the docs, by the name of their published schema."""
    found: dict[str, list[str]] = {"github-workflows": [], "gitlab-ci": []}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            found["github-workflows" if "\njobs:" in block else "gitlab-ci"].append(block)
    return found


@pytest.mark.parametrize("system", workflows())
def test_workflows_are_valid(system: str, tmp_path: Path) -> None:
    """Each workflow file in the docs is as the CI system's published schema has it."""
    files = []
    # One that is wrong in both systems shows that this can fail.
    for number, text in enumerate(["jobs: 1\nrelease: 1\n", *workflows()[system]]):
        files.append(tmp_path / f"{number}.yml")
        files[-1].write_text(text, encoding="utf-8")

    def is_valid(*these: Path) -> bool:
        command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{system}")
        return subprocess.run([*command, *these], check=False, stdout=2).returncode == 0

    assert len(files) > 1
    assert is_valid(*files[1:])
    assert not is_valid(files[0])
