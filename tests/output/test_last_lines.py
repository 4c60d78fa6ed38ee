"""The last lines of a run: the verdict, what is true now, and what to do first."""

from __future__ import annotations

import pytest

from poetry_publish_verified.core.events import (
    DistributionsRead,
    Event,
    FileFacts,
    FileListed,
    FileVerified,
    NotYetVisible,
    ProblemFound,
    ProjectsFound,
    ReleaseEnded,
    ReleaseStarted,
    SendingStarted,
    TargetsFound,
    UploadEnded,
    UploadStarted,
    VersionSet,
)
from poetry_publish_verified.errors import Code, Problem, Verdict
from poetry_publish_verified.output.console import Text
from poetry_publish_verified.output.summary import Kind
from tests.output.test_text import INDEX, SDIST, WHEEL, Screen

STARTED = ReleaseStarted("lantern", "1.0", "harbour")
FOUND = TargetsFound("https://upload.example.org/", (INDEX,))
READ = DistributionsRead((FileFacts(WHEEL, 5, "aa"), FileFacts(SDIST, 6, "bb")))
SENDING = (STARTED, FOUND, READ, SendingStarted())
SENT = (*SENDING, UploadEnded(WHEEL, "uploaded"), UploadEnded(SDIST, "already-there"))
SERVED = (FileListed(INDEX, WHEEL, "aa"), FileVerified(INDEX, WHEEL, "aa", "http"))
AGAIN = "Run the same command again to finish."
INSTALLED = (*SERVED, FileVerified(INDEX, WHEEL, "aa", "pip"))


def last(
    verdict: Verdict, *events: Event, kind: Kind = "publish", receipt: str | None = None
) -> list[str]:
    """What the end adds to the lines of these events."""
    screen = Screen(animated=False)
    text = Text(screen, kind)
    for event in events:
        text.event(event, 1.0)
    before = len(screen.said)
    text.end(verdict, receipt)
    return screen.said[before:]


@pytest.mark.parametrize(
    ("events", "level"),
    [
        (SERVED[:1], "listed"),
        (SERVED, "downloadable"),
        (INSTALLED, "installable"),
        # The least of what is proven on each index.
        (
            (*INSTALLED, FileVerified("https://mirror.example/", WHEEL, "aa", "http")),
            "downloadable",
        ),
    ],
)
def test_proven_level(events: tuple[Event, ...], level: str) -> None:
    """A success names the proven level."""
    assert last(Verdict.VERIFIED, *SENT, *events, receipt="receipt.json") == [
        f"<success>verified: lantern 1.0 is {level}</success>",
        "Receipt: receipt.json",
    ]


def test_page_of_the_release() -> None:
    """If the project's page is known, the page of the final version is shown."""
    found = TargetsFound("https://upload.example.org/", (INDEX,), "https://index.example/lantern/")
    said = last(Verdict.VERIFIED, STARTED, found, VersionSet("1.1"), *SERVED)
    assert said[1:] == ["https://index.example/lantern/1.1/"]
    assert len(last(Verdict.NOT_VISIBLE, STARTED, found)) == 1
    assert len(last(Verdict.VERIFIED, ProjectsFound(1, ()), STARTED, found)) == 1


@pytest.mark.parametrize(
    ("verdict", "events", "words"),
    [
        (Verdict.PREFLIGHT_REFUSED, (STARTED,), "nothing was uploaded"),
        (Verdict.ERROR, (), "nothing was uploaded"),
        (Verdict.LOCK_TIMEOUT, (STARTED,), "nothing was changed"),
        (Verdict.UPLOAD_FAILED, SENDING, "0 of 2 files are on the index"),
        (
            Verdict.UPLOAD_FAILED,
            (*SENDING, UploadEnded(WHEEL, "unknown"), UploadEnded(SDIST, "not-sent")),
            "0 of 2 files (1 unknown) are on the index",
        ),
        (Verdict.CONFLICT, SENDING, "the index has different content under the same file name"),
        (
            Verdict.VERIFICATION_FAILED,
            SENT,
            "an index serves something other than what was published",
        ),
        (
            Verdict.NOT_VISIBLE,
            SENT,
            f"2 of 2 files uploaded, not yet verified. {AGAIN}",
        ),
        (
            Verdict.INTERRUPTED,
            SENT,
            f"2 of 2 files uploaded, not yet verified. {AGAIN}",
        ),
        (
            Verdict.INTERRUPTED,
            (*SENDING, UploadStarted(WHEEL, 5, 1, 6)),
            f"0 of 2 files (1 unknown) uploaded, not yet verified. {AGAIN}",
        ),
        (Verdict.INTERRUPTED, (STARTED,), "nothing was uploaded"),
    ],
)
def test_how_far_a_run_came(verdict: Verdict, events: tuple[Event, ...], words: str) -> None:
    """A failure says what is true now."""
    assert last(verdict, *events) == [f"<error>{verdict}: {words}</error>"]


