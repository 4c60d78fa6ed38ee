"""The project and PyPI's addresses as Poetry has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = '[project]\nname = "lantern"\nversion = "1.0"\n'


# Poetry's own imports warn.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pypi_index_is_the_same_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index by name, by upload URL and as `wait`'s default are one."""
    from poetry.config.config import Config
    from poetry.factory import Factory

    from poetry_publish_verified.core.urls import index_of
    from poetry_publish_verified.poetry_api.indexes import indexes_to_read, targets
    from poetry_publish_verified.poetry_api.repositories import Credentials, pypi_index, repository

    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    poetry = Factory().create_poetry(tmp_path)
    target = repository(poetry, None, Credentials(username="__token__", password="pypi-secret"))
    implied = index_of(target.url)
    assert implied is not None
    assert implied.url == pypi_index()
    found = targets(poetry, target, ("pypi",))
    assert [index.url for index in found.shown_by] == [found.own.url] == [pypi_index()]
    assert found.own.pypi
    assert found.own.certain
    (read,) = indexes_to_read(Config.create(), {}, ())
    assert (read.url, read.pypi, read.access.basic) == (pypi_index(), True, None)


MIRROR = "https://mirror.example/simple/"


@pytest.mark.parametrize(
    ("name", "url", "named", "own", "shown_by"),
    [
        # A certain one stays, so a mirror is asked after it.
        ("pypi", "", (MIRROR,), "PYPI", MIRROR),
        ("pypi", "", ("pypi", MIRROR), "PYPI", "PYPI"),
        ("harbour", "https://test.PYPI/legacy/", (MIRROR,), "https://test.PYPI/simple/", MIRROR),
        (
            "harbour",
            "https://git.example/api/v4/projects/5/packages/pypi",
            (MIRROR,),
            "https://git.example/api/v4/projects/5/packages/pypi/simple/",
            MIRROR,
        ),
        # A guess yields.
        ("harbour", "http://h.example/", (MIRROR,), MIRROR, MIRROR),
        ("harbour", "http://h.example/legacy/", (MIRROR,), MIRROR, MIRROR),
        ("harbour", "http://h.example/", ("http://h.example/root/",), "http://h.example/root/", ""),
        (
            "harbour",
            "http://h.example/repository/hosted/",
            (MIRROR, "http://h.example/repository/group/simple/"),
            "http://h.example/repository/group/simple/",
            MIRROR,
        ),
        ("harbour", "http://h.example/", (), "http://h.example/simple/", ""),
        # A source of the repository's name comes before both.
        ("lamps", "http://h.example/", (MIRROR,), "https://lamps.example/simple/", MIRROR),
        ("Lamps", "http://h.example/", (), "https://lamps.example/simple/", ""),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_own_index(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    url: str,
    named: tuple[str, ...],
    own: str,
    shown_by: str,
) -> None:
    """It is a source of that name, a certain one, a named one, or a guess, in this order."""
    from poetry.factory import Factory

    from poetry_publish_verified.core.urls import Access, RepositoryTarget
    from poetry_publish_verified.poetry_api.indexes import targets
    from poetry_publish_verified.poetry_api.repositories import pypi_index

    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    source = '[[tool.poetry.source]]\nname = "lamps"\nurl = "https://lamps.example/simple"\n'
    (tmp_path / "pyproject.toml").write_text(PROJECT + source, encoding="utf-8")
    host = pypi_index().split("/")[2]

    def real(text: str) -> str:
        return pypi_index() if text == "PYPI" else text.replace("PYPI", host)

    upload = real(url) or f"https://upload.{host}/legacy/"
    target = RepositoryTarget(name, upload, Access())
    found = targets(Factory().create_poetry(tmp_path), target, named)
    assert found.own.url == real(own)
    assert found.shown_by[0].url == real(shown_by or own)
    certain = "PYPI" in own or "git.example" in own
    assert (found.own.certain, found.own.guessed) == (
        certain,
        url != "" and not named and name == "harbour",
    )


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://upload.{}/legacy/", True),
        ("https://test.{}/legacy/", True),
        ("https://{}/legacy/", True),
        ("https://not{}/legacy/", False),
        ("https://{}.example/legacy/", False),
        ("http://127.0.0.1:8080/", False),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_public_indexes(url: str, public: bool) -> None:
    """PyPI and TestPyPI are recognized by host, and no other host is."""
    from poetry_publish_verified.poetry_api.repositories import is_public, pypi_index

    host = pypi_index().split("/")[2]
    assert is_public(url.format(host)) is public


@pytest.mark.parametrize(
    ("index", "page"),
    [
        ("https://{}/simple/", "https://{}/project/lantern/"),
        ("https://test.{}/simple/", "https://test.{}/project/lantern/"),
        ("https://{}.example/simple/", None),
        ("http://127.0.0.1:8080/simple/", None),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_project_web_page(index: str, page: str | None) -> None:
    """PyPI and TestPyPI have one at a known address; other indexes may have none."""
    from poetry_publish_verified.poetry_api.repositories import project_page, pypi_index

    host = pypi_index().split("/")[2]
    assert project_page(index.format(host), "lantern") == (page and page.format(host))


POETRY_CORE = (
    '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'
)
ASKS = (
    'requires-python = ">=3.11"\n'
    'dependencies = ["oil (>=1,<2)", "wick[long] >=3 ; python_version < \'3.13\'"]\n'
)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_declared_metadata(tmp_path: Path) -> None:
    """It equals what poetry-core writes into the wheel."""
    import zipfile

    from poetry.core.masonry.builders.wheel import WheelBuilder
    from poetry.factory import Factory

    from poetry_publish_verified.poetry_api.project import read

    (tmp_path / "lantern.py").touch()
    (tmp_path / "pyproject.toml").write_text(PROJECT + ASKS + POETRY_CORE, encoding="utf-8")
    poetry = Factory().create_poetry(tmp_path)
    declared = read(poetry).declared
    assert declared is not None
    wheel = WheelBuilder(poetry).build(tmp_path / "dist")
    with zipfile.ZipFile(wheel) as archive:
        lines = archive.read("lantern-1.0.dist-info/METADATA").decode().splitlines()
    assert f"Requires-Python: {declared.requires_python}" in lines
    said = {line.removeprefix("Requires-Dist: ") for line in lines if "Requires-Dist" in line}
    assert set(declared.requires_dist) == said
    assert len(said) == 2
    assert declared.surely


@pytest.mark.parametrize(
    ("more", "declares", "surely"),
    [
        (POETRY_CORE, True, True),
        ('[tool.poetry.dependencies]\noil = { path = "oil" }\n' + POETRY_CORE, True, False),
        ('readme = "GONE.md"\n' + POETRY_CORE, False, False),
        ('[build-system]\nrequires = ["flit"]\nbuild-backend = "flit_core.api"\n', False, False),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_declared_only_with_poetry_core(
    tmp_path: Path, more: str, declares: bool, surely: bool
) -> None:
    """Another backend declares nothing before it builds; a plugin may replace paths."""
    from poetry.factory import Factory

    from poetry_publish_verified.poetry_api.project import read

    oil = tmp_path / "oil"
    oil.mkdir()
    (oil / "pyproject.toml").write_text(PROJECT.replace("lantern", "oil"), encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(PROJECT + more, encoding="utf-8")
    declared = read(Factory().create_poetry(tmp_path)).declared
    assert (declared is not None) is declares
    assert declared is None or declared.surely is surely


@pytest.mark.parametrize(
    ("point", "surely"),
    [
        ("poetry_multiproject.plugin:Plugin", False),
        ("poetry_dynamic_versioning.plugin:Plugin", True),
        ("poetry_plugin_export.plugins:Plugin", True),
    ],
)
@pytest.mark.parametrize("group", ["poetry.plugin", "poetry.application.plugin"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_unknown_plugins_may_change_requirements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, group: str, surely: bool
) -> None:
    """An unknown plugin may rewrite requirements during the build."""
    from poetry.factory import Factory

    from poetry_publish_verified.poetry_api.project import read

    info = tmp_path / "site" / "other-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n", "utf-8")
    (info / "entry_points.txt").write_text(f"[{group}]\nother = {point}\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(PROJECT + POETRY_CORE, encoding="utf-8")
    poetry = Factory().create_poetry(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "site")
    declared = read(poetry).declared
    assert declared is not None
    assert declared.surely is surely


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_user_name_without_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a user name without any password is reported."""
    from poetry.factory import Factory

    from poetry_publish_verified.poetry_api.repositories import Credentials, repository

    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("POETRY_REPOSITORIES_HARBOUR_URL", "http://127.0.0.1/")
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    poetry = Factory().create_poetry(tmp_path)
    assert not repository(poetry, "harbour", Credentials()).half_login
    assert repository(poetry, "harbour", Credentials(username="me")).half_login
    assert not repository(
        poetry, "harbour", Credentials(username="me", password="secret")
    ).half_login
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n", encoding="utf-8")
    assert not repository(poetry, "harbour", Credentials(username="me")).half_login


@pytest.mark.parametrize(
    ("username", "password", "sent"),
    [("__token__", "pypi-abc\n", "pypi-abc"), ("me", "secret\n", "secret\n")],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_token_with_a_line_break(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, username: str, password: str, sent: str
) -> None:
    """It is sent without; a password is sent as it is."""
    from poetry.factory import Factory

    from poetry_publish_verified.poetry_api.repositories import Credentials, repository

    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setenv("POETRY_REPOSITORIES_HARBOUR_URL", "http://127.0.0.1/")
    monkeypatch.setenv("POETRY_HTTP_BASIC_HARBOUR_PASSWORD", "")
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    poetry = Factory().create_poetry(tmp_path)
    found = repository(poetry, "harbour", Credentials(username=username, password=password))
    assert found.access.password == sent
    assert found.empty == ("POETRY_HTTP_BASIC_HARBOUR_PASSWORD",)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_index_knows_whose_credentials_it_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index has the name of the source, or of the repository, that has its credentials."""
    from poetry.factory import Factory

    from poetry_publish_verified.poetry_api.indexes import targets
    from poetry_publish_verified.poetry_api.repositories import Credentials, repository

    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setenv("POETRY_REPOSITORIES_GUNI_URL", "http://127.0.0.1:8000/")
    source = '[[tool.poetry.source]]\nname = "mirror"\nurl = "http://127.0.0.1:9000/simple/"\n'
    (tmp_path / "pyproject.toml").write_text(PROJECT + source, encoding="utf-8")
    poetry = Factory().create_poetry(tmp_path)
    target = repository(poetry, "guni", Credentials())
    named = ("guni", "http://127.0.0.1:9000/simple", "http://127.0.0.1:7000/simple/")
    found = targets(poetry, target, named)
    assert found.own.name == "guni"
    assert [index.name for index in found.shown_by] == ["guni", "mirror", None]
