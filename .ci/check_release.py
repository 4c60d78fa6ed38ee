"""Prints what CHANGELOG.md says about a tag's version: `python3 .ci/check_release.py v0.1.0`.

Fails if this checkout is not what the tag says, or is not ready to be released.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

HEADING = re.compile(r"^## \[(.+?)\](?: - (\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)


def section(changelog: str, version: str) -> str:
    """What the changelog says about a version; empty if it has no dated heading."""
    found = list(HEADING.finditer(changelog))
    for here, after in zip(found, [*found[1:], None], strict=True):
        if here[1] == version and here[2]:
            return changelog[here.end() : after.start() if after else None].strip()
    return ""


def faults(root: Path, tag: str) -> list[str]:
    """What is to do before the release."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project["version"]
    found = []
    if tag != f"v{version}":
        found.append(f"The tag is {tag}, but pyproject.toml has the version {version}.")
    if not section((root / "CHANGELOG.md").read_text(encoding="utf-8"), version):
        found.append(f'CHANGELOG.md says nothing under "## [{version}] - <date>".')
    placeholders = [name for name, url in project["urls"].items() if ".example/" in url]
    if placeholders:
        names = ", ".join(placeholders)
        found.append(f"[project.urls] has placeholders: {names}. Set them, and run `make pages`.")
    return found


if __name__ == "__main__":
    (given,) = sys.argv[1:]
    here = Path(__file__).parents[1]
    if said := faults(here, given):
        sys.exit("\n".join(said))
    print(section((here / "CHANGELOG.md").read_text(encoding="utf-8"), given.removeprefix("v")))
