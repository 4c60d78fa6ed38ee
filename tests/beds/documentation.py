"""The commands that the documentation shows, and how each of them is tested.

A block of commands has a mark in the line before it, which readers do not see:

    <!-- run -->                  it is run, after the page's earlier blocks
    <!-- run: exit 3 -->          and its last command ends with this exit code
    <!-- recipe: examples/tox --> it belongs to a recipe that is run
    <!-- needs: REASON -->        it is not run, because it needs something that tests do not have
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(
    r"(?P<before>[^\n]*\n)?(?P<indent> *)```(?P<language>[a-z]+)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_MARK = re.compile(r"<!-- (?P<kind>run|recipe|needs)(?:: (?P<words>.+))? -->")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `kind` and `words` are its mark's, empty where it has none."""

    page: Path
    line: int
    language: str
    text: str
    kind: str
    words: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_shell(self) -> bool:
        """Whether it is a block of commands."""
        return self.language in {"bash", "console", "sh", "shell"}

    @property
    def exit_code(self) -> int:
        """What its last command ends with."""
        return int(self.words.removeprefix("exit ")) if self.words else 0


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for match in _BLOCK.finditer(text):
        mark = _MARK.search(match["before"] or "")
        yield Block(
            page,
            text.count("\n", 0, match.start("language")) + 1,
            match["language"],
            re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE),
            mark["kind"] if mark else "",
            (mark["words"] or "") if mark else "",
        )
