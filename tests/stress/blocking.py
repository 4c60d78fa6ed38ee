"""Lock holders that do not let go: killed, stopped, or on another host."""

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
from tests.stress.bed import TIMEOUT_VARIABLE, Bed, require_tools
from tests.stress.hostile import on_host
from tests.stress.packages import consumer
from tests.stress.racing import Finished, Start, Tally, begin, finish, run, run_and_kill
from tests.stress.shared_state import for_each_kind, installed, locked, lost, source_of_poetry

WITHOUT = re.compile(r"without (?:the|a|its|that) lock", re.IGNORECASE)
_WAITING = "Waiting for "
_TIMEOUT = 3


@dataclass
class Contention:
    """A command that can be stopped half-way, and another that needs the same lock."""

    holder: Start
    gate: str
    """Prefix of the wheel whose download is half-way."""
    follower: Start

    def name(self, pid: int, host: str) -> tuple[str, ...]:
        """What the waiting message must say about the holder: pid, host, command."""
        return str(pid), host, self.holder.label.removeprefix("poetry ")


COMMANDS = ("install", "lock", "self add")


@contextmanager
def contention(bed: Bed, original: Path, command: str) -> Iterator[Contention]:
    """One of COMMANDS with a cold cache, and its own checkout, environment and Poetry."""
    with bed.home() as home, consumer(bed) as checkout:
        if command == "self add":
            system = source_of_poetry(bed, home)
            with bed.copy_of(original) as poetry:

                def check(_: Finished) -> str | None:
                    return lost(system, poetry, "addon-1")

                holder = bed.command(poetry, home, home, "self", "add", "addon-0")
                follower = bed.command(poetry, home, home, "self", "add", "addon-1", check=check)
                yield Contention(holder, "addon_0-", follower)
            return
        if command == "lock":
            (checkout / "poetry.lock").unlink()
        check_of = {"install": installed, "lock": locked}[command]
        holder = bed.command(original, checkout, home, command)
        follower = bed.command(original, checkout, home, command, check=check_of(checkout))
        yield Contention(holder, "gear_tool-", follower)


def killed(bed: Bed) -> list[Tally]:
    """(e) kill -9 half-way through a command; the next one finishes without waiting."""

    def one_round(bed: Bed, poetry: Path, tally: Tally) -> None:
        for command in COMMANDS:
            with contention(bed, poetry, command) as place:
                with bed.index.gated(place.gate) as gate:
                    holder = begin(place.holder)
                    if not gate.reached.wait(HANG):
                        tally.fail("did not get half-way", command)
                    holder.kill()
                    holder.communicate()
                _run_follower(tally, place.follower)

    return for_each_kind(bed, "(e) kill -9 of a holder", one_round)


def killed_anywhere(bed: Bed) -> list[Tally]:
    """(e) kill -9 at any moment of a command; the next one finishes without waiting.

    Locks do not protect against what a killed `install` leaves half-written, so whether the
    environment is complete is counted separately.
    """
    whole: dict[str, Tally] = {}

    def one_round(bed: Bed, poetry: Path, tally: Tally) -> None:
        kind = tally.name.rpartition(", ")[2]
        apart = whole.setdefault(kind, Tally(f"(e)   complete after, {kind}", counted_only=True))
        for command in COMMANDS:
            with contention(bed, poetry, command) as place:
                for _ in "12":
                    moment = random.uniform(0.5, 1.6)  # noqa: S311 - any moment will do
                    run_and_kill(place.holder, moment)
                check, place.follower.check = place.follower.check, lambda _: None
                ended = _run_follower(tally, place.follower)
                ended.start.check = check
                apart.add([ended])

    tallies = for_each_kind(bed, "(e) kill -9 at any moment", one_round)
    return [*tallies, *whole.values()]


def _run_follower(tally: Tally, start: Start) -> Finished:
    ended = run(start)
    tally.add([ended])
    if _WAITING in ended.err and "in use by" in ended.err:
        tally.fail("had to wait", f"{ended.out}{ended.err}")
    if WITHOUT.search(ended.err):
        tally.fail("without a lock", ended.err)
    return ended


def stopped(bed: Bed) -> list[Tally]:
    """(e) SIGSTOP of a holder: others name it, and go on after the time-out."""
    tally = Tally("(e) SIGSTOP of a holder, guarded")
    for _ in range(bed.rounds):
        for command in COMMANDS:
            with contention(bed, bed.poetry(), command) as place:
                place.follower.environ[TIMEOUT_VARIABLE] = str(_TIMEOUT)
                with bed.index.gated(place.gate) as gate:
                    holder = begin(place.holder)
                    if not gate.reached.wait(HANG):
                        tally.fail("did not get half-way", command)
                    os.kill(holder.pid, signal.SIGSTOP)
                try:
                    ended = run(place.follower)
                    tally.add([ended])
                finally:
                    os.kill(holder.pid, signal.SIGCONT)
                tally.add([finish(place.holder, holder)])
                _check_names_holder(tally, ended, place.name(holder.pid, socket.gethostname()))
                if f"not free within {_TIMEOUT} s" not in ended.err:
                    tally.fail("did not time out", ended.err)
                if not WITHOUT.search(ended.err):
                    tally.fail("does not warn that it continues without the lock", ended.err)
                tally.add([run(place.follower)])
    return [tally]


def on_another_host(bed: Bed) -> list[Tally]:
    """(e) A holder in other PID and UTS namespaces: others wait, and name its host."""
    require_tools("unshare")
    tally = Tally("(e) a holder on another host, guarded")
    host = "far-away"
    for _ in range(bed.rounds):
        for command in COMMANDS:
            with (
                contention(bed, bed.poetry(), command) as place,
                bed.index.gated(place.gate) as gate,
            ):
                holder = begin(on_host(place.holder, host))
                if not gate.reached.wait(HANG):
                    tally.fail("did not get half-way", command)
                follower = begin(place.follower)
                said = _until_it_waits(follower)
                gate.open.set()
                tally.add([finish(place.holder, holder)])
                ended = finish(place.follower, follower)
                ended.err = said + ended.err
                tally.add([ended])
                if _WAITING not in said:
                    tally.fail("did not wait", ended.out + ended.err)
                # Its pid means nothing here.
                _check_names_holder(tally, ended, place.name(0, host)[1:])
                if WITHOUT.search(ended.err):
                    tally.fail("without a lock", ended.err)
    return [tally]


def _until_it_waits(process: subprocess.Popen[str]) -> str:
    """The process's standard error up to the line that it waits, or all of it."""
    assert process.stderr is not None
    said = ""
    while _WAITING not in said and (line := process.stderr.readline()):
        said += line
    return said


def _check_names_holder(tally: Tally, ended: Finished, names: tuple[str, ...]) -> None:
    for name in names:
        if name not in ended.err:
            tally.fail("does not name the holder", f"no {name!r} in: {ended.err}")
            return
