"""Foreign text is safe wherever it is printed."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified import sanitize as foreign
from poetry_publish_verified.sanitize import pieces_of_html, printable, printable_lines, redacted

ANYTHING = st.one_of(
    st.text(st.characters(codec=None)),
    st.binary(),
    # What terminals and CI systems obey, repeated and combined.
    st.lists(
        st.sampled_from(
            [
                *("\x1b[31m", "\r", "\n", "\u2028", "\u202e", "##[", "##vso["),
                *("::", ":", "#", "[", " a", "section_start:", "1", "travis_fold:"),
            ]
        )
    ).map("".join),
)


def is_harmless(text: str) -> bool:
    """Whether no terminal or CI system would obey anything in a text."""
    unsafe = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return (
        not any(unicodedata.category(char) in unsafe for char in text)
        and len(text.splitlines()) <= 1
        and not re.search(r"##\w*\[|^::|section_(start|end):\d|travis_fold:\w", text)
    )


@given(ANYTHING, st.integers(1, 600))
def test_any_text_becomes_one_safe_line(text: str | bytes, limit: int) -> None:
    """Any text or bytes become one line within the limit, without control characters."""
    shown = printable(text, limit)
    assert is_harmless(shown)
    assert len(shown) <= limit


@given(ANYTHING)
def test_printable_is_idempotent(text: str | bytes) -> None:
    """Text that is printable already stays as it is."""
    assert printable(printable(text)) == printable(text)


@given(st.binary())
def test_any_body_becomes_safe_words(body: bytes) -> None:
    """The words of any body are one safe line."""
    assert is_harmless(printable(" ".join(pieces_of_html(body))))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Größe: 3 µm", "Größe: 3 µm"),
        ("a\nb\r\n\tc", "a b c"),
        ("\x1b]0;title\x07done", "]0;title done"),
        ("one\n::error::two", "one ::error::two"),
        ("##[command]rm", "## [command]rm"),
        ("so ##vso[task.setvariable]x", "so ## vso[task.setvariable]x"),
        ("##teamcity[x]", "## teamcity[x]"),
        ("::set-output name=a::b", ": :set-output name=a::b"),
        ("  ::add-mask::x", ": :add-mask::x"),
        ("\u200b::error::x", ": :error::x"),
        ("std::vector a::b", "std::vector a::b"),
        ("section_start:1700000000:x\r\x1b[0K", "section_start: 1700000000:x [0K"),
        ("\x1b[0Ksection_end:17:x", "[0Ksection_end: 17:x"),
        ("travis_fold:start:x", "travis_fold: start:x"),
        ("#\u202e#[x", "# #[x"),
        ("Gr\xf6\xdfe".encode(), "Größe"),
        (b"\xff\x9b1m\xfe", "ÿ 1mþ"),
        ("", ""),
    ],
)
def test_known_attacks(text: str | bytes, shown: str) -> None:
    """Words stay, anything that would be obeyed goes."""
    assert printable(text) == shown


def test_truncation_is_visible() -> None:
    """Truncated text ends with an ellipsis."""
    assert printable("x" * 500) == "x" * 500
    assert printable("x" * 501) == "x" * 499 + "…"


def test_markup_and_scripts_are_removed() -> None:
    """Only the words of an HTML page remain, without scripts and styles."""
    body = b"""<html><head><style>p {color: red}</style><SCRIPT>alert("a")</SCRIPT ></head>
    <body class="x"><h1>403 Forbidden</h1> <p>Access was\n denied.</p></body></html>"""
    assert printable(" ".join(pieces_of_html(body))) == "403 Forbidden Access was denied."


@pytest.mark.parametrize("piece", [b"<", b"<script", b"</p", b"&"])
def test_unclosed_markup_takes_linear_time(piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Markup that never closes is read in bounded time."""
    # A quadratic algorithm would take hours.
    monkeypatch.setattr(foreign, "_LARGEST", 1 << 20)
    assert len(pieces_of_html(piece * (1 << 20))) == 1


@given(ANYTHING)
def test_every_line_of_a_traceback_is_safe(text: str | bytes) -> None:
    """Each line is safe by itself, and none starts a CI command."""
    for line in printable_lines(str(text)).split("\n"):
        assert is_harmless(line)
        assert not line.strip().startswith("::")


def test_traceback_keeps_its_indentation() -> None:
    """Indentation stays, because people read it."""
    shown = printable_lines("Traceback:\n  File x\nError: \x1b[2J\n  ::set-output name=a::b\n")
    assert shown == "Traceback:\n  File x\nError: [2J\n  : :set-output name=a::b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "403 for https://files.example/x.whl?sig=hidden.",
            "403 for https://files.example/x.whl?…",
        ),
        ("'http://user:hidden@index.example/simple/'", "'http://index.example/simple/'"),
        ("http://user:12/hidden@index.example/", "http://index.example/"),
        ("http://hidden@index.example/", "http://index.example/"),
        ("http://index.example/a@b is it", "http://index.example/a@b is it"),
        ("is it? no", "is it? no"),
    ],
)
def test_secrets_in_urls_are_removed(text: str, shown: str) -> None:
    """Anything that may be a password or signature is removed from every URL."""
    assert redacted(text) == shown
