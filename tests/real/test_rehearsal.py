"""The rehearsal: the whole way on this machine, without a trace."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from tests.beds.environments import (
    NEWEST_POETRY,
    OLDEST_POETRY,
    PYPISERVER,
    environment,
    share_pip,
    wheels_of,
)
from tests.beds.indexes import PASSWORD
from tests.beds.poetry import Poetry, Run
from tests.beds.processes import HANG, wait_until
from tests.beds.projects import read_receipt
from tests.beds.proxy import Answer
from tests.beds.release import ended, holds, problems, uploads
from tests.beds.simple_index import SimpleIndex
from tests.thorough import some

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.beds.projects import Project
    from tests.conftest import MakeProxy


@pytest.fixture
def poetry(poetry: Poetry) -> Poetry:
    """Poetry that has unpacked pip before."""
    share_pip(poetry.home / "cache/publish-verified/clients", poetry.environment.python)
    return poetry


REHEARSE = ("publish-verified", "-n", "--rehearse")


def tree(directory: Path) -> dict[str, str]:
    """Every file below a directory, with its sha256."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


def is_kept(path: str) -> bool:
    """Whether it is in the directory for what the next run needs, in Poetry's cache."""
    return path.startswith("cache/publish-verified/")


def test_rehearsal_touches_nothing(poetry: Poetry, project: Project) -> None:
    """It needs no configuration, ends `verified`, and changes nothing but what it keeps."""
    project.build()
    ended(poetry.run("--version", cwd=project.path), 0)
    before, home = tree(project.path), tree(poetry.home)
    run = poetry.run("publish-verified", "-n", "--rehearse", cwd=project.path)
    ended(run, 0)
    assert "verified" in run.said
    assert tree(project.path) == before
    after = tree(poetry.home)
    assert {path: after[path] for path in after if not is_kept(path)} == home
    assert not poetry.leftovers()


def test_rehearsal_goes_the_whole_way(poetry: Poetry, project: Project) -> None:
    """It builds, uploads, and proves with real clients; its receipt says it was a rehearsal."""
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
    """Even with a configured repository and proxies it talks only to loopback."""
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


def test_rehearsal_without_distributions(poetry: Poetry, project: Project) -> None:
    """It is refused like the real thing."""
    run = poetry.run("publish-verified", "-n", "--rehearse", cwd=project.path)
    ended(run, 3)
    assert "--build" in run.said
    assert not project.receipt_file.exists()


@pytest.fixture
def index() -> Iterator[SimpleIndex]:
    """An index that has pypiserver and its dependencies."""
    with SimpleIndex(wheels_of(PYPISERVER)) as index:
        yield index


@pytest.fixture
def bare(
    request: pytest.FixtureRequest, tmp_path: Path, index: SimpleIndex, project: Project
) -> Poetry:
    """Poetry without pypiserver and pip, on a machine whose pip uses that index.

    Nothing is built: a rehearsal ends as soon as its index is up.
    """
    own = environment(getattr(request, "param", NEWEST_POETRY), pypiserver=False)
    assert not {each.name for each in own.site.iterdir()} & {"pip", "pypiserver"}
    return Poetry(own, tmp_path / "home", project.path).with_variables(
        PIP_CONFIG_FILE=os.devnull, PIP_INDEX_URL=index.url, PIP_RETRIES="0"
    )


def index_was_up(run: Run) -> None:
    """Check that the rehearsal ended only for lack of distributions."""
    ended(run, 3)
    assert "PV210" not in run.said
    assert "--build" in run.said


def kept(poetry: Poetry) -> list[Path]:
    """Everything in the directory where pip installs the index."""
    return list((poetry.home / "cache" / "publish-verified" / "rehearsal").glob("*"))


@pytest.mark.parametrize("bare", some(1, [NEWEST_POETRY, OLDEST_POETRY]), indirect=True)
def test_rehearsal_installs_its_index_once(
    bare: Poetry, index: SimpleIndex, project: Project, tmp_path: Path
) -> None:
    """The first rehearsal installs it, later ones reuse it, or repair what is broken.

    With the user's pip settings, but those that install elsewhere are for the user's own projects.
    """
    project.build()
    for name in ("pip", "pypiserver"):
        (bare.project / f"{name}.py").write_text("raise SystemExit('imported')", "utf-8")
    elsewhere = tmp_path / "elsewhere"
    ended(bare.run(*REHEARSE, PIP_USER="1", PIP_TARGET=str(elsewhere)), 0)
    assert not elsewhere.exists()
    assert "/simple/pypiserver/" in index.requests
    (place,) = kept(bare)
    before = len(index.requests)
    ended(bare.run(*REHEARSE, PIP_INDEX_URL="http://127.0.0.1:9/simple/"), 0)
    assert len(index.requests) == before
    assert kept(bare) == [place]
    assert not bare.leftovers()
    shutil.rmtree(project.dist)
    module = place / "pypiserver" / "core.py"
    module.unlink()
    index_was_up(bare.run(*REHEARSE))
    assert module.exists()
    assert kept(bare) == [place]


@pytest.mark.parametrize(
    ("port", "said"), [("9", "No matching distribution found for pypiserver"), ("x", "port")]
)
def test_rehearsal_without_pypiserver(bare: Poetry, tmp_path: Path, port: str, said: str) -> None:
    """If pip cannot get it, the refusal quotes pip without secrets, and says what to do."""
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


def test_killed_during_the_installation(bare: Poetry, index: SimpleIndex) -> None:
    """What a killed run leaves is never used, and is removed when it is old."""
    with index.gated("defusedxml") as gate, bare.started(*REHEARSE, cwd=bare.project) as process:
        assert gate.reached.wait(HANG)
        os.killpg(process.pid, signal.SIGKILL)
    (half,) = kept(bare)
    os.utime(half, (0, 0))
    index_was_up(bare.run(*REHEARSE))
    (whole,) = kept(bare)
    assert whole != half


def test_interrupted_during_the_installation(bare: Poetry, index: SimpleIndex) -> None:
    """Ctrl-C ends pip too, and nothing is left."""
    with index.gated("defusedxml") as gate, bare.started(*REHEARSE, cwd=bare.project) as process:
        assert gate.reached.wait(HANG)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=HANG)
        assert process.returncode == 130, said
    assert not kept(bare)
    assert not bare.leftovers()


def test_two_first_rehearsals_at_once(bare: Poetry, index: SimpleIndex) -> None:
    """Both complete, and one directory stays."""
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


def test_read_only_cache(bare: Poetry) -> None:
    """If there is no place for it, that is reported."""
    (bare.home / "cache").mkdir(parents=True)
    (bare.home / "cache" / "publish-verified").write_text("in the way", "utf-8")
    run = bare.run(*REHEARSE)
    ended(run, 3)
    assert "PV210" in run.said
