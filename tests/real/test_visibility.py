"""Visible means visible: to every client, through real edges and on lagging mirrors."""

from __future__ import annotations

import json
import threading
import uuid
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from poetry_publish_verified.core.variants import DEFAULT_CLIENTS, Encodings, variants
from tests.beds import edges
from tests.beds.indexes import ask
from tests.beds.installers import pip_finds
from tests.beds.processes import wait_until
from tests.beds.proxy import Answer, is_page, is_upload
from tests.beds.release import TOO_SHORT, ended, holds, problems, publish
from tests.beds.replicas import replicated_devpi
from tests.stress.visibility_round import KINDS, PROVEN, Bed, Scenario, is_ours, run_round

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.beds.edges import Edge
    from tests.beds.environments import PoetryEnvironment
    from tests.beds.indexes import Devpi, Index
    from tests.beds.poetry import Poetry
    from tests.beds.projects import Project
    from tests.beds.proxy import Exchange, FaultProxy
    from tests.conftest import MakeProxy
    from tests.stress.visibility_round import Kind

LONG = 3600
CLIENTS = {"pip", "uv", "poetry"}


@pytest.fixture
def next_one(project: Project, open_pypi: Index) -> Project:
    """Version 1.1, built but not uploaded; 1.0 is on the open index."""
    project.build()
    open_pypi.upload(project)
    newer = project.set_version("1.1")
    newer.build()
    return newer


def codes(project: Project) -> set[str]:
    """The codes of all problems in the receipt."""
    return {problem["code"] for problem in problems(project.receipt())}


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.name)
def test_installers_succeed_after_exit_0(
    kind: Kind,
    poetry_environment: PoetryEnvironment,
    stock_environment: PoetryEnvironment,
    pypi: Index,
    devpi_server: Devpi,
    tmp_path: Path,
) -> None:
    """With old pages in a real edge, exit 0 comes when pip, uv and Poetry find the release."""
    bed = Bed(tmp_path, poetry_environment, stock_environment, pypi, devpi_server, devpi_server)
    old: set[str] = set()

    @contextmanager
    def start(directory: Path, origin: str, ttl: float) -> Iterator[Edge]:
        with kind.start(directory, origin, ttl) as edge:

            def expire(exchange: Exchange) -> Answer:
                answer = exchange.forward()
                assert isinstance(answer.body, bytes)
                if PROVEN.encode() not in answer.body:
                    old.add(exchange.request.headers["accept"])
                if len(old) == len(CLIENTS):
                    rule.lift()
                    edge.purge(exchange.request.path.split("/")[-2], soft=False)
                return answer

            rule = edge.front.on(is_ours, expire)
            yield edge

    expiring = replace(kind, start=start)
    scenario = Scenario(
        expiring, on_devpi=False, through=False, mirrored=False, primed_late=False, ttl=LONG
    )
    result = run_round(bed, scenario, against_stock=False)
    assert result.faults == []
    assert result.code == 0
    # Each client got the old page after the upload, and it was purged only then.
    assert len(old) == len(CLIENTS)


def test_stale_client_is_named(
    poetry: Poetry, next_one: Project, open_pypi: Index, tmp_path: Path
) -> None:
    """Only pip's copy is old: uv and Poetry see the release, and pip does not."""
    with edges.varnish(tmp_path / "edge", open_pypi.origin, ttl=LONG) as edge:
        url = open_pypi.behind(edge.origin).simple_url
        assert pip_finds(tmp_path, url, "lantern", "1.0")
        run = publish(poetry, next_one, open_pypi, "--index", url, *TOO_SHORT, "-v")
        ended(run, 6)
        (index,) = holds(next_one.receipt(), "not-visible", 6)["indexes"]
        assert (index["url"], index["proven"]) == (url, False)
        seen = {each["variant"]: each["visible_at"] is not None for each in index["variants"]}
        assert seen == {"pip": False, "uv": True, "poetry": True}
        assert "(as seen by pip" in run.said
        assert "for uv (" not in run.said
        for client in ("uv", "poetry"):
            assert f"{url} lists every file for {client} after" in run.said
        edge.purge("lantern", soft=False)
        run = publish(poetry, next_one, open_pypi, "--index", url)
        ended(run, 0)
        (index,) = holds(next_one.receipt(), "verified", 0)["indexes"]
        assert index["proven"]
        assert {each["variant"] for each in index["variants"]} == CLIENTS
        assert all(each["visible_at"] for each in index["variants"])
        assert all(each["edge"]["x-cache"] for each in index["variants"])
        assert f"{url} seen by pip, uv, poetry in" in run.said


