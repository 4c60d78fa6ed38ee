"""Output during the wait: a live table on a terminal, single lines in a log."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations

import pytest

from poetry_publish_verified.core.events import (
    BecameVisible,
    Event,
    FileListed,
    FileVerified,
    IndexEnded,
    NotYetVisible,
    ProblemFound,
    ReleaseEnded,
    ReleaseStarted,
    UploadEnded,
    WaitStarted,
)
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.errors import Code, Problem, Verdict
from poetry_publish_verified.output.console import Text
from poetry_publish_verified.output.words import escaped

INDEX = "https://index.example/simple/"
WHEEL = "lantern-1.0-py3-none-any.whl"
SDIST = "lantern-1.0.tar.gz"
STARTED = WaitStarted(INDEX, 900.0, ("pip", "uv"))
LONG = "lantern_extension-1.0-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"


@dataclass
class Screen:
    """A terminal that records what it shows."""

    animated: bool = True
    verbose: bool = False
    width: int = 100
    said: list[str] = field(default_factory=list)
    table: list[str] = field(default_factory=list)

    def line(self, text: str) -> None:
        """Write a line."""
        self.said.append(text)

    error_line = line

    def repaint(self, lines: list[str]) -> None:
        """Show this table."""
        self.table = lines


def show(screen: Screen, *events: tuple[float, Event], release: str | None = None) -> Text:
    """Report these events at their times."""
    text = Text(screen, "publish")
    for seconds, event in events:
        text.event(event, seconds, release)
    return text


def late(variant: str = "pip", **more: object) -> NotYetVisible:
    """A look that did not find the wheel."""
    return NotYetVisible(INDEX, variant, 1, (WHEEL,), "", **more)  # type: ignore[arg-type]


def test_table_of_indexes_and_clients() -> None:
    """The index shows elapsed and total time, each client its next check before the reason."""
    screen = Screen()
    text = show(
        screen,
        (0.0, STARTED),
        (5.0, late(next_in=2.0, expires_in=250.0)),
        (6.0, BecameVisible(INDEX, "uv", 2, 3.1)),
    )
    text.tick(65.0)
    assert screen.table == [
        f"{INDEX} (1 min 5 s of 15 min)",
        f"  pip checking, lacks {WHEEL}, old page cached for 3 min 10 s",
        "  uv  seen after 3.1 s",
    ]
    text.tick(6.0)
    assert screen.table[1].startswith(f"  pip next check in 1.0 s, lacks {WHEEL}, old page cached")


def test_confirming_look() -> None:
    """If nothing is missing, the next look is only a confirmation."""
    screen = Screen()
    show(screen, (0.0, STARTED), (1.0, NotYetVisible(INDEX, "pip", 1, (), "", next_in=0.3)))
    assert screen.table[1] == "  pip next check in 0.3 s, lists every file"


def test_finished_index_leaves_the_table() -> None:
    """An index that has finished becomes a line and leaves the table."""
    screen = Screen()
    show(screen, (0.0, STARTED), (1.0, IndexEnded(INDEX, proven=True)))
    assert screen.table == []
    assert any(INDEX in line for line in screen.said)


def test_rows_of_releases_stay_together() -> None:
    """Two releases on one index have separate headings until they end."""
    screen = Screen()
    text = Text(screen, "wait")
    for name in ("a", "b"):
        text.event(ReleaseStarted(name, "1", None), 0.0, f"{name} 1")
    for name in ("a", "b"):
        text.event(STARTED, 0.0, f"{name} 1")
    text.event(late(UNSEEN.name), 1.0, "a 1")
    assert [line.split()[0] for line in screen.table] == ["a", "upload", "b", "pip", "uv"]
    text.event(late("pip"), 2.0, "a 1")
    assert [line.split()[0] for line in screen.table] == ["a", "pip", "uv", "b", "pip", "uv"]
    text.event(ReleaseEnded(Verdict.NOT_VISIBLE), 3.0, "a 1")
    assert [line.split()[0] for line in screen.table] == ["b", "pip", "uv"]


@pytest.mark.parametrize("width", [12, 40, 60, 80])
def test_rows_fit_the_terminal(width: int) -> None:
    """A wrapped row could not be erased."""
    screen = Screen(width=width)
    show(screen, (0.0, STARTED), (1.0, late(next_in=2.0)))
    assert screen.table
    assert all(len(line) < width for line in screen.table)


@pytest.mark.parametrize("width", [60, 80])
def test_long_rows_continue_below(width: int) -> None:
    """What does not fit next to a client continues below; many names become a number."""
    screen = Screen(width=width)
    look = NotYetVisible(INDEX, "pip", 1, (LONG, SDIST, *"abc"), "", next_in=2.0, expires_in=249.0)
    show(screen, (0.0, STARTED), (1.0, look))
    shown = "".join("".join(screen.table).split())
    for words in (
        "(1.0 s of 15 min)",
        "next check in 2.0 s",
        LONG,
        SDIST,
        "and 3 more",
        "4 min 9 s",
    ):
        assert words.replace(" ", "") in shown


def test_foreign_text_in_the_table() -> None:
    """No control character and no cleo style gets through."""
    screen = Screen()
    hostile = NotYetVisible(
        INDEX, "pip", 1, (WHEEL,), "it said \x1b[2J<error></error>\u202e", next_in=1.0
    )
    show(screen, (0.0, STARTED), (1.0, hostile))
    shown = " ".join(screen.table)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "< error>< /error>" in shown


def test_log_has_one_line_per_change() -> None:
    """Clients with the same state share a line, and unchanged looks appear once a minute."""
    screen = Screen(animated=False)
    events: list[tuple[float, Event]] = [(0.0, STARTED)]
    for second in range(1, 150):
        events += [(second, late("pip")), (second + 0.1, late("uv"))]
    show(screen, *events)
    assert screen.said == [
        f" - waiting for <info>{INDEX}</info> to list {WHEEL} for pip ({passed} of 15 min)"
        for passed in ("1.0 s", "1 min 1 s", "2 min 1 s")
    ]
    assert screen.table == []
    show(screen, (0.0, STARTED), (1.0, late()), (2.0, late(expires_in=250.0)))
    assert "a cache may serve the old page for another 4 min 10 s" in screen.said[-1]


def proven(*more: Event) -> list[Event]:
    """An index that shows and serves two files."""
    files = (WHEEL, SDIST)
    return [
        STARTED,
        BecameVisible(INDEX, "pip", 2, 0.3),
        BecameVisible(INDEX, "uv", 2, 0.42),
        *(FileListed(INDEX, name, "aa") for name in files),
        *(FileVerified(INDEX, name, "aa", "http") for name in files),
        *more,
        IndexEnded(INDEX, proven=True, not_offered=("size",)),
    ]


def lines(*events: Event, verbose: bool = False, release: str | None = None) -> list[str]:
    """The log of these events."""
    screen = Screen(animated=False, verbose=verbose)
    show(screen, *((0.0, event) for event in events), release=release)
    return screen.said


def test_one_line_per_index() -> None:
    """A quiet success names the clients, the time, and what was compared."""
    start = f" - <info>{INDEX}</info> seen by pip, uv in 0.4 s; "
    assert lines(*proven()) == [f"{start}2 files verified"]
    every = f"{start}2 files verified, wheels also by pip, uv, poetry"
    for order in permutations(("pip", "uv", "Poetry")):
        by_clients = [FileVerified(INDEX, WHEEL, "aa", client) for client in order]
        assert lines(*proven(*by_clients)) == [every]
    listed = [event for event in proven() if not isinstance(event, FileVerified)]
    assert lines(*listed) == [f"{start}2 files listed"]


def test_verbose_index_lines() -> None:
    """With -v each step is a line, and so is what could not be compared."""
    said = lines(*proven(FileVerified(INDEX, WHEEL, "aa", "pip")), verbose=True)
    index = f"<info>{INDEX}</info>"
    assert said[:4] == [
        f" - waiting for {index}",
        f" - {index} lists every file for pip after 0.3 s",
        f" - {index} lists every file for uv after 0.4 s",
        f" - <c1>{WHEEL}</c1> downloads unchanged from {index}",
    ]
    assert said[5] == f" - <c1>{WHEEL}</c1> downloads unchanged from {index} with pip"
    assert said[-1] == "   not offered, so not compared: size"


def test_kept_files_are_as_listed() -> None:
    """A file with other bytes is compared with the page only, and the line says so."""
    kept = UploadEnded(SDIST, "kept-remote", "bb")
    assert lines(kept, *proven())[-1].endswith("2 files verified (1 as listed)")
    said = lines(kept, *proven(), verbose=True)
    assert f" - <c1>{SDIST}</c1> downloads as listed from <info>{INDEX}</info>" in said


def test_notes_are_one_line() -> None:
    """What normal use brings takes one line for all releases; a warning has its remedy."""
    note = Problem(Code.COMPLETENESS_UNKNOWN, "Unknown.", "Name it.", severity="warning")
    started = ReleaseStarted("lantern", "1.0", None)
    assert lines(started, ProblemFound(note), ProblemFound(note), *proven(), release="a")[2:] == [
        "Note PV606: Unknown.",
        f" - <info>{INDEX}</info> seen by pip, uv in 0.4 s; 2 files verified (2 as listed)",
    ]
    said = lines(started, ProblemFound(note), verbose=True)
    assert said[2:] == ["<warning>Warning PV606: Unknown.</warning>", "  <c1>Name it.</c1>"]


def test_remedy_that_is_just_above_is_not_repeated() -> None:
    """Two files with one problem have one remedy; what comes between makes it a new one."""
    wheel, sdist = (Problem(Code.CONFLICT, f"{name} differs.", "Bump.") for name in (WHEEL, SDIST))
    shown = [f"<error>Error PV501: {name} differs.</error>" for name in (WHEEL, SDIST)]
    both = lines(ProblemFound(wheel), ProblemFound(sdist))
    assert both == [shown[0], "  <c1>Bump.</c1>", shown[1]]
    said = lines(ProblemFound(wheel), UploadEnded(WHEEL, "failed"), ProblemFound(sdist))
    assert said.count("  <c1>Bump.</c1>") == 2


def test_trailing_backslash() -> None:
    """A backslash at the end of a server's words must not escape what follows."""
    assert not escaped("so it is\\").endswith("\\")
    assert escaped("a\\b") == "a\\b"
