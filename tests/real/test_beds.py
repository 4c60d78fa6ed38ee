"""The test beds themselves: stock Poetry, pip and plain requests see what a test sets up."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from email.parser import Parser
from functools import partial
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.beds.indexes import fetch
from tests.beds.monorepo import make_monorepo
from tests.beds.poetry import Poetry
from tests.beds.processes import HANG
from tests.beds.proxy import JSON_PAGE, Answer, is_page, is_upload

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.environments import PoetryEnvironment
    from tests.beds.indexes import Index
    from tests.beds.monorepo import Monorepo
    from tests.beds.projects import Project
    from tests.beds.proxy import FaultProxy
    from tests.conftest import MakeProxy


@pytest.fixture
def stock(stock_environment: PoetryEnvironment, tmp_path: Path) -> Poetry:
    """Poetry without the plugin."""
    return Poetry(stock_environment, tmp_path / "stock-home")


def publish(stock: Poetry, project: Project, index: Index, *options: str) -> int:
    """Publish with Poetry's own command."""
    poetry = stock.with_variables(**index.environment())
    return poetry.run("publish", "-r", "harbour", *options, cwd=project.path).code


def test_stock_poetry_publishes_to_pypiserver(stock: Poetry, project: Project, pypi: Index) -> None:
    """`poetry publish` reaches pypiserver with the password, and pip finds the release."""
    assert publish(stock, project, pypi, "--build") == 0
    assert set(pypi.stored("lantern")) == project.filenames
    assert pypi.listed("lantern") == pypi.stored("lantern") == project.hashes()
    found = subprocess.run(
        [
            sys.executable, "-m", "pip", "--isolated", "download", "--no-deps", "--no-cache-dir",
            "--index-url", pypi.simple_url, "--dest", project.path, "lantern===1.0",
        ],
        check=False, capture_output=True, env={"PIP_CONFIG_FILE": "/dev/null"},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr


def test_pypiserver_refuses_a_wrong_password(stock: Poetry, project: Project, pypi: Index) -> None:
    """An upload with a wrong password is refused, and nothing is stored."""
    project.build()
    assert publish(stock, project, pypi, "-u", "harbour", "-p", "wrong") != 0
    assert pypi.stored("lantern") == {}


@pytest.mark.parametrize(("kind", "replaces"), [("devpi", False), ("volatile_devpi", True)])
def test_devpi_keeps_or_replaces(
    stock: Poetry, project: Project, kind: str, replaces: bool, request: pytest.FixtureRequest
) -> None:
    """A non-volatile index keeps the first bytes of a name, a volatile one replaces them."""
    index: Index = request.getfixturevalue(kind)
    assert publish(stock, project, index, "--build") == 0
    first = project.hashes()
    assert index.stored("lantern") == index.listed("lantern") == first
    project.change("Other bytes")
    project.build()
    assert (publish(stock, project, index) == 0) is replaces
    assert index.stored("lantern") == (project.hashes() if replaces else first)


def test_devpi_has_json_pages_with_relative_links(
    stock: Poetry, project: Project, devpi: Index
) -> None:
    """devpi answers in JSON on request, with links relative to the page."""
    project.build()
    publish(stock, project, devpi)
    _, page = fetch(f"{devpi.simple_url}lantern/", headers={"Accept": JSON_PAGE})
    files = json.loads(page)["files"]
    assert {file["filename"] for file in files} == project.filenames
    assert not any(file["url"].startswith("http") for file in files)


@pytest.mark.parametrize("kind", ["pypi", "devpi"])
def test_proxy_hides_and_changes(
    stock: Poetry,
    project: Project,
    kind: str,
    make_proxy: MakeProxy,
    request: pytest.FixtureRequest,
) -> None:
    """Through the proxy a file is hidden, shown again, has another hash, and other bytes."""
    index: Index = request.getfixturevalue(kind)
    proxy = make_proxy(index.origin)
    through = index.behind(proxy.origin)
    hidden = proxy.hide(project.wheel)
    assert publish(stock, project, through, "--build") == 0
    assert len(proxy.uploads) == 2
    assert all("authorization" in upload.headers for upload in proxy.uploads)
    assert set(index.listed("lantern")) == project.filenames
    assert set(through.listed("lantern")) == {project.sdist}
    hidden.lift()
    assert through.listed("lantern") == index.listed("lantern") == project.hashes()
    proxy.change_hash(project.wheel, "0" * 64)
    assert through.listed("lantern")[project.wheel] == "0" * 64
    proxy.serve_other_bytes(project.wheel, b"other")
    page = fetch(f"{through.simple_url}lantern/", headers={"Accept": JSON_PAGE})[1]
    assert project.wheel.encode() in page
    assert through.stored("lantern")[project.wheel] == (
        hashlib.sha256(b"other").hexdigest() if kind == "devpi" else project.hashes()[project.wheel]
    )
    assert [page.path for page in proxy.pages]


def test_proxy_gives_scripted_answers(proxy: FaultProxy, pypi: Index) -> None:
    """A rule gives any status, reason and body, as often as it says."""
    proxy.answer(is_page, Answer(418, b"body\x07", b"Tea\x1b[31m", {"X-A": "b"}), times=1)
    connection = http.client.HTTPConnection(proxy.origin.removeprefix("http://"), timeout=HANG)
    connection.request("GET", "/simple/lantern/")
    answer = connection.getresponse()
    assert (answer.status, answer.reason) == (418, "Tea\x1b[31m")
    assert answer.read() == b"body\x07"
    connection.close()
    assert fetch(f"{pypi.behind(proxy.origin).simple_url}lantern/")[0] == 404


def test_proxy_cuts_after_storing(
    stock: Poetry, project: Project, pypi: Index, proxy: FaultProxy
) -> None:
    """The index has the file, but the client gets no answer."""
    project.build()
    proxy.cut_after(is_upload, times=1)
    assert publish(stock, project, pypi.behind(proxy.origin)) != 0
    assert len(pypi.stored("lantern")) == 1


def test_proxy_speaks_tls(
    make_proxy: MakeProxy, open_pypi: Index, authority: tuple[ssl.SSLContext, Path]
) -> None:
    """Only a client that trusts the bed's authority reaches the index over https."""
    context, file = authority
    proxy = make_proxy(open_pypi.origin, context)
    host = proxy.origin.removeprefix("https://")
    trusting = ssl.create_default_context(cafile=str(file))
    connection = http.client.HTTPSConnection(host, timeout=HANG, context=trusting)
    connection.request("GET", "/simple/")
    assert connection.getresponse().status == 200
    connection.close()
    stranger = http.client.HTTPSConnection(host, timeout=HANG)
    with pytest.raises(ssl.SSLCertVerificationError):
        stranger.request("GET", "/simple/")


def test_monorepo_has_the_declared_dependencies(stock: Poetry, tmp_path: Path) -> None:
    """Stock Poetry builds all members offline, and they need exactly what the graph says."""
    monorepo = make_monorepo(tmp_path / "mono", "pre", count=8, layers=3, seed=4)
    assert len(monorepo.chain(dict.fromkeys(monorepo.members, 1.0))[1]) == 3
    nowhere = "http://127.0.0.1:9"
    offline = stock.with_variables(HTTP_PROXY=nowhere, HTTPS_PROXY=nowhere, ALL_PROXY=nowhere)
    members = monorepo.members.values()
    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda p: offline.run("build", cwd=p.path), members))
    assert [run.code for run in runs] == [0] * 8, runs
    for project in members:
        assert set(project.hashes()) == project.filenames
        with zipfile.ZipFile(project.dist / project.wheel) as wheel:
            (name,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
            metadata = Parser().parsestr(wheel.read(name).decode())
        requires = map(Requirement, metadata.get_all("Requires-Dist", []))
        needed = {str(canonicalize_name(requirement.name)) for requirement in requires}
        assert needed == monorepo.needs[project.name]


def test_same_seed_same_monorepo(tmp_path: Path) -> None:
    """The seed decides the edges, and dependents follow from them."""
    make = partial(make_monorepo, prefix="pre", count=12, layers=4)
    one, same, other = (make(tmp_path / f"{n}", seed=seed) for n, seed in enumerate((1, 1, 2)))
    assert one.needs == same.needs != other.needs
    bottom = next(iter(one.members))
    assert one.dependents(bottom) == {
        name for name in one.members if bottom in _all_needed(one, name)
    }


def _all_needed(monorepo: Monorepo, name: str) -> set[str]:
    direct = monorepo.needs[name]
    return {*direct, *(each for other in direct for each in _all_needed(monorepo, other))}