def test_only_selected_clients(
    poetry: Poetry, next_one: Project, open_pypi: Index, tmp_path: Path
) -> None:
    """With `--clients uv` pip's stale copy does not matter, and only uv's is requested."""
    with edges.varnish(tmp_path / "edge", open_pypi.origin, ttl=LONG) as edge:
        url = open_pypi.behind(edge.origin).simple_url
        assert pip_finds(tmp_path, url, "lantern", "1.0")
        asked = len(edge.requests_for("/simple/lantern/"))
        # The repository's own index is requested in a way of its own before the upload.
        both = ("--index", open_pypi.simple_url, "--index", url)
        ended(publish(poetry, next_one, open_pypi, *both, "--clients", "uv"), 0)
        looks = edge.requests_for("/simple/lantern/")[asked:]
        assert {look.headers["accept-encoding"] for look in looks} == {"gzip, deflate, zstd"}


def test_announced_expiry_is_reported(
    poetry: Poetry, next_one: Project, open_pypi: Index, tmp_path: Path
) -> None:
    """If an edge says how old its page is, the output says how long it is cached."""
    with edges.varnish(
        tmp_path / "edge", open_pypi.origin, ttl=LONG, vary=None, cache_control=f"max-age={LONG}"
    ) as edge:
        url = open_pypi.behind(edge.origin).simple_url
        assert pip_finds(tmp_path, url, "lantern", "1.0")
        run = publish(poetry, next_one, open_pypi, "--index", url, *TOO_SHORT)
    ended(run, 6)
    assert "a cache may serve the old page for another" in run.said
    message = next(p["message"] for p in problems(next_one.receipt()) if p["index"] == url)
    assert "a cache may serve the old page for another" in message


def test_announced_expiry_is_used(
    poetry: Poetry, next_one: Project, open_pypi: Index, make_proxy: MakeProxy, tmp_path: Path
) -> None:
    """The next look is never later than the announced expiry."""
    between = make_proxy(open_pypi.origin)
    # The edge fetches the old page three times, and caches it each time.
    between.hide(next_one.wheel, pages=3)
    with edges.varnish(
        tmp_path / "edge", between.origin, ttl=2, vary=None, cache_control="max-age=2"
    ) as edge:
        url = open_pypi.behind(edge.origin).simple_url
        run = publish(poetry, next_one, open_pypi, "--index", url, "--format", "json")
    ended(run, 0)
    looks = [e for e in run.events if e["event"] == "not-yet-visible" and e["index"] == url]
    assert any(0 < look["expires_in"] <= 2 for look in looks)
    for look in looks:
        # `Age` is in whole seconds, and a look planned for a little later is good enough.
        assert look["next_in"] <= max(look["expires_in"] + 0.05, 0.5) + 0.25, looks


def test_soft_purge_takes_a_second_look(
    poetry: Poetry, next_one: Project, open_pypi: Index, tmp_path: Path
) -> None:
    """After a soft purge each client gets the old page once more, and it is not believed."""
    with edges.varnish(tmp_path / "edge", open_pypi.origin, ttl=LONG) as edge:
        through = open_pypi.behind(edge.origin)
        url = f"{through.simple_url}lantern/"
        assert pip_finds(tmp_path, through.simple_url, "lantern", "1.0")
        for variant in variants(DEFAULT_CLIENTS, Encodings(), pypi=False):
            ask(url, headers={"Accept": variant.accept, "Accept-Encoding": variant.accept_encoding})

        def purge_after(exchange: Exchange) -> Answer:
            answer = exchange.forward()
            edge.purge("lantern")
            return answer

        edge.front.on(is_upload, purge_after)
        ended(publish(poetry, next_one, through), 0)
        (index,) = holds(next_one.receipt(), "verified", 0)["indexes"]
        # The old page, and two that show the release.
        assert all(each["requests"] >= 3 for each in index["variants"]), index
        assert pip_finds(tmp_path, through.simple_url, "lantern", "1.1")


