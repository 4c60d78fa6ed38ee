"""How long uploads take, next to `poetry publish`, `twine upload` and `uv publish`.

The others end with the upload, and ours with the proof. So with `--until listed`, our events also
say when the last file had been taken, and how long the uploads took.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import product

from tests.beds.distributions import PLATFORMS, write_large_wheel, write_wheel
from tests.beds.indexes import Index
from tests.beds.projects import Project, make_project
from tests.bench.bed import Bed, Command, Ended
from tests.bench.figures import Figure, in_turn
from tests.bench.slow_line import Line, slow_line

_LINE = Line(latency=0.040, rate=5e6)
# A large file shows what limits a run besides the line only if the line is fast.
_FAST = Line(latency=0.040, rate=25e6)
_POETRY, _TWINE, _UV, _OURS = "poetry publish", "twine upload", "uv publish", "publish-verified"
_LISTED = f"{_OURS} --until listed"
_EVENTS = ("--until", "listed", "--format", "json")
_INCLUDES = (
    "Whole processes over a line with {latency:.0f} ms each way and {rate:.0f} MB/s per connection."
    " The others end with the last answer, ours once three clients have seen each file twice;"
    " the indented lines are parts of the line above them."
)


def several(bed: Bed, runs: int) -> Iterator[Figure]:
    """Twelve wheels of 5 MB."""
    project = make_project(bed.work / "of-12")
    for build, platform in product(range(1, 5), PLATFORMS):
        write_wheel(project, platform, 5_000_000, build)
    yield _compared(bed, project, runs, ("twelve", "12 x 5 MB"), "≤ 0.4 x uv for listed")


def one(bed: Bed, runs: int) -> Iterator[Figure]:
    """One wheel of 50 MB."""
    project = make_project(bed.work / "of-1")
    write_wheel(project, PLATFORMS[0], 50_000_000)
    yield _compared(bed, project, runs, ("one", "1 x 50 MB"), "≤ 1.07 x uv for listed")


def large(bed: Bed, runs: int, megabytes: int) -> Iterator[Figure]:
    """One large wheel: time, and memory."""
    project, little = make_project(bed.work / "large"), make_project(bed.work / "little", "spark")
    write_large_wheel(project, PLATFORMS[0], megabytes)
    little.build()
    memory: dict[str, list[float]] = {}

    def run(name: str, command: Command, project: Project) -> Mapping[str, float]:
        ended, peak = command.peak(project.path)
        bed.forget(project)
        memory.setdefault(name, []).append(peak)
        return {} if project is little else {name: ended.seconds, **_parts(ended)}

    with _line(bed, _FAST) as front:
        small = bed.poetry(front, "publish", stock=True)
        ways = {
            f"{_POETRY}, a small project": (small, little),
            _POETRY: (small, project),
            _UV: (bed.uv(front, project), project),
            _LISTED: (bed.poetry(front, _OURS, *_EVENTS), project),
            f"{_OURS} --until downloadable": (
                bed.poetry(front, _OURS, "--until", "downloadable"),
                project,
            ),
        }
        seconds = in_turn([partial(run, name, *way) for name, way in ways.items()], runs)
    title = f"1 x {megabytes} MB"
    told = _INCLUDES.format(latency=_FAST.latency * 1e3, rate=_FAST.rate / 1e6)
    wanted = "≤ 1.05 x uv to the last file taken"
    yield Figure("large", title, told, _UV, seconds, wanted=wanted, versions=bed.versions)
    yield Figure(
        "large-memory",
        f"{title}: memory",
        "The peak of resident memory of each process, and what is above that of Poetry alone.",
        next(iter(ways)),
        memory,
        "MB",
        "≤ 60 MB more than Poetry alone",
        bed.versions,
    )


def _compared(bed: Bed, project: Project, runs: int, named: tuple[str, str], wanted: str) -> Figure:
    def run(name: str, command: Command) -> Mapping[str, float]:
        ended = command.run(project.path)
        bed.forget(project)
        return {name: ended.seconds, **_parts(ended)}

    with _line(bed, _LINE) as front:
        ways = {
            _POETRY: bed.poetry(front, "publish", stock=True),
            _TWINE: bed.twine(front, project),
            _UV: bed.uv(front, project),
            _LISTED: bed.poetry(front, _OURS, *_EVENTS),
        }
        seconds = in_turn([partial(run, name, way) for name, way in ways.items()], runs)
    told = _INCLUDES.format(latency=_LINE.latency * 1e3, rate=_LINE.rate / 1e6)
    return Figure(*named, told, _UV, seconds, wanted=wanted, versions=bed.versions)


def _parts(ended: Ended) -> dict[str, float]:
    """When the last file was taken, and how long the uploads took, if the output is events."""
    times: dict[str, list[float]] = {"upload-started": [], "upload-ended": []}
    for line in ended.out.splitlines() if ended.out.startswith("{") else ():
        event = json.loads(line)
        if event["event"] in times:
            times[event["event"]].append(datetime.fromisoformat(event["time"]).timestamp())
    if not times["upload-ended"]:
        return {}
    first, last = min(times["upload-started"]), max(times["upload-ended"])
    return {"  to the last file taken": last - ended.began_at, "  the uploads alone": last - first}


@contextmanager
def _line(bed: Bed, line: Line) -> Iterator[Index]:
    """The index as it is reached over a slow line."""
    with slow_line(int(bed.index.origin.rpartition(":")[2]), line) as port:
        yield bed.index.behind(f"http://127.0.0.1:{port}")
