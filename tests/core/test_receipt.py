"""The receipt after each event: what a run that ends there leaves behind."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from poetry_publish_verified.core.events import (
    BecameVisible,
    ClientAsked,
    DistributionsRead,
    Event,
    FileCompared,
    FileFacts,
    FileListed,
    FileVerified,
    IndexEnded,
    LaterVersionsFound,
    NotYetVisible,
    ProblemFound,
    ProvenanceChecked,
    ReleaseEnded,
    ReleaseStarted,
    RunEnded,
    RunStarted,
    Sources,
    TargetsFound,
    UploadEnded,
    UploadProgressed,
    UploadStarted,
    VersionSet,
    WaitStarted,
)
from poetry_publish_verified.core.receipt import DURABLE, Receipt, iso
from poetry_publish_verified.errors import Code, Problem, Verdict
from tests.core.distributions import SDIST, WHEEL

UNPROVEN = {"proven": False, "not_offered": []}
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
INDEX = "https://index.example/simple/"
BEGINNING: list[Event] = [
    RunStarted("downloadable", rehearsal=False, sources=Sources("c0ffee", "d1")),
    ReleaseStarted("lantern", "1.0", "harbour"),
    TargetsFound("https://index.example/", (INDEX,)),
    DistributionsRead((FileFacts(WHEEL, 5, "aa"), FileFacts(SDIST, 6, "bb"))),
]
PROBLEM = Problem(Code.UPLOAD_REFUSED, "It was refused.", "Mend it.", filename=WHEEL, index=INDEX)


def receipt_after(*events: Event) -> dict[str, Any]:
    """The receipt of a run with these events, one second apart."""
    receipt = Receipt("poetry-publish-verified", "0.1.0", "2.5.1", NOON)
    for second, event in enumerate(events, 1):
        receipt.apply(event, NOON + timedelta(seconds=second))
    read = json.loads(json.dumps(receipt.as_dict()))
    assert isinstance(read, dict)
    return read


def file_after(*events: Event) -> dict[str, Any]:
    """What the receipt says about the wheel after these events."""
    (release,) = receipt_after(*BEGINNING, *events)["releases"]
    (file,) = [each for each in release["distributions"] if each["filename"] == WHEEL]
    assert isinstance(file, dict)
    return file


def test_receipt_before_any_event() -> None:
    """Before the first event there is a complete receipt with verdict `running`."""
    assert receipt_after() == {
        "schema": "publish-verified.receipt/1",
        "tool": {"name": "poetry-publish-verified", "version": "0.1.0"},
        "poetry": "2.5.1",
        "started": "2026-01-02T12:00:00.000Z",
        "finished": None,
        "verdict": "running",
        "exit_code": None,
        "summary": None,
        "rehearsal": False,
        "sources": {"commit": None, "digest": None},
        "until": None,
        "confirmation": None,
        "problems": [],
        "releases": [],
    }


def test_receipt_before_the_first_upload() -> None:
    """Once the files are read, the receipt has everything known and nothing sent."""
    receipt = receipt_after(*BEGINNING)
    assert receipt["until"] == "downloadable"
    assert receipt["sources"] == {"commit": "c0ffee", "digest": "d1"}
    plain: dict[str, object] = {
        "requires_python": None,
        "remote_sha256": None,
        "url": None,
        "upload": "not-sent",
        "attempts": 0,
        "provenance": [],
        "started": None,
        "finished": None,
    }
    assert receipt["releases"] == [
        {
            "name": "lantern",
            "version": "1.0",
            "verdict": "running",
            "page": None,
            "blocked_by": [],
            "stages": [],
            "repository": {"name": "harbour", "url": "https://index.example/"},
            "previous": None,
            "distributions": [
                {"filename": WHEEL, "size": 5, "sha256": "aa", **plain},
                {"filename": SDIST, "size": 6, "sha256": "bb", **plain},
            ],
            "indexes": [
                {
                    "url": INDEX,
                    **UNPROVEN,
                    "variants": [],
                    "clients": [],
                    "started": None,
                    "finished": None,
                }
            ],
            "problems": [],
            "rollback": None,
            "started": "2026-01-02T12:00:02.000Z",
            "finished": None,
        }
    ]


@pytest.mark.parametrize(
    ("events", "upload", "remote", "attempts"),
    [
        ([], "not-sent", None, 0),
        ([FileCompared(WHEEL, "absent")], "not-sent", None, 0),
        ([FileCompared(WHEEL, "identical", "aa")], "already-there", "aa", 0),
        ([FileCompared(WHEEL, "other", "xx")], "not-sent", "xx", 0),
        ([FileListed(INDEX, WHEEL, "aa")], "not-sent", "aa", 0),
        ([FileListed(INDEX, WHEEL, None)], "not-sent", None, 0),
        ([FileVerified(INDEX, WHEEL, "aa", "http")], "not-sent", "aa", 0),
        ([UploadStarted(WHEEL, 5, 1, 6)], "unknown", None, 1),
        ([UploadStarted(WHEEL, 5, 1, 6), UploadProgressed(WHEEL, 3)], "unknown", None, 1),
        ([UploadStarted(WHEEL, 5, 1, 6), UploadStarted(WHEEL, 5, 2, 6)], "unknown", None, 2),
        ([UploadStarted(WHEEL, 5, 1, 6), UploadEnded(WHEEL, "uploaded")], "uploaded", None, 1),
        ([UploadStarted(WHEEL, 5, 1, 6), UploadEnded(WHEEL, "failed")], "failed", None, 1),
        (
            [FileCompared(WHEEL, "other", "xx"), UploadEnded(WHEEL, "kept-remote", "xx")],
            *("kept-remote", "xx", 0),
        ),
    ],
)
def test_upload_state_of_a_file(
    events: list[Event], upload: str, remote: str | None, attempts: int
) -> None:
    """After each step the receipt claims no more about a file than is known."""
    file = file_after(*events)
    assert (file["upload"], file["remote_sha256"], file["attempts"]) == (upload, remote, attempts)
    other = {"filename": SDIST, "size": 6, "sha256": "bb"}
    (release,) = receipt_after(*BEGINNING, *events)["releases"]
    assert other.items() <= release["distributions"][1].items()
    assert release["distributions"][1]["upload"] == "not-sent"


def test_looks_at_an_index() -> None:
    """Looks are counted, and the time of visibility is kept."""
    edge = {"x-served-by": "cache-1"}
    looked = NotYetVisible(INDEX, "pip", 1, (WHEEL,), "404", None)
    (release,) = receipt_after(*BEGINNING, WaitStarted(INDEX, 9.0), looked)["releases"]
    waiting = {"variant": "pip", "visible_at": None, "requests": 1, "edge": None}
    (index,) = release["indexes"]
    assert (index["variants"], index["proven"]) == ([waiting], False)
    assert (index["started"], index["finished"]) == ("2026-01-02T12:00:05.000Z", None)
    visible = BecameVisible(INDEX, "pip", 2, 1.5, edge)
    (release,) = receipt_after(
        *BEGINNING, looked, visible, FileVerified(INDEX, WHEEL, "aa", "http")
    )["releases"]
    shown = {
        "variant": "pip",
        "visible_at": "2026-01-02T12:00:06.000Z",
        "requests": 2,
        "edge": edge,
    }
    (index,) = release["indexes"]
    assert (index["variants"], index["proven"]) == ([shown], False)


def test_when_it_happened() -> None:
    """The start of a file's first upload and its end, what clients got, and the release's page."""
    page = "https://index.example/project/lantern/"
    (release,) = receipt_after(
        *BEGINNING[:2],
        TargetsFound("https://index.example/", (INDEX,), page),
        VersionSet("1.1"),
        BEGINNING[3],
        UploadStarted(WHEEL, 5, 1, 6),
        UploadStarted(WHEEL, 5, 2, 6),
        UploadEnded(WHEEL, "uploaded"),
        WaitStarted(INDEX, 9.0),
        ClientAsked(INDEX, "pip", 1, 2),
        IndexEnded(INDEX, proven=True),
        RunEnded(Verdict.VERIFIED),
    )["releases"]
    assert release["page"] == f"{page}1.1/"
    (wheel, _) = release["distributions"]
    at = "2026-01-02T12:00:{:02}.000Z".format
    assert (wheel["started"], wheel["finished"]) == (at(6), at(8))
    (index,) = release["indexes"]
    assert index["clients"] == [
        {"client": "pip", "downloaded": 1, "resolved": 2, "finished": at(10)}
    ]
    assert (index["started"], index["finished"], release["finished"]) == (at(9), at(11), at(12))


def test_problems_of_releases_and_of_the_run() -> None:
    """A release's problem is in the release, others at the top; all fields are present."""
    written = {
        "code": "PV407",
        "severity": "error",
        "message": "It was refused.",
        "remedy": "Mend it.",
        "filename": WHEEL,
        "index": INDEX,
    }
    receipt = receipt_after(*BEGINNING, ProblemFound(PROBLEM))
    assert receipt["problems"] == []
    assert receipt["releases"][0]["problems"] == [written]
    receipt = receipt_after(*BEGINNING, ProblemFound(PROBLEM, release=False))
    assert receipt["problems"] == [written]
    assert receipt_after(ProblemFound(PROBLEM))["problems"] == [written]


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict.VERIFIED, 0),
        (Verdict.KEPT_REMOTE, 0),
        (Verdict.DRY_RUN, 0),
        (Verdict.ERROR, 1),
        (Verdict.PREFLIGHT_REFUSED, 3),
        (Verdict.UPLOAD_FAILED, 4),
        (Verdict.CONFLICT, 5),
        (Verdict.NOT_VISIBLE, 6),
        (Verdict.VERIFICATION_FAILED, 7),
        (Verdict.LOCK_TIMEOUT, 8),
        (Verdict.INTERRUPTED, 130),
    ],
)
def test_end_of_a_run(verdict: Verdict, code: int) -> None:
    """Verdict, exit code and time are in the run; the release has its verdict too."""
    receipt = receipt_after(*BEGINNING, RunEnded(verdict))
    assert (receipt["verdict"], receipt["exit_code"]) == (str(verdict), code)
    assert receipt["finished"] == "2026-01-02T12:00:05.000Z"
    assert receipt["releases"][0]["verdict"] == str(verdict)