def test_lagging_replica(poetry: Poetry, project: Project, tmp_path: Path) -> None:
    """It is named, ends in 6, and in 0 once it has caught up."""
    project.build()
    with replicated_devpi(tmp_path / "replicated") as both:
        index = both.primary.index("harbour")
        replica = both.replica_of(index)
        wait_until(lambda: both.behind == 0, "the replica to have caught up")
        both.freeze()
        named = ("--index", index.simple_url, "--index", replica.simple_url)
        run = publish(poetry, project, index, *named, *TOO_SHORT)
        ended(run, 6)
        assert f"{replica.simple_url} did not list" in run.said
        assert f"{index.simple_url} seen by" in run.said
        release = holds(project.receipt(), "not-visible", 6)
        assert {i["url"]: i["proven"] for i in release["indexes"]} == {
            index.simple_url: True,
            replica.simple_url: False,
        }
        assert {p["index"] for p in problems(project.receipt())} == {replica.simple_url}
        both.thaw()
        ended(publish(poetry, project, index, *named), 0)
        assert replica.stored("lantern") == index.stored("lantern") == project.hashes()


def test_mirror_that_was_read_too_early(
    poetry: Poetry,
    next_one: Project,
    open_pypi: Index,
    devpi_server: Devpi,
    make_proxy: MakeProxy,
    tmp_path: Path,
) -> None:
    """It is waited for until its expiry."""
    expiry = 2
    source = make_proxy(open_pypi.origin)
    source.hide(next_one.wheel, pages=1)
    name = f"m{uuid.uuid4().hex[:8]}"
    mirror = devpi_server.mirror(name, open_pypi.behind(source.origin), expiry)
    front = make_proxy(mirror.origin)
    turns = threading.Lock()
    early: list[object] = []

    def read_before(exchange: Exchange) -> Answer:
        # A page fetched now is cached for the whole expiry.
        with turns:
            if not early:
                early.append(ask(f"{mirror.simple_url}lantern/"))
        return exchange.forward()

    front.on(is_page, read_before)
    url = mirror.behind(front.origin).simple_url
    named = ("--index", open_pypi.simple_url, "--index", url)
    run = publish(poetry, next_one, open_pypi, *named)
    ended(run, 0)
    old, new = (page.at for page in source.pages[:2])
    assert new - old >= expiry
    assert f"waiting for {url} to list {next_one.wheel}" in run.said
    assert pip_finds(tmp_path, mirror.simple_url, "lantern", "1.1")
    release = holds(next_one.receipt(), "verified", 0)
    assert all(index["proven"] for index in release["indexes"])
    assert {v["variant"] for i in release["indexes"] for v in i["variants"]} == CLIENTS


@pytest.mark.parametrize("fault", ["bytes", "hash"])
def test_mirror_with_other_bytes(
    poetry: Poetry, project: Project, pypi: Index, make_proxy: MakeProxy, fault: str
) -> None:
    """A mirror that serves other bytes, or lists another hash, is named and ends in 7."""
    project.build()
    mirror = make_proxy(pypi.origin)
    url = f"{mirror.origin}/simple/"
    if fault == "bytes":
        size = (project.dist / project.wheel).stat().st_size
        mirror.serve_other_bytes(project.wheel, b"x" * size)
    else:
        mirror.change_hash(project.wheel, "0" * 64)
    run = publish(poetry, project, pypi, "--index", pypi.simple_url, "--index", url)
    ended(run, 7)
    release = holds(project.receipt(), "verification-failed", 7)
    assert {i["url"]: i["proven"] for i in release["indexes"]} == {
        pypi.simple_url: True,
        url: False,
    }
    assert codes(project) == {"PV703" if fault == "bytes" else "PV701"}
    assert {(p["index"], p["filename"]) for p in problems(project.receipt())} == {
        (url, project.wheel)
    }
    assert url in run.err


