"""Every workflow in the docs, in .github and in templates: pinned, and true to its exit codes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.beds.environments import ROOT
from tests.beds.workflows import blocks, check_schema, component, load, run_script, scripts

_PROGRAMS = ("poetry", "pipx", "pip", "python3", "sha256sum")
_USES = re.compile(r"uses: ([\w./-]+)@(\S+)(.*)")
_PINNED = re.compile(r" # v\d+\.\d+\.\d+")


def texts() -> Iterator[tuple[str, str]]:
    """Each workflow file's name and text; those in the docs are blocks of YAML."""
    for file in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        yield file.name, file.read_text(encoding="utf-8")
    yield "action.yml", (ROOT / "action.yml").read_text(encoding="utf-8")
    template = (ROOT / "templates" / "publish.yml").read_text(encoding="utf-8")
    yield "templates/publish.yml", component(template, {})[1]
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for number, block in enumerate(blocks(page.read_text(encoding="utf-8")), start=1):
            yield f"{page.name} {number}", block


def every_script() -> Iterator[Any]:
    """Each script of each file, as a parameter of a test."""
    for name, text in texts():
        for place, shell, script in scripts(load(text)):
            yield pytest.param(shell, script, id=f"{name}: {place}")


@pytest.mark.parametrize(("shell", "script"), list(every_script()))
def test_scripts_end_as_their_programs_do(
    shell: tuple[str, ...], script: str, tmp_path: Path
) -> None:
    """Whichever program fails, the script ends with its exit code: none is hidden."""
    assert "${{" not in script, "an expression is spliced into a script"
    log = tmp_path / "called"
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in _PROGRAMS:
        (programs / name).write_text(
            f'#!/bin/sh\necho {name} >> "{log}"\n[ {name} != "$FAILS" ] || exit 3\n', "utf-8"
        )
        (programs / name).chmod(0o755)
    for name in (each for each in _PROGRAMS if each in script):
        log.write_text("", encoding="utf-8")
        variables = {"PATH": f"{programs}:{os.defpath}", "FAILS": name, "HOME": str(tmp_path)}
        for file in ("GITHUB_OUTPUT", "GITHUB_PATH"):
            variables[file] = str(tmp_path / file)
        ended = run_script(script, shell, tmp_path, variables)
        called = log.read_text(encoding="utf-8").split()
        if name in called:
            assert ended.code == 3, (name, ended.said)
            assert called[-1] == name, "it went on"


def test_actions_are_pinned() -> None:
    """Every action of others is pinned to a commit, the same one everywhere."""
    found: dict[str, set[str]] = {}
    for name, text in texts():
        for action, commit, version in _USES.findall(text):
            assert re.fullmatch("[0-9a-f]{40}", commit), (name, action)
            assert _PINNED.fullmatch(version), (name, action)
            found.setdefault(action, set()).add(f"{commit}{version}")
    assert "actions/checkout" in found
    assert {action for action, pins in found.items() if len(pins) > 1} == set()


def test_programs_are_pinned() -> None:
    """Poetry and the plugin are installed in a version, and nothing is piped into a shell."""
    for name, text in texts():
        for place, _, script in scripts(load(text)):
            for line in re.findall(r"(?:pipx?|pip) (?:install|inject) .*", script):
                for word in re.findall(
                    r"\bpoetry[\w\[\]-]*(?:==)?", line.replace("inject poetry", "")
                ):
                    assert word.endswith("=="), (name, place, line)
            assert not re.search(r"(curl|wget).*\|", script), (name, place)


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("github-workflows", "workflows/*.yml"),
        ("github-issue-forms", "ISSUE_TEMPLATE/[!c]*.yml"),
        ("github-issue-config", "ISSUE_TEMPLATE/config.yml"),
        ("dependabot", "dependabot.yml"),
    ],
)
def test_files_of_this_repository(schema: str, pattern: str) -> None:
    """Each is as its published schema has it."""
    check_schema(schema, *sorted((ROOT / ".github").glob(pattern)))


def test_issues_ask_for_what_doctor_says() -> None:
    """A bug cannot be reported without it."""
    form = load((ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text(encoding="utf-8"))
    (asked,) = [each for each in form["body"] if each.get("id") == "doctor"]
    assert asked["attributes"]["label"] == "poetry publish-verified doctor --format json"
    assert asked["validations"] == {"required": True}