def test_kept_other_bytes() -> None:
    """A release that keeps other bytes is not presented as the one that was built."""
    (words,) = last(Verdict.KEPT_REMOTE, *SENT, UploadEnded(SDIST, "kept-remote"), *SERVED)
    assert "lantern 1.0 is downloadable, but 1 file differs from the build<" in words


def test_dry_run() -> None:
    """It says what it did not do."""
    (words,) = last(Verdict.DRY_RUN, STARTED, FOUND, READ, kind="dry-run")
    assert "passed every check; nothing was uploaded, no credentials were tried" in words


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict.VERIFIED, "lantern 1.0 is downloadable"),
        (Verdict.INTERRUPTED, f"lantern 1.0 is not verified. {AGAIN}"),
        (Verdict.NOT_VISIBLE, f"lantern 1.0 is not verified. {AGAIN}"),
        (Verdict.PREFLIGHT_REFUSED, "lantern 1.0 is not verified"),
    ],
)
def test_wait(verdict: Verdict, words: str) -> None:
    """A wait uploads nothing and does not mention uploads."""
    style = "success" if verdict is Verdict.VERIFIED else "error"
    assert last(verdict, STARTED, FOUND, *SERVED, kind="wait") == [
        f"<{style}>{verdict}: {words}</{style}>"
    ]


def test_wait_for_several() -> None:
    """The last lines say which release is missing, and what to do."""
    screen = Screen(animated=False)
    text = Text(screen, "wait")
    late = Problem(Code.NOT_LISTED_IN_TIME, "It is not there.", "Wait longer.")
    for name in ("a", "b"):
        text.event(ReleaseStarted(name, "1", None), 0.0, name)
    text.event(ReleaseEnded(Verdict.VERIFIED), 1.0, "a")
    text.event(ProblemFound(late), 1.0, "b")
    text.event(ReleaseEnded(Verdict.NOT_VISIBLE), 1.0, "b")
    text.end(Verdict.NOT_VISIBLE, None)
    assert screen.said[-4:] == [
        " - b 1: <error>not-visible</error>",
        "<error>not-visible (PV601): b 1</error>",
        "  <c1>Wait longer.</c1>",
        f"<error>not-visible: b 1 is not verified. 1 of 2 releases failed. {AGAIN}</error>",
    ]


@pytest.mark.parametrize(
    ("verdict", "problem", "words"),
    [
        (
            Verdict.NOT_VISIBLE,
            Problem(Code.NOT_LISTED_IN_TIME, "It lacks one.", "Wait.", index=INDEX),
            f"lantern 1.0 is not verified on {INDEX} ({SDIST}). {AGAIN}",
        ),
        (
            Verdict.NOT_VISIBLE,
            Problem(Code.INDEX_DENIED, "It refuses.", "Log in.", index=INDEX),
            f"lantern 1.0 is not verified on {INDEX}. {AGAIN}",
        ),
        (
            Verdict.VERIFICATION_FAILED,
            Problem(Code.OTHER_BYTES_SERVED, "Others.", "Do not.", filename=WHEEL, index=INDEX),
            f"lantern 1.0 is not verified on {INDEX} ({WHEEL})",
        ),
    ],
)
def test_wait_names_what_failed(verdict: Verdict, problem: Problem, words: str) -> None:
    """Which index and which file, and nothing that was fine."""
    mirror = "https://mirror.example/simple/"
    late = NotYetVisible(INDEX, "pip", 3, (SDIST,), "")
    good = (FileListed(mirror, WHEEL, "aa"), FileVerified(mirror, WHEEL, "aa", "http"))
    found = TargetsFound(None, (INDEX, mirror))
    events = (STARTED, found, READ, *good, NotYetVisible(INDEX, "pip", 1, (WHEEL, SDIST), ""))
    said = last(verdict, *events, late, ProblemFound(problem), ReleaseEnded(verdict), kind="wait")
    assert said == [f"<error>{verdict}: {words}</error>"]


def test_wait_for_a_release_without_any_file() -> None:
    """Where only name and version are known, they are not repeated."""
    late = NotYetVisible(INDEX, "pip", 3, ("lantern 1.0",), "")
    problem = Problem(Code.NOT_LISTED_IN_TIME, "It is not there.", "Wait.", index=INDEX)
    (said,) = last(Verdict.NOT_VISIBLE, STARTED, FOUND, late, ProblemFound(problem), kind="wait")
    assert said == f"<error>not-visible: lantern 1.0 is not verified on {INDEX}. {AGAIN}</error>"


@pytest.mark.parametrize("count", [1, 3, 4])
def test_first_of_several_errors(count: int) -> None:
    """A single error is just above; of several, the last lines repeat the first."""
    problems = [
        ProblemFound(Problem(code, "It is wrong.", f"Look at {code}."))
        for code in (Code.RECORD_WRONG, Code.SUMMARY, Code.DIRECT_URL, Code.FILE_LARGE)
    ]
    *recap, _ = last(Verdict.PREFLIGHT_REFUSED, STARTED, *problems[:count])
    expected = ["<error>4 errors, the first: PV224</error>", "  <c1>Look at PV224.</c1>"]
    assert recap == (expected if count == 4 else [])