@pytest.mark.parametrize(
    ("ended", "entry"),
    [
        (IndexEnded(INDEX, proven=True), {"proven": True, "not_offered": []}),
        (
            IndexEnded(INDEX, proven=True, not_offered=("size", "core-metadata")),
            {"proven": True, "not_offered": ["size", "core-metadata"]},
        ),
        (IndexEnded(INDEX, proven=False), UNPROVEN),
    ],
)
def test_end_of_an_index(ended: IndexEnded, entry: dict[str, object]) -> None:
    """Whether the index is proven and which fields it lacks are with its looks."""
    visible = BecameVisible(INDEX, "uv", 3, 1.5)
    (release,) = receipt_after(*BEGINNING, visible, ended)["releases"]
    (index,) = release["indexes"]
    assert entry.items() <= index.items()
    assert [variant["variant"] for variant in index["variants"]] == ["uv"]


def test_indexes_and_variants_are_separate() -> None:
    """Each index has its own entry, and each variant one within it."""
    other = "https://mirror.example/simple/"
    looks = [
        NotYetVisible(where, who, 1, (), "", None) for where in (INDEX, other) for who in ("a", "b")
    ]
    (release,) = receipt_after(
        *BEGINNING[:2],
        TargetsFound("https://index.example/", (INDEX, other)),
        *looks,
        IndexEnded(other, proven=True),
    )["releases"]
    assert [(index["url"], index["proven"]) for index in release["indexes"]] == [
        (INDEX, False),
        (other, True),
    ]
    assert [len(index["variants"]) for index in release["indexes"]] == [2, 2]


