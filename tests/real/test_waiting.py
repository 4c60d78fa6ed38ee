"""From uploaded to proven, on an index that is slow, wrong or hostile."""

from __future__ import annotations

import collections
import json
from typing import TYPE_CHECKING

import pytest

from tests.beds.indexes import PASSWORD, pypiserver
from tests.beds.processes import HANG, wait_until
from tests.beds.proxy import Answer, endless, gzip_bomb, is_file, is_page
from tests.beds.release import TOO_SHORT, ended, holds, problems, publish, uploads

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry
    from tests.beds.projects import Project
    from tests.beds.proxy import FaultProxy
    from tests.conftest import MakeProxy

MIB = 1024 * 1024
HTML = {"Content-Type": "text/html"}


@pytest.mark.parametrize("kind", ["pypi", "devpi"])
def test_late_file(
    poetry: Poetry,
    project: Project,
    kind: str,
    make_proxy: MakeProxy,
    request: pytest.FixtureRequest,
) -> None:
    """A file that the index shows only later is waited for and proven."""
    index: Index = request.getfixturevalue(kind)
    proxy = make_proxy(index.origin)
    proxy.hide(project.sdist, pages=9)
    project.build()
    run = publish(poetry, project, index.behind(proxy.origin))
    ended(run, 0)
    assert f"to list {project.sdist}" in run.said
    release = holds(project.receipt(), "verified", 0)
    assert index.stored("lantern") == project.hashes()
    assert all(v["requests"] >= 3 for i in release["indexes"] for v in i["variants"])


def test_looks_become_rarer(
    poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index
) -> None:
    """A client's page is requested at most four times a second, and less and less often."""
    hidden = 12
    proxy.hide(project.wheel, pages=hidden)
    run = publish(poetry, project, behind)
    ended(run, 0)
    sent = proxy.uploads[-1].at
    looks = collections.Counter(p.headers["accept"] for p in proxy.pages if p.at > sent)
    assert len(looks) == 3
    # Relative to the run's own length: a busy machine delays requests, which then come closer
    # together.
    assert run.seconds >= 0.25 * (max(looks.values()) - 1)
    least = 0.0
    for _ in range(hidden - 2):
        least += 0.3 + 0.07 * least
    assert run.seconds >= least


def test_a_rest_that_is_longer_than_the_wait(
    poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index
) -> None:
    """One answer that asks for an hour's rest is obeyed to the end, where each client looks."""
    project.build()
    proxy.on(
        lambda request: is_page(request) and len(proxy.uploads) == 2,
        lambda _: Answer(429, headers={"Retry-After": "3600"}),
        times=1,
    )
    ended(publish(poetry, project, behind, "--timeout", "5s"), 0)
    release = holds(project.receipt(), "verified", 0)
    assert sum(v["requests"] for v in release["indexes"][0]["variants"]) <= 10


def test_not_visible_in_time(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy, behind: Index
) -> None:
    """A file that is not listed in time ends in 6, and the receipt says what is there."""
    proxy.hide(project.wheel)
    run = publish(poetry, project, behind, *TOO_SHORT)
    ended(run, 6)
    receipt = project.receipt()
    release = holds(receipt, "not-visible", 6)
    assert uploads(release) == {project.wheel: "uploaded", project.sdist: "uploaded"}
    assert project.wheel in run.said
    assert all(problem["remedy"] for problem in problems(receipt))
    assert {v["visible_at"] for i in release["indexes"] for v in i["variants"]} == {None}
    assert set(pypi.stored("lantern")) == project.filenames


def test_running_again_after_a_time_out(
    poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index
) -> None:
    """The same command proves the release without sending it twice."""
    hidden = proxy.hide(project.wheel)
    ended(publish(poetry, project, behind, *TOO_SHORT), 6)
    hidden.lift()
    sent = len(proxy.uploads)
    ended(publish(poetry, project, behind), 0)
    assert len(proxy.uploads) == sent
    holds(project.receipt(), "verified", 0)


