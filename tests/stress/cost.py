"""The plugin's cost when nothing contends for a lock, in paired, alternating runs.

    python -m tests.stress.cost [--pairs N] [--rounds N]

Prints medians side by side, and the median of the pairs' ratios. It asserts nothing: on a shared
machine only a human can judge the figures.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from poetry_publish_verified.guard.locks.lock import acquire
from poetry_publish_verified.guard.locks.resource import Resource
from tests.stress.bed import Bed
from tests.stress.packages import consumer
from tests.stress.racing import race, run
from tests.stress.rounds import say, set_up

_OFF = {"POETRY_PUBLISH_VERIFIED_GUARD": "off"}
_LOCKS = 300
_ENVIRONMENTS = 8


def compare(title: str, ways: Mapping[str, Callable[[], float]], times: int) -> None:
    """Measure each variant in turn, `times` over, and print them relative to the first."""
    measured: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(times + 1):
        order = list(ways) if turn % 2 else [*ways][::-1]
        for name in order:
            one = ways[name]()
            # The first turn only warms caches.
            if turn:
                measured[name].append(one)
    (first, base), *_ = measured.items()
    say(title)
    for name, seconds in measured.items():
        ratios = [mine / other for mine, other in zip(seconds, base, strict=True)]
        against = "" if name == first else f"   x {statistics.median(ratios):.3f} of {first}"
        say(f"  {name:22} {statistics.median(seconds) * 1000:10.2f} ms{against}")


def commands(bed: Bed, pairs: int) -> None:
    """`poetry --version`, and `poetry version` in a project without plugins."""
    stock, guarded = bed.poetry(stock=True), bed.poetry()
    with bed.home() as home, consumer(bed) as checkout:
        for command, where in (("--version", home), ("version", checkout)):

            def timed(
                poetry: Path, environ: dict[str, str], command: str = command, where: Path = where
            ) -> float:
                ended = run(bed.command(poetry, where, home, command, environ=environ))
                assert ended.code == 0, ended.err
                return ended.seconds

            ways = {
                "stock": lambda timed=timed: timed(stock, {}),
                "with the plugin": lambda timed=timed: timed(guarded, {}),
                "its guard off": lambda timed=timed: timed(guarded, _OFF),
            }
            compare(f"poetry {command}, {pairs} pairs", ways, pairs)


def one_lock(times: int) -> None:
    """An uncontended lock against no lock."""
    with tempfile.TemporaryDirectory(prefix="cost-") as directory:
        resource = Resource("nothing", Path(directory) / "locks" / "one.lock")

        def timed(context: Callable[[], AbstractContextManager[bool]]) -> float:
            begun = time.perf_counter()
            for _ in range(_LOCKS):
                with context() as is_held:
                    assert is_held
            return (time.perf_counter() - begun) / _LOCKS * 1000

        pairs = [
            (timed(lambda: acquire(resource, say)), timed(lambda: nullcontext(enter_result=True)))
            for _ in range(times)
        ]
        locked, none = (statistics.median(side) for side in zip(*pairs, strict=True))
        say(f"one uncontended lock, mean of {_LOCKS}: {locked:.3f} ms, none: {none:.3f} ms")


def installs(bed: Bed, rounds: int) -> None:
    """Eight parallel installs into eight environments."""
    stock, guarded = bed.poetry(stock=True), bed.poetry()
    with bed.home() as home, consumer(bed) as checkout:

        def timed(poetry: Path, more: dict[str, str]) -> float:
            starts = []
            with tempfile.TemporaryDirectory(prefix="venvs-", dir=home) as venvs:
                for number in range(_ENVIRONMENTS):
                    environ = {
                        "POETRY_VIRTUALENVS_IN_PROJECT": "false",
                        "POETRY_VIRTUALENVS_PATH": f"{venvs}/{number}",
                        **more,
                    }
                    starts.append(bed.command(poetry, checkout, home, "install", environ=environ))
                begun = time.monotonic()
                ended = race(starts, stagger=0)
                seconds = time.monotonic() - begun
            failed = [one.out + one.err for one in ended if one.code]
            assert not failed, failed[0]
            return seconds

        ways = {
            "its guard off": lambda: timed(guarded, _OFF),
            "with the plugin": lambda: timed(guarded, {}),
            "stock": lambda: timed(stock, {}),
        }
        compare(f"{_ENVIRONMENTS} installs, {_ENVIRONMENTS} environments, {rounds}", ways, rounds)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    one_lock(options.pairs)
    with set_up(options.rounds) as bed:
        commands(bed, options.pairs)
        installs(bed, options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
