"""Stress locks and atomic files with real Poetry processes, stock and guarded.

    python -m tests.stress.locks [--short] [--rounds N] [--scenarios abcdefg]

Prints one line per scenario (processes, failures by kind, wall time) and an example of each kind of
failure that counts. "silent" is a process that reported success but left something wrong. Exits 1
if a guarded process failed, an update was lost, or a limit was exceeded. Stock's failures are only
counted. Scenarios that this machine cannot run are skipped with a reason.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tests.stress.blocking import killed, killed_anywhere, on_another_host, stopped
from tests.stress.lying_locks import refused, two_mounts, two_users
from tests.stress.nested import in_backend, in_build_script, in_run, in_tox
from tests.stress.racing import Tally
from tests.stress.rounds import Scenarios, parse_options, run_scenarios, say, set_up
from tests.stress.shared_state import KINDS, cleared_cache, one_environment, self_add, settings

SCENARIOS: Scenarios = {
    "a": (self_add,),
    "b": (one_environment,),
    "c": (cleared_cache,),
    "d": (settings,),
    "e": (killed, killed_anywhere, stopped, on_another_host),
    "f": (refused, two_mounts, two_users),
    "g": (in_run, in_build_script, in_backend, in_tox),
}
SHORT: Scenarios = {
    "a": (lambda bed: self_add(bed, (4,)),),
    "b": (lambda bed: one_environment(bed, (4,)),),
    "d": (lambda bed: settings(bed, (16,)),),
    "e": (killed,),
}


def verdict(tallies: Sequence[Tally]) -> list[str]:
    """What guarded Poetry did wrong, one example of each kind."""
    return [
        f"{tally.name}: {kind}\n{text}"
        for tally in tallies
        if not tally.name.endswith("stock") and not tally.counted_only
        for kind, text in tally.examples.items()
    ]


def main() -> int:
    """Run the requested scenarios."""
    options = parse_options(__doc__, SCENARIOS, short="".join(SHORT))
    with set_up(options.rounds) as bed:
        tallies = run_scenarios(SHORT if options.short else SCENARIOS, options, bed)
    raced = [tally for tally in tallies if tally.name[:3] in ("(a)", "(b)", "(c)", "(d)")]
    for kind in KINDS if raced else ():
        count = sum(tally.processes for tally in raced if tally.name.endswith(kind))
        failed = sum(tally.failures.total() for tally in raced if tally.name.endswith(kind))
        say(f"(a) to (d), {kind}: {count} processes, {failed} failed")
    faults = verdict(tallies)
    say(*faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
