"""Output during uploads: a progress bar per file on a terminal, single lines in a log."""

from __future__ import annotations

import pytest

from poetry_publish_verified.core.events import (
    UploadBrokenOff,
    UploadDelayed,
    UploadEnded,
    UploadHeld,
    UploadProgressed,
    UploadStarted,
    UploadUncertain,
)
from tests.output.test_text import LONG, SDIST, WHEEL, Screen, show


def test_bar_per_file() -> None:
    """Each active upload has a bar as long as the part that was sent."""
    screen = Screen()
    show(
        screen,
        (0.0, UploadStarted(WHEEL, 1000, 1, 6)),
        (0.0, UploadStarted(SDIST, 1000, 1, 6)),
        (1.0, UploadProgressed(WHEEL, 500)),
    )
    wheel, sdist = screen.table
    assert wheel == f"  {WHEEL} [{'=' * 6 + '>':<12}]  50%"
    assert sdist == f"  {SDIST:<{len(WHEEL)}} [{'>':<12}]   0%"


@pytest.mark.parametrize("size", [0, 1000])
def test_bar_while_waiting_for_the_answer(size: int) -> None:
    """Once everything is sent, the bar says that the server's answer is missing."""
    screen = Screen()
    show(screen, (0.0, UploadStarted(WHEEL, size, 1, 6)), (1.0, UploadProgressed(WHEEL, size)))
    assert screen.table == [f"  {WHEEL} sent, waiting for the server's answer"]


def test_file_sent_ahead_names_what_it_waits_for() -> None:
    """Once all of it but the end has left, or it was broken off, until the others are there."""
    screen = Screen()
    other = "lantern-1.0-py3-none-win32.whl"
    begun = [(0.0, UploadStarted(name, 1000, 1, 6)) for name in (WHEEL, other, SDIST)]
    held = (0.0, UploadHeld(SDIST, (WHEEL, other)))
    column = f"  {SDIST:<{max(map(len, (WHEEL, other)))}}"
    show(screen, *begun, held, (1.0, UploadProgressed(SDIST, 500)))
    assert screen.table[-1] == f"{column} [{'=' * 6 + '>':<12}]  50%"
    whole = (2.0, UploadProgressed(SDIST, 1000))
    show(screen, *begun, held, whole)
    assert screen.table[-1] == f"{column} waiting for 2 files"
    ended = (3.0, UploadEnded(other, "uploaded"))
    show(screen, *begun, held, whole, ended)
    assert screen.table[-1] == f"  {SDIST:<{len(WHEEL)}} waiting for {WHEEL}"
    show(screen, *begun, held, ended, (3.0, UploadBrokenOff(SDIST)))
    assert screen.table[-1] == f"  {SDIST:<{len(WHEEL)}} waiting for {WHEEL}"
    show(screen, *begun, held, whole, ended, (4.0, UploadEnded(WHEEL, "uploaded")))
    assert screen.table == [f"  {SDIST} sent, waiting for the server's answer"]


def test_finished_file_leaves_a_line() -> None:
    """A finished upload becomes a line, and its bar disappears."""
    screen = Screen()
    show(screen, (0.0, UploadStarted(WHEEL, 9, 1, 6)), (2.0, UploadEnded(WHEEL, "uploaded")))
    assert screen.table == []
    assert screen.said == [f" - Uploaded <c1>{WHEEL}</c1>"]


def test_uncertain_upload() -> None:
    """If the answer proves nothing, the output says why the index is asked."""
    screen = Screen()
    show(
        screen,
        (0.0, UploadStarted(WHEEL, 1000, 1, 6)),
        (1.0, UploadUncertain(WHEEL, "503 no healthy backends")),
    )
    assert screen.table == [f"  {WHEEL} checking whether the index has it"]
    assert screen.said == [
        f" - <c1>{WHEEL}</c1>: checking whether the index has it (503 no healthy backends)"
    ]


@pytest.mark.parametrize("stop", [".", ""])
def test_retry(stop: str) -> None:
    """The pause is shown with its reason, and as attempt N of M."""
    screen = Screen()
    events = (
        (0.0, UploadStarted(WHEEL, 1000, 1, 6)),
        (
            2.0,
            UploadDelayed(
                WHEEL, f"{WHEEL} was refused: the index asks you to wait{stop}", 30.0, 2, 6
            ),
        ),
    )
    show(screen, *events)
    assert screen.table == [f"  {WHEEL} retrying in 30 s"]
    assert screen.said == [f" - {WHEEL} was refused: the index asks you to wait. Retrying in 30 s."]
    show(screen, *events, (32.0, UploadStarted(WHEEL, 1000, 2, 6)))
    assert screen.table == [f"  {WHEEL} [{'>':<12}]   0%"]
    assert screen.said[-1] == f" - <c1>{WHEEL}</c1>: retrying (attempt 2 of 6)"


def test_log_has_no_bars() -> None:
    """Without a terminal only the result of each file is shown."""
    screen = Screen(animated=False)
    events = [(1.0 + n, UploadProgressed(WHEEL, n)) for n in range(1000)]
    show(screen, (0.0, UploadStarted(WHEEL, 1000, 1, 6)), *events)
    assert screen.said == screen.table == []


@pytest.mark.parametrize("width", [1, 10, 20, 40, 80, 300])
def test_bars_fit_the_terminal(width: int) -> None:
    """A wrapped line could not be erased."""
    screen = Screen(width=width)
    long = f"{'lantern' * 20}-1.0-py3-none-any.whl"
    show(screen, (0.0, UploadStarted(long, 1000, 1, 6)), (1.0, UploadProgressed(long, 500)))
    assert all(len(line) <= max(width - 1, 10) for line in screen.table)


def test_long_names_are_shortened_in_the_middle() -> None:
    """Wheels of a release differ at the end of their names, projects at the start."""
    screen = Screen(width=80)
    show(screen, (0.0, UploadStarted(LONG, 1000, 1, 6)), (1.0, UploadProgressed(LONG, 1000)))
    (row,) = screen.table
    name = row.split()[0]
    assert row.endswith(" sent, waiting for the server's answer")
    assert name.startswith("lantern_ext")
    assert name.endswith("x86_64.whl")
    assert len(row) == 79
