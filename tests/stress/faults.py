"""Stress uploads: every fault at every file of a release, in front of real indexes.

    python -m tests.stress.faults [--short] [--seed N] [--only WORDS] [--at-once N]

The plugin uploads a release of three wheels and an sdist through a proxy that does one thing wrong
to the first wheel, another wheel, or the sdist. In each cell, the exit code, the receipt, the bytes
on the index and the number of requests must match `upload_faults.py`; where the run failed, a
second run without the fault must succeed without sending what is already there. Prints what is
wrong at once, and a table of all cells at the end. Exits 1 on any wrong cell.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise

from tests.beds.distributions import write_release
from tests.beds.indexes import Index
from tests.beds.poetry import Poetry, Run
from tests.beds.projects import Project, make_project
from tests.beds.proxy import FaultProxy
from tests.beds.release import uploads
from tests.stress.rounds import say
from tests.stress.upload_bed import PUBLISH, Bed, index_faults, remove, sent, set_up, whole_uploads
from tests.stress.upload_faults import FAULTS, Fault, Site

# In the order in which they are sent: wheels first, by size. Each is large enough for the next to
# be sent ahead.
_SIZES = (300_000, 350_000, 400_000, 450_000)
_POSITIONS = {"first": 0, "middle": 1, "sdist": 3}
# Each starts Poetry, which takes a second of one core and then mostly waits.
_AT_ONCE = 2
_DONE = {"uploaded", "already-there"}


@dataclass(frozen=True)
class Cell:
    """One fault, at one file, in front of one index."""

    fault: Fault
    kind: str
    position: str

    def __str__(self) -> str:
        return f"{self.fault.name} | {self.kind} | {self.position}"


@dataclass(frozen=True)
class Setup:
    """The servers and the project of one cell."""

    cell: Cell
    index: Index
    poetry: Poetry
    project: Project
    files: tuple[str, ...]
    built: dict[str, str]
    site: Site

    def publish(self, timeout: str) -> Run:
        """Run the plugin."""
        return self.poetry.run(*PUBLISH, "--timeout", timeout, cwd=self.project.path)


@contextmanager
def set_up_cell(bed: Bed, cell: Cell) -> Iterator[Setup]:
    """Set up a cell and install its fault."""
    index = bed.indexes[cell.kind]
    with ExitStack() as stack:
        directory = stack.enter_context(bed.directory())
        project = make_project(directory / "project", directory.name)
        files = write_release(project, _SIZES)
        stack.callback(remove, index, project.name)
        proxy = stack.enter_context(FaultProxy(index.origin))
        elsewhere = stack.enter_context(FaultProxy(index.origin))
        filename = files[_POSITIONS[cell.position]]
        site = Site(proxy, elsewhere, filename, (project.dist / filename).read_bytes())
        cell.fault.put(site)
        poetry = bed.poetry(directory / "home", index.behind(proxy.origin))
        yield Setup(cell, index, poetry, project, files, project.hashes(), site)


def run_cell(bed: Bed, cell: Cell) -> list[str]:
    """Run a cell; return what is wrong."""
    with set_up_cell(bed, cell) as setup:
        run = setup.publish(cell.fault.timeout)
        faults = list(judge(setup, run))
        if faults:
            return [*faults, run.said.strip()]
        if cell.fault.end.rerun is None:
            return []
        return list(run_again(setup, cell.fault.end.rerun))


def judge(setup: Setup, run: Run) -> Iterator[str]:
    """Compare the run with how it must end."""
    end, name = setup.cell.fault.end, setup.site.filename
    yield from _ended(setup, run, end.code, end.verdict)
    states, posts = uploads(setup.project.receipt()["releases"][0]), sent(setup.site.proxy)
    if states[name] not in end.states:
        yield f"the receipt says {states[name]} of {name}, not {'/'.join(sorted(end.states))}"
    least, most = end.posts
    if not least <= len(posts.get(name, ())) <= most:
        yield f"{name} was sent {len(posts.get(name, ()))} times, not {least} to {most} times"
    for before, after in pairwise([request.at for request in posts.get(name, ())][:2]):
        if after - before < end.pause:
            yield f"{name} was sent again after {after - before:.1f} s, not {end.pause:g} s"
    others = [file for file in setup.files if file != name]
    right = _DONE | {"not-sent"} | ({"unknown"} if setup.cell.fault.silent else set())
    for other in others:
        count = len(posts.get(other, ()))
        if states[other] not in right or count != (states[other] in _DONE):
            yield f"{other} is {states[other]} and was sent {count} times"
    held = {file: setup.built[file] for file in others if states[file] in _DONE}
    if end.there != "not":
        held[name] = setup.built[name]
    if end.there == "other":
        held[name] = hashlib.sha256(bytes(byte ^ 1 for byte in setup.site.content)).hexdigest()
    yield from index_faults(setup.index, setup.project.name, held)
    yield from _out_of_order(setup)
    if setup.site.elsewhere.requests:
        yield f"another host got requests: {setup.site.elsewhere.requests}"


def _out_of_order(setup: Setup) -> Iterator[str]:
    """What was sent to its end too early: before the first file, or the sdist before a wheel."""
    whole = list(whole_uploads(setup.site.proxy))
    first, *_, sdist = setup.files
    if first in whole[whole.count(first) :]:
        yield f"the first file was not sent before all others: {whole}"
    if sdist in whole and set(whole[whole.index(sdist) :]) != {sdist}:
        yield f"the sdist was not sent after all wheels: {whole}"
    if sdist in whole and set(whole) != set(setup.files):
        yield f"the sdist was sent without all wheels: {whole}"


def run_again(setup: Setup, code: int) -> Iterator[str]:
    """Run once more without the fault; return what is wrong."""
    proxy = setup.site.proxy
    proxy.clear()
    before = setup.index.stored(setup.project.name)
    proxy.requests.clear()
    run = setup.publish("15m")
    faults = list(_ended(setup, run, code, "verified" if code == 0 else "conflict"))
    faults += [f"{name} was there but sent again" for name in sent(proxy) if name in before]
    if code == 0:
        faults += index_faults(setup.index, setup.project.name, setup.built)
    elif setup.index.stored(setup.project.name) != before:
        faults.append("the conflicting files have changed")
    yield from (f"second run: {fault}" for fault in faults)
    if faults:
        yield run.said.strip()


def _ended(setup: Setup, run: Run, code: int, verdict: str) -> Iterator[str]:
    if run.code != code:
        yield f"exit code {run.code}, not {code}"
    if "Traceback" in run.said:
        yield "a traceback"
    receipt = setup.project.receipt()
    said = (receipt["verdict"], receipt["exit_code"])
    if said != (verdict, code):
        yield f"the receipt says {said}, not {(verdict, code)}"


def cells(kinds: Sequence[str], chance: random.Random, *, short: bool) -> list[Cell]:
    """All cells; in the short form, each fault at one file in front of one index."""
    found = []
    for fault in FAULTS:
        positions = ["first"] if fault.at_look else list(_POSITIONS)
        every = [Cell(fault, kind, position) for kind in kinds for position in positions]
        found += [chance.choice(every)] if short else every
    return found


def matrix(outcomes: dict[Cell, list[str]], kinds: Sequence[str]) -> Iterator[str]:
    """How many cells are right, by fault, index and file."""
    columns = [(kind, position) for kind in kinds for position in _POSITIONS]
    yield f"{'':32}" + "".join(f"{kind:>24}" for kind in kinds)
    yield f"{'':32}" + "".join(f"{position:>8}" for _, position in columns) + f"{'right':>10}"
    for name in dict.fromkeys(cell.fault.name for cell in outcomes):
        row = {(c.kind, c.position): o for c, o in outcomes.items() if c.fault.name == name}
        marks = [
            ("WRONG" if row[column] else "right") if column in row else "." for column in columns
        ]
        right = sum(not faults for faults in row.values())
        yield f"{name:32}" + "".join(f"{mark:>8}" for mark in marks) + f"{right:7}/{len(row)}"
    right = sum(not faults for faults in outcomes.values())
    yield f"{right} of {len(outcomes)} cells are right"


def main() -> int:
    """Run the requested cells."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="each fault in one cell")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311 - any will do
    parser.add_argument("--only", default="", help="faults with this in their names")
    parser.add_argument("--at-once", type=int, default=_AT_ONCE, help="how many cells")
    options = parser.parse_args()
    say(f"seed {options.seed}")
    chance = random.Random(options.seed)  # noqa: S311 - any will do
    outcomes: dict[Cell, list[str]] = {}
    with set_up() as bed, ThreadPoolExecutor(options.at_once) as pool:
        kinds = list(bed.indexes)
        asked = [c for c in cells(kinds, chance, short=options.short) if options.only in str(c)]
        started = {cell: pool.submit(run_cell, bed, cell) for cell in asked}
        for cell, outcome in started.items():
            try:
                outcomes[cell] = outcome.result()
            except Exception as error:  # noqa: BLE001 - of this cell alone; the others go on
                outcomes[cell] = [repr(error), *traceback.format_exception(error)]
            if outcomes[cell]:
                say(f"WRONG: {cell}", *outcomes[cell])
    say(*matrix(outcomes, kinds))
    say(*(f"wrong: {cell}: {faults[0]}" for cell, faults in outcomes.items() if faults))
    return 1 if any(outcomes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
