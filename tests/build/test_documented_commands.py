"""Every command in the documentation is run by a test, and has only options that exist."""

from __future__ import annotations

import re
import shlex
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from tests.beds.documentation import PAGES, ROOT, Block, blocks

if TYPE_CHECKING:
    from pathlib import Path

SHELL = [block for block in chain(*map(blocks, PAGES)) if block.is_shell]
# In blocks of commands, in workflows, and in running text.
CALL = re.compile(r"poetry (?:-C \S+ )?publish-verified[^`\n|;&#>]*(?:\\\n[^`\n|;&#>]*)*")
COMMANDS = ROOT / "docs" / "reference" / "commands.md"
# Of all commands of Poetry.
GLOBAL = {"--directory", "--help", "--no-interaction", "--no-plugins", "--project", "--quiet"}


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_every_block_says_how_it_is_tested(block: Block) -> None:
    """It is run, belongs to a recipe that is run, or says what tests lack to run it."""
    assert block.kind, f"{block} has no mark: see tests/beds/documentation.py"
    if block.kind == "recipe":
        assert (ROOT / block.words).exists()
    if block.kind == "needs":
        assert len(block.words.split()) > 1


def test_blocks_are_found() -> None:
    """Nearly all of them are run."""
    assert len(SHELL) > 30
    assert sum(block.kind == "needs" for block in SHELL) < len(SHELL) / 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_have_options_that_exist(page: Path) -> None:
    """Each command of this plugin that a page shows is known, with each of its options."""
    # That page is made from the commands themselves.
    sections = COMMANDS.read_text(encoding="utf-8").split("\n## poetry publish-verified")[1:]
    options = {
        section.partition("\n")[0].strip(): GLOBAL
        | set(re.findall(r"^\| `(--[\w-]+)", section, re.MULTILINE))
        for section in sections
    }
    unknown = []
    for call in CALL.findall(page.read_text(encoding="utf-8")):
        _, _, given = call.replace("\\", " ").partition("publish-verified")
        words = shlex.split(given.replace("'", "").replace('"', ""))
        name = words[0] if words and words[0] in options else ""
        found = {word.partition("=")[0].rstrip(".,:;)]") for word in words if word[:2] == "--"}
        unknown += [(call, each) for each in sorted(found - options[name]) if each.strip("-")]
    assert unknown == []
