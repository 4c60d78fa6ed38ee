"""The commands to try, each a few calls in its own checkout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Change = Callable[[Path], None]


def no_change(_: Path) -> None:
    """Change nothing."""


@dataclass(frozen=True)
class Command:
    """Calls of Poetry, or of programs it installed, one after the other."""

    name: str
    calls: tuple[str, ...]
    """Shell words; {python} and {index} are filled in."""
    change: Change = no_change
    """Prepares the project."""
    builds: bool = False
    """Whether the last call builds archives."""


def _of(name: str, *calls: str, change: Change = no_change, builds: bool = False) -> Command:
    return Command(name, calls or (f"poetry {name}",), change, builds)


def built_with(backend: str, requirement: str = "", settings: str = "") -> Change:
    """Make a project use this build backend."""

    def change(checkout: Path) -> None:
        file = checkout / "pyproject.toml"
        head, _, _ = file.read_bytes().partition(b"[build-system]")
        needs = requirement or backend.partition(".")[0]
        section = f'[build-system]\nrequires = ["{needs}"]\nbuild-backend = "{backend}"\n{settings}'
        file.write_bytes(head + section.encode())

    return change


def _backend(name: str, backend: str, requirement: str = "", settings: str = "") -> Command:
    return _of(
        f"build with {name}", "poetry lock", "poetry build",
        change=built_with(backend, requirement, settings), builds=True,
    )  # fmt: skip


COMMANDS = (
    _of("--version"),
    _of("help", "poetry list", "poetry about", "poetry help install"),
    _of("check", "poetry check", "poetry check --lock"),
    _of("config --list"),
    _of(
        "config",
        "poetry config virtualenvs.prompt x",
        "poetry config --unset virtualenvs.prompt",
        "poetry config --local virtualenvs.in-project true",
    ),
    _of("env info", "poetry env info", "poetry env info --path"),
    _of("env use", "poetry env use {python}", "poetry env list"),
    _of("env remove", "poetry install", "poetry env remove --all"),
    _of("lock"),
    _of("install", "poetry install", "poetry install"),
    _of("sync", "poetry sync --without dev"),
    _of("add", "poetry add delta"),
    _of("remove", "poetry remove alpha"),
    _of("update"),
    _of("show", "poetry show", "poetry show --tree", "poetry show alpha"),
    _of("run", 'poetry run python -c "import sys; print(sys.prefix)"'),
    _of("version"),
    _of("version patch", "poetry version patch", "poetry version --short"),
    _of("build", "poetry lock", "poetry build", builds=True),
    _backend("hatchling", "hatchling.build"),
    _of("new", "poetry new --no-interaction other", "poetry -C other init -n"),
    _of(
        "source",
        "poetry source add --priority=explicit extra {index}",
        "poetry source show",
        "poetry source remove extra",
    ),
    _of("cache", "poetry lock", "poetry cache list", "poetry cache clear tests --all -n"),
    _of("self show", "poetry self show", "poetry self show plugins"),
    _of("self lock"),
    _of("self add", "poetry self add addon", "poetry self remove addon"),
    _of("publish", "poetry publish --build --dry-run -n"),
)

# More build backends, only tried in ordinary environments.
BACKENDS = (
    _backend("setuptools", "setuptools.build_meta", "setuptools>=77"),
    _backend("flit", "flit_core.buildapi", "flit-core>=3.12"),
    _backend("pdm", "pdm.backend", "pdm-backend"),
    _backend("uv", "uv_build", "uv_build", '[tool.uv.build-backend]\nmodule-root = ""\n'),
    _backend("scikit-build-core", "scikit_build_core.build", "scikit-build-core", ""),
)
PLUGIN_COMMANDS = (
    _of("export", "poetry export --without-hashes"),
    _of("up", "poetry up --no-install"),
    _of("bundle", "poetry bundle venv {temporary}/bundled"),
    _of("build-project", "poetry build-project"),
    _of("poe", "poetry poe hello", "poetry poe nested"),
)
