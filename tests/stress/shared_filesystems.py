"""Try real shared filesystems: several hosts, one checkout, one cache, stock and guarded Poetry.

    python -m tests.stress.shared_filesystems [--bed KIND] [--place WORDS] [--case WORD]
        [--short] [--guarded] [--rounds N] [--clients N]

NFS and SMB hosts have kernels of their own; the others are namespaces with a mount each. Prints one
line per case and filesystem, and a table at the end. Exits 1 if a guarded process failed, or if a
set was built or an archive downloaded twice where locks exclude. Beds that this machine cannot have
are skipped with a reason.
"""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.stress.bed import Bed
from tests.stress.racing import Tally
from tests.stress.rounds import say, set_up
from tests.stress.shared_changes import changes
from tests.stress.shared_costs import requests
from tests.stress.shared_faults import (
    disk_full,
    doctor,
    lost_while_installing,
    read_only,
    server_restarted,
)
from tests.stress.shared_places import KINDS, Place
from tests.stress.shared_releases import (
    cut_and_healed,
    killed,
    lock_broken,
    plain,
    power_loss,
    publish,
)
from tests.stress.shared_views import (
    Case,
    another_hosts_environment,
    another_hosts_set,
    cold,
    one_download,
)

SHORT = ("sshfs", "gluster", "nfs")
SCRIPTED = (another_hosts_set, another_hosts_environment, one_download, doctor)
RACES = (
    cold(4, shares_cache=False),
    cold(4, shares_cache=True),
    cold(8, shares_cache=True),
    changes,
)
RELEASES = tuple(map(publish, (plain, killed, lock_broken, power_loss, cut_and_healed)))
FAULTS = (server_restarted, disk_full, read_only, lost_while_installing)
GUARDED_ONLY = (*RELEASES, *FAULTS, doctor, requests)


def main() -> int:
    """Run the command; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bed", choices=KINDS, action="append")
    parser.add_argument("--place", default="", help="only filesystems whose name ends with it")
    parser.add_argument("--case", action="append", help="only cases whose name contains it")
    about = f"one round of the scripted cases on {', '.join(SHORT)}"
    parser.add_argument("--short", action="store_true", help=about)
    parser.add_argument("--guarded", action="store_true", help="without stock Poetry beside it")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--clients", type=int, default=2)
    options = parser.parse_args()
    # What has been started is ended then, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rounds = 1 if options.short else options.rounds
    cases = SCRIPTED if options.short else (*SCRIPTED, *RACES, *RELEASES, *FAULTS, requests)
    kinds = ("guarded",) if options.guarded or options.short else ("stock", "guarded")
    if options.case:
        cases = tuple(one for one in cases if any(word in one.__name__ for word in options.case))
    results: dict[tuple[str, str], str] = {}
    for kind in options.bed or (SHORT if options.short else KINDS):
        if reason := KINDS[kind].obstacle():
            say(f"{kind} skipped: {reason}")
            continue
        with tempfile.TemporaryDirectory(prefix="shared-", ignore_cleanup_errors=True) as work:
            Path(work).chmod(0o755)
            opened = KINDS[kind].open(Path(work), options.clients)
            with opened as (address, places), set_up(rounds, address) as bed:
                for place in places[:2] if options.short else places:
                    if place.name.endswith(options.place):
                        results |= _try(bed, place, cases, kinds)
    say(*_table(results))
    return int(any("failed" in result for result in results.values()))


def _try(
    bed: Bed, place: Place, cases: Sequence[Case], kinds: Sequence[str]
) -> dict[tuple[str, str], str]:
    """Run the cases in one place and print their lines; guarded Poetry's results."""
    results = {}
    for case in cases:
        for kind in ("guarded",) if case in GUARDED_ONLY else kinds:
            tally = Tally(f"{place.name}: {case.__name__} {kind}")
            for _ in range(bed.rounds):
                begun = time.monotonic()
                case(bed, place, tally, bed.poetry(stock=kind == "stock"))
                tally.walls.append(time.monotonic() - begun)
            if not tally.processes:
                continue
            say(tally.line())
            if kind == "guarded":
                results[case.__name__, place.name] = _result(tally)
                say(*tally.examples.values())
    return results


def _result(tally: Tally) -> str:
    failed = sum(tally.failures.values())
    return f"{failed} failed of {tally.processes}" if failed else f"right, {tally.processes}"


def _table(results: dict[tuple[str, str], str]) -> list[str]:
    """A table in Markdown of guarded processes, a case a line and a filesystem a column."""
    places = list(dict.fromkeys(place for _, place in results))
    lines = [["guarded processes", *places], ["---"] * (len(places) + 1)]
    for case in dict.fromkeys(case for case, _ in results):
        row = [results.get((case, place), "–") for place in places]  # noqa: RUF001 - a dash
        lines.append([case.replace("_", " "), *row])
    return [f"| {' | '.join(line)} |" for line in lines]


if __name__ == "__main__":
    raise SystemExit(main())
