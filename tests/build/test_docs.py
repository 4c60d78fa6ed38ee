"""The pages that are made from the code say what the code says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_of_codes_is_the_one_that_the_code_makes() -> None:
    """docs/codes.md is what docs/make_codes.py prints."""
    made = subprocess.run(
        [sys.executable, ROOT / "docs" / "make_codes.py"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert (ROOT / "docs" / "codes.md").read_text(encoding="utf-8") == made
