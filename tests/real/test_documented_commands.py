"""The commands that the documentation shows are run, page by page, as a reader would.

What PyPI would do, a pypiserver does, and TestPyPI is another one. A third one has the plugin, for
the pages that install it.
"""

from __future__ import annotations

import contextlib
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.beds import indexes
from tests.beds.attested import accepted, serve
from tests.beds.documentation import PAGES, ROOT, Block, blocks
from tests.beds.environments import environment, share_pip
from tests.beds.newcomer import Newcomer, newcomer
from tests.beds.plugins import write_project
from tests.beds.poetry import Poetry
from tests.beds.processes import HANG, end_group
from tests.beds.publishing import TrustedIndex
from tests.beds.readers import Reader, Servers, reader
from tests.beds.sigstore import PlayedSigstore
from tests.beds.terminal import on_terminal
from tests.thorough import THOROUGH, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.beds.indexes import Index
    from tests.beds.projects import Project
    from tests.beds.proxy import FaultProxy
    from tests.conftest import MakeProxy

TO_RUN = {
    str(page.relative_to(ROOT)): found
    for page in PAGES
    if (found := [block for block in blocks(page) if block.kind == "run"])
}
# The quickest first: `make test` runs them.
QUICK = ("docs/how-to/guard-off.md", "docs/how-to/confirm.md")
# Readers of these pages do not have the plugin yet.
INSTALL = {
    "docs/index.md",
    "docs/tutorial/first-release.md",
    "docs/explanation/guard.md",
    "docs/how-to/install.md",
    "docs/how-to/tox-and-nox.md",
}
# Readers of these pages have released with attestations.
ATTESTED = {"docs/how-to/wait.md", "docs/how-to/trusted-publishing.md"}
ORDER = sorted(TO_RUN.keys() - INSTALL - ATTESTED, key=lambda page: (page not in QUICK, page))


@pytest.fixture
def testpypi(tmp_path: Path) -> Iterator[Index]:
    """A second index."""
    with indexes.pypiserver(tmp_path / "testpypi") as index:
        yield index


@pytest.fixture
def servers(pypi: Index, testpypi: Index, devpi: Index, proxy: FaultProxy) -> Servers:
    """All that pages need."""
    return Servers(pypi, testpypi, devpi, proxy)


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


@pytest.mark.parametrize("page", some(len(QUICK), ORDER))
def test_commands_of_a_page(page: str, poetry: Poetry, project: Project, servers: Servers) -> None:
    """Each command ends as the page says, in the order of the page."""
    follow(page, reader(page, poetry, project, servers))


@contextlib.contextmanager
def started(
    text: str, by: Reader, *, stdin: int, stdout: int, stderr: int
) -> Iterator[subprocess.Popen[str]]:
    """Start commands; whatever is left of them ends with the block."""
    with subprocess.Popen(
        ["bash", "-c", text],
        cwd=by.start,
        env=by.environment(),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            end_group(process)


def follow(page: str, by: Reader) -> None:
    """Run the commands of a page."""
    python = by.poetry.environment.python
    share_pip(by.poetry.home / "cache/publish-verified/clients", python)
    text = script(TO_RUN[page])
    for example, real in by.places.items():
        assert example in text
        text = text.replace(example, real)
    if by.answer:
        asked, answer = by.answer
        code, shown = on_terminal(partial(started, text, by), asked, [answer])
    else:
        nothing, pipe, both = subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT
        with started(text, by, stdin=nothing, stdout=pipe, stderr=both) as process:
            shown, _ = process.communicate(timeout=HANG)
        code = process.returncode
    assert code == 0, shown


@pytest.mark.skipif(not THOROUGH, reason="signs a release; with TESTS_THOROUGH=1")
@pytest.mark.parametrize("page", sorted(ATTESTED))
def test_commands_after_an_attested_release(
    page: str, project: Project, tmp_path: Path, open_pypi: Index, make_proxy: MakeProxy
) -> None:
    """Sigstore and the index that checks what it signs are played."""
    trusted = TrustedIndex(make_proxy(open_pypi.origin))
    serve(trusted.proxy, partial(accepted, trusted.proxy))
    sigstore = PlayedSigstore(make_proxy("http://127.0.0.1:1"), trusted)
    job = sigstore.variables(tmp_path / "known") | trusted.variables("github", tmp_path / "bin")
    poetry = Poetry(environment(extra="attestations"), tmp_path / "home").with_variables(**job)
    index = open_pypi.behind(trusted.proxy.origin)
    variables = poetry.call_environment() | index.environment("my-index")
    by = Reader(poetry, project.path, variables)
    by.has_released("--attest=require")
    follow(page, by)


@pytest.mark.skipif(not THOROUGH, reason="installs Poetry; with TESTS_THOROUGH=1")
@pytest.mark.parametrize("page", sorted(INSTALL))
def test_installing_as_a_page_says(
    page: str, project: Project, tmp_path: Path, pypi: Index
) -> None:
    """From an index, with each installer; the plugin is in each Poetry that it was installed in."""
    with newcomer(tmp_path / "newcomer") as new:
        poetry, start = new.poetry, project.path
        if page == "docs/explanation/guard.md":
            plugins = 'stamp-plugin = "*"'
            start = write_project(tmp_path / "demo", new.index_url, plugins)
        if page == "docs/how-to/tox-and-nox.md":
            new.run("pipx", "install", "poetry")
            poetry = replace(poetry, script=Path(new.variables["PIPX_BIN_DIR"]) / "poetry")
        if page == "docs/tutorial/first-release.md":
            start = poetry.home
        variables = new.variables | pypi.environment("my-index")
        follow(page, Reader(poetry, start, variables))
        check_installed(page, new)


def check_installed(page: str, new: Newcomer) -> None:
    """Each Poetry has the plugin, or has it no more."""
    tools = [*new.tools()]
    assert len(tools) == {"install": 2, "tox-and-nox": 1}.get(Path(page).stem, 0)
    for tool in tools:
        assert "PV409" in new.run(tool, "publish-verified", "explain", "PV409")
    if Path(page).stem == "install":
        assert (new.poetry.environment.site / "sigstore").is_dir(), "the extras are not installed"
    if not tools:
        removed = page == "docs/explanation/guard.md"
        found = new.poetry.run("publish-verified", "explain", "PV409", cwd=new.poetry.home)
        assert (found.code != 0) is removed, found.said


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
