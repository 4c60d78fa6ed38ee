"""cleo's own sections, under a table that is kept up to date."""

from __future__ import annotations

import io

import pytest
from cleo.io.inputs.argv_input import ArgvInput
from cleo.io.io import IO
from cleo.io.outputs.output import Verbosity
from cleo.io.outputs.stream_output import StreamOutput

from poetry_publish_verified.cli.console import Console

CLEAR = "\x1b[0J"


class Tty(io.StringIO):
    """A terminal's stream that keeps all that is written."""

    def isatty(self) -> bool:
        """It says that it is one."""
        return True


@pytest.fixture(autouse=True)
def of_this_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of eighty columns and six lines, whatever runs the tests."""
    for name, value in (("COLUMNS", "80"), ("LINES", "6"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CI", raising=False)


def console(tty: Tty, *, decorated: bool = True, as_json: bool = False) -> Console:
    """The console on this terminal, both streams."""
    outputs = [StreamOutput(tty, decorated=decorated) for _ in range(2)]
    return Console(IO(ArgvInput(["poetry"]), *outputs), as_json=as_json)


def test_lines_go_above_the_table() -> None:
    """The table is erased, the line written, and the table again, on either stream."""
    tty = Tty()
    shown = console(tty)
    shown.repaint(["one", "two"])
    shown.error_line("said")
    assert tty.getvalue() == f"one\ntwo\n\x1b[2A{CLEAR}said\none\ntwo\n"
    shown.repaint([])
    assert tty.getvalue().endswith(f"\x1b[2A{CLEAR}")


def test_what_has_not_changed_is_not_painted_again() -> None:
    """A table that is as it was flickers for nothing."""
    tty = Tty()
    shown = console(tty)
    shown.repaint(["one"])
    before = tty.getvalue()
    shown.repaint(["one"])
    assert tty.getvalue() == before


def test_a_table_that_is_higher_than_the_terminal() -> None:
    """What has scrolled away could not be erased: the last line counts the rows that are left."""
    tty = Tty()
    console(tty).repaint([str(number) for number in range(10)])
    assert tty.getvalue() == "0\n1\n2\n  ... and 7 more\n"


def test_no_closing_style_of_others_breaks_a_table() -> None:
    """cleo parses again what a section shows; the outputs leave nothing in there to be parsed."""
    tty = Tty()
    shown = console(tty)
    shown.repaint(["it said < /error>< /nonsense>"])
    shown.line("fine")
    assert tty.getvalue().count("it said < /error>< /nonsense>") == 2


@pytest.mark.parametrize("quiet", ["no decoration", "json", "CI", "dumb", "-q"])
def test_where_nobody_watches(quiet: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no table where lines cannot be erased, or nothing is to be shown."""
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
