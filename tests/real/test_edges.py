"""Beds that lag: through edges and mirrors, real installers see what these were told to show."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.beds import edges
from tests.beds.indexes import ask
from tests.beds.installers import pip_finds, poetry_finds, uv_finds
from tests.beds.poetry import Poetry
from tests.beds.processes import program, wait_until
from tests.beds.proxy import JSON_PAGE
from tests.beds.replicas import replicated_devpi
from tests.thorough import some

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.beds.environments import PoetryEnvironment
    from tests.beds.indexes import Devpi, Index
    from tests.beds.projects import Project
    from tests.beds.proxy import Request
    from tests.beds.replicas import Replicated
    from tests.conftest import MakeProxy

LONG, SHORT = 3600, 1
PAGE = "/simple/lantern/"


@pytest.fixture
def stock(stock_environment: PoetryEnvironment, tmp_path: Path) -> Poetry:
    """Poetry without the plugin."""
    return Poetry(stock_environment, tmp_path / "stock-home")


@pytest.fixture
def next_one(project: Project, open_pypi: Index) -> Project:
    """Version 1.1, built but not uploaded; 1.0 is on the open index."""
    project.build()
    open_pypi.upload(project)
    newer = project.set_version("1.1")
    newer.build()
    return newer


@pytest.fixture(scope="module")
def replicated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicated]:
    """A devpi with a replica."""
    with replicated_devpi(tmp_path_factory.mktemp("replicated")) as both:
        yield both


def page(index: Index, **headers: str) -> str:
    """The project's page as a simple client gets it."""
    reply = ask(f"{index.simple_url}lantern/", headers=headers)
    assert reply.status == 200, reply
    return reply.body.decode()


def mirrors(devpi: Devpi, of: Index) -> tuple[Index, Index]:
    """A mirror that caches for long, and one that soon looks again."""
    name = f"m{uuid.uuid4().hex[:8]}"
    return devpi.mirror(f"{name}-long", of, LONG), devpi.mirror(f"{name}-short", of, SHORT)


def wait_for(wheel: str, index: Index, early: Request) -> None:
    """Wait until the edge lists the wheel for requests like this early one."""
    asked = {name: early.headers[name] for name in ("accept", "accept-encoding")}
    url = f"{index.simple_url}lantern/"
    wait_until(lambda: wheel in ask(url, headers=asked).body.decode(), "the page to be new")


@pytest.mark.parametrize("kind", ["varnish", "nginx"])
def test_early_pip_misses_the_release_for_the_ttl(
    kind: str, next_one: Project, open_pypi: Index, tmp_path: Path
) -> None:
    """A client that asked early does not get the release until the page expires."""
    run = edges.varnish if kind == "varnish" else edges.nginx
    with (
        run(tmp_path / "größe of the edge", open_pypi.origin, ttl=LONG) as keeping,
        run(tmp_path / "edge", open_pypi.origin, ttl=SHORT) as forgetting,
    ):
        kept, forgotten = (open_pypi.behind(edge.origin) for edge in (keeping, forgetting))
        for index in (kept, forgotten):
            assert pip_finds(tmp_path, index.simple_url, "lantern", "1.0")
        open_pypi.upload(next_one)
        assert next_one.wheel in open_pypi.listed("lantern")
        missed = pip_finds(tmp_path, kept.simple_url, "lantern", "1.1")
        assert not missed
        assert "No matching distribution found for lantern==1.1" in missed.output
        assert len(keeping.requests_for(PAGE)) == 2
        (early,) = forgetting.requests_for(PAGE)
        wait_for(next_one.wheel, forgotten, early)
        assert pip_finds(tmp_path, forgotten.simple_url, "lantern", "1.1")


