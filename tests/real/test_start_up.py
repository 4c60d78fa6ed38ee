"""What the plugin costs every other command of Poetry: nothing to speak of."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.beds.environments import PoetryEnvironment


def test_what_the_plugin_imports(poetry_environment: PoetryEnvironment) -> None:
    """Importing the plugin brings in itself, and nothing that is heavy."""
    program = """
import json, sys
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


def test_heavy_modules_stay_out_of_other_commands(
    poetry_environment: PoetryEnvironment, stock_environment: PoetryEnvironment
) -> None:
    """`poetry about` with the plugin loads what it loads without, and the plugin's own few."""
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
