"""PyPI's addresses, as Poetry has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = '[project]\nname = "lantern"\nversion = "1.0"\n'


# Poetry's own imports warn.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pypis_index_is_where_uploads_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index by name, the one that an upload implies and the default of a wait are one."""
    from poetry.config.config import Config
    from poetry.factory import Factory

    from poetry_publish_verified.core.urls import index_of
    from poetry_publish_verified.project import Credentials
    from poetry_publish_verified.project import pypi_index
    from poetry_publish_verified.project import repository
    from poetry_publish_verified.project_indexes import indexes
    from poetry_publish_verified.project_indexes import indexes_to_read

    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    poetry = Factory().create_poetry(tmp_path)
    target = repository(poetry, None, Credentials("__token__", "pypi-secret"))
    assert index_of(target.url) == pypi_index()
    found = indexes(poetry, target, ("pypi",))
    assert [index.url for index in found.shown_by] == [found.own.url] == [pypi_index()]
    assert found.own.pypi
    assert found.own.certain
    (read,) = indexes_to_read(Config.create(), {}, ())
    assert (read.url, read.pypi, read.access.basic) == (pypi_index(), True, None)
