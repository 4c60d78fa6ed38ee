"""Which verdict a run gets, and its exit code."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from poetry_publish_verified.core.problems.words import words_of
from poetry_publish_verified.errors import Code, Problem, ReleaseError, Verdict, anchor, gravest

# 130, 1, 7, 5, 9, 4, 6, 8, 3: the documented order; `status` alone ends with 9.
ORDER = [
    Verdict.INTERRUPTED,
    Verdict.ERROR,
    Verdict.VERIFICATION_FAILED,
    Verdict.CONFLICT,
    Verdict.DISAGREES,
    Verdict.UPLOAD_FAILED,
    Verdict.NOT_VISIBLE,
    Verdict.UNKNOWN,
    Verdict.LOCK_LOST,
    Verdict.LOCK_TIMEOUT,
    Verdict.PREFLIGHT_REFUSED,
    Verdict.KEPT_REMOTE,
    Verdict.VERIFIED,
    Verdict.AGREES,
]


@pytest.mark.parametrize(("graver", "other"), list(itertools.combinations(ORDER, 2)))
def test_gravest_verdict_wins(graver: Verdict, other: Verdict) -> None:
    """The gravest of two verdicts counts, in either order."""
    assert gravest([graver, other]) is graver
    assert gravest([other, graver]) is graver


def test_verdict_exit_codes() -> None:
    """Each failure has its own exit code; an unfinished run has none."""
    failures = [verdict.exit_code for verdict in ORDER[:11]]
    assert failures == [130, 1, 7, 5, 9, 4, 6, 6, 8, 8, 3]
    assert Verdict.RUNNING.exit_code is None
    assert Verdict.BLOCKED.exit_code is None


def test_codes_are_unique() -> None:
    """No two problems share a code, and each has the usual form."""
    values = [str(code) for code in Code.__members__.values()]
    assert len(values) == len(set(values))
    assert all(value.startswith("PV") and value[2:].isdigit() for value in values)


def test_error_text_has_all_problems() -> None:
    """A ReleaseError holds its verdict and problems, and reads as their messages."""
    problems = [Problem(Code.SETTING, text, "Mend it.") for text in ("One.", "Two.")]
    error = ReleaseError(Verdict.ERROR, *problems)
    assert str(error) == "One.; Two."
    assert (error.verdict, error.problems) == (Verdict.ERROR, tuple(problems))


def test_errors_combine_into_the_gravest_with_every_problem_once() -> None:
    """Several errors become one, in which a problem that two of them have is reported once."""
    one, two = (Problem(Code.SETTING, text, "Correct it.") for text in ("One.", "Two."))
    error = ReleaseError.combine(
        [ReleaseError(Verdict.NOT_VISIBLE, one), ReleaseError(Verdict.CONFLICT, two, one)]
    )
    assert (error.verdict, error.problems) == (Verdict.CONFLICT, (one, two))


def test_code_has_an_anchor_on_the_page_of_codes() -> None:
    """What a code points to is on the page, with its meaning."""
    file, _, name = anchor(Code.CONFLICT).partition("#")
    source = Path(__file__).parents[2] / "docs" / file.replace(".html", ".md")
    page = source.read_text(encoding="utf-8")
    assert f"### {name.upper()}\n\n{Code.CONFLICT.meaning}\n" in page


def test_the_systems_words(tmp_path: Path) -> None:
    """Without a number and the path, which the sentence has already; other errors as they are."""
    for path, words in ((tmp_path / "none", "no such file or directory"), (tmp_path, "directory")):
        with pytest.raises(OSError, match=re.escape(str(path))) as caught:
            path.read_text()
        assert words_of(caught.value).endswith(words)
        assert str(tmp_path) not in words_of(caught.value)
    assert words_of(ValueError("It is no receipt.")) == "It is no receipt"
    assert words_of(OSError("No words of the system")) == "No words of the system"
