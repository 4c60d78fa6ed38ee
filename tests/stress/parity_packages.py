"""What all runs share: an index and a locked project for each Poetry version."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.beds.distributions import WheelSource
from tests.beds.environments import build_once, cache_key, environment, run_checked, uv
from tests.beds.plugins import PLUGIN_GROUP
from tests.beds.poetry import isolated
from tests.beds.simple_index import SimpleIndex
from tests.stress.bed import replace_stub, write_stubs
from tests.stress.parity_layouts import interpreter

_BACKENDS = (
    "poetry-core",
    "hatchling",
    "setuptools",
    "flit-core",
    "pdm-backend",
    "uv-build",
    "scikit-build-core",
)
_PLUGIN = """
    from poetry.plugins.application_plugin import ApplicationPlugin

    class Lamp(ApplicationPlugin):
        def activate(self, application):
            import beta
"""
_PYPROJECT = """\
[project]
name = "demo"
version = "0.1.0"
description = "A lamp."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["alpha>=1"]

[project.scripts]
demo = "demo:main"

[tool.poetry]
packages = [{{ include = "demo" }}]

[tool.poetry.group.dev.dependencies]
gamma = "*"

[[tool.poetry.source]]
name = "tests"
url = "{index}"

[build-system]
requires = ["poetry-core>=2.0"]
build-backend = "poetry.core.masonry.api"
"""


@dataclass
class VersionFixtures:
    """By Poetry version: an index with everything its environment holds, and a checkout."""

    indexes: dict[str, str] = field(default_factory=dict)
    templates: dict[str, Path] = field(default_factory=dict)


@contextmanager
def version_fixtures(work: Path, versions: Iterable[str]) -> Iterator[VersionFixtures]:
    """Serve the indexes and lock the project for these versions."""
    with ExitStack() as stack:
        known = VersionFixtures()
        for version in sorted(versions):
            wheels = work / f"wheels-{version}"
            wheels.mkdir()
            _fill(wheels, version)
            known.indexes[version] = stack.enter_context(SimpleIndex(wheels)).url
            known.templates[version] = _project(work / f"project-{version}", version, known)
        yield known


def _fill(wheels: Path, version: str) -> None:
    for source in (
        WheelSource("alpha", "1.0", {"alpha.py": ""}, requires=("beta>=1",)),
        *(WheelSource(name, "1.0", {f"{name}.py": ""}) for name in ("beta", "gamma", "delta")),
        WheelSource("addon", "1.0", {"addon.py": ""}),
        # A plugin that changes nothing, so that builds are the same with and without it.
        WheelSource(
            "lamp-plugin",
            "1.0",
            {"lamp_plugin.py": _PLUGIN},
            {PLUGIN_GROUP: {"lamp": "lamp_plugin:Lamp"}},
            ("beta>=1",),
        ),
    ):
        source.build(wheels)
    for stock in (False, True):
        own = environment(version, python=interpreter(), plugin=not stock, pypiserver=False)
        write_stubs(wheels, own.poetry)
    for wheel in _backends().glob("*.whl"):
        replace_stub(wheel, wheels)


def _backends() -> Path:
    """Real wheels of build backends and their dependencies, downloaded once."""

    def make(directory: Path) -> None:
        download = (uv(), "tool", "run", "--python", interpreter(), "pip", "download", "--quiet")
        run_checked(*download, "--only-binary", ":all:", "--dest", directory, *_BACKENDS)

    return build_once(f"parity-backends-{cache_key(*_BACKENDS, interpreter())}", make)


def _project(directory: Path, version: str, known: VersionFixtures) -> Path:
    (directory / "demo").mkdir(parents=True)
    (directory / "demo/__init__.py").write_text(
        "def main():\n    print('light')\n", encoding="utf-8"
    )
    (directory / "README.md").write_text("# A lamp\n", encoding="utf-8")
    (directory / ".gitignore").write_text("/dist/\n/.venv/\n", encoding="utf-8")
    text = _PYPROJECT.format(index=known.indexes[version])
    (directory / "pyproject.toml").write_text(text, encoding="utf-8")
    home = directory.with_name(f"home-{version}")
    stock = environment(version, python=interpreter(), plugin=False)
    subprocess.run(
        [stock.poetry, "lock"], cwd=directory, env=isolated(home), check=True, capture_output=True
    )
    shutil.rmtree(home)
    who = ["-c", "user.name=parity", "-c", "user.email=parity@example.org"]
    for command in (["init", "--template="], ["add", "--all"], [*who, "commit", "-m", "First"]):
        subprocess.run(["git", *command], cwd=directory, check=True, capture_output=True)
    return directory
