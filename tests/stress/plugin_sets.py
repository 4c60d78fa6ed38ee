"""Stress plugin sets with real Poetry processes, stock and guarded.

    python -m tests.stress.plugin_sets [--short] [--rounds N] [--scenarios abcdefghi]

Prints one line per scenario: processes, failures by kind, builds per key, wall time. Exits 1 if a
guarded process failed, or a key was built twice on a filesystem with working locks. Scenarios that
this machine cannot run are skipped with a reason.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.beds.environments import OLDEST_POETRY, pythons
from tests.beds.plugins import write_project
from tests.stress.bed import NEW_LIST, NO_WRITING, OLD_LIST, Bed, UnavailableError, check_leftovers
from tests.stress.hostile import full_and_read_only, two_mounts, two_users
from tests.stress.racing import Tally, race, run, run_and_kill
from tests.stress.rounds import Scenarios, parse_options, run_scenarios, say, set_up


def dynamic(checkout: Path) -> None:
    """Make poetry-dynamic-versioning take the project's version from a tag."""
    file = checkout / "pyproject.toml"
    text = file.read_text(encoding="utf-8").replace('version = "0.0.0"', 'dynamic = ["version"]')
    text = text.replace(OLD_LIST, 'poetry-dynamic-versioning = ">=1,<2"')
    text = text.replace("[tool.poetry]", '[tool.poetry]\nversion = "0.0.0"')
    file.write_text(f"{text}\n[tool.poetry-dynamic-versioning]\nenable = true\n", encoding="utf-8")
    who = ["-c", "user.name=stress", "-c", "user.email=stress@example.org"]
    for command in (["init"], ["add", "--all"], [*who, "commit", "-m", "First"], ["tag", "v1.2.3"]):
        subprocess.run(["git", *command], cwd=checkout, check=True, capture_output=True)


def cold(
    bed: Bed, count: int, under: Path | None = None, stock: bool = True, writing: bool = False
) -> list[Tally]:
    """(a) `count` parallel first installs, each into its own environment.

    With poetry-dynamic-versioning if it is available; `writing` lets it rewrite pyproject.toml in
    place as it usually does, which is another race.
    """
    kinds = ("stock", "guarded") if stock else ("guarded",)
    tallies = [Tally(f"(a) cold, N = {count}, {kind}") for kind in kinds]
    for _ in range(bed.rounds):
        for tally in tallies:
            is_stock = tally.name.endswith("stock")
            poetry = bed.poetry(stock=is_stock)
            # Stock's first run is always without the plugin, which is not what this measures.
            version = "1.2.3" if bed.real_wheels else "9.1.0"
            right = (version, "0.0.0") if is_stock else (version,)
            with bed.home() as home, bed.project(under=under) as checkout:
                if bed.real_wheels:
                    dynamic(checkout)
                starts = [
                    bed.start(poetry, checkout, home, "install", *right) for _ in range(count)
                ]
                last = bed.start(poetry, checkout, home, "version", version)
                for start in () if writing else (*starts, last):
                    start.environ[NO_WRITING] = "install,version"
                begun = time.monotonic()
                tally.add(race(starts), time.monotonic() - begun)
                tally.add([run(last)])
    return tallies


def writing(bed: Bed) -> list[Tally]:
    """(i) Like (a), with poetry-dynamic-versioning rewriting pyproject.toml in place."""
    if not bed.real_wheels:
        raise UnavailableError("needs poetry-dynamic-versioning")
    tallies = cold(bed, 8, writing=True)
    for tally in tallies:
        tally.name = tally.name.replace("(a) cold", "(i) cold, writing in place")
    return tallies


def edited(bed: Bed, count: int = 8) -> list[Tally]:
    """(b) The plugin list was edited: installers, and readers in a loop."""
    tallies = [Tally("(b) edited list, stock"), Tally("(b) edited list, guarded")]
    for _ in range(bed.rounds):
        for tally in tallies:
            poetry = bed.poetry(stock=tally.name.endswith("stock"))
            with bed.home() as home, bed.project() as checkout:
                run(bed.start(poetry, checkout, home, "install"))
                run(bed.start(poetry, checkout, home, "install"))
                write_project(checkout, bed.index.url, NEW_LIST)
                starts = []
                for number in range(count):
                    install = number % 4 == 0
                    # Stock's installer loads the old plugin before it removes it.
                    old = not install or tally.name.endswith("stock")
                    right = ("9.2.0", "9.1.0") if old else ("9.2.0",)
                    command = "install" if install else "version"
                    starts.append(bed.start(poetry, checkout, home, command, *right))
                begun = time.monotonic()
                tally.add(race(starts), time.monotonic() - begun)
                tally.add([run(bed.start(poetry, checkout, home, "version", "9.2.0"))])
    return tallies


