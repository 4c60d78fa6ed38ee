"""Without an index or a writable checkout, the guard does no less than stock Poetry."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.beds.plugins import guarded, write_project
from tests.beds.poetry import Poetry

# Where not even root can create a directory.
UNWRITABLE = "/proc/nowhere"
WRITE_CONFIG = """
from cleo.io.null_io import NullIO
from poetry.factory import Factory
from poetry.plugins.plugin_manager import ProjectPluginCache
ProjectPluginCache(Factory().create_poetry(), NullIO())._write_config()
"""


@pytest.fixture
def offline(version: str, wheels: Path, tmp_path: Path, real: bool) -> Poetry:
    """A checkout that uses stock Poetry's plugins, and whose index is down."""
    project = write_project(
        tmp_path / "offline", "http://127.0.0.1:9/simple/", 'stamp-plugin = "1.0"'
    )
    poetry = guarded(version, project, tmp_path / "home", real=real)
    for name in ("plugin", "helper"):
        wheel = wheels / f"stamp_{name}-1.0-py3-none-any.whl"
        shutil.unpack_archive(wheel, stock_of(poetry), "zip")
    poetry.python(WRITE_CONFIG).ok()
    return poetry


def stock_of(poetry: Poetry) -> Path:
    """Poetry's own plugin directory."""
    return poetry.project / ".poetry" / "plugins"


@pytest.mark.real_start
def test_fresh_stock_plugins_stay(offline: Poetry) -> None:
    """If no set can be built, stock Poetry's fresh plugins stay, with one warning."""
    done = offline.run("install")
    done.ok()
    assert done.err.count("stock Poetry's plugins stay in use") == 1
    assert "leaves the project's plugins to Poetry" not in done.err
    assert stock_of(offline).is_dir()
    assert not offline.sets
    assert offline.run("version").ok() == "demo 9.1.0\n"


@pytest.mark.seam
def test_stale_stock_plugins_fail(offline: Poetry) -> None:
    """Stock Poetry would rebuild them and fail, and so does this."""
    file = stock_of(offline) / "config.toml"
    file.write_text(file.read_text().replace("plugins-hash = ", "else = "))
    done = offline.run("install")
    assert done.code == 1
    assert "stay in use" not in done.err


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a directory closed to root")
def test_fresh_stock_plugins_in_a_read_only_checkout(offline: Poetry) -> None:
    """With nowhere to write, `install` just runs with them."""
    done = offline.run("install", POETRY_PUBLISH_VERIFIED_PLUGIN_SETS=UNWRITABLE)
    assert "Building" not in done.ok()
    assert "plugin" not in done.err.replace(str(offline.project), "")
    assert stock_of(offline).is_dir()
