"""What a release of a small project takes, and how much of that is before and after the upload."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from functools import partial

from tests.beds.projects import make_project
from tests.beds.proxy import Exchange, FaultProxy, is_upload
from tests.beds.wire import Answer
from tests.bench.bed import Bed, Command
from tests.bench.figures import Figure, in_turn

_STOCK, _OURS = "poetry publish", "publish-verified"


def small(bed: Bed, runs: int) -> Iterator[Figure]:
    """A project with one module, built and published."""
    project = make_project(bed.work / "small", "ember")

    def run(name: str, command: Command) -> Mapping[str, float]:
        for made in (project.dist, project.path / ".poetry"):
            shutil.rmtree(made, ignore_errors=True)
        ended = command.run(project.path)
        bed.forget(project)
        return {name: ended.seconds}

    ways = {f"{_STOCK} --build": bed.poetry(bed.index, "publish", "--build", stock=True)}
    for until in ("listed", "downloadable", "installable"):
        words = (_OURS, "--build", "--until", until)
        ways[" ".join(words)] = bed.poetry(bed.index, *words)
    yield Figure(
        "small",
        "A small project, built and published",
        "Whole processes, to an index without any delay. Earlier runs have filled Poetry's cache.",
        f"{_STOCK} --build",
        in_turn([partial(run, name, way) for name, way in ways.items()], runs, warm=True),
        wanted="installable ≤ 1.6 x poetry publish --build",
        versions=bed.versions,
    )


def start_and_end(bed: Bed, runs: int) -> Iterator[Figure]:
    """When the first byte of the first upload arrives, and what follows the last answer."""
    project = make_project(bed.work / "start", "wick")
    project.build()
    ends: dict[str, list[float]] = {}

    def run(front: FaultProxy, name: str, command: Command) -> Mapping[str, float]:
        answered = 0.0

        def forward(exchange: Exchange) -> Answer:
            nonlocal answered
            answer = exchange.forward()
            answered = time.time()
            return answer

        front.requests.clear()
        front.clear()
        front.on(is_upload, forward)
        ended = command.run(project.path)
        if name != _STOCK:
            answered = project.receipt_file.stat().st_mtime
        ends.setdefault(name, []).append((ended.ended_at - answered) * 1000)
        bed.forget(project)
        return {name: (front.uploads[0].at - ended.begun) * 1000}

    with FaultProxy(bed.index.origin) as proxy:
        front = bed.index.behind(proxy.origin)
        ways = {
            _STOCK: bed.poetry(front, "publish", stock=True),
            f"{_OURS} --until listed": bed.poetry(front, _OURS, "--until", "listed"),
            _OURS: bed.poetry(front, _OURS),
        }
        starts = in_turn(
            [partial(run, proxy, name, way) for name, way in ways.items()], runs, warm=True
        )
    yield Figure(
        "first-byte",
        "Until the first byte of the first file",
        "From the start of the process to the upload's request at the server, which adds no delay.",
        _STOCK,
        starts,
        "ms",
        "≤ 250 ms more than poetry publish",
        bed.versions,
    )
    yield Figure(
        "end",
        "The end of the process",
        f"From the last time that the receipt is written ({_STOCK}: from the last answer).",
        _STOCK,
        {name: values[1:] for name, values in ends.items()},
        "ms",
        versions=bed.versions,
    )
