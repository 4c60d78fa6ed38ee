"""Many releases in one run that is killed, or in which the index refuses one."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from tests.beds.building import make_builds_differ
from tests.beds.processes import HANG, wait_until
from tests.beds.proxy import Answer, Exchange, Match, Request, is_upload
from tests.beds.release import uploads
from tests.stress.monorepo_bed import (
    Setup,
    Size,
    exit_faults,
    faults_of,
    faults_of_all,
    order_faults,
    set_up_monorepo,
)
from tests.stress.upload_bed import Bed

# Seconds before and after the index has a file, and the age of its pages.
_SLOWNESS = 0.15
_LATE = 0.3


@dataclass(frozen=True)
class Kill:
    """The parameters of one round.

    The moment is in seconds from the first upload or, if `early`, from the start.
    """

    kind: str
    differ: bool
    early: bool
    moment: float

    def __str__(self) -> str:
        builds = "builds of other bytes" if self.differ else "builds of same bytes"
        since = "start" if self.early else "first upload"
        return f"{self.kind:11} {builds:21} killed {self.moment:4.1f} s from the {since}"


def killed(bed: Bed, size: Size, kill: Kill) -> tuple[str, list[str]]:
    """Kill a run with its process group, and run again: how far it had come, and what is wrong."""
    with set_up_monorepo(bed, kill.kind, size, _LATE) as setup:
        setup.front.proxy.on(is_upload, lambda exchange: _slowly(setup, exchange))
        if kill.differ:
            for project in setup.monorepo.members.values():
                make_builds_differ(project, project.path / "builds.log")
        came = _killed(setup, kill)
        run = setup.publish()
        faults = list(exit_faults(run, 0))
        if not faults:
            faults = [*faults_of_all(setup), *order_faults(setup)]
        return came, faults


def _slowly(setup: Setup, exchange: Exchange) -> Answer:
    exchange.proxy.stopped.wait(_SLOWNESS)
    answer = setup.front.take(exchange)
    exchange.proxy.stopped.wait(_SLOWNESS)
    return answer


def _killed(setup: Setup, kill: Kill) -> str:
    with setup.poetry.started(*setup.command, cwd=setup.monorepo.root) as process:
        if not kill.early:
            wait_until(lambda: setup.front.proxy.uploads or process.poll() is not None, "an upload")
        time.sleep(kill.moment)
        ended = process.poll() is not None
        if not ended:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=HANG)
    if ended:
        return "had ended"
    if not setup.monorepo.receipt_file.exists():
        return "before the receipt"
    releases = setup.monorepo.releases().values()
    verdicts = Counter(release["verdict"] for release in releases)
    files = Counter(upload for release in releases for upload in uploads(release).values())
    return f"{verdicts['verified']} verified, {files['uploaded']} files uploaded"


def refused(bed: Bed, kind: str, size: Size, *, built: bool) -> tuple[str, list[str]]:
    """Have the index refuse one member, then run again without that."""
    with set_up_monorepo(bed, kind, size, _LATE, built=built) as setup:
        name = _one_in_the_middle(setup)
        files = setup.project(name).filenames
        forbidden = Answer(403, reason=b"Forbidden", body=b"You may not upload this project.")
        rule = setup.front.proxy.answer(_is_upload_of(files), forbidden)
        first = setup.publish()
        dependents = setup.monorepo.dependents(name)
        faults = [*exit_faults(first, 4)] or [*_refusal_faults(setup, name, dependents)]
        rule.lift()
        second = setup.publish()
        faults += [*exit_faults(second, 0)] or [*faults_of_all(setup), *order_faults(setup)]
        return f"{name} refused, {len(dependents)} of {size.count} need it", faults


def _one_in_the_middle(setup: Setup) -> str:
    """The member with dependencies that has the most dependents."""
    needs = setup.monorepo.needs
    return max((n for n in needs if needs[n]), key=lambda n: len(setup.monorepo.dependents(n)))


def _is_upload_of(filenames: Collection[str]) -> Match:
    def match(request: Request) -> bool:
        return any(request.uploads(filename) for filename in filenames)

    return match


def _refusal_faults(setup: Setup, refused: str, dependents: Collection[str]) -> Iterator[str]:
    """What is wrong after a run in which one member was refused."""
    releases = setup.monorepo.releases()
    for name in dependents:
        end = releases[name]["verdict"], releases[name]["blocked_by"]
        if end != ("blocked", [refused]):
            yield f"{name} should be blocked by {refused}, but is {end}"
    if releases[refused]["verdict"] != "upload-failed":
        yield f"{refused} should have been refused, but is {releases[refused]['verdict']}"
    for name in (refused, *dependents):
        if held := setup.index.stored(name):
            yield f"{name} should not be on the index: {sorted(held)}"
    rest = setup.monorepo.members.keys() - {refused, *dependents}
    yield from faults_of(setup, sorted(rest))
