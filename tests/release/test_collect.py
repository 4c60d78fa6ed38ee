"""Tasks side by side whose refusals are raised together."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from poetry_publish_verified.errors import Code, Problem, ReleaseError, Verdict
from poetry_publish_verified.release.collect import collecting


def test_every_task_ends_before_anything_is_raised() -> None:
    """A refusal ends its own task alone; the gravest verdict names them all."""
    ended = []

    async def work(name: str, verdict: Verdict | None) -> None:
        if verdict is not None:
            raise ReleaseError(verdict, Problem(Code.SETTING, name, "Correct it."))
        await anyio.lowlevel.checkpoint()
        ended.append(name)

    async def run() -> None:
        async with collecting() as start:
            start(work, "one", Verdict.PREFLIGHT_REFUSED)
            start(work, "two", None)
            start(work, "three", Verdict.CONFLICT)

    with pytest.raises(ReleaseError) as caught:
        anyio.run(run)
    assert ended == ["two"]
    assert caught.value.verdict is Verdict.CONFLICT
    assert [problem.message for problem in caught.value.problems] == ["one", "three"]


def test_another_error_is_not_collected() -> None:
    """What is no refusal cancels the others, as in any task group."""

    async def work() -> None:
        raise ValueError("a bug")

    async def run() -> None:
        async with collecting() as start:
            start(work)

    with pytest.raises(ExceptionGroup) as caught:
        anyio.run(run)
    assert caught.group_contains(ValueError, match="a bug")
