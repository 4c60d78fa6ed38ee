"""Hypothesis settings: the same few examples for `make test`, many new ones for `make test-all`."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from tests.thorough import THOROUGH

PROFILE = "thorough" if THOROUGH else "quick"
_SEED = 1

settings.register_profile(
    PROFILE,
    # Hypothesis' own CI profile ignores the seed.
    parent=settings.get_profile("default"),
    max_examples=400 if THOROUGH else 25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
    print_blob=True,
)


def install(config: pytest.Config) -> None:
    """Load the profile and set the seed; called by `pytest_configure`."""
    given = config.getoption("--hypothesis-seed") or os.environ.get("TESTS_SEED")
    seed = int(given or (secrets.randbelow(2**32) if THOROUGH else _SEED))
    # Hypothesis' plugin is configured later and uses this, and so do xdist's workers.
    config.option.hypothesis_seed = str(seed)
    settings.load_profile(PROFILE)
    set_hypothesis_home_dir(config.rootpath / ".pytest_cache" / "hypothesis")
    # Examples include constants of the modules imported so far, which differ if a test runs alone.
    setattr(providers, "_get_local_constants", Constants)  # noqa: B010 - it is private
    config.pluginmanager.register(_SeedReporter(seed))


class _SeedReporter:
    """Reports the seed and, for failures, the command that repeats them."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def pytest_report_header(self) -> str:
        return f"hypothesis: {PROFILE}, seed {self._seed}"

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.failed and is_hypothesis_test(getattr(item, "obj", None)):
            thorough = "TESTS_THOROUGH=1 " if THOROUGH else ""
            again = shlex.join([sys.executable, "-m", "pytest", item.nodeid])
            report.sections.append(("again", f"{thorough}TESTS_SEED={self._seed} {again}"))
        return report
