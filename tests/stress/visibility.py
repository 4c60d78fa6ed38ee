"""Stress the word "visible": who installs right after `poetry publish-verified` must succeed.

    python -m tests.stress.visibility [--short] [--rounds N] [--seed N]

Each round has a real edge in front of a real index, both with the old page in them, as real pip,
uv and Poetry have read it. Then a version is sent by the plugin, and at once pip, uv and Poetry
ask for it, without caches of their own, at every index that was named; then the next version is
sent by stock Poetry, and they ask again. Prints one line a round. Exits 1 if the plugin did not
end in 0, if an installer then failed, if one variant was looked at twice within a quarter of a
second, or if stock Poetry never left anybody without the release, for then nothing was shown.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.beds import indexes
from tests.beds.environments import environment
from tests.stress.rounds import say
from tests.stress.visibility_round import INSTALLERS
from tests.stress.visibility_round import KINDS
from tests.stress.visibility_round import SHORTEST_GAP
from tests.stress.visibility_round import Bed
from tests.stress.visibility_round import Scene
from tests.stress.visibility_round import Wave
from tests.stress.visibility_round import play

_ROUNDS = 20
_SHORT = 4
_HEAD = f"{'':3}{'exit':>5}{'missed':>8}{'stock':>10}{'waited':>9}{'looks':>7}{'gap':>8}  "


def scenes(rounds: int, seed: int) -> Iterator[Scene]:
    """What to play: every kind of edge in turn, and every way to use it."""
    chance = random.Random(seed)  # noqa: S311 - any will do
    for number in range(rounds):
        kind = KINDS[number % len(KINDS)]
        yield Scene(
            kind,
            on_devpi=number % 2 == 1 and not kind.plain,
            through=number % 3 == 2,
            mirrored=number % 4 == 1,
            anew=number % 5 < 3,
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


def line(number: int, wave: Wave) -> str:
    """A round in one line."""
    names = [name for name in INSTALLERS if any(w.startswith(name) for w in wave.stock_missed)]
    gap = "" if wave.gap is None else f"{wave.gap:.3f}"
    return (
        f"{number:3}{wave.code:5}{len(wave.missed):8}{len(names):8}/{len(INSTALLERS)}"
        f"{wave.waited:8.1f}s{wave.requests:7}{gap:>8}  {wave.scene.name}"
        f" ({wave.scene.ttl:.1f} s)"
    )


def summary(waves: Sequence[Wave]) -> list[str]:
    """All rounds in a few lines."""
    words = [f"{len(waves)} rounds, {sum(wave.code == 0 for wave in waves)} ended in 0"]
    missed = sum(bool(wave.missed) for wave in waves)
    words.append(f"rounds in which an installer failed after exit code 0: {missed}")
    of_stock = [wave for wave in waves if wave.stock_missed]
    words.append(
        f"rounds in which an installer failed after stock `poetry publish`: {len(of_stock)}"
    )
    for name in INSTALLERS:
        count = sum(any(who.startswith(name) for who in wave.stock_missed) for wave in of_stock)
        words.append(f"  {name}: {count}")
    gap = min((wave.gap for wave in waves if wave.gap is not None), default=0.0)
    words.append(f"shortest gap of two looks of one variant: {gap:.3f} s (at least {SHORTEST_GAP})")
    return words


def main() -> int:
    """Play the rounds asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help=f"{_SHORT} rounds")
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311 - any will do
    options = parser.parse_args()
    rounds = _SHORT if options.short else options.rounds
    waves = []
    say(f"seed {options.seed}", _HEAD + "edge (its TTL), index")
    with set_up() as bed:
        for number, scene in enumerate(scenes(rounds, options.seed), 1):
            try:
                wave = play(bed, scene)
            except pytest.skip.Exception as reason:
                say(f"{number:3} {scene.name} skipped: {reason}")
                continue
            waves.append(wave)
            say(line(number, wave))
    faults = [f"{wave.scene.name}: {fault}" for wave in waves for fault in wave.faults]
    if waves and not any(wave.stock_missed for wave in waves):
        faults.append("stock Poetry left nobody without the release, so nothing was shown")
    say(*summary(waves), *faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
