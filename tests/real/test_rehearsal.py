"""The dress rehearsal: all of it, on this machine alone, and nothing is left of it."""

from __future__ import annotations

import hashlib
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.beds.environments import NEWEST_POETRY
from tests.beds.environments import OLDEST_POETRY
from tests.beds.environments import PYPISERVER
from tests.beds.environments import environment
from tests.beds.environments import wheels_of
from tests.beds.indexes import PASSWORD
from tests.beds.poetry import Poetry
from tests.beds.poetry import Run
from tests.beds.processes import HANG
from tests.beds.processes import wait_until
from tests.beds.projects import read_receipt
from tests.beds.proxy import Answer
from tests.beds.release import ended
from tests.beds.release import holds
from tests.beds.release import problems
from tests.beds.release import uploads
from tests.beds.simple_index import SimpleIndex

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.beds.projects import Project
    from tests.conftest import MakeProxy

REHEARSE = ("publish-verified", "-n", "--rehearse")


def tree(folder: Path) -> dict[str, str]:
    """Every file below a folder, with its sha256."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_rehearsal_touches_nothing(poetry: Poetry, project: Project) -> None:
    """What was built is rehearsed to `verified` without configuration, and nothing changes."""
    project.build()
    ended(poetry.run("--version", cwd=project.path), 0)
    before, home = tree(project.path), tree(poetry.home)
    run = poetry.run("publish-verified", "-n", "--rehearse", cwd=project.path)
    ended(run, 0)
    assert "verified" in run.said
    assert tree(project.path) == before
    assert tree(poetry.home) == home
    assert not poetry.leftovers()


def test_rehearsal_goes_the_whole_way(poetry: Poetry, project: Project) -> None:
    """A rehearsal builds, sends, and is proven as far as pip; its receipt says what it was."""
    file = project.path / "receipt.json"
    run = poetry.run(
        "publish-verified", "-n", "--rehearse", "--build", "--receipt", file, cwd=project.path
    )
    ended(run, 0)
    receipt = read_receipt(file)
    release = holds(receipt, "verified", 0)
    assert (receipt["rehearsal"], receipt["until"]) == (True, "installable")
    assert uploads(release) == {project.wheel: "uploaded", project.sdist: "uploaded"}
    assert not project.dist.exists()
    assert release["repository"]["url"].startswith("http://127.0.0.1:")


def test_rehearsal_leaves_the_real_index_alone(
    poetry: Poetry, project: Project, make_proxy: MakeProxy
) -> None:
    """Even where a repository and proxies are configured, a rehearsal speaks to loopback alone."""
    elsewhere = make_proxy("http://127.0.0.1:9")
    elsewhere.answer(lambda _: True, Answer(500))
    configured = poetry.with_variables(
        POETRY_REPOSITORIES_HARBOUR_URL=f"{elsewhere.origin}/",
        POETRY_HTTP_BASIC_HARBOUR_USERNAME="harbour",
        POETRY_HTTP_BASIC_HARBOUR_PASSWORD=PASSWORD,
        HTTP_PROXY=elsewhere.origin,
        http_proxy=elsewhere.origin,
        ALL_PROXY=elsewhere.origin,
    )
    project.build()
    ended(configured.run("publish-verified", "-n", "--rehearse", cwd=project.path), 0)
    assert elsewhere.requests == []


def test_rehearsal_refuses_as_a_run_would(poetry: Poetry, project: Project) -> None:
    """Without distributions a rehearsal is refused like the real thing."""
    run = poetry.run("publish-verified", "-n", "--rehearse", cwd=project.path)
    ended(run, 3)
    assert "--build" in run.said
    assert not project.receipt_file.exists()


@pytest.fixture
def index() -> Iterator[SimpleIndex]:
    """An index that has pypiserver, and all that it needs."""
    with SimpleIndex(wheels_of(PYPISERVER)) as index:
        yield index


@pytest.fixture
def bare(
    request: pytest.FixtureRequest, tmp_path: Path, index: SimpleIndex, project: Project
) -> Poetry:
    """Poetry without pypiserver and pip, on a machine whose pip asks that index.

    Nothing is built: a rehearsal ends as soon as its index is up.
    """
    own = environment(getattr(request, "param", NEWEST_POETRY), pypiserver=False)
    assert not {each.name for each in own.site.iterdir()} & {"pip", "pypiserver"}
    return Poetry(own, tmp_path / "home", project.path).with_variables(
        PIP_CONFIG_FILE=os.devnull, PIP_INDEX_URL=index.url, PIP_RETRIES="0"
    )


def index_was_up(run: Run) -> None:
    """See that the rehearsal ended only for want of distributions."""
    ended(run, 3)
    assert "PV210" not in run.said
    assert "--build" in run.said


def kept(poetry: Poetry) -> list[Path]:
    """All that lies where the index's environment is kept."""
    return list((poetry.home / "cache" / "publish-verified-rehearsal").glob("*"))


