"""Prints docs/reference/supported.md: what the jobs of .github/workflows/ci.yml test."""

from __future__ import annotations

import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.beds.environments import NEWEST_POETRY, OLDEST_POETRY, POETRY_MINORS  # noqa: E402

CI = YAML(typ="safe").load(ROOT / ".github" / "workflows" / "ci.yml")
PYTHONS = CI["jobs"]["checks"]["strategy"]["matrix"]["python"]


def page() -> str:
    """The whole page."""
    rows = "".join(
        f"| {python} | everything | all that touches Poetry's internals | the same |\n"
        for python in PYTHONS
    )
    others = ", ".join(POETRY_MINORS[1:-1])
    return f"""\
# Supported versions

The plugin accepts Poetry 2.0 and later 2.x, on Python 3.11 and later. Each change is tested on
Linux, on each of these Pythons with {len(POETRY_MINORS)} versions of Poetry:

| Python | Poetry {NEWEST_POETRY} | Poetry {OLDEST_POETRY} | Poetry {others} |
| --- | --- | --- | --- |
{rows}
On another version of Poetry 2, the guard compares Poetry's internals with what it knows, and leaves
alone what differs: that part is then as without the plugin
([known limits](../explanation/guard.md#known-limits)). macOS and Windows are not tested.

This table is made from the jobs of the project's CI.
"""


if __name__ == "__main__":
    print(page(), end="")
