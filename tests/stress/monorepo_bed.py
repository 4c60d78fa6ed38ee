"""What the monorepo stress shares: a monorepo in front of an index, and the checks afterwards."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.beds.indexes import Index
from tests.beds.monorepo import Monorepo, make_monorepo
from tests.beds.poetry import Poetry, Run
from tests.beds.projects import Project
from tests.stress.late_front import LateFront, late_front
from tests.stress.upload_bed import PUBLISH, Bed, index_faults, remove

PUBLISH_ALL = (*PUBLISH, "--projects", "packages/*")
KINDS = ("pypiserver", "devpi")
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Size:
    """The number of projects and layers of a monorepo, and the seed of its edges."""

    count: int
    layers: int
    seed: int


@dataclass(frozen=True)
class Setup:
    """A monorepo in front of an index, and Poetry configured for that index.

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
def set_up_monorepo(
    bed: Bed, kind: str, size: Size, late: float, *, built: bool = False, address: str = LOOPBACK
) -> Iterator[Setup]:
    """Set up a monorepo with unused names; the index's pages are `late` seconds old.

    If `built`, the projects are built here, without Poetry's start-up, and `command` does not
    build.
    """
    index = bed.indexes[kind]
    prefix = f"m{uuid.uuid4().hex[:6]}"
    with ExitStack() as stack:
        directory = stack.enter_context(bed.directory())
        monorepo = make_monorepo(
            directory / "mono", prefix, count=size.count, layers=size.layers, seed=size.seed
        )
        for name, project in monorepo.members.items():
            stack.callback(remove, index, name)
            if built:
                project.build()
        front = stack.enter_context(late_front(index.origin, late, address))
        poetry = bed.poetry(directory / "home", index.behind(front.proxy.origin))
        command = PUBLISH_ALL if built else (*PUBLISH_ALL, "--build")
        yield Setup(monorepo, index, front, poetry, command)


def exit_faults(run: Run, code: int) -> Iterator[str]:
    """What is wrong with how a run ended."""
    if run.code != code or "Traceback" in run.said:
        yield f"exit code {run.code} instead of {code}:\n{run.said.strip()}"


def faults_of_all(setup: Setup) -> Iterator[str]:
    """What is wrong after a run that exited with 0."""
    receipt = setup.monorepo.receipt()
    if (receipt["verdict"], receipt["exit_code"]) != ("verified", 0):
        yield f"the receipt says {receipt['verdict']}"
    yield from faults_of(setup, setup.monorepo.members)


def faults_of(setup: Setup, verified: Collection[str]) -> Iterator[str]:
    """What is wrong with the members that the receipt says are proven."""
    releases = setup.monorepo.releases()
    if set(releases) != set(setup.monorepo.members):
        yield f"the receipt is of {sorted(releases)}"
        return
    for name in verified:
        release, built = releases[name], setup.project(name).hashes()
        if release["verdict"] != "verified" or not all(i["proven"] for i in release["indexes"]):
            yield f"the receipt says that {name} is {release['verdict']}"
        if {f["filename"]: f["sha256"] for f in release["distributions"]} != built:
            yield f"the receipt has other hashes than the dist directory of {name}"
        if len(built) != 2:
            yield f"{name} has these files: {sorted(built)}"
        yield from index_faults(setup.index, name, built)
    taken = Counter(each.filename for each in setup.front.uploads if each.status == 200)
    yield from (f"the index accepted {name} {n} times" for name, n in taken.items() if n > 1)


def order_faults(setup: Setup) -> Iterator[str]:
    """Projects that were sent before something they need had been shown and downloaded."""
    for name, needed in setup.monorepo.needs.items():
        begun = setup.front.begun(setup.project(name).hashes())
        for other in needed:
            early = setup.front.proven(other, setup.project(other).hashes()) - begun
            if early > 0:
                yield f"{name} was sent {early:.2f} s before {other} was proven"
