"""What one host sees of what another has just made, and cold installs on several hosts."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.beds.environments import pythons
from tests.stress.bed import OLD_LIST, Bed
from tests.stress.racing import Finished, Tally, race, run
from tests.stress.shared_places import Place, consuming, project

Case = Callable[[Bed, Place, Tally, Path], None]
PLUGINS = f"\n[tool.poetry.requires-plugins]\n{OLD_LIST}\n"


def another_hosts_set(bed: Bed, place: Place, tally: Tally, poetry: Path) -> None:
    """A host that looked before sees the set that another one has built, and builds no other."""
    with project(bed, place) as checkout:
        run(checkout.start(poetry, 0, "version"))
        tally.add([run(checkout.start(poetry, 1, "install"))])
        tally.add([run(checkout.start(poetry, 0, "version", right="9.1.0"))])
        again = run(checkout.start(poetry, 0, "install"))
        tally.add([again])
        if "Building the plugin set" in again.out:
            tally.fail("built again", again.out)


def another_hosts_environment(bed: Bed, place: Place, tally: Tally, poetry: Path) -> None:
    """A host that looked before installs into the environment that another one has made."""
    if not place.holds_environments:
        return
    with project(bed, place, plugins="") as checkout:
        checkout.look(0, ".venv", ".venv/pyvenv.cfg")
        tally.add([run(checkout.start(poetry, 1, "install"))])
        again = run(checkout.start(poetry, 0, "install"))
        tally.add([again])
        if "reating virtualenv" in again.out:
            tally.fail("environment made again", again.out)


def one_download(bed: Bed, place: Place, tally: Tally, poetry: Path) -> None:
    """A host that waits for another one's download takes its archive, and says who has the lock."""
    with consuming(bed, place) as one, consuming(bed, place) as other:
        cache = f"cache-{one.name}"
        with bed.index.gated("gear_data") as gate:
            ended: list[Finished] = []
            begin = len(bed.index.requests)
            threads = [
                threading.Thread(target=lambda start=start: ended.append(run(start)))
                for start in (
                    one.start(poetry, 0, "install", cache=cache),
                    other.start(poetry, 1, "install", cache=cache),
                )
            ]
            threads[0].start()
            while threads[0].is_alive() and not gate.reached.wait(1):
                pass
            threads[1].start()
            # It has come to its downloads, as far as time tells; those that nobody holds are done.
            threads[1].join(20)
            gate.open.set()
            for thread in threads:
                thread.join()
        tally.add(ended)
        asked = Counter(path for path in bed.index.requests[begin:] if path.endswith(".whl"))
        twice = [path for path, count in asked.items() if count > 1 and "gear" in path]
        if not place.excludes:
            return
        said = [line for one in ended for line in (*one.out.splitlines(), *one.err.splitlines())]
        if twice:
            tally.fail("downloaded twice", "\n".join([*twice, *said]))
        if any("an unknown process" in line for line in said):
            tally.fail("holder not named", "\n".join(said))


def cold(count: int, *, shares_cache: bool) -> Case:
    """`count` first installs at once, over all hosts and two interpreters.

    They make environments of their own, and share the plugin sets and, on request, the cache.
    """

    def case(bed: Bed, place: Place, tally: Tally, poetry: Path) -> None:
        stock = "stock" in tally.name
        both = [poetry, *(bed.poetry(python=one, stock=stock) for one in pythons()[1:2])]
        hosts = len(place.hosts)
        with consuming(bed, place, PLUGINS) as checkout:
            cache = f"cache-{checkout.name}" if shares_cache else ""
            begin = len(bed.index.requests)
            starts = [
                checkout.start(
                    both[number // hosts % len(both)],
                    number % hosts,
                    "install",
                    cache=cache,
                    environment=str(number),
                )
                for number in range(count)
            ]
            ended = race(starts)
            tally.add(ended)
            right = [
                checkout.start(one, host, "version", cache=cache, right="9.1.0")
                for one in both
                for host in (1, 0)
            ]
            tally.add([run(start) for start in right])
            if not stock:
                _count_once(place, tally, ended, bed.index.requests[begin:] if cache else [])

    case.__name__ = f"cold_{count}_{'shared' if shares_cache else 'own'}_cache"
    return case


def _count_once(place: Place, tally: Tally, ended: list[Finished], asked: list[str]) -> None:
    """One build per key and one download per archive, where locks exclude."""
    builds = Counter(one.start.label for one in ended if "Building the plugin set" in one.out)
    if not builds:
        tally.fail("no build", "\n".join(one.out for one in ended))
    twice = [f"built {count} times: {key}" for key, count in builds.items() if count > 1]
    for path, count in Counter(path for path in asked if path.endswith(".whl")).items():
        if count > 1 and "gear" in path:
            twice.append(f"downloaded {count} times: {path}")
    if twice and place.excludes and place.keeps_locks:
        tally.fail("made twice", "\n".join([*twice, *(one.out + one.err for one in ended)]))
