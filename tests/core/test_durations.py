"""Durations as text: parsing and formatting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified import durations

WEEK = 7 * 86400


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5.0, "0.0 s"),
        (59.4, "59 s"),
        (60.0, "1 min"),
        (119.9, "1 min"),
        (3600 * 5 + 200, "5 h 3 min"),
        (86400 * 2 - 1, "47 h 59 min"),
        (86400 * 9.9, "9 days"),
    ],
)
def test_age_in_words(seconds: float, words: str) -> None:
    """The longer ago, the coarser."""
    assert durations.age_in_words(seconds) == words


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("1.5", 1.5),
        ("0.25s", 0.25),
        ("15m", 900),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1h30m5s", 5405),
        ("2h5s", 7205),
        (" 15m ", 900),
        ("168h", WEEK),
    ],
)
def test_duration_in_seconds(text: str, seconds: float) -> None:
    """A number, with or without units, is this many seconds."""
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "m", "s", "0", "0s", "0h0m0s", "-1", "+5", "1e3", "nan", "inf", "90 s", "15 m"),
        *("1d", "1m1h", "5s5s", "1.5m", "1.5h", ".5", "5.", "1,5", "15M", "0x10", "1_000"),
        *("169h", "604801", "9" * 400, "9" * 5000, "9" * 5000 + "h", "9" * 400 + "h", "٣s"),
    ],
)
def test_invalid_durations(text: str) -> None:
    """Anything else, zero, and more than a week are refused."""
    with pytest.raises(ValueError, match="expected"):
        durations.parse(text)
    if text not in {"0", "0s", "0h0m0s"}:
        with pytest.raises(ValueError, match="expected"):
            durations.parse(text, zero=True)


@given(st.integers(0, 100), st.integers(0, 59), st.integers(0, 59))
def test_written_duration_reads_back(hours: int, minutes: int, seconds: int) -> None:
    """A duration in hours, minutes and seconds is read back exactly."""
    total = hours * 3600 + minutes * 60 + seconds
    written = f"{hours}h{minutes}m{seconds}s"
    if total == 0:
        with pytest.raises(ValueError, match="more than 0"):
            durations.parse(written)
        assert durations.parse(written, zero=True) == 0
        return
    assert durations.parse(written) == total
    assert durations.parse(str(total)) == durations.parse(f"{total}s") == total


@given(st.text())
def test_any_text_is_a_valid_duration_or_an_error(text: str) -> None:
    """Any text gives a duration within bounds or a refusal."""
    try:
        seconds = durations.parse(text)
    except ValueError:
        return
    assert 0 < seconds <= WEEK


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (0.44, "0.4 s"),
        (9.9, "9.9 s"),
        (10, "10 s"),
        (12.4, "12 s"),
        (59.6, "1 min"),
        (250, "4 min 10 s"),
        (3599.7, "1 h"),
        (7500, "2 h 5 min"),
        (WEEK, "168 h"),
    ],
)
def test_duration_in_words(seconds: float, words: str) -> None:
    """Tenths below ten seconds, then ever coarser."""
    assert durations.in_words(seconds) == words
