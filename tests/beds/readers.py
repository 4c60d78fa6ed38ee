"""What readers of the documentation's pages have: a project, indexes, and more for some pages."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.beds.git import make_repository
from tests.beds.indexes import TOKEN
from tests.beds.monorepo import add_member, make_root
from tests.beds.processes import program
from tests.beds.projects import make_project
from tests.beds.proxy import Answer
from tests.beds.release import ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry
    from tests.beds.projects import Project
    from tests.beds.proxy import FaultProxy

# Who names no repository and no index means PyPI.
_AS_PYPI = """\
case "$*" in
    *--rehearse*|*--plan*|*' -r '*|*--repository*|*explain*|*--clean*|*rollback*) more=() ;;
    'publish-verified wait'*--index*|'publish-verified wait'*--from-receipt*) more=() ;;
    'publish-verified wait'*--metadata*) more=() ;;
    'publish-verified wait'*) more=(--index my-index) ;;
    publish-verified*) more=(--repository my-index) ;;
    *) more=() ;;
esac
exec {poetry} "$@" "${{more[@]}}"
"""


@dataclass(frozen=True)
class Servers:
    """The indexes that pages are about, and a website."""

    pypi: Index
    testpypi: Index
    devpi: Index
    website: FaultProxy


@dataclass
class Reader:
    """Somebody who does what a page says, in the directory `start`."""

    poetry: Poetry
    start: Path
    variables: dict[str, str]
    """All environment variables."""
    places: dict[str, str] = field(default_factory=dict)
    """What is at an address that a page has as an example."""
    answer: tuple[bytes, bytes] | None = None
    """What its question ends in, and what to type then; without it, there is no terminal."""
    programs: dict[str, str] = field(default_factory=dict)
    """Programs on PATH, each a script for bash."""

    def environment(self) -> dict[str, str]:
        """The environment variables, with the programs first on PATH."""
        directory = self.poetry.home / "programs"
        directory.mkdir(parents=True)
        poetry = _AS_PYPI.format(poetry=shlex.quote(str(self.poetry.program)))
        for name, text in {"poetry": poetry, **self.programs}.items():
            (directory / name).write_text(f"#!/bin/bash\n{text}", encoding="utf-8")
            (directory / name).chmod(0o755)
        return {**self.variables, "PATH": f"{directory}:{self.variables['PATH']}"}

    def release(self, *options: str) -> None:
        """Publish the project."""
        command = ("publish-verified", "-n", "--build", "--repository", "my-index", *options)
        ended(self.poetry.run(*command, cwd=self.start, **self.variables), 0)

    def has_released(self, *options: str) -> None:
        """Publish the project from git, and keep the receipt and metadata."""
        repository = make_repository(self.start)
        repository.commit()
        repository.tag("v1.0")
        self.release("--receipt", "receipt.json", "--metadata", "latest-release.json", *options)


def reader(page: str, poetry: Poetry, project: Project, servers: Servers) -> Reader:
    """Who reads this page."""
    variables = servers.pypi.environment("my-index") | servers.testpypi.environment("testpypi")
    made = Reader(poetry, project.path, {**poetry.call_environment(), **variables})
    if page in _RELEASED:
        made.has_released()
    if more := _MORE.get(page):
        more(made, servers)
    return made


def _monorepo(made: Reader, _: Servers) -> None:
    made.start = make_root(made.start.parent / "beacon")
    make_project(made.start / "packages/core", "beacon-core")
    make_project(made.start / "packages/app", "beacon-app", requires=["beacon-core>=1"])


def _private_indexes(made: Reader, servers: Servers) -> None:
    """The variables in the commands of that page, one index for each of its parts."""
    private = servers.testpypi
    made.variables = made.poetry.call_environment()
    made.variables |= {"UPLOAD_URL": private.upload_url, "INDEX_URL": private.simple_url}
    each = (("", private), ("DEVPI_", servers.devpi), ("PYPISERVER_", servers.pypi))
    for name, index in each:
        user = "USERNAME" if not name else "USER"
        made.variables |= {
            f"{name}URL": index.upload_url,
            f"{name}{user}": index.username or "",
            f"{name}PASSWORD": index.password or "",
        }
    made.variables["CLOUDSMITH_USER"] = servers.devpi.username or ""
    made.variables["CLOUDSMITH_API_KEY"] = servers.devpi.password or ""
    made.places["https://python.cloudsmith.example/OWNER/REPO/"] = servers.devpi.upload_url
    _put_secret(made, servers.devpi, "https://dl.cloudsmith.example/{}/OWNER/REPO/python/simple/")


def _token(made: Reader, servers: Servers) -> None:
    made.places = {"https://test.pypi.example/legacy/": servers.testpypi.upload_url}
    made.places["<token from TestPyPI>"] = TOKEN


def _tutorial(made: Reader, servers: Servers) -> None:
    """TestPyPI is where the page's own commands say, and pip gets what PyPI has."""
    _token(made, servers)
    made.start = make_project(made.start.parent / "own", "lantern-yourname").path
    for name in servers.testpypi.environment("testpypi"):
        del made.variables[name]
    made.variables["PIP_INDEX_URL"] = servers.pypi.simple_url
    made.variables["PIP_TARGET"] = str(made.poetry.home / "installed")
    made.programs["pip"] = f'exec {shlex.quote(sys.executable)} -m pip "$@"\n'


