"""A machine on which the plugin is not installed yet, with an index that has it.

The index is a pypiserver with the wheel of this checkout. It redirects to PyPI for everything else,
so it takes PyPI's place for pip, pipx, uv and Poetry.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.beds import indexes
from tests.beds.environments import (
    PoetryEnvironment,
    build_once,
    built_wheel,
    cache_key,
    environment,
    run_checked,
    uv,
)
from tests.beds.plugins import stamp_helper, stamp_plugin
from tests.beds.poetry import Poetry
from tests.beds.processes import HANG

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Newcomer:
    """Somebody who has Poetry without the plugin, pipx and uv, all with homes of their own."""

    poetry: Poetry
    index_url: str
    variables: dict[str, str]
    """All environment variables."""

    def run(self, *command: str | Path) -> str:
        """The output of a program, which must succeed."""
        done = subprocess.run(
            command,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=HANG,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def tools(self) -> Iterator[Path]:
        """Each `poetry` that pipx or uv has installed."""
        for name in ("PIPX_BIN_DIR", "UV_TOOL_BIN_DIR"):
            yield from Path(self.variables[name]).glob("poetry")


@contextlib.contextmanager
def newcomer(directory: Path) -> Iterator[Newcomer]:
    """Everything is below `directory`."""
    own = environment(plugin=False).copy(directory / "poetry")
    with indexes.pypiserver(directory / "registry", options=(), server="auto") as index:
        assert index.root is not None
        shutil.copy2(built_wheel(), index.root)
        for source in (stamp_plugin("1.0"), stamp_helper(3)):
            source.build(index.root)
        home = directory / "home"
        configuration = home / "config" / "pyproject.toml"
        configuration.parent.mkdir(parents=True)
        configuration.write_text(
            f'[[tool.poetry.source]]\nname = "registry"\nurl = "{index.simple_url}"\n',
            encoding="utf-8",
        )
        programs = (_pipx().parent, Path(uv()).parent)
        poetry = Poetry(own, home).with_variables(
            PATH=os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, programs)]),
            PIP_INDEX_URL=index.simple_url,
            UV_DEFAULT_INDEX=index.simple_url,
            PIPX_HOME=str(home / "pipx"),
            PIPX_BIN_DIR=str(home / "pipx-bin"),
            PIPX_DEFAULT_PYTHON=sys.executable,
            UV_PYTHON=sys.executable,
            UV_TOOL_DIR=str(home / "uv-tools"),
            UV_TOOL_BIN_DIR=str(home / "uv-bin"),
        )
        yield Newcomer(poetry, index.simple_url, {**_machine(), **poetry.call_environment()})


def _machine() -> dict[str, str]:
    """How this machine reaches PyPI: certificates, proxies, indexes of its own."""
    others = ("POETRY_", "PIPX_", "PYTHON", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(others)}


def _pipx() -> Path:
    """A pipx of our own: not every machine has one."""

    def make(directory: Path) -> None:
        run_checked(uv(), "venv", "--quiet", "--python", sys.executable, directory)
        PoetryEnvironment(directory).install("pipx")

    return build_once(f"pipx-{cache_key(sys.executable)}", make) / "bin" / "pipx"
