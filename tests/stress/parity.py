"""Run Poetry with and without the plugin in many environments, and print every difference.

    python -m tests.stress.parity [--short] [--only PATTERN] [--jobs N] [--list]

Runs each command in each environment, with a Poetry version that changes from run to run, so that
every pair occurs. Both sides use the same paths, one after the other, and the same index. Exit
codes, output, files and archives are compared; differences that `parity_allowed.py` does not
explain are printed and make it exit 1. What this machine cannot run is skipped with a reason. The
full form ends with the plugin's cost.
"""

from __future__ import annotations

import argparse
import ctypes
import fnmatch
import hashlib
import os
import queue
import random
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.beds.environments import NEWEST_POETRY
from tests.stress.bed import UnavailableError
from tests.stress.parity_allowed import allowed
from tests.stress.parity_commands import COMMANDS, Command
from tests.stress.parity_cost import cost
from tests.stress.parity_packages import VersionFixtures, version_fixtures
from tests.stress.parity_snapshots import Outcome, changes, differences, outermost, snapshot
from tests.stress.parity_worlds import ENVIRONMENTS, Environment, World
from tests.stress.racing import Finished, Start, begin, finish
from tests.stress.rounds import say

_NEW_MOUNT_NAMESPACE = 0x00020000
_EXAMPLES, _WIDE = 3, 160


@dataclass(frozen=True)
class Run:
    """A command in an environment, with stock and with guarded Poetry."""

    environment: Environment
    command: Command
    version: str

    def __str__(self) -> str:
        return f"{self.environment.name} / {self.command.name} / {self.version}"


def all_runs(environments: Sequence[Environment]) -> list[Run]:
    """Every command in every environment; versions rotate so that all pairs occur."""
    return [
        Run(one, command, one.versions[(row + column) % len(one.versions)])
        for row, one in enumerate(environments)
        for column, command in enumerate([*COMMANDS, *one.more])
        if command.name not in one.without
    ]


def short_runs(environments: Sequence[Environment]) -> list[Run]:
    """Two commands per environment and each command at least twice, on the oldest and newest."""
    picked = []
    for row, one in enumerate(environments):
        versions = (one.versions[-1],) if one.layout != "venv" else (one.versions[0], NEWEST_POETRY)
        for turn, version in enumerate(versions * (3 - len(versions))):
            column = (row * 2 + turn) % len(COMMANDS)
            picked.append(Run(one, COMMANDS[column], version))
    return [run for run in picked if run.command.name not in run.environment.without]


def pairs(runs: Iterable[Run]) -> int:
    """How many pairs of environment, command and version occur."""
    return len(
        {
            pair
            for run in runs
            for pair in (
                (run.environment.name, run.command.name),
                (run.environment.name, run.version),
                (run.command.name, run.version),
            )
        }
    )


def run_both(run: Run, root: Path, known: VersionFixtures) -> list[str]:
    """Run both sides in the same place; return the differences."""
    stock, guarded = (_side(run, root, known, stock=stock) for stock in (True, False))
    clean = None
    if run.command.builds:
        built = _side(run, root, known, stock=True, calls=run.command.calls[-1:])
        clean = built.archives or None
    return list(differences(stock, guarded, clean))


def _side(
    run: Run, root: Path, known: VersionFixtures, *, stock: bool, calls: Sequence[str] | None = None
) -> Outcome:
    world = run.environment.make_world(
        root,
        known.templates[run.version],
        run.version,
        known.indexes[run.version],
        stock=stock,
        change=run.command.change,
    )
    try:
        before = snapshot(root)
        calls = calls or (*run.environment.first, *run.command.calls)
        ended = [_call(world, words) for words in calls]
        ended += [_call(world, words, []) for words in run.environment.listings]
        return Outcome(ended, changes(root, before), _archives(world.checkout))
    finally:
        world.close()
        shutil.rmtree(root)


def _call(world: World, words: str, through: list[str] | None = None) -> Finished:
    argv = [
        *(world.argv if through is None else through),
        *shlex.split(words.format(**world.words)),
    ]
    start = Start(argv, world.checkout, world.variables, label=words)
    begun = time.monotonic()
    ended = finish(start, begin(start))
    seconds = time.monotonic() - begun
    out, err = (text.replace(str(world.root), "/WORLD") for text in (ended.out, ended.err))
    return Finished(start, ended.code, out, err, seconds)


def _archives(checkout: Path) -> dict[str, str]:
    found = checkout.glob("dist/*.*")
    return {one.name: hashlib.sha256(_packed(one)).hexdigest() for one in found}


