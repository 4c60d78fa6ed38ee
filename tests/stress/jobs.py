"""Stress one release with ten jobs at once, each `poetry publish-verified --build`.

    python -m tests.stress.jobs [--short] [--jobs N]

In one shared checkout all must end in 0, every file must be sent once, and there must be one build.
In clones of their own, with nothing shared but the index, each must end in 0 or in 5 (the index
holds other bytes, which only can be where builds differ), and the index must hold one whole
release of one of them. Each is played with builds that always have the same bytes and with builds
that never have. Prints a line a round, and exits 1 if one ended otherwise.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from tests.beds.building import log_builds
from tests.beds.building import make_builds_differ
from tests.beds.distributions import PLATFORMS
from tests.beds.distributions import write_wheel
from tests.beds.indexes import Index
from tests.beds.poetry import Poetry
from tests.beds.poetry import Run
from tests.beds.projects import Project
from tests.beds.projects import make_project
from tests.beds.proxy import FaultProxy
from tests.stress.rounds import say
from tests.stress.upload_bed import PUBLISH
from tests.stress.upload_bed import Bed
from tests.stress.upload_bed import remove
from tests.stress.upload_bed import sent
from tests.stress.upload_bed import set_up
from tests.stress.upload_bed import wrong_on

_KINDS = ("pypiserver", "devpi")
_JOBS = 10


@dataclass(frozen=True)
class Round:
    """What one round is played with."""

    kind: str
    shared: bool
    anew: bool
    jobs: int

    def __str__(self) -> str:
        where = "one checkout" if self.shared else "clones"
        bytes_ = "other bytes" if self.anew else "same bytes"
        return f"{self.kind:11} {self.jobs} jobs, {where:12} builds of {bytes_:11}"


def play(bed: Bed, played: Round) -> tuple[str, list[str]]:
    """Play a round: its figures, and what is wrong."""
    index = bed.indexes[played.kind]
    with ExitStack() as stack:
        folder = stack.enter_context(bed.folder())
        log = folder / "builds"
        log.touch()
        stack.callback(remove, index, folder.name)
        proxy = stack.enter_context(FaultProxy(index.origin))
        front = index.behind(proxy.origin)
        places = [folder] if played.shared else [folder / f"job-{n}" for n in range(played.jobs)]
        projects = [_checkout(place, folder.name, played, log) for place in places]
        # One machine's jobs share a home, several machines' share nothing.
        calls = [
            (bed.poetry(project.path.parent / "home", front), project)
            for project in (projects * played.jobs)[: played.jobs]
        ]
        with ThreadPoolExecutor(played.jobs) as pool:
            runs = list(pool.map(_run, calls))
        builds = len(log.read_text(encoding="utf-8").splitlines())
        posts = {name: len(requests) for name, requests in sorted(sent(proxy).items())}
        codes = Counter(run.code for run in runs)
        ends = ", ".join(f"{count} x {code}" for code, count in sorted(codes.items()))
        figures = f"ended in {ends}; {builds} builds; sent {list(posts.values())}"
        faults = list(_wrong_of_any(played, runs, index, projects))
        if played.shared and set(posts.values()) != {1}:
            faults.append(f"files were sent more than once: {posts}")
        if played.shared and builds != 1:
            faults.append(f"there were {builds} builds")
        return figures, faults


def _checkout(place: Path, name: str, played: Round, log: Path) -> Project:
    project = make_project(place / "project", name)
    (make_builds_differ if played.anew else log_builds)(project, log)
    for platform in PLATFORMS[:2]:
        write_wheel(project, platform, 50_000)
    return project


def _run(call: tuple[Poetry, Project]) -> Run:
    poetry, project = call
    return poetry.run(*PUBLISH, "--build", cwd=project.path)


def _wrong_of_any(
    played: Round, runs: Sequence[Run], index: Index, projects: Sequence[Project]
) -> Iterator[str]:
    allowed = {0} if played.shared or not played.anew else {0, 5}
    for run in runs:
        if run.code not in allowed or "Traceback" in run.said:
            yield f"exit code {run.code}: {run.said.strip()}"
            break
    if all(run.code for run in runs):
        yield "not one job ended in 0"
    wholes = [wrong_on(index, project.name, project.hashes()) for project in projects]
    if all(wholes):
        yield f"the index does not hold the release of any checkout: {wholes[0]}"


def main() -> int:
    """Play every round."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="only before pypiserver")
    parser.add_argument("--jobs", type=int, default=_JOBS)
    options = parser.parse_args()
    failed = 0
    with set_up(_KINDS[:1] if options.short else _KINDS) as bed:
        for kind, shared, anew in product(bed.indexes, (True, False), (False, True)):
            played = Round(kind, shared=shared, anew=anew, jobs=options.jobs)
            figures, faults = play(bed, played)
            say(f"{'WRONG' if faults else 'right'}  {played}  {figures}", *faults)
            failed += bool(faults)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