@pytest.mark.parametrize("kind", ["pypi", "devpi"])
def test_other_bytes_are_served(
    poetry: Poetry,
    project: Project,
    kind: str,
    make_proxy: MakeProxy,
    request: pytest.FixtureRequest,
) -> None:
    """A file served with other bytes ends in 7, under whatever hash it is listed."""
    index: Index = request.getfixturevalue(kind)
    proxy = make_proxy(index.origin)
    project.build()
    # devpi's links may have a query; the path always ends in the file's name.
    proxy.serve_other_bytes(project.wheel, b"x" * (project.dist / project.wheel).stat().st_size)
    run = publish(poetry, project, index.behind(proxy.origin))
    ended(run, 7)
    receipt = project.receipt()
    holds(receipt, "verification-failed", 7)
    assert project.wheel in {problem["filename"] for problem in problems(receipt)}
    assert index.stored("lantern") == project.hashes()


def test_longer_file_is_served(
    poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index
) -> None:
    """An endless file is not downloaded to the end: its size is known."""
    proxy.answer(is_file(project.sdist), Answer(200, endless()))
    run = publish(poetry, project, behind)
    ended(run, 7)
    holds(project.receipt(), "verification-failed", 7)


def test_another_hash_is_listed(
    poetry: Poetry, project: Project, pypi: Index, proxy: FaultProxy, behind: Index
) -> None:
    """A page with another hash for the new file ends in 7 without a wait."""
    project_hash = "0" * 64
    proxy.change_hash(project.wheel, project_hash)
    run = publish(poetry, project, behind)
    ended(run, 7)
    # One look before the upload, and two per client.
    assert len(proxy.pages) <= 1 + 3 * 2
    holds(project.receipt(), "verification-failed", 7)
    assert set(pypi.stored("lantern")) == project.filenames


def test_until_listed_does_not_download(
    poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index
) -> None:
    """With `--until listed` the page is enough, and no file is downloaded."""
    proxy.serve_other_bytes(project.wheel, b"other")
    ended(publish(poetry, project, behind, until="listed"), 0)
    assert holds(project.receipt(), "verified", 0)
    assert not [r for r in proxy.requests if r.method == "GET" and "packages" in r.path]


def test_late_download(poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index) -> None:
    """A listed file that answers 502 and 404 for a while is retried."""
    proxy.answer(is_file(project.wheel), Answer(404), times=1)
    proxy.answer(is_file(project.wheel), Answer(502), times=1)
    ended(publish(poetry, project, behind), 0)
    holds(project.receipt(), "verified", 0)


def test_page_redirect_to_another_host(
    poetry: Poetry, project: Project, make_proxy: MakeProxy, pypi: Index
) -> None:
    """It proves nothing, and the other host gets no request."""
    project.build()
    elsewhere = make_proxy(pypi.origin)
    proxy = make_proxy(pypi.origin)
    proxy.redirect_page(elsewhere.origin)
    ended(publish(poetry, project, pypi.behind(proxy.origin), *TOO_SHORT), 6)
    holds(project.receipt(), "not-visible", 6)
    assert elsewhere.requests == []


def test_pypiserver_with_its_fallback(poetry: Poetry, project: Project, tmp_path: Path) -> None:
    """A pypiserver that redirects unknown projects to the public index works."""
    project.build()
    with pypiserver(
        tmp_path / "fallback", options=("--fallback-url", "http://127.0.0.1:9/")
    ) as index:
        ended(publish(poetry, project, index), 0)
        assert set(index.stored("lantern")) == project.filenames
    holds(project.receipt(), "verified", 0)


