"""pip's and uv's own settings are read where pip and uv read them."""

from __future__ import annotations

import site
import sys
from pathlib import Path

import anyio
import pytest

from poetry_publish_verified.adapters.cool_downs import pip_listed
from poetry_publish_verified.adapters.cool_downs import uv_files
from poetry_publish_verified.core.cool_downs import cool_downs
from tests.beds.clients import clean_environment


def test_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting in pip's file and one in the environment are both found, by pip itself."""
    file = tmp_path / "pip.conf"
    file.write_text("[install]\nuploaded-prior-to = P3D\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    environment = clean_environment(tmp_path / "home", PIP_CONFIG_FILE=file.name)
    listed = anyio.run(pip_listed, environment)
    assert cool_downs({}, pip_listed=listed) == [("install.uploaded-prior-to (pip)", "P3D")]


def test_no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a pip there is nothing to tell."""
    monkeypatch.setattr(site, "getsitepackages", list)
    monkeypatch.setattr(sys, "path", [])
    assert anyio.run(pip_listed, {}) == ""


def test_uv(tmp_path: Path) -> None:
    """The project's file and the user's are read, and UV_CONFIG_FILE instead of both."""
    (tmp_path / "uv").mkdir()
    for name in ("pyproject.toml", "uv/uv.toml", "other.toml"):
        (tmp_path / name).write_text(f'exclude-newer = "{name}"', encoding="utf-8")
    home = {"XDG_CONFIG_HOME": str(tmp_path)}
    names = [name for name, _ in uv_files(tmp_path, home)]
    assert names == [str(tmp_path / "pyproject.toml"), str(tmp_path / "uv/uv.toml")]
    (tmp_path / "uv.toml").write_text("", encoding="utf-8")
    assert uv_files(tmp_path, home)[0] == (str(tmp_path / "uv.toml"), "")
    named = home | {"UV_CONFIG_FILE": str(tmp_path / "other.toml")}
    assert [name for name, _ in uv_files(tmp_path, named)] == [str(tmp_path / "other.toml")]
    assert uv_files(tmp_path, named | {"UV_NO_CONFIG": "1"}) == []
    assert uv_files(tmp_path / "nowhere", {"HOME": str(tmp_path)}) == []
