"""Writes the addresses at the end of README.md: each is one of the project's URLs, and a path.

The package's page on an index shows the README, where only absolute links lead anywhere.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
MARK = "<!-- Made by docs/make_readme.py from [project.urls]. -->"
# Of the README's links, the page in docs, and a heading on it.
PAGES = {
    "action": "how-to/action.md",
    "codes": "reference/codes.md",
    "commands": "reference/commands.md",
    "comparison": "explanation/comparison.md",
    "containers": "how-to/containers.md",
    "doctor": "how-to/doctor.md",
    "exit codes": "reference/exit-codes.md",
    "github": "how-to/github-actions.md",
    "gitlab": "how-to/gitlab.md",
    "guard off": "how-to/guard-off.md",
    "install": "how-to/install.md",
    "jenkins": "how-to/jenkins.md",
    "lost host": "explanation/locks.md#a-holder-that-is-gone-for-good",
    "monorepo": "how-to/monorepo.md",
    "private": "how-to/private-indexes.md",
    "project plugin": "how-to/install.md#not-as-a-project-plugin",
    "recording": "_static/terminal.svg",
    "rollback": "how-to/rollback.md",
    "settings": "reference/settings.md",
    "status": "how-to/status.md",
    "supported": "reference/supported.md",
    "the guard": "explanation/guard.md",
    "tox": "how-to/tox-and-nox.md",
    "troubleshooting": "troubleshooting.md#after-the-upload-the-release-cannot-be-installed",
    "trusted publisher": "how-to/trusted-publishing.md",
    "tutorial": "tutorial/first-release.md",
    "wait": "how-to/wait.md",
}
# The same for files in the repository.
FILES = {"contributing": "CONTRIBUTING.md", "license": "LICENSE", "security": "SECURITY.md"}


def addresses() -> str:
    """The definitions of all links."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    found = {
        name: urls["Documentation"] + path.replace(".md", ".html") for name, path in PAGES.items()
    }
    found |= {name: f"{urls['Repository']}/blob/main/{path}" for name, path in FILES.items()}
    found["issues"] = urls["Issues"]
    return "".join(f"[{name}]: {url}\n" for name, url in sorted(found.items()))


if __name__ == "__main__":
    text, _, _ = README.read_text(encoding="utf-8").partition(MARK)
    README.write_text(f"{text.rstrip()}\n\n{MARK}\n\n{addresses()}", encoding="utf-8")
