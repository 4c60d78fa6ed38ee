"""A project that requires plugins, and plugins for it to require."""

from __future__ import annotations

from pathlib import Path

from tests.beds.distributions import WheelSource
from tests.beds.environments import environment
from tests.beds.poetry import Poetry

PLUGIN_GROUP = "poetry.application.plugin"
# Puts a project's environment into the project; most tests have no environment.
VENV_IN_PROJECT = {
    "POETRY_VIRTUALENVS_CREATE": "true",
    "POETRY_VIRTUALENVS_IN_PROJECT": "true",
    # Poetry brings its own pip; copying one into each environment is half the time of an install.
    "POETRY_VIRTUALENVS_OPTIONS_NO_PIP": "true",
}
# For `poetry self`, which always uses PyPI: make it fail at once, without retries.
OFFLINE = {"HTTPS_PROXY": "http://127.0.0.1:9", "POETRY_REQUESTS_MAX_RETRIES": "0"}


def guarded(version: str, project: Path, home: Path, *, real: bool = False) -> Poetry:
    """Poetry with the guard, whose environments are in their projects."""
    return Poetry(environment(version), home, project, VENV_IN_PROJECT, real=real)


def write_project(directory: Path, index_url: str, plugins: str, extra: str = "") -> Path:
    """A package `demo` 0.0.0 that requires `plugins` (TOML lines) from the index."""
    (directory / "demo").mkdir(parents=True, exist_ok=True)
    (directory / "demo" / "__init__.py").touch()
    source = f'\n[[tool.poetry.source]]\nname = "tests"\nurl = "{index_url}"\n' if index_url else ""
    section = f"\n[tool.poetry.requires-plugins]\n{plugins}\n" if plugins else ""
    (directory / "pyproject.toml").write_text(
        '[project]\nname = "demo"\nversion = "0.0.0"\nrequires-python = ">=3.11"\n'
        '\n[tool.poetry]\npackages = [{ include = "demo" }]\n'
        f"{section}{source}{extra}\n"
        '[build-system]\nrequires = ["poetry-core>=2.0"]\n'
        'build-backend = "poetry.core.masonry.api"\n',
        encoding="utf-8",
    )
    return directory


_STAMP = """
    from poetry.factory import Factory
    from poetry.plugins.application_plugin import ApplicationPlugin
    from stamp_helper import last

    class Stamp(ApplicationPlugin):
        def activate(self, application):
            original = Factory.create_poetry

            def create_poetry(self, *args, **kwargs):
                from stamp_helper.late import text
                poetry = original(self, *args, **kwargs)
                poetry.package.version = text("{version}")
                return poetry

            Factory.create_poetry = create_poetry
"""


def stamp_plugin(version: str) -> WheelSource:
    """A plugin like the dynamic versioning ones: it makes the project's version `9.VERSION`.

    Without it `poetry version` prints 0.0.0. It needs `stamp-helper`, and imports part of it late.
    """
    return WheelSource(
        "stamp-plugin",
        version,
        {"stamp_plugin.py": _STAMP.format(version=version)},
        {PLUGIN_GROUP: {"stamp": "stamp_plugin:Stamp"}},
        ("stamp-helper>=1",),
    )


def stamp_helper(modules: int = 60) -> WheelSource:
    """A library of many modules, which takes a while to install, import and remove."""
    files = {
        f"stamp_helper/part{number}.py": f"value = {number}\n" + "#\n" * 200
        for number in range(modules)
    }
    files["stamp_helper/__init__.py"] = ""
    files["stamp_helper/last.py"] = f"from stamp_helper.part{modules - 1} import value\n"
    files["stamp_helper/late.py"] = "def text(version):\n    return '9.' + version\n"
    return WheelSource("stamp-helper", "1.0", files)
