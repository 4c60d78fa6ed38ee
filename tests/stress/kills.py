"""Stress uploads with kill -9: whenever a run dies, the next one exits with 0.

    python -m tests.stress.kills [--short] [--rounds N] [--seed N]

In each round `poetry publish-verified --build` slowly uploads a release of three wheels and an
sdist, and is killed at a random moment with everything it started; then the same command runs
again. It must exit with 0, and the index must hold each file once, exactly as in the dist
directory. In every other round each build differs from the last: the second run must not rebuild
what the first one has begun to send. Prints a line per round, and exits 1 if one ended otherwise.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from tests.beds.building import make_builds_differ
from tests.beds.distributions import PLATFORMS, write_wheel
from tests.beds.processes import HANG
from tests.beds.projects import Project, make_project
from tests.beds.proxy import Answer, Exchange, FaultProxy, is_upload
from tests.beds.release import uploads
from tests.stress.rounds import say
from tests.stress.upload_bed import PUBLISH, Bed, index_faults, remove, sent, set_up

_KINDS = ("pypiserver", "devpi")
_ROUNDS = 30
_SHORT = 4
# Seconds before and after the index has a file, so that uploads are half of a run.
_SLOWNESS = 0.3
_LONGEST = 12.0


@dataclass(frozen=True)
class Round:
    """The parameters of one round; `moment` is a fraction of a whole run's time."""

    kind: str
    differ: bool
    moment: float


def slow(exchange: Exchange) -> Answer:
    """Pass an upload on slowly."""
    exchange.proxy.stopped.wait(_SLOWNESS)
    answer = exchange.forward()
    exchange.proxy.stopped.wait(_SLOWNESS)
    return answer


def run_round(bed: Bed, params: Round, whole: float | None) -> tuple[str, list[str]]:
    """Kill a run after that fraction of `whole` seconds (None: do not kill it), and run again.

    Returns how far the first run had come, and what is wrong in the end.
    """
    index = bed.indexes[params.kind]
    with ExitStack() as stack:
        directory = stack.enter_context(bed.directory())
        project = make_project(directory / "project", directory.name)
        if params.differ:
            make_builds_differ(project, directory / "builds")
        for platform in PLATFORMS[:2]:
            write_wheel(project, platform, 100_000)
        stack.callback(remove, index, project.name)
        proxy = stack.enter_context(FaultProxy(index.origin))
        proxy.on(is_upload, slow)
        poetry = bed.poetry(directory / "home", index.behind(proxy.origin))
        came = "not killed"
        if whole is not None:
            with poetry.started(*PUBLISH, "--build", cwd=project.path) as process:
                time.sleep(whole * params.moment)
                ended = process.poll() is not None
                if not ended:
                    os.killpg(process.pid, signal.SIGKILL)
                process.communicate(timeout=HANG)
            came = "had ended" if ended else state(project, proxy)
        run = poetry.run(*PUBLISH, "--build", cwd=project.path)
        faults = [f"exit code {run.code}"] if run.code else []
        if "Traceback" in run.said:
            faults.append("a traceback")
        if faults:
            return came, [*faults, run.said.strip()]
        return came, list(faults_of(bed, params, project))


def state(project: Project, proxy: FaultProxy) -> str:
    """How far a killed run had come."""
    if not project.receipt_file.exists():
        return "before the receipt"
    receipt = project.receipt()
    files = uploads(receipt["releases"][0]) if receipt["releases"] else {}
    done = sum(upload == "uploaded" for upload in files.values())
    return f"{receipt['verdict']}, {done}/{len(files)} uploaded, {len(sent(proxy))} begun"


def faults_of(bed: Bed, params: Round, project: Project) -> Iterator[str]:
    """What is wrong after a run that exited with 0."""
    receipt = project.receipt()
    if (receipt["verdict"], receipt["exit_code"]) != ("verified", 0):
        yield f"the receipt says {receipt['verdict']}"
    built = project.hashes()
    if len(built) != 4:
        yield f"the release has these files: {sorted(built)}"
    if {f["filename"]: f["sha256"] for f in receipt["releases"][0]["distributions"]} != built:
        yield "the receipt has other hashes than the dist directory"
    yield from index_faults(bed.indexes[params.kind], project.name, built)


def rounds(count: int, seed: int) -> Iterator[Round]:
    """The rounds: each index in turn, both kinds of builds, any moment of a run."""
    chance = random.Random(seed)  # noqa: S311 - any will do
    for number in range(count):
        kind = _KINDS[number // 2 % len(_KINDS)]
        yield Round(kind, differ=number % 2 == 1, moment=chance.uniform(0.1, 1.0))


def whole_run(bed: Bed) -> float:
    """How many seconds an undisturbed run takes."""
    begun = time.monotonic()
    _, faults = run_round(bed, Round(_KINDS[0], differ=False, moment=0), None)
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
            builds = "other bytes" if params.differ else "same bytes"
            at = f"killed after {params.moment * whole:4.1f} s"
            end = "WRONG" if faults else "right"
            say(f"{number:3} {end}  {params.kind:11} builds of {builds:12} {at} ({came})", *faults)
            failed += bool(faults)
    say(f"{count - failed} of {count} rounds are right")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
