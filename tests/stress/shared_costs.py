"""What processes on several hosts ask of the server of a shared directory, and of the index."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from tests.stress.bed import Bed
from tests.stress.racing import Start, Tally, race
from tests.stress.rounds import say
from tests.stress.shared_places import Checkout, Place, consuming
from tests.stress.shared_views import PLUGINS

_READ = "print(open('/proc/self/mountstats').read())"
_LISTINGS = ("READDIR", "READDIRPLUS")
_PER_HOST = 4


def requests(bed: Bed, place: Place, tally: Tally, poetry: Path) -> None:
    """Four processes a host: cold, with nothing to do, in one environment, and readers."""
    if not place.name.startswith("NFS"):
        return
    count = _PER_HOST * len(place.hosts)
    with consuming(bed, place, PLUGINS) as checkout:
        hosts = [number % len(place.hosts) for number in range(count)]

        def installs(*, environment: bool) -> list[Start]:
            return [
                checkout.start(
                    poetry, host, "install", environment=str(number) if environment else ""
                )
                for number, host in enumerate(hosts)
            ]

        steps = {
            "cold installs, an environment each": installs(environment=True),
            "installs with nothing to do": installs(environment=True),
            "installs into one new environment": installs(environment=False),
            "installs into it with nothing to do": installs(environment=False),
            "readers": [checkout.start(poetry, host, "version", right="9.1.0") for host in hosts],
        }
        for name, starts in steps.items():
            before, asked = _operations(checkout), len(bed.index.requests)
            ended = race(starts, stagger=0)
            tally.add(ended)
            done = _operations(checkout) - before
            listings = sum(done[each] for each in _LISTINGS)
            locks = done["LOCK"]
            say(
                f"{place.name}: {count} {name}: per process {locks / count:.1f} lock requests,"
                f" {listings / count:.1f} listings, {done.total() / count:.0f} requests to the"
                f" server; {len(bed.index.requests) - asked} requests to the index in all"
            )


def _operations(checkout: Checkout) -> Counter[str]:
    """The operations of all hosts on this mount so far, from /proc/self/mountstats."""
    found: Counter[str] = Counter()
    for host, root in enumerate(checkout.place.roots):
        for device in checkout.python(host, _READ).split("device ")[1:]:
            if f" mounted on {root} " in device:
                for name, number in re.findall(r"(?m)^\s+([A-Z_]+): (\d+) ", device):
                    found[name] += int(number)
    return found
