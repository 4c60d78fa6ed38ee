"""Indexes that cannot be read, or do not show the release in time (PV6xx)."""

from collections.abc import Collection, Iterable

from poetry_publish_verified.core.problems.repository import get_an_answer, give_credentials
from poetry_publish_verified.core.problems.words import RERUN, Text, problem, some
from poetry_publish_verified.errors import Code


@problem(Code.INDEX_DENIED)
def denied(index: str, said: str, name: str | None) -> Text:
    """An index refuses to be read; `name` is that of its login."""
    return Text(f"{index} denies access ({said}).", f"{give_credentials(name)}, then {RERUN}.")


@problem(Code.INDEX_NOT_REACHED)
def unreadable(index: str, said: str, waited: float, *, name: str | None) -> Text:
    """Every answer within `waited` seconds was an error; `name` is that of the index's login."""
    return Text(
        f"Cannot read {index}: no usable answer within {waited:.0f} s ({said}).",
        get_an_answer(said, name),
    )


@problem(Code.NO_INDEX_THERE)
def no_index(index: str, said: str, timeout: float) -> Text:
    return Text(
        f"There seems to be no index at {index}: {said}, and within {timeout:.0f} s there was no"
        " page of the project either.",
        "Pass --index with the root URL of the simple API, which often ends in /simple/.",
    )


@problem(Code.NO_INDEX_THERE, "warning")
def perhaps_no_index(index: str, said: str) -> Text:
    return Text(
        f"There may be no index at {index}: {said}.",
        "Check the URL: it should be the root of a simple API, which often ends in /simple/.",
    )


@problem(Code.NOT_LISTED_IN_TIME)
def not_listed_in_time(
    index: str, what: str, timeout: float, details: Iterable[str], *, moved: bool
) -> Text:
    more = "; ".join(details)
    return Text(
        f"{index} did not list {what} within {timeout:.0f} s{f' ({more})' if more else ''}.",
        "If the index has moved, pass its new URL with --index."
        if moved
        else "Run the same command again to keep waiting; nothing is uploaded twice. If this index"
        " is always this slow, raise --timeout.",
    )


@problem(Code.LISTED_IMPROPERLY)
def listed_improperly(index: str, what: str, timeout: float, details: Iterable[str]) -> Text:
    return Text(
        f"{index} did not list {what} as the simple API requires within {timeout:.0f} s"
        f" ({'; '.join(details)}).",
        f"Ask the operator of the index to fix its listing, then {RERUN}.",
    )


@problem(Code.COPIES_BY_USER_AGENT, "warning")
def copies_by_user_agent(index: str) -> Text:
    return Text(
        f"The cache in front of {index} keeps one copy of each page per User-Agent (Vary), so a"
        " client that asked before the upload may see the old page until its copy expires.",
        "Configure the cache to ignore User-Agent: the pages do not depend on it.",
    )


@problem(Code.NOT_UPLOADED, "warning")
def not_uploaded(verdict: str, filenames: Collection[str]) -> Text:
    """A publisher's receipt says so, and how its run ended."""
    return Text(
        f"According to the receipt ({verdict}), the publisher's run did not upload, or may not have"
        f" uploaded, {some(filenames)}.",
        "Unless another run has uploaded them since, run poetry publish-verified again first.",
    )


@problem(Code.COMPLETENESS_UNKNOWN, "warning")
def completeness_unknown() -> Text:
    return Text(
        "Only the files that the indexes list are checked (completeness unknown).",
        "To check for exact files, pass --from-receipt FILE or --dist-dir DIR.",
    )
