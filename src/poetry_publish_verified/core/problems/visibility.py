"""Indexes that cannot be read, or do not show the release in time (PV6xx)."""

from __future__ import annotations

from collections.abc import Iterable

from poetry_publish_verified.core.problems.repository import get_an_answer, give_credentials
from poetry_publish_verified.core.problems.words import RERUN
from poetry_publish_verified.errors import Code, Problem


def denied(index: str, said: str, name: str | None) -> Problem:
    """An index refuses to be read; `name` is that of its login."""
    return Problem(
        Code.INDEX_DENIED,
        f"{index} denies access ({said}).",
        f"{give_credentials(name)}, then {RERUN}.",
        index=index,
    )


def unreadable(index: str, said: str, waited: float, *, name: str | None) -> Problem:
    """Every answer within `waited` seconds was an error; `name` is that of the index's login."""
    return Problem(
        Code.INDEX_NOT_REACHED,
        f"Cannot read {index}: no usable answer within {waited:.0f} s ({said}).",
        get_an_answer(said, name),
        index=index,
    )


def no_index(index: str, said: str, timeout: float) -> Problem:
    """There was neither a page of the project nor a root page for `timeout` seconds."""
    return Problem(
        Code.NO_INDEX_THERE,
        f"There seems to be no index at {index}: {said}, and within {timeout:.0f} s there was no"
        " page of the project either.",
        "Pass --index with the root URL of the simple API, which often ends in /simple/.",
        index=index,
    )


def perhaps_no_index(index: str, said: str) -> Problem:
    return Problem(
        Code.NO_INDEX_THERE,
        f"There may be no index at {index}: {said}.",
        "Check the URL: it should be the root of a simple API, which often ends in /simple/.",
        severity="warning",
        index=index,
    )


def not_listed_in_time(
    index: str, what: str, timeout: float, details: Iterable[str], *, moved: bool
) -> Problem:
    """An index did not list everything within `timeout` seconds."""
    more = "; ".join(details)
    return Problem(
        Code.NOT_LISTED_IN_TIME,
        f"{index} did not list {what} within {timeout:.0f} s{f' ({more})' if more else ''}.",
        "If the index has moved, pass its new URL with --index."
        if moved
        else "Run the same command again to keep waiting; nothing is uploaded twice. If this index"
        " is always this slow, raise --timeout.",
        index=index,
    )


def listed_improperly(index: str, what: str, timeout: float, details: Iterable[str]) -> Problem:
    """An index lists files, for as long as `timeout` seconds, as no standard allows it."""
    return Problem(
        Code.LISTED_IMPROPERLY,
        f"{index} did not list {what} as the simple API requires within {timeout:.0f} s"
        f" ({'; '.join(details)}).",
        f"Ask the operator of the index to fix its listing, then {RERUN}.",
        index=index,
    )


def copies_by_user_agent(index: str) -> Problem:
    return Problem(
        Code.COPIES_BY_USER_AGENT,
        f"The cache in front of {index} keeps one copy of each page per User-Agent (Vary), so a"
        " client that asked before the upload may see the old page until its copy expires.",
        "Configure the cache to ignore User-Agent: the pages do not depend on it.",
        severity="warning",
        index=index,
    )


def completeness_unknown() -> Problem:
    return Problem(
        Code.COMPLETENESS_UNKNOWN,
        "Only the files that the indexes list are checked (completeness unknown).",
        "To check for exact files, pass --from-receipt FILE or --dist-dir DIR.",
        severity="warning",
    )
