"""How a stress command reads its options, sets up its bed, runs scenarios, and prints."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.beds.plugins import write_project
from tests.beds.simple_index import SimpleIndex
from tests.stress.bed import Bed, UnavailableError, fill_index
from tests.stress.racing import Tally, run

Scenarios = Mapping[str, Sequence[Callable[[Bed], list[Tally]]]]


@dataclass
class Options:
    """The command line's options."""

    names: str
    rounds: int
    short: bool


def parse_options(about: str, scenarios: Scenarios, short: str) -> Options:
    """Parse the command line; `short` names the scenarios of the short form."""
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help=f"one round of {', '.join(short)}")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--scenarios", default="".join(scenarios))
    options = parser.parse_args()
    if options.short:
        return Options(short, 1, short=True)
    return Options(options.scenarios, options.rounds, short=False)


@contextmanager
def set_up(rounds: int, address: str = "127.0.0.1") -> Iterator[Bed]:
    """A bed whose index, at this machine's `address`, has everything in Poetry's environment."""
    with tempfile.TemporaryDirectory(prefix="stress-", ignore_cleanup_errors=True) as directory:
        work = Path(directory)
        work.chmod(0o755)
        for name in ("wheels", "lock"):
            (work / name).mkdir()
        with SimpleIndex(work / "wheels", address) as index:
            bed = Bed(work, index, work / "lock/poetry.lock", rounds, address)
            bed.real_wheels = fill_index(work / "wheels", bed.poetry(stock=True))
            write_project(work / "lock", index.url, "")
            locking = bed.start(bed.poetry(stock=True), work / "lock", work, "lock")
            assert run(locking).code == 0
            yield bed


def run_scenarios(scenarios: Scenarios, options: Options, bed: Bed) -> list[Tally]:
    """Run the requested scenarios, and print a line for each tally as soon as it is known.

    A scenario that this machine cannot run is skipped on its own.
    """
    tallies: list[Tally] = []
    for name in options.names:
        for scenario in scenarios[name]:
            try:
                found = scenario(bed)
            except UnavailableError as reason:
                title = (scenario.__doc__ or "").partition(":")[0].partition(".")[0]
                say(f"{title or name} skipped: {reason}")
                continue
            tallies += found
            say(*(tally.line() for tally in found))
    return tallies


def say(*lines: str) -> None:
    """Print at once."""
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
