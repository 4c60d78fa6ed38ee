"""What is where after a release that failed, and how to take it back or go on."""

from collections.abc import Iterator
from shlex import quote

from poetry_publish_verified.core.problems.words import some
from poetry_publish_verified.core.receipt_document import (
    ReceiptDocument,
    ReleaseEntry,
    RollbackEntry,
)
from poetry_publish_verified.output.words import escaped

_MOST = 3


def lines(receipt: ReceiptDocument, path: str | None) -> Iterator[str]:
    """The plans in a receipt, which is at `path`, for cleo."""
    plans = [(each, each["rollback"]) for each in receipt["releases"] if each["rollback"]]
    for release, plan in plans[:_MOST]:
        for line in _plan(release, plan, path):
            yield line[: len(line) - len(line.lstrip())] + escaped(line)
    if len(plans) > _MOST:
        yield f"The receipt has the same of {len(plans) - _MOST} more releases."


def _plan(release: ReleaseEntry, plan: RollbackEntry, path: str | None) -> Iterator[str]:
    for place in plan["places"]:
        before = [each["filename"] for each in place["there"] if not each["ours"]]
        sent = [each["filename"] for each in place["there"] if each["ours"]]
        states = {
            "uploaded by this run": sent,
            "there before": before,
            "unknown": place["unknown"],
            "not there": place["absent"],
        }
        words = (f"{state}: {some(names)}" for state, names in states.items() if names)
        title = f"{release['name']} {release['version']} on {place['repository']}"
        yield f"{title}: {'; '.join(words) or 'nothing'}"
        if sent or place["unknown"]:
            if place["page"]:
                yield f"  To take it back, yank it on {place['page']}"
            else:
                command = f"poetry publish-verified rollback --receipt {quote(path or 'FILE')}"
                yield f"  To take it back: {command}"
    if plan["next_version"] == release["version"]:
        yield f"  {release['version']} is still free."
    else:
        yield f"  The next free version is {plan['next_version']}."
