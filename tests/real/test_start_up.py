"""What the plugin costs every other Poetry command: next to nothing; and how its own ones end."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.beds.environments import PoetryEnvironment


def test_plugin_imports_nothing_heavy(poetry_environment: PoetryEnvironment) -> None:
    """Importing the plugin imports only its own light modules."""
    # Poetry loads contextlib in any case, on some Pythons only later.
    program = """
import contextlib, json, sys
import poetry.plugins.application_plugin
before = set(sys.modules)
import poetry_publish_verified.plugin
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    done = subprocess.run(
        [poetry_environment.python, "-I", "-c", program],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    brought = set(json.loads(done.stdout))
    assert brought == {
        "poetry_publish_verified",
        "poetry_publish_verified.guard",
        "poetry_publish_verified.guard.entry",
        "poetry_publish_verified.plugin",
    }


def test_other_commands_load_nothing_heavy(
    poetry_environment: PoetryEnvironment, stock_environment: PoetryEnvironment
) -> None:
    """`poetry about` loads the same with the plugin, plus its few light modules."""
    program = """
import json, sys
from poetry.console.application import Application
from cleo.io.inputs.string_input import StringInput
from cleo.io.outputs.null_output import NullOutput
application = Application()
application.auto_exits(False)
application.run(StringInput("about"), NullOutput(), NullOutput())
print(json.dumps(sorted(sys.modules)))
"""

    def loaded(environment: PoetryEnvironment) -> set[str]:
        done = subprocess.run(
            [environment.python, "-I", "-c", program], check=True, capture_output=True, text=True
        )
        return set(json.loads(done.stdout))

    more = loaded(poetry_environment) - loaded(stock_environment)
    assert "poetry_publish_verified.plugin" in more
    assert {name for name in more if not name.startswith("poetry_publish_verified")} == set()


@pytest.mark.parametrize(
    ("command", "spared"), [("publish-verified explain", True), ("about", False)]
)
def test_end_collects_no_garbage(
    poetry_environment: PoetryEnvironment, command: str, spared: bool
) -> None:
    """Only the plugin's own commands end without a last search for garbage among all modules."""
    program = """
import atexit, gc, sys
atexit.register(lambda: print("frozen:", gc.get_freeze_count() > 0))
from poetry.console.application import main
sys.exit(main())
"""
    done = subprocess.run(
        [poetry_environment.python, "-I", "-c", program, *command.split()],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == f"frozen: {spared}"
