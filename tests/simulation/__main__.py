"""Simulate the wait for a release, check it against its targets, and write the docs' figures.

    python -m tests.simulation [--delays N] [--check]

Exits with 1 if a target is missed; with `--check` also if the docs have other figures, and then it
writes nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.simulation.copies import KINDS
from tests.simulation.measuring import DELAYS, measure, targets, together
from tests.simulation.plot import plot
from tests.simulation.policies import OURS, POLICIES
from tests.simulation.report import table, verdicts

DOCS = Path(__file__).resolve().parents[2] / "docs" / "explanation"
BEGIN, END = "<!-- figures: make simulate -->\n", "<!-- end of figures -->"


def main() -> int:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--delays", type=int, default=DELAYS, help="of each kind")
    parser.add_argument("--check", action="store_true", help="only compare the docs' figures")
    options = parser.parse_args()
    by_policy = {
        policy: [measure(kind, policy, options.delays) for kind in KINDS] for policy in POLICIES
    }
    by_kind = [one for same_kind in zip(*by_policy.values(), strict=True) for one in same_kind]
    all_kinds = [together(measured) for measured in by_policy.values()]
    figures = table([*by_kind, *all_kinds])
    ours = [*by_policy[OURS], *(one for one in all_kinds if one.policy == OURS)]
    wanted = [target for one in ours for target in targets(one)]
    sys.stdout.write(
        f"Overshoot and requests of {options.delays} waits of each kind\n\n{figures}\n\n"
        f"{OURS} against its targets\n\n{verdicts(wanted)}\n"
    )
    well = all(target.met for target in wanted)
    made = {DOCS / "visibility.md": _page(figures), DOCS / "waiting.svg": plot(by_kind)}
    for path, text in made.items():
        if options.check and path.read_text(encoding="utf-8") != text:
            sys.stdout.write(f"{path} has other figures\n")
            well = False
        elif options.delays == DELAYS and not options.check:
            path.write_text(text, encoding="utf-8")
    return 0 if well else 1


def _page(figures: str) -> str:
    page = (DOCS / "visibility.md").read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}\n{figures}\n\n{end}{after}"


if __name__ == "__main__":
    sys.exit(main())
