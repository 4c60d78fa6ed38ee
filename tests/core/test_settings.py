"""Where a setting comes from, and what is said of a bad one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified.core.settings import Settings
from poetry_publish_verified.core.settings import Until
from poetry_publish_verified.core.settings import duration
from poetry_publish_verified.core.settings import resolve
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import ReleaseError
from poetry_publish_verified.errors import Verdict

WEEK = 7 * 86400


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
def test_a_duration(text: str, seconds: float) -> None:
    """A number, with or without units, is so many seconds."""
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "m", "s", "0", "0s", "0h0m0s", "-1", "+5", "1e3", "nan", "inf", "90 s", "15 m"),
        *("1d", "1m1h", "5s5s", "1.5m", "1.5h", ".5", "5.", "1,5", "15M", "0x10", "1_000"),
        *("169h", "604801", "9" * 400, "9" * 5000, "9" * 5000 + "h"),
    ],
)
def test_no_duration(text: str) -> None:
    """Anything else, nothing at all and more than a week are refused."""
    with pytest.raises(ValueError, match=r"wanted|digits"):
        duration(text)


@given(st.integers(0, 100), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_and_back(hours: int, minutes: int, seconds: int) -> None:
    """What is written in hours, minutes and seconds is read as just that long."""
    total = hours * 3600 + minutes * 60 + seconds
    written = f"{hours}h{minutes}m{seconds}s"
    if total == 0:
        with pytest.raises(ValueError, match="more than 0"):
            duration(written)
        return
    assert duration(written) == total
    assert duration(str(total)) == duration(f"{total}s") == total


@given(st.text())
def test_any_text_is_a_duration_within_bounds_or_refused(text: str) -> None:
    """No text whatever gives a duration of nothing, of more than a week, or a crash."""
    try:
        seconds = duration(text)
    except ValueError:
        return
    assert 0 < seconds <= WEEK


def test_the_defaults() -> None:
    """Who says nothing gets the repository's own index, downloadable, and fifteen minutes."""
    assert resolve({}, {}, {}) == Settings((), Until.DOWNLOADABLE, 900.0, "text", None)


@pytest.mark.parametrize(
    ("key", "option", "variable", "table", "field", "values"),
    [
        (
            *("index", ["https://a.example/"], "https://b.example/, mirror", ["c", "d"]),
            *("indexes", [("https://a.example/",), ("https://b.example/", "mirror"), ("c", "d")]),
        ),
        (
            *("until", "listed", "installable", "listed"),
            *("until", [Until.LISTED, Until.INSTALLABLE, Until.LISTED]),
        ),
        ("timeout", "1h", "90", 30, "timeout", [3600.0, 90.0, 30.0]),
        ("format", "json", "text", "json", "format", ["json", "text", "json"]),
        ("receipt", "a.json", "b.json", "c.json", "receipt", ["a.json", "b.json", "c.json"]),
    ],
)
def test_the_nearest_place_wins(
    key: str, option: Any, variable: str, table: Any, field: str, values: list[Any]
) -> None:
    """The command line comes before the environment, that before pyproject.toml."""
    environment, project = {key.upper(): variable}, {key: table}
    assert getattr(resolve({key: option}, environment, project), field) == values[0]
    assert getattr(resolve({key: None}, environment, project), field) == values[1]
    assert getattr(resolve({}, {}, project), field) == values[2]


@pytest.mark.parametrize("nothing", [None, "", []])
def test_an_empty_option_is_none(nothing: object) -> None:
    """What is named without a value leaves the word to the next place."""
    assert resolve({"index": nothing}, {"INDEX": ""}, {"index": "c"}).indexes == ("c",)


def test_every_fault_at_once() -> None:
    """Each unknown key and each bad value is named with its place, all in one error."""
    with pytest.raises(ReleaseError) as caught:
        resolve(
            {"timeout": "soon", "until": "seen"},
            {"TIMEOUT": "never", "INDXE": "x", "FORMAT": "yaml"},
            {"index": 3, "receipt": ["a"], "timeout": True, "time-out": 5},
        )
    assert caught.value.verdict is Verdict.ERROR
    assert all(problem.code is Code.SETTING for problem in caught.value.problems)
    said = [problem.message for problem in caught.value.problems]
    for place in (
        "--timeout ",
        "--until ",
        "POETRY_PUBLISH_VERIFIED_TIMEOUT ",
        "POETRY_PUBLISH_VERIFIED_INDXE ",
        "POETRY_PUBLISH_VERIFIED_FORMAT ",
        "[tool.publish-verified] index ",
        "[tool.publish-verified] receipt ",
        "[tool.publish-verified] timeout ",
        "[tool.publish-verified] time-out ",
    ):
        assert len([message for message in said if message.startswith(place)]) == 1, place
    assert len(said) == 9


def test_a_fault_in_a_place_that_is_overruled_is_told_too() -> None:
    """A bad value is an error even where another place overrules it."""
    with pytest.raises(ReleaseError, match="publish-verified"):
        resolve({"until": "listed"}, {}, {"until": "seen"})


@pytest.mark.parametrize("value", ["https://me:secret@index.example/x y", "secret"])
def test_a_bad_value_is_not_repeated(value: str) -> None:
    """An error names the key and not the value, which may be a password."""
    with pytest.raises(ReleaseError) as caught:
        resolve({}, {"TIMEOUT": value, "UNTIL": value, "FORMAT": value}, {})
    assert len(caught.value.problems) == 3
    assert not any("secret" in p.message + p.remedy for p in caught.value.problems)


@pytest.mark.parametrize("variable", ["GUARD", "PLUGIN_SETS", "LOCK_TIMEOUT"])
def test_the_guards_variables_are_no_fault(variable: str) -> None:
    """What is read elsewhere is not taken for a mistake."""
    assert resolve({}, {variable: "1"}, {}) == Settings()


@pytest.mark.parametrize(
    "value", [False, True, 0, -5, 0.0, float("nan"), float("inf"), {}, [900], "15 m"]
)
def test_no_timeout_in_a_table(value: object) -> None:
    """A timeout that is no positive duration is a fault, whatever its type."""
    with pytest.raises(ReleaseError, match="timeout has a bad value"):
        resolve({}, {}, {"timeout": value})


@pytest.mark.parametrize("value", [2, 2.5])
def test_a_bare_number_is_seconds(value: float) -> None:
    """A TOML number is a duration in seconds."""
    assert resolve({}, {}, {"timeout": value}).timeout == value
