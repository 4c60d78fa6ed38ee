"""One test over many rows that names every row that fails."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TypeVarTuple

import pytest

Row = TypeVarTuple("Row")


def each(rows: Iterable[tuple[*Row]]) -> Callable[[Callable[[*Row], None]], Callable[[], None]]:
    """Call a test with each of these rows; report all that fail, the first with its traceback."""
    table = list(rows)
    assert table

    def of_all(test: Callable[[*Row], None]) -> Callable[[], None]:
        @functools.wraps(test)
        def every() -> None:
            failed: list[tuple[tuple[*Row], BaseException]] = []
            for row in table:
                try:
                    test(*row)
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - it is told below
                    failed.append((row, error))
            if failed:
                told = [
                    f"{row!r}: {type(error).__name__}: {''.join(str(error).splitlines()[:1])}"
                    for row, error in failed
                ]
                heading = f"{len(failed)} of {len(table)} rows fail"
                raise AssertionError("\n".join([heading, *told])) from failed[0][1]

        # pytest would look for fixtures named like a row's values.
        del every.__wrapped__
        return every

    return of_all
