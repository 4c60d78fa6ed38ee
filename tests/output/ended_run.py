"""The receipt of a run that sent three files, is proven on one of two indexes, and was lied to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from poetry_publish_verified.core import events
from poetry_publish_verified.core.receipt import Receipt
from poetry_publish_verified.errors import Code, Problem, Verdict

if TYPE_CHECKING:
    from poetry_publish_verified.core.receipt_document import ReceiptDocument

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
INDEX = "https://pypi.company.example/simple/"
MIRROR = "https://mirror.company.example/root/pypi/+simple/"
PAGE = "https://pypi.company.example/project/lantern/"
WHEEL = "lantern-1.0-py3-none-any.whl"
BIG = "lantern-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
SDIST = "lantern-1.0.tar.gz"
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>|`x` [a](javascript:x) **b** @all"
    " ##vso[x]\n::error::boo ]]> </style> \x1b[2J %0A &amp;"
)
LATE = Problem(
    Code.NOT_LISTED_IN_TIME, f"{MIRROR} lacks {SDIST}. {HOSTILE}", f"Wait. {HOSTILE}", "error"
)
TAGGED = Problem(Code.TAG_DISAGREES, f"The tag {HOSTILE} differs.", "Check it.", "warning")
FILES = tuple(
    events.FileFacts(name, size, letter * 64)
    for name, size, letter in ((WHEEL, 12_345, "a"), (BIG, 1_234_567, "b"), (SDIST, 54_321, "c"))
)
# Each with its second.
STORY: list[tuple[float, events.Event]] = [
    (0.2, events.RunStarted("installable", rehearsal=False, sources=events.Sources("c0ffee", "d"))),
    (0.3, events.ReleaseStarted("lantern", "1.0", "company")),
    (0.3, events.TargetsFound("https://pypi.company.example/legacy/", (INDEX, MIRROR), PAGE)),
    (1, events.DistributionsRead(FILES)),
    (1.5, events.UploadStarted(WHEEL, 1, 1, 6)),
    (2.6, events.UploadEnded(WHEEL, "uploaded")),
    (2.7, events.UploadStarted(BIG, 1, 1, 6)),
    (4, events.UploadStarted(BIG, 1, 2, 6)),
    (6.1, events.UploadEnded(BIG, "uploaded")),
    (6.2, events.UploadStarted(SDIST, 1, 1, 6)),
    (7, events.UploadEnded(SDIST, "uploaded")),
    (7.1, events.WaitStarted(INDEX, 900.0)),
    (7.8, events.BecameVisible(INDEX, "pip", 2, 0.7)),
    (8.9, events.BecameVisible(INDEX, "uv", 2, 1.8)),
    (9, events.WaitStarted(MIRROR, 900.0)),
    (11, events.ClientAsked(INDEX, "pip", 2, 1)),
    (13, events.IndexEnded(INDEX, proven=True)),
    (15, events.BecameVisible(MIRROR, "pip", 2, 6.0)),
    (16, events.NotYetVisible(MIRROR, "uv", 3, (SDIST,), "")),
    (18, events.ProblemFound(LATE)),
    (18, events.ProblemFound(TAGGED)),
    (18.1, events.IndexEnded(MIRROR, proven=False)),
    (18.3, events.RunEnded(Verdict.NOT_VISIBLE, f"not-visible: 3 of 3 files. {HOSTILE}")),
]


def receipt(story: list[tuple[float, events.Event]] = STORY) -> ReceiptDocument:
    """The receipt after these events."""
    made = Receipt("poetry-publish-verified", "0.1.0", "2.5.1", NOON)
    for second, event in story:
        made.apply(event, NOON + timedelta(seconds=second))
    return made.as_dict()


def of_many(count: int) -> ReceiptDocument:
    """The receipt of a run that publishes so many projects, each seen by three clients."""
    made = Receipt("poetry-publish-verified", "0.1.0", "2.5.1", NOON)
    for number in range(count):
        name = f"project-{number}"
        file = events.FileFacts(f"project_{number}-1.0.tar.gz", 1, "a" * 64)
        for event in (
            events.ReleaseStarted(name, "1.0", "company"),
            events.TargetsFound(None, (INDEX,)),
            events.DistributionsRead((file,)),
            events.UploadStarted(file.filename, 1, 1, 6),
            events.UploadEnded(file.filename, "uploaded"),
            events.WaitStarted(INDEX, 900.0),
            *(events.BecameVisible(INDEX, client, 2, 1.0) for client in ("pip", "uv", "poetry")),
            events.IndexEnded(INDEX, proven=True),
            events.ReleaseEnded(Verdict.VERIFIED),
        ):
            made.apply(event, NOON + timedelta(seconds=number), name)
    made.apply(events.RunEnded(Verdict.VERIFIED, "verified"), NOON + timedelta(seconds=count))
    return made.as_dict()
