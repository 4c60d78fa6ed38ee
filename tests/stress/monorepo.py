"""Stress `poetry publish-verified --projects`: many releases that depend on each other, in one run.

    python -m tests.stress.monorepo [--short] [--rounds N] [--seed N]

Forty projects in five layers are published to an index whose pages are two seconds old. All must be
proven, and no file of a project may be sent before everything it needs was shown to every installer
and downloaded. The time is compared with the longest chain of single releases and with a shell
loop. Then a run of ten projects is killed at a random moment, in every other round with builds that
always differ; the same command must exit with 0, and the index must accept no file twice. Then the
index refuses one project: exactly its dependents are blocked, and without the fault the same
command exits with 0. Prints a line per round, and exits 1 if one ended otherwise.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator

from tests.beds.processes import own_address
from tests.stress import monorepo_flow
from tests.stress.monorepo_bed import KINDS, Size
from tests.stress.monorepo_faults import Kill, killed, refused
from tests.stress.rounds import say
from tests.stress.upload_bed import Bed, set_up

_ROUNDS = 20
# Seconds for building ten projects, and for sending them.
_BEFORE, _SENDING = 10.0, 9.0
# The short form.
_SHORT = 2
_ALONE = 1


def flows(bed: Bed, seed: int, *, short: bool) -> int:
    """Release forty projects in five layers; return how many rounds went wrong."""
    failed = 0
    for kind in KINDS[:1] if short else KINDS:
        size = Size(8, 3, seed) if short else Size(40, 5, seed)
        flow = monorepo_flow.run_round(bed, kind, size, _ALONE if short else None)
        say(f"{_end(flow.faults)}  {flow}", *flow.faults)
        failed += bool(flow.faults)
    if not short and (address := own_address()):
        flow = monorepo_flow.run_round(bed, KINDS[0], Size(40, 5, seed), 3, address)
        say(f"{_end(flow.faults)}  {flow}; four requests a second", *flow.faults)
        failed += bool(flow.faults)
    return failed


def kills(bed: Bed, seed: int, rounds: int, *, short: bool) -> int:
    """Kill a run in every round; return how many went wrong."""
    size = Size(4, 2, seed) if short else Size(10, 3, seed)
    failed = 0
    for number, kill in enumerate(_kills(rounds, seed, short=short), 1):
        came, faults = killed(bed, size, kill)
        say(f"{_end(faults)}  {number:2} {kill} ({came})", *faults)
        failed += bool(faults)
    return failed


def _kills(rounds: int, seed: int, *, short: bool) -> Iterator[Kill]:
    chance = random.Random(seed)  # noqa: S311 - any will do
    for number in range(rounds):
        early = number // 4 % 2 == 1
        moment = chance.uniform(0.3, _BEFORE) if early else chance.uniform(0, _SENDING)
        yield Kill(
            KINDS[number // 2 % len(KINDS)],
            differ=number % 2 == 1,
            early=early,
            moment=moment / 3 if short else moment,
        )


def refusals(bed: Bed, seed: int, *, short: bool) -> int:
    """Have the index refuse one project; return how many rounds went wrong."""
    failed = 0
    for kind in KINDS[1:] if short else KINDS:
        came, faults = refused(bed, kind, Size(5 if short else 10, 3, seed), built=short)
        say(f"{_end(faults)}  {kind:11} {came}", *faults)
        failed += bool(faults)
    return failed


def _end(faults: list[str]) -> str:
    return "WRONG" if faults else "right"


def main() -> int:
    """Run the requested rounds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help=f"one index, {_SHORT} kills, no loop")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="how many kills")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311 - any will do
    options = parser.parse_args()
    say(f"seed {options.seed}")
    with set_up(KINDS) as bed:
        failed = flows(bed, options.seed, short=options.short)
        rounds = _SHORT if options.short else options.rounds
        failed += kills(bed, options.seed, rounds, short=options.short)
        failed += refusals(bed, options.seed, short=options.short)
    say("all rounds are right" if not failed else f"{failed} rounds are wrong")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
