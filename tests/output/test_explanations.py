"""Every code is explained from the functions that make its problems."""

from __future__ import annotations

import pytest

from poetry_publish_verified.cli.explain import explained
from poetry_publish_verified.errors import Code


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_an_example_and_a_remedy(code: Code) -> None:
    """A cause, what is true then, and for each example a message and what to do."""
    found = explained(code)
    assert found.cause.endswith(".")
    assert found.state.endswith(".")
    assert found.examples
    for example in found.examples:
        assert example.code is code
        assert len(example.remedy) > 10


def test_state_of_a_warning_and_of_a_doubt() -> None:
    """A warning does not end the run; where a file may or may not be stored, that is said."""
    assert "warning" in explained(Code.FILE_LARGE).state
    assert "may or may not" in explained(Code.UPLOAD_STATE_UNKNOWN).state
    assert explained(Code.LOCK_NOT_FREE).state.endswith("exit code 8.")
