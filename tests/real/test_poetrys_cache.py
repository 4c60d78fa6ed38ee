"""What Poetry on the same machine sees of a release that has just been proven."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.beds.projects import make_project
from tests.beds.proxy import is_page
from tests.beds.release import ended, publish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry, Run
    from tests.beds.projects import Project
    from tests.beds.proxy import Answer, Exchange, FaultProxy
    from tests.conftest import MakeProxy


def release(poetry: Poetry, project: Project, index: Index) -> None:
    """Publish what is in `dist`, or prove what is there already."""
    ended(publish(poetry, project, index), 0)


def put(project: Project, index: Index) -> None:
    """Give the index what is in `dist`, without any client's cache knowing."""
    assert index.root is not None
    for distribution in project.dist.iterdir():
        shutil.copy(distribution, index.root)


@pytest.fixture
def kept_pages(open_pypi: Index, make_proxy: MakeProxy) -> tuple[Index, FaultProxy]:
    """An index whose pages may be cached for a day, and its requests."""
    proxy = make_proxy(open_pypi.origin)

    def keep(exchange: Exchange) -> Answer:
        answer = exchange.forward()
        answer.headers["Cache-Control"] = "max-age=86400"
        return answer

    proxy.on(is_page, keep)
    return open_pypi.behind(proxy.origin), proxy


def consumer(path: Path, wants: str, index: Index) -> Project:
    """A project that depends on lantern from this index."""
    return make_project(
        path,
        "lighthouse",
        more=f'\n[tool.poetry.dependencies]\nlantern = "{wants}"\n'
        f'\n[[tool.poetry.source]]\nname = "harbour"\nurl = "{index.simple_url}"\n',
    )


def lock(poetry: Poetry, project: Project) -> Run:
    """`poetry lock`, as if there were no lock file yet."""
    return poetry.run("lock", "--regenerate", "--no-interaction", cwd=project.path)


def locked(run: Run, project: Project) -> dict[str, Any]:
    """Lantern's version and files in the lock file."""
    import tomllib

    assert run.code == 0, run.said
    text = (project.path / "poetry.lock").read_text(encoding="utf-8")
    (lantern,) = tomllib.loads(text)["package"]
    return {
        "version": lantern["version"],
        "files": {file["file"] for file in lantern["files"]},
    }


def test_next_lock_sees_the_release(
    poetry: Poetry, project: Project, kept_pages: tuple[Index, FaultProxy], tmp_path: Path
) -> None:
    """Poetry's cached page does not hide the release."""
    index, proxy = kept_pages
    project.build()
    put(project, index)
    lighthouse = consumer(tmp_path / "lighthouse", "*", index)
    assert locked(lock(poetry, lighthouse), lighthouse)["version"] == "1.0"

    shutil.rmtree(project.dist)
    project = project.set_version("1.1")
    project.build()
    put(project, index)
    waiting = consumer(tmp_path / "waiting", ">=1.1", index)
    asked = len(proxy.requests)
    assert "lantern (>=1.1) which doesn't match any versions" in " ".join(
        lock(poetry, waiting).said.split()
    )
    assert locked(lock(poetry, lighthouse), lighthouse)["version"] == "1.0"
    assert len(proxy.requests) == asked

    release(poetry, project, index)
    found = {"version": "1.1", "files": project.filenames}
    assert locked(lock(poetry, waiting), waiting) == found
    assert locked(lock(poetry, lighthouse), lighthouse) == found


def test_next_lock_sees_every_file(
    poetry: Poetry, project: Project, open_pypi: Index, tmp_path: Path
) -> None:
    """A version that Poetry saw with one file is locked with both."""
    project.build()
    sdist = (project.dist / project.sdist).rename(tmp_path / project.sdist)
    put(project, open_pypi)
    lighthouse = consumer(tmp_path / "lighthouse", "*", open_pypi)
    assert locked(lock(poetry, lighthouse), lighthouse)["files"] == {project.wheel}

    sdist.rename(project.dist / project.sdist)
    put(project, open_pypi)
    assert locked(lock(poetry, lighthouse), lighthouse)["files"] == {project.wheel}

    release(poetry, project, open_pypi)
    assert locked(lock(poetry, lighthouse), lighthouse)["files"] == project.filenames
