"""What Hypothesis tries hangs on its seed alone."""

from __future__ import annotations

import pytest
from hypothesis import core
from hypothesis import settings


def test_the_profile_and_the_seed_are_in_force(pytestconfig: pytest.Config) -> None:
    """No clock and no earlier run has a say, and the seed is the one that is told."""
    assert settings.default is not None
    assert (settings.default.deadline, settings.default.database) == (None, None)
    assert core.global_force_seed == int(pytestconfig.getoption("--hypothesis-seed"))
