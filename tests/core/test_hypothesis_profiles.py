"""Hypothesis examples depend only on the seed."""

from __future__ import annotations

import pytest
from hypothesis import core, settings


def test_profile_and_seed_are_active(pytestconfig: pytest.Config) -> None:
    """Neither the clock nor an earlier run matters, and the reported seed is the one in use."""
    assert settings.default is not None
    assert (settings.default.deadline, settings.default.database) == (None, None)
    assert core.global_force_seed == int(pytestconfig.getoption("--hypothesis-seed"))
