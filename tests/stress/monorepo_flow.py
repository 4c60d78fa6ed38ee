"""Many releases at once, against how long their longest chain takes, and a loop in a shell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from statistics import median

from tests.beds.poetry import Run
from tests.beds.release import REPOSITORY
from tests.stress.monorepo_bed import LOOPBACK
from tests.stress.monorepo_bed import Size
from tests.stress.monorepo_bed import Stage
from tests.stress.monorepo_bed import out_of_order
from tests.stress.monorepo_bed import staged
from tests.stress.monorepo_bed import wrong_end
from tests.stress.monorepo_bed import wrong_of_all
from tests.stress.upload_bed import PUBLISH
from tests.stress.upload_bed import Bed

LATE = 2.0
TARGET = 1.3


@dataclass(frozen=True)
class Flow:
    """How one round went; seconds from the first upload on, of the whole call, and of others.

    `chain` is the sum of the longest chain, and `taking` how long the index needs to take all files
    one after the other; so many members were measured `alone`. `loop` is None where it was left
    out.
    """

    kind: str
    whole: float
    sending: float
    chain: float
    taking: float
    alone: int
    loop: float | None
    faults: list[str]

    def __str__(self) -> str:
        share = self.sending / self.chain
        loop = "not run" if self.loop is None else f"{self.loop:.1f} s"
        return (
            f"{self.kind:11} {self.sending:6.1f} s from the first upload to the end"
            f" ({self.whole:.1f} s with all before), critical path {self.chain:.1f} s"
            f" ({self.alone} measured alone): {share:.2f} x (wanted: {TARGET});"
            f" to take all files {self.taking:.1f} s; a loop in a shell: {loop}"
        )


def play(bed: Bed, kind: str, size: Size, alone: int | None, address: str = LOOPBACK) -> Flow:
    """Release a monorepo, and see in what order; `alone`: how many to measure (None: all).

    Where all are measured, a loop of single calls is too, and all calls build. At another
    `address` than loopback's the pace at which a host is asked is in force, so that it is the
    number of requests that counts, and no chain.
    """
    with staged(bed, kind, size, LATE, built=alone is not None, address=address) as stage:
        run = stage.publish()
        ended = time.monotonic()
        faults = list(_wrong(stage, run))
        if run.code:
            return Flow(kind, run.seconds, 0.0, 1.0, 0.0, 0, None, faults)
        begun = min(each.begun for each in stage.front.uploads)
    chain, taking, measured = _critical_path(bed, kind, size, alone, address)
    sending = ended - begun
    loop = _loop(bed, kind, size) if alone is None else None
    return Flow(kind, run.seconds, sending, chain, taking, measured, loop, faults)


def _wrong(stage: Stage, run: Run) -> Iterator[str]:
    faults = list(wrong_end(run, 0))
    yield from faults
    if not faults:
        yield from wrong_of_all(stage)
        yield from out_of_order(stage)


def _critical_path(
    bed: Bed, kind: str, size: Size, alone: int | None, address: str
) -> tuple[float, float, int]:
    """The longest chain of a twin whose members are released one by one; those not: the median.

    A member's time is from its first upload until it was shown to every installer and fetched.
    Beside it, how long the index needs to take all files, and how many were measured.
    """
    found: dict[str, float] = {}
    with staged(bed, kind, size, LATE, built=True, address=address) as twin:
        for name, project in islice(twin.monorepo.members.items(), alone):
            run = twin.poetry.run(*PUBLISH, cwd=project.path)
            _must(run)
            files = project.filenames
            found[name] = twin.front.proven(name, files) - twin.front.begun(files)
        usual = median(found.values())
        seconds = {name: found.get(name, usual) for name in twin.monorepo.members}
        taking = sum(each.ended - each.begun for each in twin.front.uploads)
        return twin.monorepo.chain(seconds)[0], taking * size.count / len(found), len(found)


def _loop(bed: Bed, kind: str, size: Size) -> float:
    """Seconds from the first upload of `poetry publish` and `wait` for one after the other."""
    with staged(bed, kind, size, LATE) as stage:
        simple = stage.index.behind(stage.front.proxy.origin).simple_url
        for name, project in stage.monorepo.members.items():
            sent = ("publish", "--build", "--no-interaction", "-r", REPOSITORY)
            _must(stage.poetry.run(*sent, cwd=project.path))
            wait = ("publish-verified", "wait", f"{name}=={project.version}", "--index", simple)
            _must(stage.poetry.run(*wait, cwd=project.path))
        return time.monotonic() - min(each.begun for each in stage.front.uploads)


def _must(run: Run) -> None:
    if run.code:
        raise RuntimeError(f"a release that is measured against failed: {run.said}")
