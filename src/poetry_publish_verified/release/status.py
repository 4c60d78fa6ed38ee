"""Look whether all that should be out is out, without sending anything."""

from collections.abc import Sequence

import anyio

from poetry_publish_verified.core.problems import verification as problems
from poetry_publish_verified.core.problems.status import no_index_there, not_known
from poetry_publish_verified.core.simple.page import ProjectPage
from poetry_publish_verified.core.status import (
    Known,
    ProjectStatus,
    Shown,
    judge,
    mirrors_may_be_asked,
)
from poetry_publish_verified.core.variants import PIP, UNSEEN, Variant
from poetry_publish_verified.release.interfaces import Clock, Index

# How often an index is asked, and the seconds between.
_TRIES = 3
_PAUSE = 1.0


async def status_of(
    known: Known, indexes: Sequence[Index], clock: Clock, *, strict: bool
) -> ProjectStatus:
    """Ask the repository's own index, which comes first; then the mirrors, if it has it all.

    The own index is asked for a copy that no installer reads, mirrors for the one that pip does.
    """
    own = await _ask(indexes[0], known.name, clock, UNSEEN)
    mirrors = [Shown(index.url) for index in indexes[1:]]

    async def ask(place: int, index: Index) -> None:
        mirrors[place] = await _ask(index, known.name, clock, PIP)

    if mirrors_may_be_asked(known, own):
        async with anyio.create_task_group() as group:
            for place, index in enumerate(indexes[1:]):
                group.start_soon(ask, place, index)
    return judge(known, own, mirrors, strict=strict)


async def _ask(index: Index, project: str, clock: Clock, variant: Variant) -> Shown:
    """What an index shows; no answer is unknown, never absent."""
    seen = await index.look(project, "", variant)
    for _ in range(_TRIES - 1):
        if seen.state != "unknown" or seen.untrusted:
            break
        await clock.sleep(_PAUSE)
        seen = await index.look(project, "", variant, fresh=True)
    if seen.page is not None:
        return Shown(index.url, seen.page)
    if seen.state == "denied":
        return Shown(index.url, problem=problems.denied(index.url, seen.detail, index.name))
    if seen.state != "absent":
        problem = not_known(index.url, seen.detail, index.name, malformed=seen.malformed)
        return Shown(index.url, problem=problem)
    if not (index.certain or seen.refers):
        state, said = await index.root()
        if state == "none":
            return Shown(index.url, problem=no_index_there(index.url, said))
    return Shown(index.url, ProjectPage({}))
