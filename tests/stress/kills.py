"""Stress uploads with kill -9: whenever a run dies, the next one exits with 0.

    python -m tests.stress.kills [--short] [--rounds N] [--seed N]

In each round `poetry publish-verified --build --receipt receipt.json` slowly uploads a release of
three wheels and an sdist, each large enough for the next to be sent ahead. The run is killed at a
random moment with everything it started, and so is its repetition; then the same command must exit
with 0, and the index must hold each file once, exactly as in the dist directory. Meanwhile the root
gets the receipt, a growing log and scratch files. Projects are outside git, in a repository or
below its root; they are built by poetry-core, by poetry-core so that each build differs from the
last, or by hatchling, which packs whatever git does not ignore. No run may rebuild what another one
has begun to send. Prints a line per round, and exits 1 if one ended otherwise.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.beds.building import build_with_hatchling, make_builds_differ
from tests.beds.distributions import PLATFORMS, write_wheel
from tests.beds.processes import HANG
from tests.beds.projects import Project, make_project, read_receipt
from tests.beds.proxy import Answer, Exchange, FaultProxy, is_upload
from tests.beds.release import uploads
from tests.stress.rounds import say
from tests.stress.upload_bed import PUBLISH, Bed, index_faults, remove, sent, set_up

_RECEIPT = "receipt.json"
_CALL = (*PUBLISH, "--build", "--receipt", _RECEIPT)
_KINDS = ("pypiserver", "devpi")
_PLACES: tuple[Literal["outside git", "in git", "below git"], ...] = (
    *("outside git", "in git", "below git"),
)
_BUILDS: tuple[Literal["same", "differing", "hatchling"], ...] = ("same", "differing", "hatchling")
_ROUNDS = 36
_SHORT = 9
# Seconds before and after the index has a file, so that uploads are half of a run.
_SLOWNESS = 0.3
_LONGEST = 12.0
_SIZE = 300_000


@dataclass(frozen=True)
class Round:
    """The parameters of one round; `moments` are fractions of a whole run's time."""

    kind: str
    build: Literal["same", "differing", "hatchling"]
    place: Literal["outside git", "in git", "below git"]
    moments: Sequence[float]


def slow(exchange: Exchange) -> Answer:
    """Pass an upload on slowly."""
    exchange.proxy.stopped.wait(_SLOWNESS)
    answer = exchange.forward()
    exchange.proxy.stopped.wait(_SLOWNESS)
    return answer


def make(params: Round, directory: Path) -> Project:
    """The project of a round, at its place."""
    project = make_project(directory / "repository" / "project", directory.name)
    if params.build == "differing":
        make_builds_differ(project, directory / "builds")
    if params.build == "hatchling":
        build_with_hatchling(project)
    if params.place != "outside git":
        root = project.path.parent if params.place == "below git" else project.path
        # Else hatchling packs them, and what is packed is a source.
        ignored = "*.log\nscratch*\n" if params.build == "hatchling" else ""
        (root / ".gitignore").write_text(f"dist/\n__pycache__/\n{ignored}", encoding="utf-8")
        for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "All")):
            me = ("-c", "user.name=x", "-c", "user.email=x@example.org")
            subprocess.run(("git", *me, *words), cwd=root, check=True)
    noise = random.Random(directory.name).randbytes(_SIZE)  # noqa: S311 - any bytes will do
    (project.path / project.name.replace("-", "_") / "chart.bin").write_bytes(noise)
    for platform in PLATFORMS[:2]:
        write_wheel(project, platform, _SIZE + 100_000)
    return project


