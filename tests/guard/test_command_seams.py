"""Everything that is replaced during a command exists on every Poetry minor, and is restored."""

from __future__ import annotations

import pytest

from tests.beds.poetry import Poetry

LOOK = """
from contextlib import nullcontext
from types import SimpleNamespace
from poetry.config.file_config_source import FileConfigSource
from poetry.console.commands.self.self_command import SelfCommand
from poetry.utils.env import EnvManager
from poetry_publish_verified.guard.seams import environments as seams

names = "get create_venv build_venv remove_venv activate deactivate remove".split()
places = [(EnvManager, name) for name in names]
places += [(SelfCommand, "generate_system_pyproject"), (FileConfigSource, "secure")]
before = [vars(owner)[name] for owner, name in places]
around = lambda _: nullcontext(True)
with (
    seams.environments_locked(SimpleNamespace()) as one,
    seams.system_project_locked(around) as two,
    seams.settings_locked(around) as three,
):
    assert one + two + three == [], (one, two, three)
    during = [vars(owner)[name] for owner, name in places]
    assert not any(a is b for a, b in zip(before, during))
    assert [type(a) for a in before] == [type(a) for a in during]
assert [vars(owner)[name] for owner, name in places] == before

def foreign(self): ...
FileConfigSource.secure = foreign
with seams.settings_locked(around) as left:
    assert FileConfigSource.secure is foreign
    assert left == ["FileConfigSource.secure has been replaced"]
assert FileConfigSource.secure is foreign
"""


@pytest.mark.real_start
@pytest.mark.seam
def test_seams_are_replaced_and_restored(poetry: Poetry) -> None:
    """All are replaced and restored; a foreign replacement stays, and is named."""
    poetry.python(LOOK).ok()