@pytest.mark.parametrize("bare", [OLDEST_POETRY, NEWEST_POETRY], indirect=True)
def test_an_index_of_its_own(bare: Poetry, index: SimpleIndex, project: Project) -> None:
    """The first rehearsal has pip install the index by the user's settings, and later ones none."""
    project.build()
    for name in ("pip", "pypiserver"):
        (bare.project / f"{name}.py").write_text("raise SystemExit('imported')", "utf-8")
    ended(bare.run(*REHEARSE), 0)
    assert "/simple/pypiserver/" in index.requests
    (environment,) = kept(bare)
    before = len(index.requests)
    ended(bare.run(*REHEARSE, PIP_INDEX_URL="http://127.0.0.1:9/simple/"), 0)
    assert len(index.requests) == before
    assert kept(bare) == [environment]
    assert not bare.leftovers()


@pytest.mark.parametrize(
    ("port", "said"), [("9", "No matching distribution found for pypiserver"), ("x", "port")]
)
def test_no_index_to_be_had(bare: Poetry, tmp_path: Path, port: str, said: str) -> None:
    """Where pip cannot get it the refusal says what pip said, without secrets, and what to do."""
    file = tmp_path / "receipt.json"
    url = f"http://me:secret-of-mine@127.0.0.1:{port}/"
    run = bare.run(*REHEARSE, "--receipt", file, PIP_INDEX_URL=url)
    ended(run, 3)
    (problem,) = problems(read_receipt(file))
    assert problem["code"] == "PV210"
    assert said in problem["message"]
    assert "poetry self add" in problem["remedy"]
    assert "secret-of-mine" not in run.said + file.read_text("utf-8")
    assert not kept(bare)
    assert not bare.leftovers()


def test_pips_other_settings(bare: Poetry, tmp_path: Path) -> None:
    """Settings that have pip install somewhere else are for the user's own projects."""
    elsewhere = tmp_path / "elsewhere"
    index_was_up(bare.run(*REHEARSE, PIP_USER="1", PIP_TARGET=str(elsewhere)))
    assert not elsewhere.exists()


def test_killed_while_it_is_made(bare: Poetry, index: SimpleIndex) -> None:
    """What a killed run leaves is never used, and goes when it is old."""
    with index.gated("defusedxml") as gate, bare.started(*REHEARSE, cwd=bare.project) as process:
        assert gate.reached.wait(HANG)
        os.killpg(process.pid, signal.SIGKILL)
    (half,) = kept(bare)
    os.utime(half, (0, 0))
    index_was_up(bare.run(*REHEARSE))
    (whole,) = kept(bare)
    assert whole != half


def test_interrupted_while_it_is_made(bare: Poetry, index: SimpleIndex) -> None:
    """Ctrl-C ends pip too, and nothing is left of it."""
    with index.gated("defusedxml") as gate, bare.started(*REHEARSE, cwd=bare.project) as process:
        assert gate.reached.wait(HANG)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=HANG)
        assert process.returncode == 130, said
    assert not kept(bare)
    assert not bare.leftovers()


def test_a_broken_one(bare: Poetry) -> None:
    """One whose Python has gone, or that a cleaner has been at, is made anew."""
    index_was_up(bare.run(*REHEARSE))
    (place,) = kept(bare)
    (module,) = place.glob("lib/python3*/site-packages/pypiserver/core.py")
    module.unlink()
    index_was_up(bare.run(*REHEARSE))
    python = place / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")
    index_was_up(bare.run(*REHEARSE))
    assert python.exists()
    assert module.exists()
    assert kept(bare) == [place]


def test_two_at_once(bare: Poetry, index: SimpleIndex) -> None:
    """Two first rehearsals at one time both come to their end, and one environment stays."""
    with (
        index.gated("defusedxml") as gate,
        bare.started(*REHEARSE, cwd=bare.project) as first,
        bare.started(*REHEARSE, cwd=bare.project) as second,
    ):
        wait_until(lambda: len(kept(bare)) == 2, "both to make one")
        gate.open.set()
        for process in (first, second):
            said = process.communicate(timeout=HANG)
            index_was_up(Run(process.returncode, *said))
    assert len(kept(bare)) == 1


def test_a_cache_that_cannot_be_written(bare: Poetry) -> None:
    """Where it could not be kept, that is told."""
    (bare.home / "cache").mkdir(parents=True)
    (bare.home / "cache" / "publish-verified-rehearsal").write_text("in the way", "utf-8")
    run = bare.run(*REHEARSE)
    ended(run, 3)
    assert "PV210" in run.said