@pytest.mark.parametrize(
    ("kind", "separate"),
    some(2, [("varnish", True), ("nginx", False), ("varnish", False), ("nginx", True)]),
)
def test_installers_have_their_own_copies(
    kind: str,
    separate: bool,
    next_one: Project,
    open_pypi: Index,
    stock: Poetry,
    tmp_path: Path,
) -> None:
    """Only if pages vary by Accept are uv and Poetry unaffected by an early pip."""
    directory = tmp_path / "edge"
    if kind == "varnish":
        vary = "Accept, Accept-Encoding" if separate else None
        running = edges.varnish(directory, open_pypi.origin, ttl=LONG, vary=vary)
    else:
        running = edges.nginx(directory, open_pypi.origin, ttl=LONG, key_on_accept=separate)
    with running as edge:
        url = open_pypi.behind(edge.origin).simple_url
        assert pip_finds(tmp_path, url, "lantern", "1.0")
        open_pypi.upload(next_one)
        assert not pip_finds(tmp_path, url, "lantern", "1.1")
        assert uv_finds(tmp_path, url, "lantern", "1.1").ok is separate
        assert poetry_finds(stock, tmp_path, url, "lantern", "1.1").ok is separate
        assert not pip_finds(tmp_path, url, "lantern", "1.1")
        accepted = {request.headers["accept"] for request in edge.requests_for("/simple/lantern/")}
        assert len(accepted) == 3


def test_installers_report_missing_versions(
    next_one: Project, open_pypi: Index, stock: Poetry, tmp_path: Path
) -> None:
    """Each installer gets the version that exists, and names the one that does not."""
    url = open_pypi.simple_url
    for find in (pip_finds, uv_finds):
        assert find(tmp_path, url, "lantern", "1.0")
        missed = find(tmp_path, url, "lantern", next_one.version)
        assert not missed
        assert "lantern==1.1" in missed.output
    assert poetry_finds(stock, tmp_path, url, "lantern", "1.0")
    missed = poetry_finds(stock, tmp_path, url, "lantern", next_one.version)
    assert not missed
    assert "lantern (1.1)" in missed.output


def test_soft_purge_serves_each_variant_the_old_page_once(
    next_one: Project, open_pypi: Index, tmp_path: Path
) -> None:
    """After a soft purge the first reader of each variant still gets the old page."""
    with edges.varnish(tmp_path / "edge", open_pypi.origin, ttl=LONG) as edge:
        index = open_pypi.behind(edge.origin)
        url = index.simple_url
        assert pip_finds(tmp_path, url, "lantern", "1.0")
        page(index, Accept="text/html")
        open_pypi.upload(next_one)
        edge.purge("lantern")
        assert not pip_finds(tmp_path, url, "lantern", "1.1")
        assert next_one.wheel not in page(index, Accept="text/html")
        for early in edge.requests_for(PAGE)[:2]:
            wait_for(next_one.wheel, index, early)
        assert pip_finds(tmp_path, url, "lantern", "1.1")


@pytest.mark.parametrize("kind", ["varnish", "nginx"])
def test_hard_purge_serves_the_new_page_at_once(
    kind: str, next_one: Project, open_pypi: Index, tmp_path: Path
) -> None:
    """After a hard purge the first reader gets the new page."""
    run = edges.varnish if kind == "varnish" else edges.nginx
    with run(tmp_path / "edge", open_pypi.origin, ttl=LONG) as edge:
        index = open_pypi.behind(edge.origin)
        page(index)
        open_pypi.upload(next_one)
        assert next_one.wheel not in page(index)
        edge.purge("lantern", soft=False)
        assert next_one.wheel in page(index)


def test_grace_serves_the_old_page_once_more(
    next_one: Project, open_pypi: Index, tmp_path: Path
) -> None:
    """With grace, the first reader after the expiry still gets the old page, and its age."""
    with edges.varnish(tmp_path / "edge", open_pypi.origin, ttl=0.5, grace=LONG) as edge:
        index = open_pypi.behind(edge.origin)
        page(index)
        open_pypi.upload(next_one)
        time.sleep(1)
        old = ask(f"{index.simple_url}lantern/")
        assert next_one.wheel not in old.body.decode()
        assert int(old.headers["age"]) >= 1
        wait_until(lambda: next_one.wheel in page(index), "the page to be new")


