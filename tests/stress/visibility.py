"""Stress the word "visible": an install right after `poetry publish-verified` must succeed.

    python -m tests.stress.visibility [--short] [--rounds N] [--seed N]

Each round puts a real edge in front of a real index, both primed with the old page by real pip, uv
and Poetry. The plugin publishes a version; at once pip, uv and Poetry ask for it, without their own
caches, at every named index. Then stock Poetry publishes the next version, and they ask again.
Prints one line per round. Exits 1 if the plugin did not exit with 0, if an installer then failed,
if one variant was looked at twice within a quarter of a second, or if stock Poetry never left
anybody without the release, because then the rounds prove nothing.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.beds import indexes
from tests.beds.environments import environment
from tests.stress.rounds import say
from tests.stress.visibility_round import (
    INSTALLERS,
    KINDS,
    SHORTEST_GAP,
    Bed,
    RoundResult,
    Scenario,
    run_round,
)

_ROUNDS = 20
_SHORT = 4
_HEAD = f"{'':3}{'exit':>5}{'missed':>8}{'stock':>10}{'waited':>9}{'looks':>7}{'gap':>8}  "


def scenarios(rounds: int, seed: int) -> Iterator[Scenario]:
    """The rounds: every kind of edge in turn, in every configuration."""
    chance = random.Random(seed)  # noqa: S311 - any will do
    for number in range(rounds):
        kind = KINDS[number % len(KINDS)]
        yield Scenario(
            kind,
            on_devpi=number % 2 == 1 and not kind.plain,
            through=number % 3 == 2,
            mirrored=number % 4 == 1,
            primed_late=number % 5 < 3,
            ttl=chance.uniform(2, 8),
        )


@contextmanager
def set_up() -> Iterator[Bed]:
    """The servers, and Poetry with and without the wheel of this checkout."""
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stress-")))
        yield Bed(
            work,
            environment(),
            environment(plugin=False),
            stack.enter_context(indexes.pypiserver(work / "pypiserver")),
            stack.enter_context(indexes.devpi(work / "devpi")),
            stack.enter_context(indexes.devpi(work / "mirrors")),
        )


def line(number: int, result: RoundResult) -> str:
    """A round as one line."""
    names = [name for name in INSTALLERS if any(w.startswith(name) for w in result.stock_missed)]
    gap = "" if result.gap is None else f"{result.gap:.3f}"
    return (
        f"{number:3}{result.code:5}{len(result.missed):8}{len(names):8}/{len(INSTALLERS)}"
        f"{result.waited:8.1f}s{result.requests:7}{gap:>8}  {result.scenario.name}"
        f" ({result.scenario.ttl:.1f} s)"
    )


def summary(results: Sequence[RoundResult]) -> list[str]:
    """All rounds in a few lines."""
    words = [f"{len(results)} rounds, {sum(result.code == 0 for result in results)} ended in 0"]
    missed = sum(bool(result.missed) for result in results)
    words.append(f"rounds in which an installer failed after exit code 0: {missed}")
    of_stock = [result for result in results if result.stock_missed]
    words.append(
        f"rounds in which an installer failed after stock `poetry publish`: {len(of_stock)}"
    )
    for name in INSTALLERS:
        count = sum(any(who.startswith(name) for who in result.stock_missed) for result in of_stock)
        words.append(f"  {name}: {count}")
    gap = min((result.gap for result in results if result.gap is not None), default=0.0)
    words.append(f"shortest gap of two looks of one variant: {gap:.3f} s (at least {SHORTEST_GAP})")
    return words


def main() -> int:
    """Run the requested rounds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help=f"{_SHORT} rounds")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311 - any will do
    options = parser.parse_args()
    rounds = _SHORT if options.short else options.rounds
    results = []
    say(f"seed {options.seed}", _HEAD + "edge (its TTL), index")
    with set_up() as bed:
        for number, scenario in enumerate(scenarios(rounds, options.seed), 1):
            try:
                result = run_round(bed, scenario)
            except pytest.skip.Exception as reason:
                say(f"{number:3} {scenario.name} skipped: {reason}")
                continue
            results.append(result)
            say(line(number, result))
    faults = [f"{result.scenario.name}: {fault}" for result in results for fault in result.faults]
    if results and not any(result.stock_missed for result in results):
        faults.append("stock Poetry left nobody without the release, so the rounds prove nothing")
    say(*summary(results), *faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
