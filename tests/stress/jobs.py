"""Stress one release with ten parallel jobs, each `poetry publish-verified --build`.

    python -m tests.stress.jobs [--short] [--jobs N]

In a shared checkout all must exit 0, each file must be sent once, and there must be one build. In
separate clones, which share nothing but the index, each must exit 0, or 5 where builds differ (the
index holds other bytes), and the index must hold the complete release of one of them. Each runs
with reproducible builds and with builds that always differ. Prints a line per round, and exits 1 if
one ended otherwise.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from tests.beds.building import log_builds, make_builds_differ
from tests.beds.distributions import PLATFORMS, write_wheel
from tests.beds.indexes import Index
from tests.beds.poetry import Poetry, Run
from tests.beds.projects import Project, make_project
from tests.beds.proxy import FaultProxy
from tests.stress.rounds import say
from tests.stress.upload_bed import PUBLISH, Bed, index_faults, remove, sent, set_up

_KINDS = ("pypiserver", "devpi")
_JOBS = 10


@dataclass(frozen=True)
class Round:
    """The parameters of one round."""

    kind: str
    shared: bool
    differ: bool
    jobs: int

    def __str__(self) -> str:
        where = "one checkout" if self.shared else "clones"
        bytes_ = "other bytes" if self.differ else "same bytes"
        return f"{self.kind:11} {self.jobs} jobs, {where:12} builds of {bytes_:11}"


def run_round(bed: Bed, params: Round) -> tuple[str, list[str]]:
    """Run a round; return its figures, and what is wrong."""
    index = bed.indexes[params.kind]
    with ExitStack() as stack:
        directory = stack.enter_context(bed.directory())
        log = directory / "builds"
        log.touch()
        stack.callback(remove, index, directory.name)
        proxy = stack.enter_context(FaultProxy(index.origin))
        front = index.behind(proxy.origin)
        places = (
            [directory] if params.shared else [directory / f"job-{n}" for n in range(params.jobs)]
        )
        projects = [_checkout(place, directory.name, params, log) for place in places]
        # Jobs on one machine share a home; machines share nothing.
        calls = [
            (bed.poetry(project.path.parent / "home", front), project)
            for project in (projects * params.jobs)[: params.jobs]
        ]
        with ThreadPoolExecutor(params.jobs) as pool:
            runs = list(pool.map(_run, calls))
        builds = len(log.read_text(encoding="utf-8").splitlines())
        posts = {name: len(requests) for name, requests in sorted(sent(proxy).items())}
        codes = Counter(run.code for run in runs)
        ends = ", ".join(f"{count} x {code}" for code, count in sorted(codes.items()))
        figures = f"ended in {ends}; {builds} builds; sent {list(posts.values())}"
        faults = list(_faults(params, runs, index, projects))
        if params.shared and set(posts.values()) != {1}:
            faults.append(f"files were sent more than once: {posts}")
        if params.shared and builds != 1:
            faults.append(f"there were {builds} builds")
        return figures, faults


def _checkout(place: Path, name: str, params: Round, log: Path) -> Project:
    project = make_project(place / "project", name)
    (make_builds_differ if params.differ else log_builds)(project, log)
    for platform in PLATFORMS[:2]:
        write_wheel(project, platform, 50_000)
    return project


def _run(call: tuple[Poetry, Project]) -> Run:
    poetry, project = call
    return poetry.run(*PUBLISH, "--build", cwd=project.path)


def _faults(
    params: Round, runs: Sequence[Run], index: Index, projects: Sequence[Project]
) -> Iterator[str]:
    allowed = {0} if params.shared or not params.differ else {0, 5}
    for run in runs:
        if run.code not in allowed or "Traceback" in run.said:
            yield f"exit code {run.code}: {run.said.strip()}"
            break
    if all(run.code for run in runs):
        yield "no job exited with 0"
    wholes = [index_faults(index, project.name, project.hashes()) for project in projects]
    if all(wholes):
        yield f"the index does not hold the complete release of any checkout: {wholes[0]}"


def main() -> int:
    """Run every round."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="only pypiserver")
    parser.add_argument("--jobs", type=int, default=_JOBS)
    options = parser.parse_args()
    failed = 0
    with set_up(_KINDS[:1] if options.short else _KINDS) as bed:
        for kind, shared, differ in product(bed.indexes, (True, False), (False, True)):
            params = Round(kind, shared=shared, differ=differ, jobs=options.jobs)
            figures, faults = run_round(bed, params)
            say(f"{'WRONG' if faults else 'right'}  {params}  {figures}", *faults)
            failed += bool(faults)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
