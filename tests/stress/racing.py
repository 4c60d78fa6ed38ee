"""Start real processes in parallel, slightly staggered, and classify how each of them ended."""

from __future__ import annotations

import os
import re
import signal
import statistics
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from tests.beds.processes import HANG

# Starting all at the same instant hides the race: they overwrite files with identical ones.
STAGGER = 0.35
_EXAMPLE = 4000

_KINDS = (
    (r"no end within", "no end"),
    (r"Directory not empty", "directory not empty"),
    (r"No module named|cannot import name|ImportError", "import failed"),
    (r"No such file or directory|FileNotFoundError", "file vanished"),
    (r"No space left", "disk full"),
    (r"already exists", "loaded twice"),
    (r"File exists|FileExistsError", "file was there already"),
    (r"Unable to access any of", "cannot be accessed"),
    (r"version solving failed", "solving failed"),
    (r"Permission denied|PermissionError", "permission denied"),
    (r"TOML|at line \d+ col \d+|Unexpected end of file", "file unparsable"),
)


@dataclass
class Start:
    """One process to start, and the check on its result."""

    argv: Sequence[str]
    cwd: Path
    environ: dict[str, str]
    check: Callable[[Finished], str | None] = lambda _: None
    label: str = ""


@dataclass
class Finished:
    """How one process ended."""

    start: Start
    code: int
    out: str
    err: str
    seconds: float = 0.0
    """Its duration, if it was run alone."""

    def failure(self) -> str | None:
        """The kind of failure, or None."""
        if self.code < 0:
            return f"signal {-self.code}"
        if self.code:
            text = self.out + self.err
            known = [kind for pattern, kind in _KINDS if re.search(pattern, text)]
            last = (self.err.strip() or self.out.strip()).splitlines()[-1:]
            return known[0] if known else f"exit {self.code}: {''.join(last)[:90]}"
        return self.start.check(self)


def race(
    starts: Sequence[Start], stagger: float = STAGGER, beside: Sequence[Start] = ()
) -> list[Finished]:
    """Start them `stagger` seconds apart, and wait for all.

    Those in `beside` run again and again until all others have ended.
    """
    over = threading.Event()

    def again(start: Start) -> list[Finished]:
        ended = []
        while not over.is_set():
            ended.append(run(start))
        return ended

    with ThreadPoolExecutor(max_workers=len(beside) + 1) as pool:
        loops = [pool.submit(again, start) for start in beside]
        try:
            running = []
            for start in starts:
                running.append((start, begin(start)))
                time.sleep(stagger)
            ended = [finish(start, process) for start, process in running]
        finally:
            over.set()
        return [*ended, *chain.from_iterable(loop.result() for loop in loops)]


def run(start: Start) -> Finished:
    """Run one process to its end."""
    begun = time.monotonic()
    ended = finish(start, begin(start))
    ended.seconds = time.monotonic() - begun
    return ended


def run_and_kill(start: Start, after: float) -> bool:
    """Kill -9 a process after this many seconds; return whether it was still alive."""
    process = begin(start)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    process.communicate()
    return False


def begin(start: Start) -> subprocess.Popen[str]:
    """Start a process in its own group, without a terminal."""
    return subprocess.Popen(
        start.argv,
        cwd=start.cwd,
        env=start.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # File names in a checkout may be undecodable.
        errors="replace",
        # Its children must end with it, or its pipes stay open.
        process_group=0,
    )


def finish(start: Start, process: subprocess.Popen[str]) -> Finished:
    """Wait for its end, and kill it if it hangs."""
    try:
        out, err = process.communicate(timeout=HANG)
    except subprocess.TimeoutExpired:
        out, err = kill(process)
        return Finished(start, 1, out, f"{err}\nno end within {HANG:g} s")
    return Finished(start, process.returncode, out, err)


def kill(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Kill -9 a process and everything it started; return its output so far."""
    os.killpg(process.pid, signal.SIGKILL)
    try:
        return process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        # A process in another group still has its pipes.
        return "", ""


@dataclass
class Tally:
    """The results of one scenario with one kind of Poetry."""

    name: str
    processes: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    most_builds: int = 0
    walls: list[float] = field(default_factory=list)
    counted_only: bool = False
    """Failures are reported but do not count against the guard."""

    def add(self, ended: Sequence[Finished], wall: float | None = None) -> None:
        """Count these."""
        self.processes += len(ended)
        for one in ended:
            kind = one.failure()
            if kind is not None:
                self.fail(kind, f"{kind}\n{one.start.label}\n{one.out}\n{one.err}")
        builds = Counter(one.start.label for one in ended if "Building the plugin set" in one.out)
        self.most_builds = max(self.most_builds, *builds.values(), 0)
        if wall is not None:
            self.walls.append(wall)

    def fail(self, kind: str, example: str) -> None:
        """Count one failure; a part in brackets belongs only to the example, not to the kind."""
        kind = kind.partition(" (")[0]
        self.failures[kind] += 1
        half = _EXAMPLE // 2
        if len(example) > _EXAMPLE:
            example = f"{example[:half]}\n[…]\n{example[-half:]}"
        self.examples.setdefault(kind, example)

    def line(self) -> str:
        """One line of the report."""
        failed = ", ".join(f"{count} x {kind}" for kind, count in self.failures.most_common())
        wall = f"{statistics.median(self.walls):6.2f} s" if self.walls else "        "
        builds = f"  builds per key <= {self.most_builds}" if self.most_builds else ""
        return (
            f"{self.name:40} {self.processes:4} processes  {sum(self.failures.values()):3} failed"
            f"  median {wall}{builds}  {failed}"
        )
