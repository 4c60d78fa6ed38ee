"""Who holds a lock and does not let go: killed, stopped, on another host."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.beds.processes import HANG
from tests.stress.bed import TIMEOUT_VARIABLE
from tests.stress.bed import Bed
from tests.stress.bed import need
from tests.stress.hostile import elsewhere
from tests.stress.packages import consumer
from tests.stress.racing import Ended
from tests.stress.racing import Start
from tests.stress.racing import Tally
from tests.stress.racing import begin
from tests.stress.racing import finish
from tests.stress.racing import run
from tests.stress.racing import run_and_kill
from tests.stress.shared_state import each_kind
from tests.stress.shared_state import installed
from tests.stress.shared_state import locked
from tests.stress.shared_state import lost
from tests.stress.shared_state import source_of_poetry

WITHOUT = re.compile(r"without (?:the|a|its|that) lock", re.IGNORECASE)
_WAITING = "Waiting for "
_TIMEOUT = 3


@dataclass
class Stage:
    """A command that can be met in its middle, and one that wants the same after it."""

    holder: Start
    gate: str
    """The wheel that it fetches in its middle."""
    follower: Start

    def name(self, pid: int, host: str) -> tuple[str, ...]:
        """What must be said of the holder: pid, host, command."""
        return str(pid), host, self.holder.label.removeprefix("poetry ")


COMMANDS = ("install", "lock", "self add")


@contextmanager
def stage(bed: Bed, original: Path, command: str) -> Iterator[Stage]:
    """A cold cache, checkout, environment and Poetry for one of COMMANDS."""
    with bed.home() as home, consumer(bed) as checkout:
        if command == "self add":
            system = source_of_poetry(bed, home)
            with bed.copy_of(original) as poetry:

                def check(_: Ended) -> str | None:
                    return lost(system, poetry, "addon-1")

                holder = bed.command(poetry, home, home, "self", "add", "addon-0")
                follower = bed.command(poetry, home, home, "self", "add", "addon-1", check=check)
                yield Stage(holder, "addon_0-", follower)
            return
        if command == "lock":
            (checkout / "poetry.lock").unlink()
        check_of = {"install": installed, "lock": locked}[command]
        holder = bed.command(original, checkout, home, command)
        follower = bed.command(original, checkout, home, command, check=check_of(checkout))
        yield Stage(holder, "gear_tool-", follower)


def killed(bed: Bed) -> list[Tally]:
    """(e) kill -9 in the middle of a command; the next one finishes, at once."""

    def one_round(bed: Bed, poetry: Path, tally: Tally) -> None:
        for command in COMMANDS:
            with stage(bed, poetry, command) as place:
                with bed.index.gated(place.gate) as gate:
                    holder = begin(place.holder)
                    if not gate.reached.wait(HANG):
                        tally.fail("not met in its middle", command)
                    holder.kill()
                    holder.communicate()
                _go_on(tally, place.follower)

    return each_kind(bed, "(e) kill -9 of a holder", one_round)


def killed_anywhere(bed: Bed) -> list[Tally]:
    """(e) kill -9 at any moment of a command; the next one finishes, at once.

    What a killed `install` has half-written in an environment is no lock's business: that the
    environment is whole is counted apart.
    """
    whole: dict[str, Tally] = {}

    def one_round(bed: Bed, poetry: Path, tally: Tally) -> None:
        kind = tally.name.rpartition(", ")[2]
        apart = whole.setdefault(kind, Tally(f"(e)   whole after that, {kind}", counted_only=True))
        for command in COMMANDS:
            with stage(bed, poetry, command) as place:
                for _ in "12":
                    moment = random.uniform(0.5, 1.6)  # noqa: S311 - any moment will do
                    run_and_kill(place.holder, moment)
                check, place.follower.check = place.follower.check, lambda _: None
                ended = _go_on(tally, place.follower)
                ended.start.check = check
                apart.add([ended])

    tallies = each_kind(bed, "(e) kill -9 at any moment", one_round)
    return [*tallies, *whole.values()]


def _go_on(tally: Tally, start: Start) -> Ended:
    ended = run(start)
    tally.add([ended])
    if _WAITING in ended.err and "in use by" in ended.err:
        tally.fail("not at once", f"{ended.out}{ended.err}")
    if WITHOUT.search(ended.err):
        tally.fail("without a lock", ended.err)
    return ended


def stopped(bed: Bed) -> list[Tally]:
    """(e) SIGSTOP of a holder: others say who it is, and go on after the time-out."""
    tally = Tally("(e) SIGSTOP of a holder, guarded")
    for _ in range(bed.rounds):
        for command in COMMANDS:
            with stage(bed, bed.poetry(), command) as place:
                place.follower.environ[TIMEOUT_VARIABLE] = str(_TIMEOUT)
                with bed.index.gated(place.gate) as gate:
                    holder = begin(place.holder)
                    if not gate.reached.wait(HANG):
                        tally.fail("not met in its middle", command)
                    os.kill(holder.pid, signal.SIGSTOP)
                try:
                    ended = run(place.follower)
                    tally.add([ended])
                finally:
                    os.kill(holder.pid, signal.SIGCONT)
                tally.add([finish(place.holder, holder)])
                _told(tally, ended, place.name(holder.pid, socket.gethostname()))
                if f"not free within {_TIMEOUT} s" not in ended.err:
                    tally.fail("no end in time", ended.err)
                if not WITHOUT.search(ended.err):
                    tally.fail("no warning that it goes on without the lock", ended.err)
                tally.add([run(place.follower)])
    return [tally]


def on_another_host(bed: Bed) -> list[Tally]:
    """(e) A holder with other process numbers and another host name: others wait, and are told."""
    need("unshare")
    tally = Tally("(e) a holder on another host, guarded")
    host = "far-away"
    for _ in range(bed.rounds):
        for command in COMMANDS:
            with (
                stage(bed, bed.poetry(), command) as place,
                bed.index.gated(place.gate) as gate,
            ):
                holder = begin(elsewhere(place.holder, host))
                if not gate.reached.wait(HANG):
                    tally.fail("not met in its middle", command)
                follower = begin(place.follower)
                said = _until_it_waits(follower)
                gate.open.set()
                tally.add([finish(place.holder, holder)])
                ended = finish(place.follower, follower)
                ended.err = said + ended.err
                tally.add([ended])
                if _WAITING not in said:
                    tally.fail("did not wait", ended.out + ended.err)
                # Its pid there says nothing here.
                _told(tally, ended, place.name(0, host)[1:])
                if WITHOUT.search(ended.err):
                    tally.fail("without a lock", ended.err)
    return [tally]


def _until_it_waits(process: subprocess.Popen[str]) -> str:
    """What a process says of errors, up to the line that it waits; or all of it."""
    assert process.stderr is not None
    said = ""
    while _WAITING not in said and (line := process.stderr.readline()):
        said += line
    return said


def _told(tally: Tally, ended: Ended, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in ended.err:
            tally.fail("does not say who is in the way", f"no {name!r} in: {ended.err}")
            return
