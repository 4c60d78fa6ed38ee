"""The ways in which people install Poetry, each made once and copied for every run.

A layout is a folder that becomes a world: `home`, `src` (checkouts) and `opt` (the system's own).
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.beds.environments import PoetryEnvironment
from tests.beds.environments import build_once
from tests.beds.environments import built_wheel
from tests.beds.environments import cache_key
from tests.beds.environments import environment
from tests.beds.environments import interpreters
from tests.beds.environments import pythons
from tests.beds.environments import run_checked
from tests.beds.environments import uv
from tests.stress.bed import UnavailableError
from tests.stress.hostile import python_of_all

PLUGINS_OF_THE_CROWD = (
    "poetry-plugin-export",
    "poetry-plugin-shell",
    "poetry-plugin-up",
    "poetry-plugin-bundle",
    "poetry-dynamic-versioning",
    "poethepoet[poetry-plugin]",
    "poetry-multiproject-plugin",
)
_PIPX = "pipx>=1.7"
_PYENVS_OWN = "home/.pyenv/versions/3.99"


@functools.cache
def interpreter() -> str:
    """The Python of all worlds: one that other users can start too, if there is one."""
    try:
        return python_of_all()
    except UnavailableError:
        return pythons()[0]


@dataclass(frozen=True)
class Made:
    """What one layout has to know to be made."""

    folder: Path
    version: str
    stock: bool

    @property
    def kept(self) -> PoetryEnvironment:
        """The environment of this Poetry that all runs share."""
        # pypiserver brings pip, with which Poetry 2.0 removes more than it could without.
        return environment(
            self.version, python=interpreter(), plugin=not self.stock, pypiserver=False
        )

    @property
    def pins(self) -> list[str]:
        """All that is in it, but for the plugin itself."""
        found = self.kept.site.glob("*.dist-info")
        names = [info.name.removesuffix(".dist-info").replace("-", "==", 1) for info in found]
        return sorted(name for name in names if not name.startswith("poetry_publish_verified"))


Maker = Callable[[Made], None]


def _environment_at(place: str, link: str = "home/.local/bin/poetry") -> Maker:
    """A virtual environment at `place`, and a link to its `poetry`."""

    def make(made: Made) -> None:
        (made.folder / place).parent.mkdir(parents=True, exist_ok=True)
        poetry = made.kept.copy(made.folder / place).poetry
        if link:
            (made.folder / link).parent.mkdir(parents=True, exist_ok=True)
            (made.folder / link).symlink_to(poetry)

    return make


def _crowd(made: Made) -> None:
    _environment_at("opt/poetry")(made)
    own = PoetryEnvironment(made.folder / "opt/poetry")
    # Poetry itself, and the plugin, stay as they are.
    own.install(*PLUGINS_OF_THE_CROWD, f"poetry=={made.version}")


def _in_a_python(place: str) -> Maker:
    """Poetry in a whole Python that is no virtual environment, as conda's and pyenv's are."""

    def make(made: Made) -> None:
        folder = made.folder / place
        source = _movable_python()
        shutil.copytree(
            source, folder, symlinks=True,
            ignore=shutil.ignore_patterns("test", "tests", "site-packages", "__pycache__", "*.a"),
        )  # fmt: skip
        (python,) = folder.glob("bin/python3.[0-9][0-9]")
        own = PoetryEnvironment(folder)
        (folder / "lib" / python.name / "site-packages").mkdir()
        if not own.python.exists():
            own.python.symlink_to(python.name)
        target = ("--python", python, "--break-system-packages", "--quiet", "--no-deps")
        run_checked(uv(), "pip", "install", *target, *made.pins, *_wheel(made))
        run_checked(python, "-m", "compileall", "-q", own.site)

    return make


def _movable_python() -> Path:
    """A Python that goes on wherever it is copied to: one that was built, not the system's."""
    for found in reversed(interpreters()):
        prefix = Path(found.path).resolve().parents[1]
        if prefix.name != "usr" and not (prefix / "pyvenv.cfg").exists():
            return prefix
    raise UnavailableError("needs a Python beside the system's, as pyenv builds it")


def _wheel(made: Made) -> tuple[Path, ...]:
    return () if made.stock else (built_wheel(),)


def _pipx(made: Made) -> None:
    home = made.folder / "home"
    home.mkdir()
    # Like the rest from uv's cache: pip takes half a minute.
    environ = {"PIPX_DEFAULT_BACKEND": "uv", **pipx_variables(home), "PATH": _path_with_uv()}
    _run_in(environ, pipx(), "install", "--python", interpreter(), f"poetry=={made.version}")
    for wheel in _wheel(made):
        _run_in(environ, pipx(), "inject", "poetry", str(wheel))
    shutil.rmtree(home / ".cache", ignore_errors=True)


def _uv_tool(made: Made) -> None:
    home = made.folder / "home"
    home.mkdir()
    more = [word for wheel in _wheel(made) for word in ("--with", str(wheel))]
    environ = {**uv_variables(home), "UV_CACHE_DIR": _uv_cache()}
    _run_in(
        environ, uv(), "tool", "install", "--quiet", "--python", interpreter(),
        "--compile-bytecode", f"poetry=={made.version}", *more,
    )  # fmt: skip


