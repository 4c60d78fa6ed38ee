"""Indexes are asked no more than needed, as they wish, and not at all where there is none."""

from __future__ import annotations

import hashlib
import math
import socket
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.beds import processes
from tests.beds.processes import HANG
from tests.beds.proxy import Answer, FaultProxy, is_page
from tests.beds.release import TOO_SHORT, ended, holds, problems, publish, uploads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry, Run
    from tests.beds.projects import Project
    from tests.beds.proxy import Exchange
    from tests.conftest import MakeProxy


@pytest.fixture
def own_address() -> str:
    """An address of this machine other than loopback."""
    address = processes.own_address()
    if address is None:
        pytest.skip("this machine has no address but loopback")
    return address


def refused(project: Project, run: Run, code: str) -> str:
    """Check that nothing was sent, for only this reason; return its message."""
    ended(run, 3)
    release = holds(project.receipt(), "preflight-refused", 3)
    assert set(uploads(release).values()) == {"not-sent"}
    (problem,) = [p for p in problems(project.receipt()) if p["severity"] == "error"]
    assert problem["code"] == code, problem
    assert problem["message"] in run.err
    return str(problem["message"])


def test_confirming_looks_have_no_validator(
    poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index
) -> None:
    """A look that confirms asks for the whole page: a stale replica's 304 would prove nothing."""

    def act(exchange: Exchange) -> Answer:
        answer = exchange.forward()
        assert isinstance(answer.body, bytes)
        etag = f'"{hashlib.sha256(answer.body).hexdigest()[:16]}"'
        if answer.status == 200 and exchange.request.headers.get("if-none-match") == etag:
            return Answer(304, headers={"ETag": etag})
        answer.headers["ETag"] = etag
        return answer

    proxy.on(is_page, act)
    ended(publish(poetry, project, behind), 0)
    (index,) = holds(project.receipt(), "verified", 0)["indexes"]
    assert all(each["visible_at"] for each in index["variants"])
    looks = Counter(page.headers["accept"] for page in proxy.pages[1:])
    # Seen, confirmed, and once more after the downloads.
    assert sorted(looks.values()) == [3, 3, 3]
    assert not any("if-none-match" in page.headers for page in proxy.pages)


def test_304_stands_for_its_own_page(
    poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index
) -> None:
    """A 304 stands for the page with that ETag, so an old one stays old."""
    complete = math.inf

    def act(exchange: Exchange) -> Answer:
        nonlocal complete
        answer = exchange.forward()
        if answer.status != 200 or not isinstance(answer.body, bytes):
            return answer
        if len(proxy.pages) > 8:
            complete = min(complete, exchange.request.at)
            return answer
        answer.headers["ETag"] = '"early"'
        answer.body = b"<!DOCTYPE html><html><body></body></html>"
        if exchange.request.headers.get("if-none-match") == '"early"':
            return Answer(304, headers={"ETag": '"early"'})
        return answer

    proxy.on(is_page, act)
    ended(publish(poetry, project, behind), 0)
    (index,) = holds(project.receipt(), "verified", 0)["indexes"]
    for accept in {page.headers["accept"] for page in proxy.pages}:
        pages = [page for page in proxy.pages if page.headers["accept"] == accept]
        assert len([page for page in pages if page.at >= complete]) >= 2
    assert any(p.headers.get("if-none-match") == '"early"' for p in proxy.pages)
    assert all(each["requests"] >= 3 for each in index["variants"])


def test_retry_after_of_a_page(
    poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index
) -> None:
    """After a 429 with `Retry-After: 3` the index is left alone for that long."""
    told = threading.Event()

    def rest() -> Iterator[bytes]:
        # The client reads these headers before any other answer.
        told.set()
        yield b""

    def follow(exchange: Exchange) -> Answer:
        assert told.wait(HANG)
        return exchange.forward()

    answer = Answer(429, rest(), headers={"Retry-After": "3"})
    for rule in (proxy.on(is_page, follow), proxy.answer(is_page, answer, times=1)):
        rule.match = lambda request: request.is_page and len(proxy.uploads) == 2
    ended(publish(poetry, project, behind), 0)
    holds(project.receipt(), "verified", 0)
    sent = proxy.uploads[-1].at
    first = next(page.at for page in proxy.pages if page.at > sent)
    early = [r for r in proxy.requests if first < r.at < first + 3]
    # The first looks of the other two clients were already under way.
    assert len(early) <= 2


def test_unknown_host(poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index) -> None:
    """An index on an unknown host is refused before anything is sent."""
    url = "http://no-such-index.invalid/simple/"
    run = publish(poetry, project, behind, "--index", behind.simple_url, "--index", url)
    assert f"Cannot reach {url}" in refused(project, run, "PV605")
    assert proxy.uploads == []


def test_closed_port(poetry: Poetry, project: Project, proxy: FaultProxy, behind: Index) -> None:
    """So is a closed port."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}/simple/"
        run = publish(poetry, project, behind, "--index", behind.simple_url, "--index", url)
    assert f"Cannot reach {url}" in refused(project, run, "PV605")
    assert proxy.uploads == []


@pytest.mark.parametrize("status", [401, 403])
def test_mirror_with_wrong_credentials(
    poetry: Poetry,
    project: Project,
    pypi: Index,
    proxy: FaultProxy,
    behind: Index,
    make_proxy: MakeProxy,
    status: int,
) -> None:
    """A mirror that needs other credentials is refused before anything is sent."""
    mirror = make_proxy(pypi.origin)
    mirror.answer(lambda _: True, Answer(status))
    url = f"{mirror.origin}/simple/"
    run = publish(poetry, project, behind, "--index", behind.simple_url, "--index", url)
    assert f"{url} denies access (it answered {status})" in refused(project, run, "PV603")
    assert proxy.uploads == []
    assert mirror.pages == []


@pytest.mark.parametrize("beside", [True, False])
def test_path_without_an_index(
    poetry: Poetry, project: Project, devpi: Index, beside: bool
) -> None:
    """A wrong path ends in 6 at the deadline, and the remedy is to name the right one."""
    project.build()
    wrong = devpi.simple_url.replace("+simple/", "simpel/")
    named = ("--index", devpi.simple_url) if beside else ()
    run = publish(poetry, project, devpi, *named, "--index", wrong, *TOO_SHORT)
    ended(run, 6)
    release = holds(project.receipt(), "not-visible", 6)
    assert set(uploads(release).values()) == {"uploaded"}
    found = {(p["code"], p["severity"], p["index"]) for p in problems(project.receipt())}
    assert ("PV604", "error", wrong) in found
    assert all(index == wrong for _, _, index in found)
    assert "/simple/" in run.err
    assert devpi.stored("lantern") == project.hashes()


def test_four_requests_per_second(
    poetry: Poetry, project: Project, pypi: Index, own_address: str
) -> None:
    """A host is asked at most four times a second, however many indexes and clients."""
    project.build()
    with (
        FaultProxy(pypi.origin, address=own_address) as own,
        FaultProxy(pypi.origin, address=own_address) as mirror,
    ):
        index = pypi.behind(own.origin)
        named = ("--index", index.simple_url, "--index", f"{mirror.origin}/simple/")
        run = publish(poetry, project, index, *named)
        ended(run, 0)
        asked = [r for r in [*own.requests, *mirror.requests] if r.method == "GET"]
    assert len(asked) >= 20
    # Without the limit, that many would take two seconds.
    assert run.seconds >= 0.25 * (len(asked) - 1)
