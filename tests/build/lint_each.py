"""Lint a checkout with each of many imports in turn, in one process because starting is slow.

Reads JSON pairs of a file and a module to import there; writes exit code and output of each.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

from importlinter.cli import lint_imports


def lint(file: Path, imported: str) -> tuple[int, str]:
    """Check the contracts while a file has one more import."""
    kept, said = file.read_text(encoding="utf-8"), io.StringIO()
    file.write_text(f"{kept}\nimport {imported}\n", encoding="utf-8")
    with contextlib.redirect_stdout(said):
        code = lint_imports(no_cache=True)
    file.write_text(kept, encoding="utf-8")
    return code, said.getvalue()


json.dump([lint(Path(file), imported) for file, imported in json.load(sys.stdin)], sys.stdout)
