"""Poetry environments with the built wheel, an index, and projects to guard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.beds.distributions import WheelSource
from tests.beds.environments import NEWEST_POETRY, OLDEST_POETRY, POETRY_MINORS
from tests.beds.plugins import guarded, stamp_helper, stamp_plugin, write_project
from tests.beds.poetry import Poetry
from tests.beds.simple_index import SimpleIndex
from tests.thorough import THOROUGH


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels on the index."""
    directory = tmp_path_factory.mktemp("wheels")
    for source in (stamp_plugin("1.0"), stamp_plugin("2.0"), stamp_helper(6), *_PLUGINS):
        source.build(directory)
    return directory


@pytest.fixture(scope="session")
def index(wheels: Path) -> Iterator[SimpleIndex]:
    """The only index the projects know."""
    with SimpleIndex(wheels) as served:
        yield served


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose a test's Poetry minors: the newest, plus the oldest at a seam.

    Where everything is tested: all at a seam, where minors differ, and both ends elsewhere.
    """
    if "version" in metafunc.fixturenames:
        seam = metafunc.definition.get_closest_marker("seam") is not None
        ends = (OLDEST_POETRY, NEWEST_POETRY)
        if THOROUGH:
            metafunc.parametrize("version", POETRY_MINORS if seam else ends)
        else:
            metafunc.parametrize("version", ends if seam else ends[1:])


@pytest.fixture
def project(tmp_path: Path, index: SimpleIndex) -> Path:
    """A project that requires stamp-plugin."""
    return write_project(tmp_path / "project", index.url, 'stamp-plugin = ">=1,<2"')


@pytest.fixture
def real(request: pytest.FixtureRequest) -> bool:
    """Whether the test starts Poetry instead of forking it: once per seam and minor."""
    return request.node.get_closest_marker("real_start") is not None


@pytest.fixture
def poetry(version: str, project: Path, tmp_path: Path, real: bool) -> Poetry:
    """Poetry of this minor with the guard, in the project."""
    return guarded(version, project, tmp_path / "home", real=real)


@pytest.fixture
def newest(project: Path, tmp_path: Path) -> Poetry:
    """The newest Poetry with the guard, in the project."""
    return guarded(NEWEST_POETRY, project, tmp_path / "home")


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
        # Poetry's environment has its own version of requests, but not this extra's dependency.
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
                        from poetry_publish_verified.guard.plugin_sets import activation
                        file = self.application.poetry.pyproject_path
                        self.line(repr(activation.missing_plugins(file)))
                        return 0

                class Asking(ApplicationPlugin):
                    def activate(self, application):
                        application.command_loader.register_factory("ask", Ask)
            """
        },
        {_APPLICATION: {"asking": "asking_plugin:Asking"}},
    ),
)
