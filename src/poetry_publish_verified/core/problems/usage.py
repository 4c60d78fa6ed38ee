"""Wrong usage: settings, options, names, receipts; and bugs of ours (PV1xx, PV209, PV217)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from poetry_publish_verified.core.problems.words import some
from poetry_publish_verified.errors import Code, Problem
from poetry_publish_verified.sanitize import printable


def invalid_setting(name: str, error: object) -> Problem:
    """A value that cannot be used; `name` says where it is set, never what it is."""
    return Problem(Code.SETTING, f"{name} has an invalid value: {error}.", f"Correct {name}.")


def unknown_setting(name: str, meant: str | None, known: Iterable[str]) -> Problem:
    """A name that no setting has; `meant` is one that looks like it."""
    return Problem(
        Code.SETTING,
        f"{name} is not a setting of publish-verified.",
        f"Did you mean {meant}?" if meant else f"Remove it, or use one of: {', '.join(known)}.",
    )


def not_a_table() -> Problem:
    """`tool.publish-verified` is not a table."""
    return Problem(
        Code.SETTING,
        "tool.publish-verified in pyproject.toml is not a table.",
        "Write a [tool.publish-verified] table with one setting per line.",
    )


def not_awaitable(reason: object) -> Problem:
    """A release name that `wait` does not accept."""
    return Problem(Code.NOT_AWAITABLE, f"{reason}.", "Name releases as NAME==VERSION.")


def nothing_to_wait_for() -> Problem:
    """`wait` without anything to wait for."""
    return Problem(
        Code.NOT_AWAITABLE,
        "There is nothing to wait for.",
        "Name releases as NAME==VERSION, or pass --from-receipt FILE or --dist-dir DIR.",
    )


def not_among_those(releases: Collection[str]) -> Problem:
    return Problem(
        Code.NOT_AWAITABLE,
        f"The receipt or directory does not contain {some(releases)}.",
        "Leave the names out to wait for everything in it.",
    )


def receipt_would_be_lost() -> Problem:
    return Problem(
        Code.NOT_AWAITABLE,
        "--receipt would overwrite the file that --from-receipt reads.",
        "Pass another file to --receipt.",
    )


def receipt_unreadable(path: str, reason: object) -> Problem:
    return Problem(
        Code.RECEIPT_UNREADABLE,
        f"Cannot use the receipt {printable(path)}: {printable(str(reason)).rstrip('.')}.",
        "Pass the receipt that the publishing run wrote. CI systems skip hidden directories such as"
        " dist/.publish-verified when they upload files.",
    )


def receipt_not_writable(path: str, error: object) -> Problem:
    return Problem(
        Code.RECEIPT_NOT_WRITABLE,
        f"Cannot write the receipt {printable(path)}: {printable(str(error))}.",
        "Pass another path with --receipt FILE.",
    )


def internal(error: BaseException) -> Problem:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return Problem(
        Code.INTERNAL,
        f"{type(error).__name__}: {printable(str(error))}",
        "This is a bug in poetry-publish-verified: please report it with the output of -vvv."
        " Running the same command again is safe.",
    )
