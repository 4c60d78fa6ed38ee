"""Start real processes side by side, a little apart, and sort out how each of them ended."""

from __future__ import annotations

import re
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

# Processes that start at once hide the race: they overwrite files with identical ones.
STAGGER = 0.35
_LIMIT = 300

_KINDS = (
    (r"Directory not empty", "directory not empty"),
    (r"No module named|cannot import name|ImportError", "import failed"),
    (r"No such file or directory|FileNotFoundError", "file vanished"),
    (r"No space left", "disk full"),
    (r"already exists", "loaded twice"),
    (r"version solving failed", "solving failed"),
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


def race(starts: Sequence[Start], stagger: float = STAGGER) -> list[Ended]:
    """Start them `stagger` seconds apart, and wait for all."""
    running = []
    for start in starts:
        running.append((start, _popen(start)))
        time.sleep(stagger)
    return [_wait(start, process) for start, process in running]


def run(start: Start) -> Ended:
    """Run one process to its end."""
    return _wait(start, _popen(start))


def run_and_kill(start: Start, after: float) -> bool:
    """Kill -9 a process after so many seconds; whether it was still alive."""
    process = _popen(start)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    process.communicate()
    return False


def _popen(start: Start) -> subprocess.Popen[str]:
    return subprocess.Popen(
        start.argv,
        cwd=start.cwd,
        env=start.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait(start: Start, process: subprocess.Popen[str]) -> Ended:
    try:
        out, err = process.communicate(timeout=_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        return Ended(start, 1, out, f"{err}\nno end within {_LIMIT} s")
    return Ended(start, process.returncode, out, err)


@dataclass
class Tally:
    """What is known of one scenario with one kind of Poetry."""

    name: str
    processes: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    most_builds: int = 0
    walls: list[float] = field(default_factory=list)

    def add(self, ended: Sequence[Ended], wall: float | None = None) -> None:
        """Count these."""
        self.processes += len(ended)
        for one in ended:
            kind = one.failure()
            if kind is not None:
                self.fail(kind, f"{one.start.label}\n{one.out}\n{one.err}")
        builds = Counter(one.start.label for one in ended if "Building the plugin set" in one.out)
        self.most_builds = max(self.most_builds, *builds.values(), 0)
        if wall is not None:
            self.walls.append(wall)

    def fail(self, kind: str, example: str) -> None:
        """Count one failure."""
        self.failures[kind] += 1
        self.examples.setdefault(kind, example)

    def line(self) -> str:
        """One line of the report."""
        failed = ", ".join(f"{count} x {kind}" for kind, count in self.failures.most_common())
        wall = f"{statistics.median(self.walls):6.2f} s" if self.walls else "        "
        return (
            f"{self.name:36} {self.processes:4} processes  {sum(self.failures.values()):3} failed"
            f"  builds per key <= {self.most_builds}  median {wall}  {failed}"
        )
