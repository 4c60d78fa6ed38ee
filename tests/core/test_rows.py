"""A test over many rows is as strict as one test per row."""

from __future__ import annotations

import pytest

from tests.core.rows import each


def test_all_failing_rows_are_named() -> None:
    """The other rows still run, and the first failure is the cause."""
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
