"""`poetry build` in this process: what it starts has no tokens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cleo.application import Application
from cleo.commands.command import Command
from cleo.helpers import option
from cleo.testers.application_tester import ApplicationTester

from poetry_publish_verified.poetry_api.build import build_in_process

if TYPE_CHECKING:
    import pytest

TOKENS = {
    "POETRY_PYPI_TOKEN_HARBOUR": "pypi-token",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer",
    "PYPI_ID_TOKEN": "identity",
}


class Build(Command):
    """In the place of Poetry's."""

    name = "build"
    options = [option("output", flag=False)]  # noqa: RUF012 - as in cleo
    seen: dict[str, str]

    def handle(self) -> int:
        """Note what programs started from here would have."""
        Build.seen = dict(os.environ)
        return 0


class Publish(Command):
    """What builds first."""

    name = "publish"

    def handle(self) -> int:
        """Build."""
        build_in_process(self, Path("my größe"))  # type: ignore[arg-type]
        return 0


def test_build_has_no_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are there again for the upload; what a private source needs stays."""
    for name, value in TOKENS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("POETRY_HTTP_BASIC_QUAY_PASSWORD", "quay")
    application = Application()
    application.add(Build())
    application.add(Publish())
    before = dict(os.environ)
    assert ApplicationTester(application).execute("publish") == 0
    assert TOKENS.keys().isdisjoint(Build.seen)
    assert Build.seen["POETRY_HTTP_BASIC_QUAY_PASSWORD"] == "quay"
    assert os.environ == before
