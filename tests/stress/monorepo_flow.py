"""Many releases in one run, compared with their longest chain and with a shell loop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from statistics import median

from tests.beds.poetry import Run
from tests.beds.release import REPOSITORY
from tests.stress.monorepo_bed import (
    LOOPBACK,
    Setup,
    Size,
    exit_faults,
    faults_of_all,
    order_faults,
    set_up_monorepo,
)
from tests.stress.upload_bed import PUBLISH, Bed

LATE = 2.0
TARGET = 1.3


@dataclass(frozen=True)
class Flow:
    """How one round went; times in seconds.

    `whole` is the whole call, `sending` the part from the first upload on, `chain` the longest
    chain of single releases, `taking` how long the index needs for all files one after another.
    `singly` members were measured on their own. `loop` is None where the shell loop was not run.
    """

    kind: str
    whole: float
    sending: float
    chain: float
    taking: float
    singly: int
    loop: float | None
    faults: list[str]

    def __str__(self) -> str:
        share = self.sending / self.chain
        loop = "not run" if self.loop is None else f"{self.loop:.1f} s"
        return (
            f"{self.kind:11} {self.sending:6.1f} s from the first upload to the end"
            f" ({self.whole:.1f} s in total), critical path {self.chain:.1f} s"
            f" ({self.singly} measured singly): {share:.2f} x (target: {TARGET});"
            f" the index alone {self.taking:.1f} s; a shell loop: {loop}"
        )


def run_round(bed: Bed, kind: str, size: Size, singly: int | None, address: str = LOOPBACK) -> Flow:
    """Release a monorepo and check the order; `singly`: how many members to measure (None: all).

    If all are measured, a shell loop is measured too, and all calls build. At an `address` other
    than loopback, the pace at which a host may be asked applies, so the number of requests decides
    and not the chain.
    """
    with set_up_monorepo(bed, kind, size, LATE, built=singly is not None, address=address) as setup:
        run = setup.publish()
        ended = time.monotonic()
        faults = list(_faults(setup, run))
        if run.code:
            return Flow(kind, run.seconds, 0.0, 1.0, 0.0, 0, None, faults)
        begun = min(each.begun for each in setup.front.uploads)
    chain, taking, measured = _critical_path(bed, kind, size, singly, address)
    sending = ended - begun
    loop = _loop(bed, kind, size) if singly is None else None
    return Flow(kind, run.seconds, sending, chain, taking, measured, loop, faults)


def _faults(setup: Setup, run: Run) -> Iterator[str]:
    faults = list(exit_faults(run, 0))
    yield from faults
    if not faults:
        yield from faults_of_all(setup)
        yield from order_faults(setup)


def _critical_path(
    bed: Bed, kind: str, size: Size, singly: int | None, address: str
) -> tuple[float, float, int]:
    """The longest chain of a twin whose members are released one by one; the rest get the median.

    A member's time runs from its first upload until it was shown to every installer and downloaded.
    Also returns how long the index needs for all files, and how many members were measured.
    """
    found: dict[str, float] = {}
    with set_up_monorepo(bed, kind, size, LATE, built=True, address=address) as twin:
        for name, project in islice(twin.monorepo.members.items(), singly):
            run = twin.poetry.run(*PUBLISH, cwd=project.path)
            _must(run)
            files = project.filenames
            found[name] = twin.front.proven(name, files) - twin.front.begun(files)
        usual = median(found.values())
        seconds = {name: found.get(name, usual) for name in twin.monorepo.members}
        taking = sum(each.ended - each.begun for each in twin.front.uploads)
        return twin.monorepo.chain(seconds)[0], taking * size.count / len(found), len(found)


def _loop(bed: Bed, kind: str, size: Size) -> float:
    """Seconds from the first upload of `poetry publish` and `wait` in a loop."""
    with set_up_monorepo(bed, kind, size, LATE) as setup:
        simple = setup.index.behind(setup.front.proxy.origin).simple_url
        for name, project in setup.monorepo.members.items():
            sent = ("publish", "--build", "--no-interaction", "-r", REPOSITORY)
            _must(setup.poetry.run(*sent, cwd=project.path))
            wait = ("publish-verified", "wait", f"{name}=={project.version}", "--index", simple)
            _must(setup.poetry.run(*wait, cwd=project.path))
        return time.monotonic() - min(each.begun for each in setup.front.uploads)


def _must(run: Run) -> None:
    if run.code:
        raise RuntimeError(f"a release used for comparison failed: {run.said}")
