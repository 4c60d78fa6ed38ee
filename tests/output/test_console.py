"""The console writes lines above a live table, with cleo's own sections."""

from __future__ import annotations

import io
from dataclasses import fields

import pytest
from cleo.io.inputs.argv_input import ArgvInput
from cleo.io.io import IO
from cleo.io.outputs.output import Verbosity
from cleo.io.outputs.stream_output import StreamOutput

from poetry_publish_verified.cli.console import _TEXTS, Console
from poetry_publish_verified.core.events import Event

CLEAR = "\x1b[0J"


class Tty(io.StringIO):
    """A terminal's stream that records what is written."""

    def isatty(self) -> bool:
        """It claims to be a terminal."""
        return True


@pytest.fixture(autouse=True)
def of_this_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of eighty columns and six lines, wherever the tests run."""
    for name, value in (("COLUMNS", "80"), ("LINES", "6"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CI", raising=False)


def console(tty: Tty, *, decorated: bool = True, as_json: bool = False) -> Console:
    """The console on this terminal, with both streams."""
    outputs = [StreamOutput(tty, decorated=decorated) for _ in range(2)]
    return Console(IO(ArgvInput(["poetry"]), *outputs), as_json=as_json)


def test_lines_go_above_the_table() -> None:
    """The table is erased, the line written, and the table drawn again, on either stream."""
    tty = Tty()
    shown = console(tty)
    shown.repaint(["one", "two"])
    shown.error_line("said")
    assert tty.getvalue() == f"one\ntwo\n\x1b[2A{CLEAR}said\none\ntwo\n"
    shown.repaint([])
    assert tty.getvalue().endswith(f"\x1b[2A{CLEAR}")


def test_unchanged_table_is_not_redrawn() -> None:
    """Redrawing an unchanged table would only flicker."""
    tty = Tty()
    shown = console(tty)
    shown.repaint(["one"])
    before = tty.getvalue()
    shown.repaint(["one"])
    assert tty.getvalue() == before


def test_table_higher_than_the_terminal() -> None:
    """Rows that scrolled away could not be erased, so the last line counts the rest."""
    tty = Tty()
    console(tty).repaint([str(number) for number in range(10)])
    assert tty.getvalue() == "0\n1\n2\n  ... and 7 more\n"


def test_closing_tags_do_not_break_a_table() -> None:
    """cleo parses a section's content again, so nothing in it may look like a tag."""
    tty = Tty()
    shown = console(tty)
    shown.repaint(["it said < /error>< /nonsense>"])
    shown.line("fine")
    assert tty.getvalue().count("it said < /error>< /nonsense>") == 2


@pytest.mark.parametrize("quiet", ["no decoration", "json", "CI", "dumb", "-q"])
def test_no_table_without_a_terminal(quiet: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no table if lines cannot be erased, or if output is quiet."""
    tty = Tty()
    if quiet == "CI":
        monkeypatch.setenv("CI", "true")
    if quiet == "dumb":
        monkeypatch.setenv("TERM", "dumb")
    shown = console(tty, decorated=quiet != "no decoration", as_json=quiet == "json")
    if quiet == "-q":
        output = StreamOutput(tty, Verbosity.QUIET, decorated=True)
        shown = Console(IO(ArgvInput(["poetry"]), output, output), as_json=False)
    shown.repaint(["one"])
    assert not shown.animated
    assert tty.getvalue() == ""


def test_every_text_of_an_event_is_redacted() -> None:
    """Each field of an event either loses its secrets, or is a name, a number or a hash."""
    kept = {
        *("until", "rehearsal", "sources", "count", "left_out", "name", "version", "repository"),
        *("filename", "filenames", "distributions", "state", "remote_sha256", "pause", "size"),
        *("attempt", "attempts", "sent", "upload", "timeout", "variants", "variant", "requests"),
        *("missing", "next_in", "expires_in", "waited", "proven", "not_offered", "sha256"),
        *("client", "downloaded", "resolved", "release", "needs", "by", "verdict", "seconds"),
        *("predicate", "log_index", "verified"),
        *("names", "only", "used", "stage", "event", "proof", "confirmed"),
        *("versions", "waits_for"),
    }
    found = {each.name for kind in Event.__subclasses__() for each in fields(kind)}
    assert found - kept == _TEXTS