def test_provenance_of_a_file() -> None:
    """Each attestation that each index serves: by whom, in the log at which place, and verified."""
    publish = "https://index.example/attestations/publish/v1"
    by = "github:octo/lantern:release.yml"
    receipt = receipt_after(
        *BEGINNING,
        ProvenanceChecked(INDEX, WHEEL, by, publish, 42, verified=True),
        ProvenanceChecked(INDEX, SDIST, "google:me@octo.example", publish, None, verified=False),
    )
    first = {"index": INDEX, "publisher": by, "predicate": publish}
    other = {"publisher": "google:me@octo.example", "log_index": None, "verified": False}
    assert [file["provenance"] for file in receipt["releases"][0]["distributions"]] == [
        [first | {"log_index": 42, "verified": True}],
        [first | other],
    ]


def test_interleaved_releases_are_separate() -> None:
    """Events of parallel releases end up in their own releases."""
    receipt = Receipt("poetry-publish-verified", "0.1.0", "2.5.1", NOON)
    for key in ("a", "b"):
        for event in (
            ReleaseStarted(key, "1.0", None),
            TargetsFound(None, (INDEX,)),
            DistributionsRead((FileFacts(f"{key}.whl", None, None),)),
        ):
            receipt.apply(event, NOON, key)
    receipt.apply(NotYetVisible(INDEX, "pip", 4, (), "", None), NOON, "a")
    receipt.apply(FileListed(INDEX, "b.whl", "bb"), NOON, "b")
    receipt.apply(ProblemFound(PROBLEM), NOON, "a")
    receipt.apply(VersionSet("1.1"), NOON, "b")
    receipt.apply(ReleaseEnded(Verdict.NOT_VISIBLE), NOON, "a")
    a, b = receipt.as_dict()["releases"]
    assert (a["name"], a["version"], a["verdict"]) == ("a", "1.0", "not-visible")
    assert (b["name"], b["version"], b["verdict"]) == ("b", "1.1", "running")
    assert (len(a["problems"]), len(b["problems"])) == (1, 0)
    assert [index["variants"] for index in b["indexes"]] == [[]]
    assert a["indexes"][0]["variants"][0]["requests"] == 4
    assert b["distributions"][0]["remote_sha256"] == "bb"
    assert a["distributions"][0] == {
        "filename": "a.whl",
        "size": None,
        "sha256": None,
        "requires_python": None,
        "remote_sha256": None,
        "url": None,
        "upload": "not-sent",
        "attempts": 0,
        "provenance": [],
        "started": None,
        "finished": None,
    }