def _secret_in_path(made: Reader, servers: Servers) -> None:
    made.variables |= servers.devpi.environment("my-index")
    _put_secret(made, servers.devpi, "https://index.example/{}/simple/")
    made.poetry.run("build", cwd=made.start).ok()


def _put_secret(made: Reader, devpi: Index, example: str) -> None:
    """The name of devpi's index is the secret in the path."""
    variable = "CLOUDSMITH_TOKEN" if "cloudsmith" in example else "INDEX_TOKEN"
    secret = devpi.upload_url.rstrip("/").rpartition("/")[2]
    made.variables[variable] = secret
    braces = f"{{{variable}}}"
    made.places[example.format(braces)] = devpi.simple_url.replace(secret, braces)


def _records(made: Reader, servers: Servers) -> None:
    program("jq")
    made.release("--metadata", "latest-release.json", "--history", "releases.jsonl")
    document = (made.start / "latest-release.json").read_bytes()
    servers.website.on(
        lambda request: request.path == "/latest-release.json", lambda _: Answer(200, document)
    )
    made.places = {"https://lantern.example/": f"{servers.website.origin}/"}
    python = shlex.quote(str(made.poetry.environment.python))
    made.programs["python"] = f'exec {python} "$@"\n'


def _several_projects(made: Reader, _: Servers) -> None:
    add_member(made.start, "wick")
    add_member(made.start, "lamp", "wick>=1")


def _confirm(made: Reader, _: Servers) -> None:
    made.answer = (b"[y/N]", b"y\n")


def _roll_back(made: Reader, _: Servers) -> None:
    made.release()
    made.answer = (b"Type yes to delete lantern 1.0:", b"yes\n")


# Readers of these pages have released before.
_RELEASED = {
    f"docs/{page}.md"
    for page in (
        *("how-to/jenkins", "how-to/containers", "how-to/coming-from"),
        *("how-to/status", "explanation/one-vantage-point", "explanation/locks", "troubleshooting"),
    )
}
_MORE: dict[str, Callable[[Reader, Servers], None]] = {
    "docs/how-to/confirm.md": _confirm,
    "docs/how-to/monorepo.md": _monorepo,
    "docs/how-to/private-indexes.md": _private_indexes,
    "docs/how-to/publish.md": _several_projects,
    "docs/how-to/rollback.md": _roll_back,
    "docs/how-to/stages.md": _token,
    "docs/reference/receipt.md": _secret_in_path,
    "docs/reference/records.md": _records,
    "docs/tutorial/testpypi-and-pypi.md": _tutorial,
}
