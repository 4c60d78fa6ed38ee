"""Start real processes side by side, a little apart, and sort out how each of them ended."""

from __future__ import annotations

import os
import re
import signal
import statistics
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from dataclasses import field
from itertools import chain
from pathlib import Path

from tests.beds.processes import HANG

# Processes that start at once hide the race: they overwrite files with identical ones.
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
    """One process to start, and what must be true of it in the end."""

    argv: Sequence[str]
    cwd: Path
    environ: dict[str, str]
    check: Callable[[Ended], str | None] = lambda _: None
    label: str = ""


@dataclass
class Ended:
    """How one process ended."""

    start: Start
    code: int
    out: str
    err: str
    seconds: float = 0.0
    """From its start to its end, where somebody waited for it alone."""

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
) -> list[Ended]:
    """Start them `stagger` seconds apart, and wait for all.

    Those `beside` them are run again and again until all have ended.
    """
    over = threading.Event()

    def again(start: Start) -> list[Ended]:
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


def run(start: Start) -> Ended:
    """Run one process to its end."""
    begun = time.monotonic()
    ended = finish(start, begin(start))
    ended.seconds = time.monotonic() - begun
    return ended


def run_and_kill(start: Start, after: float) -> bool:
    """Kill -9 a process after so many seconds; whether it was still alive."""
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
    """Start a process, in a group of its own, without a terminal."""
    return subprocess.Popen(
        start.argv,
        cwd=start.cwd,
        env=start.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A name in a checkout may be no text.
        errors="replace",
        # What it has started must end with it, or its pipes stay open.
        process_group=0,
    )


def finish(start: Start, process: subprocess.Popen[str]) -> Ended:
    """Wait for its end, and kill it if that does not come."""
    try:
        out, err = process.communicate(timeout=HANG)
    except subprocess.TimeoutExpired:
        out, err = kill(process)
        return Ended(start, 1, out, f"{err}\nno end within {HANG:g} s")
    return Ended(start, process.returncode, out, err)


def kill(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Kill -9 a process with all that it started; what it had said."""
    os.killpg(process.pid, signal.SIGKILL)
    try:
        return process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        # Somebody in yet another group has its pipes.
        return "", ""


@dataclass
class Tally:
    """What is known of one scenario with one kind of Poetry."""

    name: str
    processes: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    most_builds: int = 0
    walls: list[float] = field(default_factory=list)
    counted_only: bool = False
    """What fails here is reported, and not held against the guard."""

    def add(self, ended: Sequence[Ended], wall: float | None = None) -> None:
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
        """Count one failure; of its kind, what stands in brackets is only for the example."""
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
