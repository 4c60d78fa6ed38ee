"""The server of a shared directory restarts, is full or read-only; and what `doctor` says of it."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from poetry_publish_verified.guard.locks.problems import STALE_VARIABLE
from tests.stress.bed import Bed
from tests.stress.racing import Finished, Start, Tally, begin, kill, run
from tests.stress.shared_places import Checkout, Place, consuming, project
from tests.stress.shared_views import PLUGINS

_LOCK = """
import fcntl, os, sys, time
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for _ in range(int(sys.argv[2])):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        time.sleep(0.1)
    else:
        print("locked", flush=True)
        break
else:
    print("busy", flush=True)
if sys.argv[3:]:
    open(sys.argv[3], "w").close()
    time.sleep(3600)
"""
_SECONDS = 600


def server_restarted(bed: Bed, place: Place, tally: Tally, poetry: Path) -> None:
    """The server restarts during a download; whoever that breaks can run again."""
    if place.faults is None:
        return
    with consuming(bed, place, PLUGINS) as checkout:
        start = checkout.start(poetry, 0, "install", cache=f"cache-{checkout.name}")
        _while_downloading(bed, start, place.faults.restart_server)
        tally.processes += 1
        tally.add(_complete(checkout, poetry))


def disk_full(bed: Bed, place: Place, tally: Tally, poetry: Path) -> None:
    """An install on a full disk says so and leaves nothing half-made; then one with space again."""
    if place.faults is None:
        return
    with project(bed, place) as checkout:
        place.faults.disk.fill()
        try:
            full = run(checkout.start(poetry, 0, "install", environment="0"))
        finally:
            place.faults.disk.free()
        tally.processes += 1
        if full.code == 0 or place.says_full not in full.out + full.err:
            tally.fail("a full disk is not reported", full.out + full.err)
        tally.add(_complete(checkout, poetry, environment="1"))


def read_only(bed: Bed, place: Place, tally: Tally, poetry: Path) -> None:
    """On a read-only disk a finished set serves, and a new one can be elsewhere."""
    if place.faults is None:
        return
    with project(bed, place) as used, project(bed, place) as fresh:
        tally.add([run(used.start(poetry, 1, "install", environment="0"))])
        place.faults.disk.protect()
        try:
            tally.add(_complete(used, poetry, environment="1"))
            own = place.homes(0) / "sets"
            fresh.variables = {"POETRY_PUBLISH_VERIFIED_PLUGIN_SETS": str(own)}
            tally.add([run(fresh.start(poetry, 0, "install", environment="2"))])
            tally.add([run(fresh.start(poetry, 0, "version", right="9.1.0"))])
        finally:
            place.faults.disk.unprotect()


def lost_while_installing(bed: Bed, place: Place, tally: Tally, poetry: Path) -> None:
    """A host loses its power during an install; the next one breaks its lock once it is silent."""
    if place.faults is None or not (place.excludes and place.holds_environments):
        return
    with consuming(bed, place) as checkout:
        checkout.variables = {STALE_VARIABLE: "1m"}
        install = checkout.start(poetry, 0, "install")
        with bed.index.gated("gear_data") as gate:
            lost = begin(install)
            while lost.poll() is None and not gate.reached.wait(1):
                pass
            place.faults.lose(0)
            kill(lost)
        ended = [run(checkout.start(poetry, 1, "install"))]
        place.faults.boot(0)
        ended.append(run(checkout.start(poetry, 0, "install")))
        tally.add(ended)
        for one in ended:
            if "Continuing without" in one.err:
                tally.fail("a lock that stayed", one.out + one.err)
        if not place.frees_lost_locks and "Broke the lock" not in ended[0].err:
            tally.fail("nothing to break", ended[0].out + ended[0].err)


def doctor(bed: Bed, place: Place, tally: Tally, poetry: Path) -> None:
    """What `doctor` says of the locks is so, and it names who holds one on the other host."""
    with consuming(bed, place) as checkout:
        checkout.variables = {"POETRY_REPOSITORIES_BED_URL": bed.index.url}
        ask = checkout.start(
            poetry, 0, "publish-verified", "doctor", "--repository", "bed", "--format", "json"
        )
        install = checkout.start(poetry, 1, "install")
        said: list[str] = []
        _while_downloading(bed, install, lambda: said.append(run(ask).out))
        tally.processes += 2
        messages = [
            each["message"] for each in json.loads(said[0])["checks"] if each["subject"] == "locks"
        ]
        words = " ".join(messages)
        for fault in _untrue(place, checkout, words):
            tally.fail(fault, words)


def _untrue(place: Place, checkout: Checkout, words: str) -> Iterator[str]:
    if place.holds_environments and place.hosts[1] not in words:
        yield "a holder on the other host is not named"
    where = next((line for line in words.split("Lock") if "(the project)" in line), "")
    if _excludes(checkout, 0) != ("s on " in where and " work " in where):
        yield "what doctor says of the locks on its host is not so"
    others = _excludes(checkout, 1)
    if others and "on this host only" in where:
        yield "locks work between hosts, but doctor says they do not"
    if not others and "on this host only" not in where and "cannot be tested" not in where:
        yield "locks do not work between hosts, and doctor does not say so"


def _excludes(checkout: Checkout, other: int) -> bool:
    """Whether a process of host 0 keeps one of host `other` from a lock, until it is killed."""
    place = checkout.place
    name, held = f"trial-{checkout.name}-{other}", f"held-{checkout.name}-{other}"

    def attempt(host: int, times: int, *more: str) -> Start:
        argv = [sys.executable, "-c", _LOCK, str(place.roots[host] / name), str(times), *more]
        return place.on(Start(argv, place.roots[host], {}), host)

    holder = begin(attempt(0, 1, str(place.roots[0] / held)))
    try:
        # The host itself sees its own file at once.
        _until_there(checkout, held)
        is_busy = "busy" in run(attempt(other, 1)).out
    finally:
        kill(holder)
    return is_busy and "locked" in run(attempt(other, _SECONDS)).out


def _until_there(checkout: Checkout, name: str) -> None:
    code = "import os, sys, time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.1)"
    checkout.python(0, code, str(checkout.place.roots[0] / name))


def _while_downloading(bed: Bed, start: Start, act: Callable[[], object]) -> Finished:
    """Do something while a process downloads; how that process ended."""
    ended: list[Finished] = []
    with bed.index.gated("gear_data") as gate:
        thread = threading.Thread(target=lambda: ended.append(run(start)))
        thread.start()
        while thread.is_alive() and not gate.reached.wait(1):
            pass
        try:
            act()
        finally:
            gate.open.set()
            thread.join()
    return ended[0]


def _complete(checkout: Checkout, poetry: Path, environment: str = "") -> list[Finished]:
    """Both hosts install, and have the right version."""
    ended = []
    for host in (0, 1):
        own = f"{environment}-{host}" if environment else ""
        ended.append(run(checkout.start(poetry, host, "install", environment=own)))
        ended.append(run(checkout.start(poetry, host, "version", right="9.1.0")))
    return ended
