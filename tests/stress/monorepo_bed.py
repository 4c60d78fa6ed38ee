"""What the stress of monorepos shares: a monorepo before an index, and what must be true after."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from dataclasses import dataclass

from tests.beds.indexes import Index
from tests.beds.monorepo import Monorepo
from tests.beds.monorepo import make_monorepo
from tests.beds.poetry import Poetry
from tests.beds.poetry import Run
from tests.beds.projects import Project
from tests.stress.late_front import LateFront
from tests.stress.late_front import late_front
from tests.stress.upload_bed import PUBLISH
from tests.stress.upload_bed import Bed
from tests.stress.upload_bed import remove
from tests.stress.upload_bed import wrong_on

PUBLISH_ALL = (*PUBLISH, "--projects", "packages/*")
KINDS = ("pypiserver", "devpi")
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Size:
    """How many projects a monorepo has, in how many layers, and which edges."""

    count: int
    layers: int
    seed: int


@dataclass(frozen=True)
class Stage:
    """A monorepo before a front of an index, and a Poetry that knows the front.

    `command` releases everything.
    """

    monorepo: Monorepo
    index: Index
    front: LateFront
    poetry: Poetry
    command: Sequence[str]

    def publish(self) -> Run:
        """Release everything."""
        return self.poetry.run(*self.command, cwd=self.monorepo.root)

    def project(self, name: str) -> Project:
        """A member."""
        return self.monorepo.members[name]


@contextmanager
def staged(
    bed: Bed, kind: str, size: Size, late: float, *, built: bool = False, address: str = LOOPBACK
) -> Iterator[Stage]:
    """Set up a monorepo of names that nobody has used before; pages are `late` seconds old.

    Where it is `built` already, in a moment and without Poetry's start-up, `command` does not.
    """
    index = bed.indexes[kind]
    prefix = f"m{uuid.uuid4().hex[:6]}"
    with ExitStack() as stack:
        folder = stack.enter_context(bed.folder())
        monorepo = make_monorepo(
            folder / "mono", prefix, count=size.count, layers=size.layers, seed=size.seed
        )
        for name, project in monorepo.members.items():
            stack.callback(remove, index, name)
            if built:
                project.build()
        front = stack.enter_context(late_front(index.origin, late, address))
        poetry = bed.poetry(folder / "home", index.behind(front.proxy.origin))
        command = PUBLISH_ALL if built else (*PUBLISH_ALL, "--build")
        yield Stage(monorepo, index, front, poetry, command)


def wrong_end(run: Run, code: int) -> Iterator[str]:
    """What is wrong with how a run ended."""
    if run.code != code or "Traceback" in run.said:
        yield f"exit code {run.code} instead of {code}:\n{run.said.strip()}"


def wrong_of_all(stage: Stage) -> Iterator[str]:
    """What is not as promised after a run that ended in 0."""
    receipt = stage.monorepo.receipt()
    if (receipt["verdict"], receipt["exit_code"]) != ("verified", 0):
        yield f"the receipt says {receipt['verdict']}"
    yield from wrong_of(stage, stage.monorepo.members)


def wrong_of(stage: Stage, verified: Collection[str]) -> Iterator[str]:
    """What is not as promised of those members that are said to be proven."""
    releases = stage.monorepo.releases()
    if set(releases) != set(stage.monorepo.members):
        yield f"the receipt is of {sorted(releases)}"
        return
    for name in verified:
        release, built = releases[name], stage.project(name).hashes()
        if release["verdict"] != "verified" or not all(i["proven"] for i in release["indexes"]):
            yield f"the receipt says that {name} is {release['verdict']}"
        if {f["filename"]: f["sha256"] for f in release["distributions"]} != built:
            yield f"the receipt has other hashes than the dist folder of {name}"
        if len(built) != 2:
            yield f"{name} has these files: {sorted(built)}"
        yield from wrong_on(stage.index, name, built)
    taken = Counter(each.filename for each in stage.front.uploads if each.status == 200)
    yield from (f"{name} was taken {n} times" for name, n in taken.items() if n > 1)


def out_of_order(stage: Stage) -> Iterator[str]:
    """Which project was begun to be sent before one that it needs had been shown and fetched."""
    for name, needed in stage.monorepo.needs.items():
        begun = stage.front.begun(stage.project(name).hashes())
        for other in needed:
            early = stage.front.proven(other, stage.project(other).hashes()) - begun
            if early > 0:
                yield f"{name} was sent {early:.2f} s before {other} was proven"
