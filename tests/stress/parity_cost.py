"""What the plugin adds to a command: in instructions if they can be counted, else in time."""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.beds.environments import NEWEST_POETRY, OLDEST_POETRY, environment
from tests.beds.poetry import isolated
from tests.stress.parity_layouts import interpreter
from tests.stress.parity_packages import VersionFixtures
from tests.stress.racing import Start, run

_COMMANDS = ("--version", "version", "check", "show")
_PAIRS = 9

Measure = Callable[[Start], float]


def cost(known: VersionFixtures, work: Path) -> Iterator[str]:
    """A line per command and version: guarded relative to stock. Nothing is asserted."""
    unit, measure, pairs = _way()
    for version in (OLDEST_POETRY, NEWEST_POETRY):
        checkout = known.templates[version]
        for command in _COMMANDS:
            ratios = []
            for _ in range(pairs):
                stock, guarded = (
                    measure(_start(version, command, checkout, work / "cost", plugin=plugin))
                    for plugin in (False, True)
                )
                ratios.append(guarded / stock)
            ratio = statistics.median(ratios)
            yield f"cost of `poetry {command}`, {version}: x {ratio:.3f} {unit}"


def _start(version: str, command: str, checkout: Path, home: Path, *, plugin: bool) -> Start:
    poetry = environment(version, python=interpreter(), plugin=plugin, pypiserver=False)
    argv = [str(poetry.python), str(poetry.poetry), *command.split()]
    return Start(argv, checkout, isolated(home))


def _way() -> tuple[str, Measure, int]:
    """The unit, how to measure it, and how many pairs to run: counts hardly vary."""
    for unit, measure in (("instructions (perf)", _perf), ("instructions (valgrind)", _valgrind)):
        program = re.findall(r"\w+(?=\))", unit)[0]
        if shutil.which(program):
            try:
                measure(Start(["true"], Path("/"), isolated(Path("/tmp"))))  # noqa: S108 - reads nothing
            except (ValueError, subprocess.CalledProcessError):
                continue
            return unit, measure, 1
    return f"seconds, median of {_PAIRS} pairs", lambda start: run(start).seconds, _PAIRS


def _perf(start: Start) -> float:
    return _counted(start, ["perf", "stat", "-x,", "-e", "instructions:u"], r"^(\d+),")


def _valgrind(start: Start) -> float:
    options = ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    return _counted(start, ["valgrind", *options], r"I +refs: +([\d,]+)")


def _counted(start: Start, counter: list[str], pattern: str) -> float:
    done = subprocess.run(
        [*counter, *start.argv],
        cwd=start.cwd,
        env=start.environ,
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.search(pattern, done.stderr, re.MULTILINE)
    if not found:
        raise ValueError("nothing was counted")
    return float(found[1].replace(",", ""))