@pytest.mark.parametrize("kind", ["varnish", "nginx"])
def test_not_found_is_cached_for_its_ttl(
    kind: str, project: Project, open_pypi: Index, tmp_path: Path
) -> None:
    """A pip that asked for a project too early keeps getting 404 until that expires."""
    project.build()
    run = edges.varnish if kind == "varnish" else edges.nginx
    origin = open_pypi.origin
    with (
        run(tmp_path / "keeping", origin, ttl=LONG, not_found_ttl=LONG) as keeping,
        run(tmp_path / "forgetting", origin, ttl=LONG, not_found_ttl=SHORT) as forgetting,
    ):
        kept, forgotten = (open_pypi.behind(edge.origin) for edge in (keeping, forgetting))
        for index in (kept, forgotten):
            assert not pip_finds(tmp_path, index.simple_url, "lantern", "1.0")
        open_pypi.upload(project)
        assert not pip_finds(tmp_path, kept.simple_url, "lantern", "1.0")
        assert len(keeping.requests_for(PAGE)) == 2
        (early,) = forgetting.requests_for(PAGE)
        wait_for(project.wheel, forgotten, early)
        assert pip_finds(tmp_path, forgotten.simple_url, "lantern", "1.0")


@pytest.mark.parametrize("kind", ["varnish", "nginx"])
def test_not_found_is_not_cached_by_default(
    kind: str, project: Project, open_pypi: Index, tmp_path: Path
) -> None:
    """Without a TTL for 404, the edge asks for a missing project every time."""
    project.build()
    run = edges.varnish if kind == "varnish" else edges.nginx
    with run(tmp_path / "edge", open_pypi.origin, ttl=LONG) as edge:
        index = open_pypi.behind(edge.origin)
        assert ask(f"{index.simple_url}lantern/").status == 404
        open_pypi.upload(project)
        assert project.wheel in page(index)


def test_cached_404_does_not_vary_by_accept(
    project: Project, open_pypi: Index, tmp_path: Path
) -> None:
    """A cached 404 is shared by all who accept gzip; only `identity` has another copy."""
    project.build()
    zipped = {"Accept-Encoding": "gzip, deflate"}
    with edges.varnish(tmp_path / "edge", open_pypi.origin, ttl=LONG, not_found_ttl=LONG) as edge:
        url = f"{open_pypi.behind(edge.origin).simple_url}lantern/"
        assert ask(url, headers={**zipped, "Accept": "text/html"}).status == 404
        open_pypi.upload(project)
        assert ask(url, headers={**zipped, "Accept": JSON_PAGE}).status == 404
        assert ask(url, headers={"Accept": "text/html"}).status == 200


@pytest.mark.parametrize("age", [True, False])
def test_varnish_headers(
    age: bool, next_one: Project, open_pypi: Index, tmp_path: Path, make_proxy: MakeProxy
) -> None:
    """Vary, Age and Cache-Control are as configured; files and queries pass through."""
    behind = make_proxy(open_pypi.origin)
    with edges.varnish(
        tmp_path / "edge", behind.origin, ttl=LONG, age=age, cache_control="max-age=600"
    ) as edge:
        url = f"{edge.origin}/simple/lantern/"
        first, second = ask(url), ask(f"{url}?fresh=1")
        told = [reply.headers["x-cache"] for reply in (first, second)]
        assert told == ["MISS", "HIT"]
        for reply in (first, second):
            assert reply.headers["vary"] == "Accept, Accept-Encoding"
            assert reply.headers["cache-control"] == "max-age=600"
            assert ("age" in reply.headers) is age
        assert len(behind.pages) == 1
        old = next_one.wheel.replace("1.1", "1.0")
        for _ in range(2):
            assert "x-cache" not in ask(f"{edge.origin}/packages/{old}").headers
        assert len([r for r in behind.requests if r.path == f"/packages/{old}"]) == 2


def test_nginx_headers(
    next_one: Project, open_pypi: Index, tmp_path: Path, make_proxy: MakeProxy
) -> None:
    """nginx sends Cache-Control as configured, and neither Age nor Vary."""
    behind = make_proxy(open_pypi.origin)
    with edges.nginx(
        tmp_path / "edge", behind.origin, ttl=LONG, cache_control="max-age=600"
    ) as edge:
        url = f"{edge.origin}/simple/lantern/"
        first, second = ask(url), ask(f"{url}?fresh=1")
        told = [reply.headers["x-cache"] for reply in (first, second)]
        assert told == ["MISS", "HIT"]
        for reply in (first, second):
            assert reply.headers["cache-control"] == "max-age=600"
            assert not {"age", "vary"} & set(reply.headers)
        assert len(behind.pages) == 1
        old = next_one.wheel.replace("1.1", "1.0")
        for _ in range(2):
            assert "x-cache" not in ask(f"{edge.origin}/packages/{old}").headers
        assert len([r for r in behind.requests if r.path == f"/packages/{old}"]) == 2


