"""What checks the built documentation finds what is wrong with it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.beds.documentation import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ('<a href="other.html#here"></a><img src="data:image/png;base64,">', ""),
        ('<a href="https://elsewhere.example/">a link may lead anywhere</a>', ""),
        ('<a href="missing.html"></a>', "missing.html leads nowhere"),
        ('<a href="other.html#there"></a>', "other.html#there leads nowhere"),
        ('<a href="#there"></a>', "#there leads nowhere"),
        ('<script src="https://cdn.example/a.js"></script>', "from another server"),
        ('<link rel="stylesheet" href="//fonts.example/a.css">', "from another server"),
        ('<img src="missing.svg">', "missing.svg leads nowhere"),
    ],
)
def test_links_and_what_is_loaded(html: str, said: str, tmp_path: Path) -> None:
    """A link that leads nowhere, and whatever comes from another server, is named."""
    (tmp_path / "index.html").write_text(html, encoding="utf-8")
    (tmp_path / "other.html").write_text('<p id="here"></p>', encoding="utf-8")
    command = (sys.executable, ROOT / "docs" / "check_site.py", tmp_path)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, said in done.stderr) == (1 if said else 0, True)


def test_no_page_at_all_is_a_fault(tmp_path: Path) -> None:
    """An empty directory does not pass."""
    command = (sys.executable, ROOT / "docs" / "check_site.py", tmp_path)
    assert subprocess.run(command, check=False).returncode == 1
