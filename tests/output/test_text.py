"""What people read while they wait: a table on a terminal, single lines in a log."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field

import pytest

from poetry_publish_verified.core.events import BecameVisible
from poetry_publish_verified.core.events import Event
from poetry_publish_verified.core.events import IndexEnded
from poetry_publish_verified.core.events import NotYetVisible
from poetry_publish_verified.core.events import WaitStarted
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.output.console import Text
from poetry_publish_verified.output.console import escaped

INDEX = "https://index.example/simple/"
WHEEL = "lantern-1.0-py3-none-any.whl"
STARTED = WaitStarted(INDEX, 900.0, ("pip", "uv"))


@dataclass
class Screen:
    """A terminal that keeps what it was told."""

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
        """Take the table in."""
        self.table = lines


def told(screen: Screen, *events: tuple[float, Event], release: str | None = None) -> Text:
    """Tell these events at their moments."""
    text = Text(screen, "publish")
    for seconds, event in events:
        text.event(event, seconds, release)
    return text


def looked(variant: str = "pip", **more: object) -> NotYetVisible:
    """A look that did not find the wheel."""
    return NotYetVisible(INDEX, variant, 1, (WHEEL,), "", **more)  # type: ignore[arg-type]


def test_a_table_of_indexes_and_clients() -> None:
    """Each client's row tells since when, the last answer, the next look and the expiry."""
    screen = Screen(width=160)
    text = told(
        screen,
        (0.0, STARTED),
        (5.0, looked(next_in=2.0, expires_in=250.0)),
        (6.0, BecameVisible(INDEX, "uv", 2, 3.1)),
    )
    text.tick(6.0)
    head, pip, uv = screen.table
    assert head == INDEX
    assert pip.split(" · ") == [
        "  pip          waiting 6.0 s", f"lacks {WHEEL}", "next look in 1.0 s",
        "old page held for 4 min 9 s",
    ]  # fmt: skip
    assert uv == "  uv           seen after 3.1 s"


def test_the_table_goes_with_the_waiting() -> None:
    """An index that has ended is a line that stays, and no row any more."""
    screen = Screen()
    told(screen, (0.0, STARTED), (1.0, IndexEnded(INDEX, proven=True)))
    assert screen.table == []
    assert any("verified" in line for line in screen.said)


def test_rows_of_releases_stay_together() -> None:
    """Two releases on one index have a head each."""
    screen = Screen()
    text = Text(screen, "wait")
    for release in ("a 1", "b 2"):
        text.event(STARTED, 0.0, release)
    text.event(looked(UNSEEN.name), 1.0, "a 1")
    assert [line.split()[0] for line in screen.table] == [
        "a", "pip", "uv", "upload", "b", "pip", "uv",
    ]  # fmt: skip
    text.event(looked("pip"), 2.0, "a 1")
    assert "upload" not in " ".join(screen.table)


@pytest.mark.parametrize("width", [12, 40, 80])
def test_no_row_is_wider_than_the_terminal(width: int) -> None:
    """A row that wraps could not be painted over."""
    screen = Screen(width=width)
    told(screen, (0.0, STARTED), (1.0, looked(next_in=2.0)))
    assert screen.table
    assert all(len(line) < width for line in screen.table)


def test_foreign_words_in_the_table_are_harmless() -> None:
    """No control character and no style of cleo's comes through."""
    screen = Screen()
    hostile = NotYetVisible(INDEX, "pip", 1, (WHEEL,), "it said \x1b[2J<error>\u202e", next_in=1.0)
    told(screen, (0.0, STARTED), (1.0, hostile))
    shown = " ".join(screen.table)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\\<error>" in shown


def test_a_log_has_one_line_per_change_and_one_a_minute() -> None:
    """Clients that see the same are one line, a look that finds nothing new is none."""
    screen = Screen(animated=False)
    events: list[tuple[float, Event]] = [(0.0, STARTED)]
    for second in range(1, 150):
        events += [(second, looked("pip")), (second + 0.1, looked("uv"))]
    told(screen, *events)
    lines = [line for line in screen.said if "does not list" in line]
    assert len(lines) == 3
    assert screen.table == []
    told(screen, (0.0, STARTED), (1.0, looked()), (2.0, looked(expires_in=250.0)))
    assert "this edge holds the old page for another 4 min 10 s" in screen.said[-1]


def test_a_backslash_at_the_end_ends_no_style() -> None:
    """What a server says last must not take the meaning of what follows it away."""
    assert not escaped("so it is\\").endswith("\\")
    assert escaped("a\\b") == "a\\b"
