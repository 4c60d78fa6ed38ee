"""What answers say about their own age, from conforming and other servers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified.core.caching import expires_in, is_transient, retry_after, vary

DATE = "Fri, 02 Jan 2026 12:00:00 GMT"
LATER = "Fri, 02 Jan 2026 12:01:30 GMT"
WEEK = 7 * 86400


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"age": "5"}, None),
        ({"cache-control": "max-age=600"}, None),
        ({"cache-control": "max-age=600", "age": "0"}, 600),
        ({"cache-control": "max-age=600", "age": "590"}, 10),
        ({"cache-control": "public, max-age = 600", "age": " 590 "}, 10),
        ({"cache-control": 'MAX-AGE="600"', "age": "590"}, 10),
        ({"cache-control": "max-age=600, s-maxage=60", "age": "50"}, 10),
        ({"cache-control": "s-maxage=60, max-age=600", "age": "50"}, 10),
        ({"cache-control": "max-age=600", "age": "600"}, 0),
        ({"cache-control": "max-age=600", "age": "700"}, -100),
        ({"cache-control": "max-age=0", "age": "0"}, 0),
        ({"cache-control": "no-store", "age": "5"}, None),
        ({"cache-control": "stale-while-revalidate=300", "age": "5"}, None),
        ({"cache-control": "x-max-age=300", "age": "5"}, None),
        ({"cache-control": "max-age=-5", "age": "5"}, None),
        ({"cache-control": "max-age=1.5, x", "age": "0"}, 1),
        ({"cache-control": "max-age=600", "age": "5, 7"}, None),
        ({"cache-control": "max-age=600", "age": "-5"}, None),
        ({"cache-control": "max-age=600", "age": "soon"}, None),
        ({"cache-control": f"max-age={WEEK}", "age": "0"}, WEEK),
        ({"cache-control": f"max-age={WEEK + 1}", "age": "0"}, None),
        ({"cache-control": "max-age=31536000, immutable", "age": "5"}, None),
        ({"cache-control": "max-age=" + "9" * 5000, "age": "5"}, None),
        ({"expires": LATER, "date": DATE}, 90),
        ({"expires": LATER, "date": DATE, "age": "80"}, 10),
        ({"expires": LATER, "date": DATE, "cache-control": "no-cache"}, 90),
        ({"expires": LATER, "date": DATE, "cache-control": "max-age=600"}, None),
        ({"expires": LATER, "date": DATE, "cache-control": "max-age=600", "age": "0"}, 600),
        ({"expires": LATER}, None),
        ({"expires": DATE, "date": LATER}, None),
        ({"expires": "0", "date": DATE}, None),
        ({"expires": "-1", "date": DATE}, None),
        ({"expires": "Fri, 02 Jan 2099 12:00:00 GMT", "date": DATE}, None),
    ],
)
def test_remaining_lifetime(headers: dict[str, str], seconds: float | None) -> None:
    """The lifetime minus the age if both are given; a lifetime alone is not used."""
    assert expires_in(headers) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0),
        ({"retry-after": " 120 "}, 120),
        ({"retry-after": "999999999999"}, WEEK),
        ({"retry-after": "9" * 5000}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": LATER, "date": DATE}, 90),
        ({"retry-after": DATE, "date": LATER}, 0),
        ({"retry-after": "Fri, 02 Jan 2099 12:00:00 GMT", "date": DATE}, WEEK),
        ({"retry-after": LATER}, None),
        ({"retry-after": LATER, "date": "today"}, None),
        ({"retry-after": LATER.replace("GMT", "-0000"), "date": DATE}, 90),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, or a date by the server's own clock; at most a week."""
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", set()),
        (",,", set()),
        ("Accept", {"accept"}),
        ("Accept, Accept-Encoding", {"accept", "accept-encoding"}),
        ("accept,ACCEPT , User-Agent", {"accept", "user-agent"}),
        ("*", {"*"}),
    ],
)
def test_vary_names(text: str, names: set[str]) -> None:
    """The header names, in lower case."""
    assert vary({"vary": text}) == names
    assert vary({}) == frozenset()


NASTY = st.one_of(
    st.text(max_size=30),
    st.from_regex(r"(max-age|s-maxage)\s*=\s*\"?[0-9]{0,20}", fullmatch=True),
    st.from_regex(r"[0-9]{0,20}", fullmatch=True),
    st.from_regex(
        r"[A-Z][a-z]{2}, [0-9]{1,3} (Jan|Feb|Foo) [0-9]{1,9} [0-9]{1,3}:[0-9]{2}:[0-9]{2}"
        r"( [+-][0-9]{4,12}| GMT)?",
        fullmatch=True,
    ),
)


@given(
    st.dictionaries(
        st.sampled_from(["age", "cache-control", "expires", "date", "retry-after"]), NASTY
    )
)
def test_any_headers_give_seconds_or_nothing(headers: dict[str, str]) -> None:
    """Any header gives at most a week of seconds, or nothing."""
    left, rest = expires_in(headers), retry_after(headers)
    assert left is None or left <= WEEK
    assert rest is None or 0 <= rest <= WEEK


@pytest.mark.parametrize(
    ("status", "transient"),
    [(200, False), (401, False), (404, False), (409, False)]
    + [(each, True) for each in (408, 425, 429, 500, 503, 599, 600)],
)
def test_transient_statuses(status: int, transient: bool) -> None:
    """The same request may succeed later."""
    assert is_transient(status) is transient