def run_round(bed: Bed, params: Round, whole: float) -> tuple[str, list[str]]:
    """Kill a run and its repetitions at their moments of `whole` seconds, then run to the end.

    Returns how far the killed runs had come, and what is wrong in the end.
    """
    index = bed.indexes[params.kind]
    with ExitStack() as stack:
        directory = stack.enter_context(bed.directory())
        project = make(params, directory)
        stack.callback(remove, index, project.name)
        proxy = stack.enter_context(FaultProxy(index.origin))
        proxy.on(is_upload, slow)
        poetry = bed.poetry(directory / "home", index.behind(proxy.origin))
        came = []
        for moment in params.moments:
            with poetry.started(*_CALL, cwd=project.path) as process:
                time.sleep(whole * moment)
                ended = process.poll() is not None
                if not ended:
                    os.killpg(process.pid, signal.SIGKILL)
                out, _ = process.communicate(timeout=HANG)
            came.append("had ended" if ended else state(project, proxy))
            if params.build != "hatchling" or params.place != "outside git":
                litter(project, out)
        run = poetry.run(*_CALL, cwd=project.path)
        faults = [f"exit code {run.code}"] if run.code else []
        if "Traceback" in run.said:
            faults.append("a traceback")
        if faults:
            return "; ".join(came), [*faults, run.said.strip()]
        return "; ".join(came), list(faults_of(bed, params, project))


def litter(project: Project, said: str) -> None:
    """Leave in the root what a CI job may leave there."""
    with (project.path / "build.log").open("a", encoding="utf-8") as log:
        log.write(f"{said}\n")
    (project.path / f"scratch-{time.monotonic_ns()}.txt").touch()


def state(project: Project, proxy: FaultProxy) -> str:
    """How far a killed run had come."""
    if not (project.path / _RECEIPT).exists():
        return "before the receipt"
    receipt = read_receipt(project.path / _RECEIPT)
    files = uploads(receipt["releases"][0])
    done = sum(upload in {"uploaded", "already-there"} for upload in files.values())
    return f"{receipt['verdict']}, {done}/{len(files)} there, {len(sent(proxy))} begun"


def faults_of(bed: Bed, params: Round, project: Project) -> Iterator[str]:
    """What is wrong after a run that exited with 0."""
    receipt = read_receipt(project.path / _RECEIPT)
    if (receipt["verdict"], receipt["exit_code"]) != ("verified", 0):
        yield f"the receipt says {receipt['verdict']}"
    built = project.hashes()
    if len(built) != 4:
        yield f"the release has these files: {sorted(built)}"
    if {f["filename"]: f["sha256"] for f in receipt["releases"][0]["distributions"]} != built:
        yield "the receipt has other hashes than the dist directory"
    yield from index_faults(bed.indexes[params.kind], project.name, built)


def rounds(count: int, seed: int) -> Iterator[Round]:
    """The rounds: each index, build and place in turn, any moments of a run."""
    chance = random.Random(seed)  # noqa: S311 - any will do
    every = itertools.cycle(itertools.product(_KINDS, _PLACES, _BUILDS))
    for kind, place, build in itertools.islice(every, count):
        moments = [chance.uniform(0.1, 1.0) for _ in range(chance.choice((1, 2)))]
        yield Round(kind, build, place, moments)


def whole_run(bed: Bed) -> float:
    """How many seconds an undisturbed run takes; the first one sets things up for the others."""
    begun = 0.0
    for _ in range(2):
        begun = time.monotonic()
        _, faults = run_round(bed, Round(_KINDS[0], "same", "outside git", ()), 0.0)
        if faults:
            raise RuntimeError(f"an undisturbed run failed: {faults}")
    return min(time.monotonic() - begun, _LONGEST)


def main() -> int:
    """Run the requested rounds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help=f"{_SHORT} rounds")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311 - any will do
    options = parser.parse_args()
    failed = 0
    count = _SHORT if options.short else options.rounds
    with set_up(_KINDS) as bed:
        whole = whole_run(bed)
        say(f"seed {options.seed}; a whole run takes {whole:.1f} s")
        for number, params in enumerate(rounds(count, options.seed), 1):
            came, faults = run_round(bed, params, whole)
            at = " and ".join(f"{moment * whole:.1f} s" for moment in params.moments)
            what = f"{params.kind:10} {params.build:9} {params.place:11}"
            end = "WRONG" if faults else "right"
            say(f"{number:3} {end}  {what} killed after {at} ({came})", *faults)
            failed += bool(faults)
    say(f"{count - failed} of {count} rounds are right")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