def test_credentials_stay_at_the_index(
    poetry: Poetry, project: Project, make_proxy: MakeProxy, tmp_path: Path
) -> None:
    """Files on another host are requested without the credentials."""
    project.build()
    with pypiserver(tmp_path / "closed", protect="update,download,list") as index:
        proxy, elsewhere = make_proxy(index.origin), make_proxy(index.origin)
        proxy.send_files_to(elsewhere.origin)
        for filename in project.filenames:
            elsewhere.serve_other_bytes(filename, (project.dist / filename).read_bytes())
        ended(publish(poetry, project, index.behind(proxy.origin)), 0)
    holds(project.receipt(), "verified", 0)
    assert {r.path.rsplit("/", 1)[-1] for r in elsewhere.requests} == project.filenames
    assert not any("authorization" in request.headers for request in elsewhere.requests)
    assert all("authorization" in request.headers for request in proxy.pages[1:])


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda: Answer(200, endless(), headers=HTML), id="endless"),
        pytest.param(lambda: Answer(200, b"<p>" * (22 * MIB), headers=HTML), id="oversized"),
        pytest.param(
            lambda: Answer(200, gzip_bomb(300 * MIB), headers={**HTML, "Content-Encoding": "gzip"}),
            id="gzip-bomb",
        ),
        pytest.param(
            lambda: Answer(
                200, b'<a href="../../../etc/x.whl">../../../etc/x.whl</a>', headers=HTML
            ),
            id="path-in-a-filename",
        ),
        pytest.param(
            lambda: Answer(200, b"{" * 100_000, headers={"Content-Type": "x/json"}), id="nonsense"
        ),
        pytest.param(
            lambda: Answer(
                200,
                b"[" * 100_000,
                headers={"Content-Type": "application/vnd.pypi.simple.v1+json"},
            ),
            id="deep-json",
        ),
        pytest.param(
            lambda: Answer(503, b"\x1b[2Jno\x07", b"\x1b[31mgone\x9b\x07"), id="control-characters"
        ),
    ],
)
def test_hostile_page(
    poetry: Poetry,
    project: Project,
    proxy: FaultProxy,
    behind: Index,
    answer: Callable[[], Answer],
) -> None:
    """A page that is too large, endless or mislabelled does no harm."""
    hostile = proxy.answer(is_page, answer())
    hostile.match = lambda request: request.is_page and bool(proxy.uploads)
    run = publish(poetry, project, behind, *TOO_SHORT)
    assert run.code in {6, 7}, run.said
    ended(run, run.code)
    assert not any(c < " " and c not in "\n\r\t" for c in run.said), run.said
    release = holds(
        project.receipt(), {6: "not-visible", 7: "verification-failed"}[run.code], run.code
    )
    assert uploads(release) == {project.wheel: "uploaded", project.sdist: "uploaded"}


def test_hanging_page(poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index) -> None:
    """An index that never answers ends in 6 while it still hangs."""
    hanging = proxy.stall(is_page)
    hanging.match = lambda request: request.is_page and bool(proxy.uploads)
    run = publish(poetry, project, behind, *TOO_SHORT)
    ended(run, 6)
    assert proxy.uploads
    holds(project.receipt(), "not-visible", 6)


def test_several_indexes(
    poetry: Poetry, project: Project, pypi: Index, make_proxy: MakeProxy
) -> None:
    """Every `--index` must show the release, the slow mirror too."""
    mirror = make_proxy(pypi.origin)
    mirror.hide(project.wheel)
    project.build()
    both = ("--index", pypi.simple_url, "--index", f"{mirror.origin}/simple/")
    ended(publish(poetry, project, pypi, *both, *TOO_SHORT), 6)
    release = holds(project.receipt(), "not-visible", 6)
    assert {i["url"] for i in release["indexes"]} == {pypi.simple_url, f"{mirror.origin}/simple/"}
    mirror.rules.clear()
    ended(publish(poetry, project, pypi, *both), 0)
    release = holds(project.receipt(), "verified", 0)
    assert all(v["visible_at"] for i in release["indexes"] for v in i["variants"])
    assert mirror.uploads == []


def test_wrong_index_password(
    poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index
) -> None:
    """An index that cannot be read is not waited for until the time-out."""
    denied = proxy.answer(is_page, Answer(403))
    denied.match = lambda request: request.is_page and bool(proxy.uploads)
    run = publish(poetry, project, behind)
    ended(run, 6)
    # One look before the upload, and at most one per client.
    assert len(proxy.pages) <= 1 + 3
    assert PASSWORD not in json.dumps(project.receipt())


def test_wait_ends_soon_after_the_file_shows(
    poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index
) -> None:
    """The first looks that see the file end the wait."""
    hidden = proxy.hide(project.wheel)
    environment = poetry.with_variables(**behind.environment())
    with environment.started(
        "publish-verified", "-n", "-r", "harbour", "--until", "downloadable", cwd=project.path
    ) as process:
        wait_until(lambda: len(proxy.pages) >= 6 or process.poll() is not None, "some looks")
        assert process.poll() is None
        hidden.lift()
        before = len(proxy.pages)
        out, err = process.communicate(timeout=HANG)
    assert process.returncode == 0, f"{out}\n{err}"
    # Two looks per client, and one more after the downloads.
    assert len(proxy.pages) - before <= 3 * 3
