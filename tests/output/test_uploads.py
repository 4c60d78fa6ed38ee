"""What people read while files are sent: a bar for each on a terminal, single lines in a log."""

from __future__ import annotations

import pytest

from poetry_publish_verified.core.events import UploadDelayed
from poetry_publish_verified.core.events import UploadEnded
from poetry_publish_verified.core.events import UploadProgressed
from poetry_publish_verified.core.events import UploadStarted
from poetry_publish_verified.core.events import UploadUncertain
from tests.output.test_text import WHEEL
from tests.output.test_text import Screen
from tests.output.test_text import told

SDIST = "lantern-1.0.tar.gz"


def test_a_bar_for_each_file() -> None:
    """Each file under way has a bar of its own, as long as what has left."""
    screen = Screen()
    told(
        screen,
        (0.0, UploadStarted(WHEEL, 1000, 1, 6)),
        (0.0, UploadStarted(SDIST, 1000, 1, 6)),
        (1.0, UploadProgressed(WHEEL, 500)),
        (1.5, UploadProgressed(SDIST, 1000)),
    )
    wheel, sdist = screen.table
    assert wheel == f"  {WHEEL} [{'=' * 12 + '>':<24}]  50%"
    assert sdist == f"  {SDIST:<{len(WHEEL)}} [{'=' * 24}] 100%"


def test_a_bar_goes_with_its_file() -> None:
    """A file that has ended leaves a line for good, and its bar goes."""
    screen = Screen()
    told(screen, (0.0, UploadStarted(WHEEL, 9, 1, 6)), (2.0, UploadEnded(WHEEL, "uploaded")))
    assert screen.table == []
    assert screen.said == [f" - Uploading <c1>{WHEEL}</c1> <fg=green>uploaded</>"]


def test_an_empty_file_is_whole() -> None:
    """Nothing to send is all sent."""
    screen = Screen()
    told(screen, (0.0, UploadStarted(WHEEL, 0, 1, 6)))
    assert "100%" in screen.table[0]


def test_doubt_and_delay() -> None:
    """What is waited for stands in the bar's place, and is told with its reason."""
    screen = Screen()
    told(
        screen,
        (0.0, UploadStarted(WHEEL, 1000, 1, 6)),
        (1.0, UploadUncertain(WHEEL, "503 no healthy backends")),
    )
    assert screen.table == [f"  {WHEEL} looking whether it is there"]
    assert "looking whether it is there" in screen.said[-1]
    assert "503 no healthy backends" in screen.said[-1]
    told(
        screen,
        (0.0, UploadStarted(WHEEL, 1000, 1, 6)),
        (2.0, UploadDelayed(WHEEL, f"{WHEEL} was refused: the index asks to wait.", 30.0, 2, 6)),
    )
    assert screen.table == [f"  {WHEEL} sent again in 30 s"]
    assert screen.said[-1].endswith("the index asks to wait. It is sent again in 30 s.")


@pytest.mark.parametrize(
    ("attempt", "words"), [(2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (21, "21st")]
)
def test_another_try(attempt: int, words: str) -> None:
    """A log tells of each further try."""
    screen = Screen(animated=False)
    told(screen, (0.0, UploadStarted(WHEEL, 1000, attempt, 6)))
    assert screen.said == [f" - <c1>{WHEEL}</c1>: sending it again, for the {words} time"]


def test_a_log_has_no_bars() -> None:
    """Where nobody watches, only what became of a file is told."""
    screen = Screen(animated=False)
    events = [(1.0 + n, UploadProgressed(WHEEL, n)) for n in range(1000)]
    told(screen, (0.0, UploadStarted(WHEEL, 1000, 1, 6)), *events)
    assert screen.said == screen.table == []


@pytest.mark.parametrize("width", [1, 10, 20, 40, 80, 300])
def test_no_bar_is_wider_than_the_terminal(width: int) -> None:
    """A wrapped line could not be painted over."""
    screen = Screen(width=width)
    long = f"{'lantern' * 20}-1.0-py3-none-any.whl"
    told(screen, (0.0, UploadStarted(long, 1000, 1, 6)), (1.0, UploadProgressed(long, 500)))
    assert all(len(line) <= max(width - 1, 10) for line in screen.table)
