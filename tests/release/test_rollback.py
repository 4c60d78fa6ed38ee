"""Taking a release back stops before it deletes anything if another run has the lock."""

from __future__ import annotations

from collections.abc import Collection

import anyio
import anyio.lowlevel
import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from poetry_publish_verified.core.rollback import SentRelease
from poetry_publish_verified.errors import Code, Problem, ReleaseError, Verdict
from poetry_publish_verified.release.rollback import Rollback
from tests.core.distributions import WHEEL, distribution
from tests.release.scripted import ScriptedIndex, VirtualClock


class Remover:
    """Remembers what it was told to delete, and deletes nothing."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def delete(self, _: str, filenames: Collection[str]) -> str:
        """Refuse it."""
        self.asked += filenames
        return "no"


async def lost() -> None:
    """What a run is told whose lock was broken."""
    problem = Problem(Code.LOCK_LOST, "Another run has the lock.", "Let it finish.")
    raise ReleaseError(Verdict.LOCK_LOST, problem)


@pytest.mark.parametrize("is_lost", [False, True])
def test_lost_lock_stops_a_rollback(is_lost: bool) -> None:
    """The index is not asked to delete anything then."""
    index = ScriptedIndex(VirtualClock())
    wheel = distribution(WHEEL)
    index.put(wheel, since=0.0)
    sent = SentRelease(
        *(canonicalize_name("lantern"), Version("1.0"), "harbour", "https://upload.example/"),
        {wheel.filename: wheel.sha256},
    )
    remover, rollback = Remover(), Rollback(sent, index, index.clock, 60.0)
    with pytest.raises(ReleaseError) as stopped:
        anyio.run(rollback.delete, remover, lost if is_lost else anyio.lowlevel.checkpoint)
    expected = (Verdict.LOCK_LOST, []) if is_lost else (Verdict.UPLOAD_FAILED, [WHEEL])
    assert (stopped.value.verdict, remover.asked) == expected
