"""What leaves our commands as an exception is clean before Poetry shows it."""

from __future__ import annotations

import io

import pytest
from cleo.application import Application
from cleo.io.inputs.argv_input import ArgvInput
from cleo.io.outputs.stream_output import StreamOutput

from poetry_publish_verified.cli.options import SuggestingCommand
from poetry_publish_verified.sanitize import learn_url

SECRET = "hunter22-secret"


class Broken(SuggestingCommand):
    """A command with a bug, after it has used a secret."""

    name = "broken"

    def handle(self) -> int:
        """Fail with what somebody else said."""
        learn_url(f"http://me:{SECRET}@proxy.example/")
        try:
            return int(f"##vso[task.x]\x1b[2J{SECRET}")
        except ValueError as error:
            raise OSError(f"::error::{error}\n::error::{SECRET}") from error


@pytest.mark.parametrize("verbosity", ["-n", "-v", "-vvv"])
def test_exception_of_a_command(verbosity: str) -> None:
    """Neither it nor what it comes from has a secret or an order in it."""
    said = io.StringIO()
    application = Application()
    application.auto_exits(False)
    application.add(Broken())
    output, errors = (StreamOutput(said, decorated=False) for _ in range(2))
    code = application.run(ArgvInput(["poetry", "broken", verbosity]), output, errors)
    assert code == 1
    text = said.getvalue()
    assert "OSError: ::error::invalid literal" in text
    assert "***' ::error::***" in text
    assert SECRET not in text.replace(f'SECRET = "{SECRET}"', "")  # a line of this file
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    assert "\x1b" not in text