def test_release_keeps_its_verdict() -> None:
    """The run's verdict applies only to releases without their own."""
    receipt = Receipt("poetry-publish-verified", "0.1.0", "2.5.1", NOON)
    for key in ("a", "b"):
        receipt.apply(ReleaseStarted(key, "1.0", None), NOON, key)
    receipt.apply(ReleaseEnded(Verdict.VERIFIED), NOON, "a")
    receipt.apply(RunEnded(Verdict.INTERRUPTED), NOON)
    run = receipt.as_dict()
    assert [release["verdict"] for release in run["releases"]] == ["verified", "interrupted"]
    assert (run["verdict"], run["exit_code"]) == ("interrupted", 130)


def test_times_are_utc() -> None:
    """Times of any time zone are written in UTC, to the millisecond."""
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_999, elsewhere)
    assert iso(moment) == "2026-01-01T21:34:05.678Z"


def test_receipt_is_written_at_critical_events() -> None:
    """After a kill the file shows that a byte left, or how a file ended."""
    assert {
        RunStarted,
        DistributionsRead,
        UploadStarted,
        UploadEnded,
        ReleaseEnded,
        RunEnded,
    } <= set(DURABLE)
    assert not issubclass(UploadProgressed, DURABLE)


@pytest.mark.parametrize(
    ("verdict", "planned"),
    [
        (Verdict.UPLOAD_FAILED, True),
        (Verdict.CONFLICT, True),
        (Verdict.VERIFICATION_FAILED, True),
        (Verdict.NOT_VISIBLE, False),
        (Verdict.VERIFIED, False),
        (Verdict.INTERRUPTED, False),
    ],
)
def test_plan_to_take_a_release_back(verdict: Verdict, *, planned: bool) -> None:
    """It is there after exit codes 4, 5 and 7, and the next version is one that nobody has."""
    later = LaterVersionsFound(("1.0.1", "1.1"))
    sent = UploadEnded(WHEEL, "uploaded", "aa")
    (release,) = receipt_after(*BEGINNING, later, sent, RunEnded(verdict))["releases"]
    assert (release["rollback"] is not None) is planned
    if planned:
        (place,) = release["rollback"]["places"]
        assert place["absent"] == [SDIST]
        assert release["rollback"]["next_version"] == "1.0.2"