def interpreters(bed: Bed) -> list[Tally]:
    """(c) Several interpreters and two Poetry versions in one checkout."""
    tally = Tally("(c) interpreters in parallel, guarded")
    turns = Tally("(c) interpreters in turn, guarded")
    poetries = [bed.poetry(python=python) for python in pythons()[:3]]
    poetries.append(bed.poetry(OLDEST_POETRY))
    for _ in range(bed.rounds):
        with bed.home() as home, bed.project() as checkout:
            installs = [bed.start(one, checkout, home, "install", "9.1.0") for one in poetries * 2]
            begun = time.monotonic()
            ended = race(installs)
            tally.add(ended, time.monotonic() - begun)
            tally.add(
                race([bed.start(one, checkout, home, "version", "9.1.0") for one in poetries])
            )
            for one in poetries:
                again = run(bed.start(one, checkout, home, "install", "9.1.0"))
                turns.add([again])
                if "Building" in again.out:
                    turns.fail("built again", again.out)
    return [tally, turns]


def killed(bed: Bed) -> list[Tally]:
    """(d) kill -9 at any moment of a first install, then go on, alone and in parallel."""
    tally = Tally("(d) kill -9, then go on, guarded")
    poetry = bed.poetry()
    for _ in range(bed.rounds * 4):
        with bed.home() as home, bed.project() as checkout:
            for _ in range(3):
                victim = bed.start(poetry, checkout, home, "install")
                run_and_kill(victim, random.uniform(0.4, 2.2))  # noqa: S311 - any moment will do
            tally.add(race([bed.start(poetry, checkout, home, "install", "9.1.0") for _ in "12"]))
            tally.add([run(bed.start(poetry, checkout, home, "version", "9.1.0"))])
            check_leftovers(tally, checkout)
    return [tally]


def odd_path(bed: Bed) -> list[Tally]:
    """(g) A path with spaces and umlauts."""
    under = bed.work / "ein Pfad mit Ümläuten"
    under.mkdir(exist_ok=True)
    (tally,) = cold(bed, 2, under, stock=False)
    tally.name = "(g) spaces and umlauts, guarded"
    return [tally]


SCENARIOS: Scenarios = {
    "a": tuple(partial(cold, count=count) for count in (2, 4, 8)),
    "b": (edited,),
    "c": (interpreters,),
    "d": (killed,),
    "e": (two_mounts,),
    "f": (two_users,),
    "g": (odd_path,),
    "h": (full_and_read_only,),
    "i": (writing,),
}
# Failures here are the other plugin's fault and only counted.
_ONLY_COUNTED = "(i)"
# Where locks do not exclude, a set may be built twice; nothing else may go wrong.
_MAY_BUILD_TWICE = ("(e)", "(f)")


def _verdict(tallies: Sequence[Tally]) -> list[str]:
    faults = []
    for tally in tallies:
        if tally.name.endswith("guarded") and not tally.name.startswith(_ONLY_COUNTED):
            faults += [f"{tally.name}: {kind}\n{text}" for kind, text in tally.examples.items()]
            if tally.most_builds > 1 and not tally.name.startswith(_MAY_BUILD_TWICE):
                faults.append(f"{tally.name}: {tally.most_builds} builds of one key")
    walls = {tally.name: statistics.median(tally.walls) for tally in tallies if tally.walls}
    stock, guarded = (walls.get(f"(a) cold, N = 8, {kind}") for kind in ("stock", "guarded"))
    if stock and guarded:
        say(f"cold installs, N = 8: guarded takes {guarded / stock:.2f} of stock's time")
    return faults


def main() -> int:
    """Run the requested scenarios."""
    options = parse_options(__doc__, SCENARIOS, short="acd")
    with set_up(options.rounds) as bed:
        tallies = run_scenarios(SCENARIOS, options, bed)
    faults = _verdict(tallies)
    say(*faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