def test_mirror_is_asked_after_the_own_index(
    poetry: Poetry,
    project: Project,
    pypi: Index,
    proxy: FaultProxy,
    make_proxy: MakeProxy,
) -> None:
    """Until the own index is complete, only the mirror's root is requested."""
    project.build()
    mirror = make_proxy(pypi.origin)
    own = pypi.behind(proxy.origin)
    hidden = 6
    proxy.hide(project.wheel, pages=hidden)
    both = ("--index", own.simple_url, "--index", f"{mirror.origin}/simple/")
    ended(publish(poetry, project, own, *both), 0)
    looks = sorted(page.at for page in proxy.pages if page.at > proxy.uploads[-1].at)
    before = [r for r in mirror.requests if r.at < looks[hidden - 1]]
    assert [r.path for r in before] == ["/simple/"]
    assert len(mirror.pages) >= 2 * len(CLIENTS)
    # By then, two looks at the own index have shown the release.
    assert len([p for p in proxy.pages if p.at < mirror.pages[0].at]) >= 4


def test_mirror_is_not_asked_if_the_own_index_fails(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy, make_proxy: MakeProxy
) -> None:
    """It is never asked for the release."""
    project.build()
    mirror = make_proxy(pypi.origin)
    proxy.hide(project.wheel)
    own = pypi.behind(proxy.origin)
    both = ("--index", own.simple_url, "--index", f"{mirror.origin}/simple/")
    run = publish(poetry, project, own, *both, *TOO_SHORT)
    ended(run, 6)
    assert mirror.pages == []
    assert own.simple_url in run.err


def test_version_page_on_pypi_like_indexes(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy
) -> None:
    """Where there are JSON pages per version, as on PyPI, they must be complete too."""
    project.build()
    own = pypi.behind(proxy.origin)
    asked: list[int] = []

    def simple(_: object) -> Answer:
        files = [
            {"filename": name, "url": f"{pypi.origin}/packages/{name}", "hashes": {"sha256": sha}}
            for name, sha in pypi.listed("lantern").items()
        ]
        page = {"meta": {"api-version": "1.1"}, "name": "lantern", "files": files}
        headers = {
            "Content-Type": "application/vnd.pypi.simple.v1+json",
            "X-PyPI-Last-Serial": "7",
        }
        return Answer(200 if files else 404, json.dumps(page).encode(), headers=headers)

    def version(_: object) -> Answer:
        asked.append(len(asked))
        headers = {"Content-Type": "application/json"}
        if len(asked) == 1:
            return Answer(404, b'{"message": "Not Found"}', headers=headers)
        listed = pypi.listed("lantern")
        shown = listed if len(asked) > 3 else {project.wheel: listed[project.wheel]}
        urls = [
            {"filename": name, "url": f"{pypi.origin}/packages/{name}", "digests": {"sha256": sha}}
            for name, sha in shown.items()
        ]
        return Answer(200, json.dumps({"info": {}, "urls": urls}).encode(), headers=headers)

    proxy.on(is_page, simple)
    proxy.on(lambda request: request.path == "/pypi/lantern/1.0/json", version)
    run = publish(poetry, project, own, "--format", "json")
    ended(run, 0)
    (index,) = holds(project.receipt(), "verified", 0)["indexes"]
    seen = {each["variant"]: each["requests"] for each in index["variants"]}
    assert set(seen) == CLIENTS | {"poetry-json"}
    # Two incomplete pages, one more, and three complete ones.
    assert seen["poetry-json"] == len(asked) == 6
    lacking = [
        e for e in run.events if e["event"] == "not-yet-visible" and e["variant"] == "poetry-json"
    ]
    assert [set(e["missing"]) for e in lacking[:3]] == [
        project.filenames,
        {project.sdist},
        {project.sdist},
    ]
