"""What people read while files are sent: a bar for each on a terminal, single lines in a log."""

from __future__ import annotations

import pytest

from poetry_publish_verified.core.events import UploadDelayed
from poetry_publish_verified.core.events import UploadEnded
from poetry_publish_verified.core.events import UploadProgressed
from poetry_publish_verified.core.events import UploadStarted
from poetry_publish_verified.core.events import UploadUncertain
from tests.output.test_text import LONG
from tests.output.test_text import SDIST
from tests.output.test_text import WHEEL
from tests.output.test_text import Screen
from tests.output.test_text import told


def test_a_bar_for_each_file() -> None:
    """Each file under way has a bar of its own, as long as what has left."""
    screen = Screen()
    told(
        screen,
        (0.0, UploadStarted(WHEEL, 1000, 1, 6)),
        (0.0, UploadStarted(SDIST, 1000, 1, 6)),
        (1.0, UploadProgressed(WHEEL, 500)),
    )
    wheel, sdist = screen.table
    assert wheel == f"  {WHEEL} [{'=' * 6 + '>':<12}]  50%"
    assert sdist == f"  {SDIST:<{len(WHEEL)}} [{'>':<12}]   0%"


@pytest.mark.parametrize("size", [0, 1000])
def test_a_file_that_is_sent_waits_for_its_answer(size: int) -> None:
    """Once all has left, the bar says what the upload waits for."""
    screen = Screen()
    told(screen, (0.0, UploadStarted(WHEEL, size, 1, 6)), (1.0, UploadProgressed(WHEEL, size)))
    assert screen.table == [f"  {WHEEL} sent, waiting for the server's answer"]


def test_a_bar_goes_with_its_file() -> None:
    """A file that has ended leaves a line for good, and its bar goes."""
    screen = Screen()
    told(screen, (0.0, UploadStarted(WHEEL, 9, 1, 6)), (2.0, UploadEnded(WHEEL, "uploaded")))
    assert screen.table == []
    assert screen.said == [f" - Uploaded <c1>{WHEEL}</c1>"]


def test_an_uncertain_upload() -> None:
    """Where the answer proves nothing the index is asked, and the reason is said."""
    screen = Screen()
    told(
        screen,
        (0.0, UploadStarted(WHEEL, 1000, 1, 6)),
        (1.0, UploadUncertain(WHEEL, "503 no healthy backends")),
    )
    assert screen.table == [f"  {WHEEL} checking whether the index has it"]
    assert screen.said == [
        f" - <c1>{WHEEL}</c1>: checking whether the index has it (503 no healthy backends)"
    ]


def test_another_attempt() -> None:
    """The pause before it is said with its reason, and which of how many attempts it is."""
    screen = Screen()
    events = (
        (0.0, UploadStarted(WHEEL, 1000, 1, 6)),
        (2.0, UploadDelayed(WHEEL, f"{WHEEL} was refused: the index asks to wait.", 30.0, 2, 6)),
    )
    told(screen, *events)
    assert screen.table == [f"  {WHEEL} retrying in 30 s"]
    assert screen.said == [f" - {WHEEL} was refused: the index asks to wait. Retrying in 30 s."]
    told(screen, *events, (32.0, UploadStarted(WHEEL, 1000, 2, 6)))
    assert screen.table == [f"  {WHEEL} [{'>':<12}]   0%"]
    assert screen.said[-1] == f" - <c1>{WHEEL}</c1>: retrying (attempt 2 of 6)"


def test_a_log_has_no_bars() -> None:
    """Where nobody watches, a log says only what became of a file."""
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


def test_names_are_cut_in_the_middle() -> None:
    """Wheels of one release differ at the end of their names, projects at the start."""
    screen = Screen(width=80)
    told(screen, (0.0, UploadStarted(LONG, 1000, 1, 6)), (1.0, UploadProgressed(LONG, 1000)))
    (row,) = screen.table
    name = row.split()[0]
    assert row.endswith(" sent, waiting for the server's answer")
    assert name.startswith("lantern_ext")
    assert name.endswith("x86_64.whl")
    assert len(row) == 79