def _packed(archive: Path) -> bytes:
    """All of an archive but the times that pdm-backend and setuptools write into their sdists."""
    if not archive.name.endswith(".gz"):
        return archive.read_bytes()
    packed = []
    with tarfile.open(archive) as members:
        for one in members:
            stream = members.extractfile(one)
            content = stream.read() if stream else b""
            what = (one.name, one.type, oct(one.mode), one.uid, one.gid, one.uname, one.linkname)
            packed.append(repr((*what, content)).encode())
    return b"".join(packed)


class Report:
    """The differences that are not allowed, by kind."""

    def __init__(self) -> None:
        self.runs = 0
        self.allowed: Counter[str] = Counter()
        self.found: dict[str, list[str]] = {}
        """By kind of difference, whatever the command; each as it occurred."""

    def add(self, run: Run, lines: Iterable[str]) -> None:
        """Sort the differences of one run, and print new kinds at once, and how far it is."""
        self.runs += 1
        if self.runs % 100 == 0:
            say(f"{self.runs} runs")
        left = []
        for line in lines:
            reason = allowed(str(run), line)
            if reason:
                self.allowed[reason.reason] += 1
            else:
                left.append(line)
        for line in outermost(left):
            kind = re.sub(r" of `[^`]*`", "", line)
            if kind not in self.found:
                say(f"{run}: {line}")
            self.found.setdefault(kind, []).append(f"{run}: {line}")

    def lines(self) -> Iterator[str]:
        """The whole report, most frequent first."""
        for reason, times in self.allowed.most_common():
            yield f"allowed {times} times: {reason}"
        for kind, met in sorted(self.found.items(), key=lambda item: -len(item[1])):
            yield f"DIFFERENT, {len(met)} times: {kind}"
            yield from (f"    {line[:_WIDE]}" for line in met[:_EXAMPLES])


@contextmanager
def workplace() -> Iterator[Path]:
    """A directory that every user can reach, whose mounts end with this process."""
    library = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0 and library.unshare(_NEW_MOUNT_NAMESPACE) == 0:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    with tempfile.TemporaryDirectory(prefix="parity-", ignore_cleanup_errors=True) as directory:
        work = Path(directory)
        work.chmod(0o755)
        yield work


def run_all(runs: Sequence[Run], work: Path, known: VersionFixtures, workers: int) -> Report:
    """Run them, `workers` in parallel, and report."""
    report = Report()
    places: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for number in range(workers):
        places.put(work / f"world-{number}")

    def one(run: Run) -> list[str]:
        place = places.get()
        try:
            return run_both(run, place, known)
        finally:
            places.put(place)

    with ThreadPoolExecutor(workers) as pool, ExitStack() as stack:
        stack.callback(pool.shutdown, cancel_futures=True)
        started = {pool.submit(one, run): run for run in runs}
        with suppress(KeyboardInterrupt):
            for done in as_completed(started):
                report.add(started[done], done.result())
    return report


def available(environments: Sequence[Environment]) -> list[Environment]:
    """The environments that this machine can provide; print why the others are skipped."""
    found = []
    for one in environments:
        try:
            one.available()
        except UnavailableError as reason:
            say(f"{one.name} skipped: {reason}")
        else:
            found.append(one)
    return found


def main() -> int:
    """Run what is requested."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="two commands in each environment")
    parser.add_argument("--only", default="*", help="'ENVIRONMENT / COMMAND / VERSION', with *")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2, help="side by side")
    parser.add_argument("--skip", type=int, default=0, help="how many runs an earlier process made")
    parser.add_argument("--list", action="store_true", help="print the runs without running them")
    options = parser.parse_args()
    runs = (short_runs if options.short else all_runs)(available(ENVIRONMENTS))
    runs = [run for run in runs if fnmatch.fnmatch(str(run), options.only)]
    # If it is stopped half-way, it has tried some of everything.
    random.Random(0).shuffle(runs)  # noqa: S311 - any order will do
    runs = runs[options.skip :]
    if options.list:
        say(*map(str, runs))
        return 0
    begun = time.monotonic()
    with workplace() as work, version_fixtures(work, {run.version for run in runs}) as known:
        report = run_all(runs, work, known, options.jobs)
        say(*report.lines())
        whole = not options.short and options.only == "*" and report.runs == len(runs)
        for line in cost(known, work) if whole else ():
            say(line)
    say(
        f"{report.runs} of {len(runs)} runs of stock and guarded Poetry, {pairs(runs)} pairs, "
        f"{len(report.found)} differences, {time.monotonic() - begun:.0f} s"
    )
    return 1 if report.found or report.runs < len(runs) else 0


if __name__ == "__main__":
    sys.exit(main())
