"""Everything that is said about locks: a function each, with message and remedy side by side.

What is refused has a code; what is said of Poetry's own commands is a line of text. Foreign text is
made harmless where it is printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from poetry_publish_verified.errors import Problem

TIMEOUT_VARIABLE = "POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT"
STALE_VARIABLE = "POETRY_PUBLISH_VERIFIED_LOCK_STALE"
LOCKS_OF_ONE_HOST = (
    "Poetry processes on different hosts can still break each other there. If two hosts publish a"
    " release at once, both build and upload it, and the index decides by hash."
)


def waiting_for_lock(resource: str, holder: str, seconds_left: float) -> str:
    obstacle = f"in use by {holder}" if holder else "no answer yet"
    return (
        f"Waiting for {resource}, {obstacle};"
        f" at most {seconds_left:.0f} s more ({TIMEOUT_VARIABLE} changes this)."
    )


def unknown_holder(last_holder: str) -> str:
    return "an unknown process" + (
        f" (not by {last_holder}, which has ended)" if last_holder else ""
    )


def continuing_without_lock(reason: str) -> str:
    return f"Continuing without a lock: {reason}"


def lock_place_untrusted(reason: str) -> str:
    return f"{reason}, so the lock is in your own directory instead."


def lock_busy(where: str, holder: str, timeout: float) -> str:
    if not timeout:
        return f"{where} is in use by {holder}."
    return f"{where} was not free within {timeout:g} s; in use by {holder}."


def lock_failed(where: str, why: str, *, is_final: bool) -> str:
    return f"{where} {'cannot' if is_final else 'could not'} be locked: {why}."


def no_answer(seconds: float) -> str:
    return f"no answer within {seconds:g} s"


def delete_if_gone(host: str, lock: Path) -> str:
    return f"If {host} is gone for good, delete {lock}." if host else ""


def break_if_gone(host: str, lock: Path, silent_for: float | None = None) -> str:
    """`host` is empty where nobody knows who holds the lock; `silent_for` is in seconds."""
    who = host or "the process that holds the lock"
    who += "" if silent_for is None else f" (last sign of life {silent_for:.0f} s ago)"
    return f"If {who} is gone for good, publish with --break-lock, which renames {lock}."


def lock_unavailable(reason: str) -> Problem:
    remedy = "Run this on a filesystem that supports locks; `poetry publish-verified doctor` tests"
    return _problem("LOCK_UNAVAILABLE", reason, f"{remedy} them.")


def lock_not_free(reason: str, if_host_gone: str, *, is_nested: bool) -> Problem:
    if is_nested:
        code = "LOCK_ORDER"
        remedy = (
            "Run this on its own, not from inside another Poetry command: each would wait for the"
            " other."
        )
    else:
        code = "LOCK_NOT_FREE"
        remedy = (
            "Run this again when the other process has ended, or wait longer by setting"
            f" {TIMEOUT_VARIABLE} (in seconds)."
        )
    return _problem(code, reason, f"{remedy} {if_host_gone}".rstrip())


def lock_not_broken(reason: str, error: Exception) -> Problem:
    message = f"{reason} Its lock cannot be broken: {error}."
    return _problem("LOCK_NOT_FREE", message, "Run this as a user who may rename that file.")


def lock_broken(resource: str, holder: str, silent_for: float | None, aside: Path) -> Problem:
    from poetry_publish_verified.errors import Code, Problem

    since = "" if silent_for is None else f", without a sign of life for {silent_for:.0f} s"
    return Problem(
        Code.LOCK_BROKEN,
        f"Broke the lock of {resource}, held by {holder}{since}. Its file is now {aside}.",
        "No action needed: if that process still runs, it stops before its next upload.",
        "warning",
    )


def locks_of_one_host(where: str, why: str) -> Problem:
    from poetry_publish_verified.errors import Code, Problem

    message = f"Locks on {where} work on this host only, because of {why}. {LOCKS_OF_ONE_HOST}"
    remedy = (
        "Publish from one host at a time, or mount it with locks. Later runs do not repeat this."
    )
    return Problem(Code.LOCKS_OF_ONE_HOST, message, remedy, "warning")


def lock_lost(resource: str, lock: Path, successor: str) -> Problem:
    from poetry_publish_verified.errors import Code, Problem

    by = f" It is now in use by {successor}." if successor else ""
    return Problem(
        Code.LOCK_LOST,
        f"This run has lost the lock of {resource}: another process renamed or deleted {lock}.{by}"
        " Nothing else was uploaded or deleted.",
        "Let the other run finish, or run this again: what is on the index already is recognized"
        " by its hash.",
    )


def _problem(code: str, message: str, remedy: str) -> Problem:
    # Most commands never need it.
    from poetry_publish_verified.errors import Code, Problem

    return Problem(Code[code], message, f"Nothing was changed. {remedy}")
