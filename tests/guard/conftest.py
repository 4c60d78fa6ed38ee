"""Poetry environments with this project's built wheel, an index, and projects to guard."""

from __future__ import annotations

import sys
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stress.testbed import POETRY_MINORS
from tests.stress.testbed import Index
from tests.stress.testbed import Poetry
from tests.stress.testbed import WheelSource
from tests.stress.testbed import build_own_wheel
from tests.stress.testbed import poetry_environment
from tests.stress.testbed import stamp_helper
from tests.stress.testbed import stamp_plugin
from tests.stress.testbed import uv
from tests.stress.testbed import write_project


@pytest.fixture(scope="session")
def own_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project's wheel, built once."""
    try:
        uv()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    return build_own_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels on the index."""
    directory = tmp_path_factory.mktemp("wheels")
    for source in (stamp_plugin("1.0"), stamp_plugin("2.0"), stamp_helper(6), *_PLUGINS):
        source.build(directory)
    return directory


@pytest.fixture(scope="session")
def index(wheels: Path) -> Iterator[Index]:
    """The only index the projects know."""
    with Index(wheels) as served:
        yield served


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory, own_wheel: Path) -> Callable[..., Path]:
    """`environment(version, *packages, python=…)`: a Poetry with this plugin, made once."""
    directory = tmp_path_factory.mktemp("poetry")

    def make(version: str, *packages: Path, python: str = sys.executable) -> Path:
        parts = [version, *(package.stem for package in packages), python.replace("/", "_")]
        return poetry_environment(
            directory / "+".join(parts), version, own_wheel, *packages, python=python
        )

    return make


@pytest.fixture(params=POETRY_MINORS)
def version(request: pytest.FixtureRequest) -> str:
    """Each Poetry minor that the seams were tried with."""
    return str(request.param)


@pytest.fixture
def project(tmp_path: Path, index: Index) -> Path:
    """A project that requires stamp-plugin."""
    return write_project(tmp_path / "project", index.url, 'stamp-plugin = ">=1,<2"')


@pytest.fixture
def poetry(version: str, environment: Callable[..., Path], project: Path, tmp_path: Path) -> Poetry:
    """A Poetry of this minor, with the guard, in the project."""
    return Poetry(environment(version), project, tmp_path / "home")


@pytest.fixture
def newest(environment: Callable[..., Path], project: Path, tmp_path: Path) -> Poetry:
    """The newest Poetry tried, with the guard, in the project."""
    return Poetry(environment(POETRY_MINORS[-1]), project, tmp_path / "home")


_APPLICATION = "poetry.application.plugin"
_PLUGINS = (
    WheelSource(
        "listening-plugin",
        "1.0",
        {
            "listening_plugin.py": """
                from poetry.plugins.application_plugin import ApplicationPlugin

                class Listening(ApplicationPlugin):
                    def activate(self, application):
                        application.event_dispatcher.add_listener(
                            "console.command", self.hear)

                    def hear(self, event, name, dispatcher):
                        event.io.write_error_line(f"heard {event.command.name}")
            """
        },
        {
            _APPLICATION: {"listening": "listening_plugin:Listening"},
            "console_scripts": {"listening": "listening_plugin:Listening"},
        },
        data={"data/share/listening.txt": "data"},
    ),
    WheelSource(
        "project-plugin",
        "1.0",
        {
            "project_plugin.py": """
                from poetry.plugins.plugin import Plugin

                class ProjectPlugin(Plugin):
                    def activate(self, poetry, io):
                        poetry.package.version = "5.5.5"
            """
        },
        {"poetry.plugin": {"project": "project_plugin:ProjectPlugin"}},
    ),
    WheelSource(
        "wanting-plugin",
        "1.0",
        {"wanting_plugin.py": "import socks\n"},
        {_APPLICATION: {"wanting": "stamp_plugin:Stamp"}},
        # Poetry's environment has requests, at a version of its own, but not this extra's need.
        ("requests[socks]", "stamp-plugin", "poetry-publish-verified"),
    ),
    WheelSource("pysocks", "1.7.1", {"socks.py": ""}),
    WheelSource(
        "early-plugin",
        "1.0",
        {
            "early_plugin.py": """
                from poetry.plugins.application_plugin import ApplicationPlugin

                class Early(ApplicationPlugin):
                    def activate(self, application):
                        application.poetry
            """
        },
        # Poetry loads entry points in the order of their distributions.
        {_APPLICATION: {"aaa-early": "early_plugin:Early"}},
    ),
    WheelSource(
        "meddling-plugin",
        "1.0",
        {
            "meddling_plugin.py": """
                from poetry.plugins.application_plugin import ApplicationPlugin

                class Meddling(ApplicationPlugin):
                    def activate(self, application):
                        run = application._run_command
                        application._run_command = lambda *args: run(*args)
            """
        },
        {_APPLICATION: {"aaa-meddling": "meddling_plugin:Meddling"}},
    ),
    WheelSource(
        "optional-plugin",
        "1.0",
        {
            "optional_plugin.py": """
                from cleo.helpers import option
                from poetry.plugins.application_plugin import ApplicationPlugin

                class Optional(ApplicationPlugin):
                    def activate(self, application):
                        application.event_dispatcher.add_listener("console.command", self.add)

                    def add(self, event, name, dispatcher):
                        event.command._definition.add_option(option("extra-word"))
            """
        },
        {_APPLICATION: {"optional": "optional_plugin:Optional"}},
    ),
    WheelSource(
        "asking-plugin",
        "1.0",
        {
            "asking_plugin.py": """
                from cleo.commands.command import Command
                from poetry.plugins.application_plugin import ApplicationPlugin

                class Ask(Command):
                    name = "ask"

                    def handle(self):
                        from poetry_publish_verified.guard.project_plugins import missing_plugins
                        file = self.application.poetry.pyproject_path
                        self.line(repr(missing_plugins(file)))
                        return 0

                class Asking(ApplicationPlugin):
                    def activate(self, application):
                        application.command_loader.register_factory("ask", Ask)
            """
        },
        {_APPLICATION: {"asking": "asking_plugin:Asking"}},
    ),
)
