"""Releases that somebody has to confirm first (PV249)."""

from collections.abc import Collection

from poetry_publish_verified.core.problems.words import RERUN, Text, problem, some
from poetry_publish_verified.errors import Code
from poetry_publish_verified.sanitize import harmless


@problem(Code.UPLOAD_NOT_CONFIRMED)
def nobody_to_ask() -> Text:
    return Text(
        "--confirm needs a terminal to ask on, and there is none, so nothing was uploaded.",
        "Run it on a terminal without --no-interaction. In CI, pass --yes where somebody has"
        " approved the job.",
    )


@problem(Code.UPLOAD_NOT_CONFIRMED)
def declined() -> Text:
    return Text("The answer was no, so nothing was uploaded.", f"To publish after all, {RERUN}.")


@problem(Code.UPLOAD_NOT_CONFIRMED)
def item_not_done(item: str) -> Text:
    return Text(f"Not done yet: {harmless(item)}. Nothing was uploaded.", f"Do it, then {RERUN}.")


@problem(Code.UPLOAD_NOT_CONFIRMED)
def changed_since_confirmed(filenames: Collection[str]) -> Text:
    return Text(
        f"Files have changed since they were confirmed: {some(filenames)}. Nothing was uploaded.",
        f"Find out what changed them, then {RERUN}.",
    )
