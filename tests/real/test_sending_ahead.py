"""Uploads sent ahead of their turn, on real servers: what is stored, and in which order."""

from __future__ import annotations

import json
import os
import signal
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.beds.distributions import write_release
from tests.beds.edges import nginx
from tests.beds.indexes import Index, devpi, pypiserver
from tests.beds.line import Line
from tests.beds.processes import HANG, wait_until
from tests.beds.release import REPOSITORY, ended, holds, publish, uploads
from tests.thorough import some

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.beds.poetry import Poetry
    from tests.beds.projects import Project

# In the order of upload. The last bytes of the first file leave a while after the others begin.
SIZES = (600_000, 650_000, 700_000, 750_000)
RATE = 1e6
KINDS = (
    *("gunicorn", "nginx that streams", "gevent", "devpi"),
    *("wsgiref", "auto", "nginx that buffers"),
)
# Those that store what they received of a request that was cut, if it names the action first.
STORING = ("gunicorn", "gevent", "wsgiref", "auto")


@dataclass(frozen=True)
class Bed:
    """An index behind a line, where it keeps its files, and a release for it."""

    index: Index
    line: Line
    root: Path
    project: Project
    files: tuple[str, ...]

    def stored(self) -> list[str]:
        """The files, in the order in which they were stored."""
        found = [path for path in self.root.rglob("*") if path.name in self.files]
        return [path.name for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)]


@contextmanager
def set_up(kind: str, directory: Path, project: Project) -> Iterator[Bed]:
    """Run such an index."""
    files = write_release(project, SIZES)
    with ExitStack() as stack:
        if kind == "devpi":
            root = directory / "devpi"
            index = stack.enter_context(devpi(root)).index("harbour")
        else:
            server: Any = "gunicorn" if kind.startswith("nginx") else kind
            index = stack.enter_context(pypiserver(directory / "index", server=server))
            assert index.root is not None
            root = index.root
        origin = index.origin
        if kind.startswith("nginx"):
            buffers = kind.endswith("buffers")
            edge = nginx(directory / "edge", origin, ttl=1, buffers_uploads=buffers)
            origin = stack.enter_context(edge).front.upstream
        line = stack.enter_context(Line(origin, RATE))
        yield Bed(index.behind(line.origin), line, root, project, files)


def names(out: str, event: str) -> list[str]:
    """The files of such events."""
    lines = map(json.loads, out.splitlines())
    return [line["filename"] for line in lines if line["event"] == event]


@pytest.mark.parametrize("kind", some(2, KINDS))
def test_stored_in_order(poetry: Poetry, project: Project, tmp_path: Path, kind: str) -> None:
    """All are on their way at once; the first is stored first, and the sdist last."""
    with set_up(kind, tmp_path, project) as bed:
        run = publish(poetry, project, bed.index, "--format", "json")
        ended(run, 0)
        first, *wheels, sdist = bed.files
        # On a busy machine the sdist may not be worth it.
        assert set(wheels) <= set(names(run.out, "upload-held"))
        assert names(run.out, "upload-started")[0] == first
        assert (bed.stored()[0], bed.stored()[-1]) == (first, sdist)
        assert bed.index.stored("lantern") == project.hashes()


@pytest.mark.parametrize("kind", some(1, STORING))
@pytest.mark.parametrize("fault", ["cut", "stall"])
def test_trouble_with_the_first_file(
    poetry: Poetry, project: Project, tmp_path: Path, kind: str, fault: str
) -> None:
    """What waits for it is broken off, and sent again in its turn, even to a single worker."""
    with set_up(kind, tmp_path, project) as bed:
        first, *wheels, sdist = bed.files
        acts: dict[str, Callable[[], object]] = {
            "cut": lambda: wait_until(lambda: len(bed.line.begun) > 2, "the wheels to follow"),
            "stall": lambda: bed.line.hung_up.wait(HANG),
        }
        bed.line.fault(first, 500_000, acts[fault])
        run = publish(poetry, project, bed.index, "--format", "json")
        ended(run, 0)
        broken_off = names(run.out, "upload-broken-off")
        assert set(wheels) <= set(broken_off)
        assert sorted(names(run.out, "upload-held")) == sorted(broken_off)
        assert names(run.out, "upload-started").count(first) == (2 if fault == "cut" else 1)
        assert (bed.stored()[0], bed.stored()[-1]) == (first, sdist)
        assert bed.index.stored("lantern") == project.hashes()
        counts = {f["attempts"] for f in project.receipt()["releases"][0]["distributions"][1:]}
        assert counts == {1}


@pytest.mark.parametrize("kind", some(1, STORING))
def test_cut_while_held_back(poetry: Poetry, project: Project, tmp_path: Path, kind: str) -> None:
    """A connection that breaks while its end is held back costs a retry of that file alone."""
    with set_up(kind, tmp_path, project) as bed:
        sdist = bed.files[-1]
        bed.line.fault(sdist, 400_000, lambda: False)
        run = publish(poetry, project, bed.index, "--format", "json")
        ended(run, 0)
        assert sdist in names(run.out, "upload-uncertain")
        assert bed.stored()[-1] == sdist
        assert bed.index.stored("lantern") == project.hashes()


@pytest.mark.parametrize("kind", some(1, STORING))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_end_while_held_back(
    poetry: Poetry, project: Project, tmp_path: Path, kind: str, number: signal.Signals
) -> None:
    """Interrupted or killed, nothing of what is held back is stored; the next run completes it."""
    with set_up(kind, tmp_path, project) as bed:
        first, *_ = bed.files
        bed.line.fault(first, 500_000, lambda: bed.line.hung_up.wait(HANG))
        poetry = poetry.with_variables(**bed.index.environment(REPOSITORY))
        call = ("publish-verified", "--no-interaction", "-r", REPOSITORY, "--until", "downloadable")
        with poetry.started(*call, cwd=project.path) as process:
            wait_until(lambda: len(bed.line.begun) > 2, "the wheels to be on their way")
            os.killpg(process.pid, number)
            said = process.communicate(timeout=HANG)
        if number == signal.SIGINT:
            assert process.returncode == 130, said
            states = uploads(holds(project.receipt(), "interrupted", 130))
            assert {states[name] for name in bed.line.begun} == {"unknown"}
            assert set(states.values()) <= {"unknown", "not-sent"}
        run = publish(poetry, project, bed.index)
        ended(run, 0)
        states = uploads(holds(project.receipt(), "verified", 0))
        # Nothing holds the first file back: the system may send its end after the process's.
        assert states.pop(first) in {"uploaded", "already-there"}
        assert set(states.values()) == {"uploaded"}
        assert bed.index.stored("lantern") == project.hashes()
