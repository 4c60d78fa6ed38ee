"""A test over many rows is as strict as one test for each."""

from __future__ import annotations

import pytest

from tests.core.rows import each


def test_every_row_that_fails_is_named() -> None:
    """The others are tried all the same, and the first that fails is the cause."""
    tried = []

    @each([(1, "one"), (2, "two"), (3, "three")])
    def is_two(number: int, word: str) -> None:
        tried.append(word)
        if number == 3:
            pytest.fail("too many")
        assert number == 2, "no two"

    with pytest.raises(AssertionError, match=r"^2 of 3 rows fail\n") as caught:
        is_two()
    assert tried == ["one", "two", "three"]
    named = str(caught.value).splitlines()[1:]
    assert named == ["(1, 'one'): AssertionError: no two", "(3, 'three'): Failed: too many"]
    assert "no two" in str(caught.value.__cause__)