def _run_in(environ: dict[str, str], *command: str) -> None:
    environ = {**os.environ, **environ}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")


def _uv_cache() -> str:
    done = subprocess.run([uv(), "cache", "dir"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _path_with_uv() -> str:
    return f"{Path(uv()).parent}{os.pathsep}{os.environ['PATH']}"


@functools.cache
def pipx() -> str:
    """A real pipx, in an environment of its own."""
    program = shutil.which("pipx")
    if program:
        return program

    def make(folder: Path) -> None:
        run_checked(uv(), "venv", "--quiet", "--python", interpreter(), folder)
        run_checked(uv(), "pip", "install", "--quiet", "--python", folder / "bin/python", _PIPX)

    return str(build_once(f"parity-pipx-{cache_key(_PIPX, interpreter())}", make) / "bin" / "pipx")


def pyenv() -> str:
    """A real pyenv; raise UnavailableError where there is none."""
    program = shutil.which("pyenv") or str(Path.home() / ".pyenv/bin/pyenv")
    if not Path(program).exists():
        raise UnavailableError("needs pyenv")
    return program


def pipx_variables(home: Path) -> dict[str, str]:
    """Where a pipx of this home keeps its things: where it does by default."""
    return {
        "HOME": str(home),
        "PIPX_HOME": str(home / ".local/share/pipx"),
        "PIPX_BIN_DIR": str(home / ".local/bin"),
    }


def uv_variables(home: Path) -> dict[str, str]:
    """Where `uv tool` of this home keeps its things: where it does by default."""
    return {
        "HOME": str(home),
        "UV_TOOL_DIR": str(home / ".local/share/uv/tools"),
        "UV_TOOL_BIN_DIR": str(home / ".local/bin"),
    }


@dataclass(frozen=True)
class Layout:
    """Where Poetry is, and who puts it there."""

    prefix: str
    """Poetry's own environment, in the world."""
    make: Maker
    on_path: bool = False
    """Whether all its programs are found, and not `poetry` alone."""

    def programs(self, world: Path) -> Path:
        """The folder on PATH where `poetry` is found."""
        return world / (self.prefix if self.on_path else "home/.local") / "bin"

    def skeleton(self, name: str, version: str, *, stock: bool) -> Skeleton:
        """It with this version, made once."""
        of = Made(Path(), version, stock)
        key = cache_key(of.kept.path.name, _how_made())
        kind = "stock" if stock else "guarded"

        def make(folder: Path) -> None:
            folder.mkdir(parents=True)
            self.make(Made(folder, version, stock))

        return _skeleton(build_once(f"parity-{name}-{version}-{kind}-{key}", make))


def _how_made() -> str:
    return cache_key(Path(__file__))


LAYOUTS = {
    "venv": Layout("opt/poetry", _environment_at("opt/poetry")),
    "official": Layout(
        "home/.local/share/pypoetry/venv", _environment_at("home/.local/share/pypoetry/venv")
    ),
    "project": Layout("src/demo/.venv", _environment_at("src/demo/.venv", ""), on_path=True),
    "crowd": Layout("opt/poetry", _crowd),
    "conda": Layout("opt/conda", _in_a_python("opt/conda"), on_path=True),
    "pyenv": Layout(_PYENVS_OWN, _in_a_python(_PYENVS_OWN), on_path=True),
    "pipx": Layout("home/.local/share/pipx/venvs/poetry", _pipx),
    "uv": Layout("home/.local/share/uv/tools/poetry", _uv_tool),
}


@dataclass(frozen=True)
class Skeleton:
    """A made layout, and what in it names its own place."""

    folder: Path
    texts: tuple[str, ...]
    links: tuple[str, ...]

    def lay(self, world: Path) -> None:
        """Copy it to where it is used: files are linked, but for those that name their place."""
        subprocess.run(["cp", "-al", f"{self.folder}/.", str(world)], check=True)
        before, after = str(self.folder).encode(), str(world).encode()
        for name in self.texts:
            file = world / name
            text, mode = file.read_bytes(), file.stat().st_mode
            file.unlink()
            file.write_bytes(text.replace(before, after))
            file.chmod(mode)
        for name in self.links:
            link = world / name
            target = str(link.readlink()).replace(str(self.folder), str(world))
            link.unlink()
            link.symlink_to(target)


@functools.cache
def _skeleton(folder: Path) -> Skeleton:
    grep = ["grep", "-rlIF", "--", str(folder), str(folder)]
    # -I leaves out compiled code, whose paths Python puts right as it imports.
    texts = subprocess.run(grep, capture_output=True, text=True, check=False).stdout.splitlines()
    find = ["find", str(folder), "-lname", f"{folder}*"]
    links = subprocess.run(find, capture_output=True, text=True, check=True).stdout.splitlines()
    return Skeleton(folder, _named_in(folder, texts), _named_in(folder, links))


def _named_in(folder: Path, paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(str(Path(path).relative_to(folder)) for path in paths)
