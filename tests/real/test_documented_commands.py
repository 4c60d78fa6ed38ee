"""The commands that the documentation shows are run, page by page, as a reader would.

What PyPI would do, a pypiserver does, and TestPyPI is another one.
"""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.beds import indexes
from tests.beds.documentation import PAGES, ROOT, Block, blocks
from tests.beds.environments import share_pip
from tests.beds.git import make_repository
from tests.beds.monorepo import make_root
from tests.beds.processes import HANG
from tests.beds.projects import make_project
from tests.beds.release import ended
from tests.thorough import some

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry
    from tests.beds.projects import Project

TO_RUN = {
    str(page.relative_to(ROOT)): found
    for page in PAGES
    if (found := [block for block in blocks(page) if block.kind == "run"])
}
# The quickest first: `make test` runs them.
QUICK = ("docs/how-to/guard-off.md", "docs/how-to/tox-and-nox.md")
ORDER = sorted(TO_RUN, key=lambda page: (page not in QUICK, page))
# Readers of these pages have released before.
RELEASED = {
    f"docs/{page}.md"
    for page in (
        *("how-to/wait", "how-to/jenkins", "how-to/containers", "how-to/coming-from"),
        *("how-to/status", "explanation/locks", "explanation/one-vantage-point", "troubleshooting"),
    )
}
# Who names no repository and no index means PyPI.
AS_PYPI = """#!/bin/bash
case "$*" in
    *--rehearse*|*--plan*|*--index*|*' -r '*|*--repository*|*explain*|*--clean*) more=() ;;
    'publish-verified wait'*--from-receipt*|*--metadata*) more=() ;;
    'publish-verified wait'*) more=(--index my-index) ;;
    publish-verified*) more=(--repository my-index) ;;
    *) more=() ;;
esac
exec {poetry} "$@" "${{more[@]}}"
"""


@pytest.fixture
def testpypi(tmp_path: Path) -> Iterator[Index]:
    """A second index."""
    with indexes.pypiserver(tmp_path / "testpypi") as index:
        yield index


def script(found: list[Block]) -> str:
    """The blocks of a page in turn, each with its own end."""
    lines = ["set -euo pipefail"]
    for block in found:
        text = block.text.rstrip().replace("\n$ ", "\n").removeprefix("$ ")
        *before, last = text.replace("\\\n", " ").split("\n")
        lines += [f"echo '== {block}' >&2", *before]
        lines += [last] if not block.exit_code else [f"code=0; {last} || code=$?"]
        lines += [f"[ $code -eq {block.exit_code} ]"] if block.exit_code else []
    return "\n".join(lines)


def prepare(page: str, poetry: Poetry, project: Project, pypi: Index) -> Path:
    """What a reader of the page has already; the directory to start in."""
    if page == "docs/tutorial/first-release.md":
        return poetry.home
    if page == "docs/how-to/monorepo.md":
        root = make_root(project.path.parent / "beacon")
        make_project(root / "packages/core", "beacon-core")
        make_project(root / "packages/app", "beacon-app", requires=["beacon-core>=1"])
        return root
    if page in RELEASED:
        repository = make_repository(project.path)
        repository.commit()
        repository.tag("v1.0")
        files = "--receipt", "receipt.json", "--metadata", "latest-release.json"
        command = "publish-verified", "-n", "--build", "--repository", "my-index", *files
        ended(poetry.run(*command, cwd=project.path, **pypi.environment("my-index")), 0)
    return project.path


@pytest.mark.parametrize("page", some(len(QUICK), ORDER))
def test_commands_of_a_page(
    page: str, poetry: Poetry, project: Project, pypi: Index, testpypi: Index, devpi: Index
) -> None:
    """Each command ends as the page says, in the order of the page."""
    share_pip(poetry.home / "cache/publish-verified/clients", poetry.environment.python)
    start = prepare(page, poetry, project, pypi)
    shims = poetry.home / "shims"
    shims.mkdir(parents=True)
    shim = shims / "poetry"
    shim.write_text(AS_PYPI.format(poetry=shlex.quote(str(poetry.program))), encoding="utf-8")
    shim.chmod(0o755)
    own = poetry.call_environment()
    variables = pypi.environment("my-index") | testpypi.environment("testpypi")
    if page == "docs/how-to/private-indexes.md":
        variables = private_indexes(testpypi, devpi, pypi)
    done = subprocess.run(
        ["bash", "-c", script(TO_RUN[page])],
        cwd=start,
        env=own | variables | {"PATH": f"{shims}:{own['PATH']}"},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def private_indexes(private: Index, devpi: Index, pypi: Index) -> dict[str, str]:
    """The variables in the commands of that page, one index for each of its parts."""
    found = {"UPLOAD_URL": private.upload_url, "INDEX_URL": private.simple_url}
    for name, index in (("", private), ("DEVPI_", devpi), ("PYPISERVER_", pypi)):
        user = "USERNAME" if not name else "USER"
        found |= {
            f"{name}URL": index.upload_url,
            f"{name}{user}": index.username or "",
            f"{name}PASSWORD": index.password or "",
        }
    return found


def test_script_ends_where_a_command_does(tmp_path: Path) -> None:
    """A command that fails ends it, and one that should fail and does not, too."""
    block = {"page": ROOT / "README.md", "line": 1, "language": "bash", "kind": "run"}

    def code(*each: tuple[str, str]) -> int:
        found = [Block(**block, text=text, words=words) for text, words in each]  # type: ignore[arg-type]
        return subprocess.run(["bash", "-c", script(found)], cwd=tmp_path, check=False).returncode

    assert code(("true\n", ""), ("(exit 3)\n", "exit 3")) == 0
    assert code(("false\ntrue\n", "")) != 0
    assert code(("false\ntrue\n", "exit 0")) != 0
    assert code(("true\n", "exit 3")) != 0
    assert code(("false | cat\n", "")) != 0
