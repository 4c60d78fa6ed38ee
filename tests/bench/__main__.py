"""How fast the plugin is, next to what it replaces: all figures in one run.

    python -m tests.bench [--only NAME …] [--runs N] [--large MB] [--json FILE]

Prints a table per figure, and writes all of them as JSON (docs/bench.json, unless some are left
out). It asserts nothing: on a shared machine only a human can judge the figures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tests.beds.environments import ROOT
from tests.bench import guard, start_and_end, uploads
from tests.bench.bed import Bed, set_up
from tests.bench.figures import Figure, document
from tests.stress.rounds import say

Measure = Callable[[Bed, int], Iterator[Figure]]
# What is measured, and how many times by default.
_ALL: dict[str, tuple[Measure, int]] = {
    "twelve": (uploads.several, 3),
    "one": (uploads.one, 3),
    "small": (start_and_end.small, 5),
    "start-and-end": (start_and_end.start_and_end, 15),
    "installs": (guard.installs, 3),
    "reader": (guard.reader, 15),
    "commands": (guard.commands, 7),
    "environments": (guard.environments, 1),
    "lock": (guard.lock, 7),
}
_LARGE, _LARGE_RUNS = "large", 1


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [*_ALL, _LARGE]
    parser.add_argument("--only", action="append", choices=names, help="measure only this")
    parser.add_argument("--runs", type=int, help="how often to measure each, instead of the usual")
    parser.add_argument("--large", type=int, default=300, help="the large wheel's size in MB")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    options = parser.parse_args()
    every: dict[str, tuple[Measure, int]] = {
        **_ALL,
        _LARGE: (partial(uploads.large, megabytes=options.large), _LARGE_RUNS),
    }
    found: list[Figure] = []
    with set_up() as bed:
        for name in options.only or names:
            measure, usual = every[name]
            for figure in measure(bed, options.runs or usual):
                say(*figure.table())
                found.append(figure)
    file = options.json or (None if options.only else ROOT / "docs" / "bench.json")
    if file is not None:
        text = json.dumps(document(found, datetime.now(UTC)), indent=1, ensure_ascii=False)
        file.write_text(f"{text}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
