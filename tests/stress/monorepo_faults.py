"""Many releases at once, killed at some moment, or with one that the index refuses."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Collection
from collections.abc import Iterator
from dataclasses import dataclass

from tests.beds.building import make_builds_differ
from tests.beds.processes import HANG
from tests.beds.processes import wait_until
from tests.beds.proxy import Answer
from tests.beds.proxy import Exchange
from tests.beds.proxy import Match
from tests.beds.proxy import Request
from tests.beds.proxy import is_upload
from tests.beds.release import uploads
from tests.stress.monorepo_bed import Size
from tests.stress.monorepo_bed import Stage
from tests.stress.monorepo_bed import out_of_order
from tests.stress.monorepo_bed import staged
from tests.stress.monorepo_bed import wrong_end
from tests.stress.monorepo_bed import wrong_of
from tests.stress.monorepo_bed import wrong_of_all
from tests.stress.upload_bed import Bed

# Seconds before the index has a file and after, and how old pages are.
_SLOWNESS = 0.15
_LATE = 0.3


@dataclass(frozen=True)
class Kill:
    """What one round is played with.

    The moment is in seconds from the first upload or, where `early`, from the start.
    """

    kind: str
    anew: bool
    early: bool
    moment: float

    def __str__(self) -> str:
        builds = "builds of other bytes" if self.anew else "builds of same bytes"
        since = "start" if self.early else "first upload"
        return f"{self.kind:11} {builds:21} killed {self.moment:4.1f} s from the {since}"


def killed(bed: Bed, size: Size, kill: Kill) -> tuple[str, list[str]]:
    """Kill a run with its whole group, and run again: how far it had come, what is wrong."""
    with staged(bed, kill.kind, size, _LATE) as stage:
        stage.front.proxy.on(is_upload, lambda exchange: _slowly(stage, exchange))
        if kill.anew:
            for project in stage.monorepo.members.values():
                make_builds_differ(project, project.path / "builds.log")
        came = _killed(stage, kill)
        run = stage.publish()
        faults = list(wrong_end(run, 0))
        if not faults:
            faults = [*wrong_of_all(stage), *out_of_order(stage)]
        return came, faults


def _slowly(stage: Stage, exchange: Exchange) -> Answer:
    exchange.proxy.stopped.wait(_SLOWNESS)
    answer = stage.front.take(exchange)
    exchange.proxy.stopped.wait(_SLOWNESS)
    return answer


def _killed(stage: Stage, kill: Kill) -> str:
    with stage.poetry.started(*stage.command, cwd=stage.monorepo.root) as process:
        if not kill.early:
            wait_until(lambda: stage.front.proxy.uploads or process.poll() is not None, "an upload")
        time.sleep(kill.moment)
        ended = process.poll() is not None
        if not ended:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=HANG)
    if ended:
        return "had ended"
    if not stage.monorepo.receipt_file.exists():
        return "before the receipt"
    releases = stage.monorepo.releases().values()
    verdicts = Counter(release["verdict"] for release in releases)
    files = Counter(upload for release in releases for upload in uploads(release).values())
    return f"{verdicts['verified']} verified, {files['uploaded']} files uploaded"


def refused(bed: Bed, kind: str, size: Size, *, built: bool) -> tuple[str, list[str]]:
    """Let the index refuse one member, then run again without that: what came, what is wrong."""
    with staged(bed, kind, size, _LATE, built=built) as stage:
        name = _one_in_the_middle(stage)
        files = stage.project(name).filenames
        forbidden = Answer(403, reason=b"Forbidden", body=b"You may not upload this project.")
        rule = stage.front.proxy.answer(_is_upload_of(files), forbidden)
        first = stage.publish()
        dependents = stage.monorepo.dependents(name)
        faults = [*wrong_end(first, 4)] or [*_wrong_beside(stage, name, dependents)]
        rule.lift()
        second = stage.publish()
        faults += [*wrong_end(second, 0)] or [*wrong_of_all(stage), *out_of_order(stage)]
        return f"{name} refused, {len(dependents)} of {size.count} need it", faults


def _one_in_the_middle(stage: Stage) -> str:
    """Of those that need somebody, the one that is needed by most."""
    needs = stage.monorepo.needs
    return max((n for n in needs if needs[n]), key=lambda n: len(stage.monorepo.dependents(n)))


def _is_upload_of(filenames: Collection[str]) -> Match:
    def match(request: Request) -> bool:
        return any(request.uploads(filename) for filename in filenames)

    return match


def _wrong_beside(stage: Stage, refused: str, dependents: Collection[str]) -> Iterator[str]:
    """What is not as it should be after a run in which one was refused."""
    releases = stage.monorepo.releases()
    for name in dependents:
        end = releases[name]["verdict"], releases[name]["blocked_by"]
        if end != ("blocked", [refused]):
            yield f"{name} should be blocked by {refused}, but is {end}"
    if releases[refused]["verdict"] != "upload-failed":
        yield f"{refused} should have been refused, but is {releases[refused]['verdict']}"
    for name in (refused, *dependents):
        if held := stage.index.stored(name):
            yield f"{name} should not be on the index: {sorted(held)}"
    rest = stage.monorepo.members.keys() - {refused, *dependents}
    yield from wrong_of(stage, sorted(rest))