@pytest.mark.parametrize("kind", ["varnish", "nginx"])
def test_uploads_pass_through_the_edge_to_devpi(
    kind: str, project: Project, devpi: Index, tmp_path: Path
) -> None:
    """An edge in front of devpi passes uploads and files on, and caches pages."""
    project.build()
    run = edges.varnish if kind == "varnish" else edges.nginx
    with run(tmp_path / "edge", devpi.origin, ttl=LONG) as edge:
        index = devpi.behind(edge.origin)
        index.upload(project)
        assert devpi.stored("lantern") == project.hashes()
        assert pip_finds(tmp_path, index.simple_url, "lantern", "1.0")
        newer = project.set_version("1.1")
        newer.build()
        index.upload(newer)
        assert set(devpi.listed("lantern")) > newer.filenames
        assert not pip_finds(tmp_path, index.simple_url, "lantern", "1.1")


def test_early_look_keeps_a_mirror_stale(
    next_one: Project, open_pypi: Index, devpi_server: Devpi, tmp_path: Path
) -> None:
    """A mirror that is asked too early stays stale for everybody, without saying so."""
    kept, forgotten = mirrors(devpi_server, open_pypi)
    for mirror in (kept, forgotten):
        assert next_one.wheel not in page(mirror)
    open_pypi.upload(next_one)
    assert not pip_finds(tmp_path, kept.simple_url, "lantern", "1.1")
    reply = ask(f"{kept.simple_url}lantern/", headers={"Accept": JSON_PAGE})
    assert next_one.wheel not in reply.body.decode()
    assert "no-store" in reply.headers["cache-control"]
    assert not {"age", "etag", "warning"} & set(reply.headers)
    wait_until(lambda: next_one.wheel in page(forgotten), "the mirror to look again")
    assert pip_finds(tmp_path, forgotten.simple_url, "lantern", "1.1")


def test_early_look_hides_a_project_on_a_mirror(
    project: Project, open_pypi: Index, devpi_server: Devpi
) -> None:
    """A project requested from a mirror before its upload stays unknown until the expiry."""
    project.build()
    kept, forgotten = (f"{m.simple_url}lantern/" for m in mirrors(devpi_server, open_pypi))
    assert [ask(url).status for url in (kept, forgotten)] == [404, 404]
    open_pypi.upload(project)
    assert ask(kept).status == 404
    wait_until(lambda: project.wheel in ask(forgotten).body.decode(), "the mirror to look again")


def test_frozen_replica_lags_and_catches_up(
    replicated: Replicated, project: Project, tmp_path: Path
) -> None:
    """A frozen replica shows nothing of an upload, and everything once thawed."""
    index = replicated.primary.index("harbour")
    replica = replicated.replica_of(index)
    project.build()
    index.upload(project)
    wait_until(lambda: replicated.behind == 0, "the replica to have caught up")
    assert pip_finds(tmp_path, replica.simple_url, "lantern", "1.0")
    newer = project.set_version("1.1")
    newer.build()
    replicated.freeze()
    index.upload(newer)
    assert pip_finds(tmp_path, index.simple_url, "lantern", "1.1")
    assert not pip_finds(tmp_path, replica.simple_url, "lantern", "1.1")
    assert replicated.behind == 2
    assert newer.wheel not in page(replica)
    replicated.thaw()
    wait_until(lambda: replicated.behind == 0, "the replica to have caught up")
    assert pip_finds(tmp_path, replica.simple_url, "lantern", "1.1")
    assert replica.stored("lantern") == index.stored("lantern")


def test_missing_program_fails_only_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing edge program skips its tests for a developer, and fails them in CI."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-edge is not installed"):
        program("no-such-edge")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-edge is not installed"):
        program("no-such-edge")
