"""The ways in which people install Poetry, each made once and copied for every run.

A layout is a directory that becomes a world: `home`, `src` (checkouts) and `opt` (system-wide).
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.beds.environments import (
    PoetryEnvironment,
    build_once,
    built_wheel,
    cache_key,
    environment,
    interpreters,
    pythons,
    run_checked,
    uv,
)
from tests.stress.bed import UnavailableError
from tests.stress.hostile import python_of_all

POPULAR_PLUGINS = (
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
    """The Python of all worlds: one that other users can run too, if possible."""
    try:
        return python_of_all()
    except UnavailableError:
        return pythons()[0]


@dataclass(frozen=True)
class LayoutSpec:
    """What is needed to make a layout."""

    directory: Path
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
        """Everything in it except the plugin."""
        found = self.kept.site.glob("*.dist-info")
        names = [info.name.removesuffix(".dist-info").replace("-", "==", 1) for info in found]
        return sorted(name for name in names if not name.startswith("poetry_publish_verified"))


MakeLayout = Callable[[LayoutSpec], None]


def _environment_at(place: str, link: str = "home/.local/bin/poetry") -> MakeLayout:
    """A virtual environment at `place`, and a link to its `poetry`."""

    def make(spec: LayoutSpec) -> None:
        (spec.directory / place).parent.mkdir(parents=True, exist_ok=True)
        poetry = spec.kept.copy(spec.directory / place).poetry
        if link:
            (spec.directory / link).parent.mkdir(parents=True, exist_ok=True)
            (spec.directory / link).symlink_to(poetry)

    return make


def _popular_plugins(spec: LayoutSpec) -> None:
    _environment_at("opt/poetry")(spec)
    own = PoetryEnvironment(spec.directory / "opt/poetry")
    # Pinned: Poetry and the plugin must not change.
    own.install(*POPULAR_PLUGINS, f"poetry=={spec.version}")


def _in_a_python(place: str) -> MakeLayout:
    """Poetry in a full Python that is not a virtual environment, like conda's and pyenv's."""

    def make(spec: LayoutSpec) -> None:
        directory = spec.directory / place
        source = _movable_python()
        shutil.copytree(
            source, directory, symlinks=True,
            ignore=shutil.ignore_patterns("test", "tests", "site-packages", "__pycache__", "*.a"),
        )  # fmt: skip
        (python,) = directory.glob("bin/python3.[0-9][0-9]")
        own = PoetryEnvironment(directory)
        (directory / "lib" / python.name / "site-packages").mkdir()
        if not own.python.exists():
            own.python.symlink_to(python.name)
        target = ("--python", python, "--break-system-packages", "--quiet", "--no-deps")
        run_checked(uv(), "pip", "install", *target, *spec.pins, *_wheel(spec))
        run_checked(python, "-m", "compileall", "-q", own.site)

    return make


def _movable_python() -> Path:
    """A relocatable Python: one that was built from source, not the system's."""
    for found in reversed(interpreters()):
        prefix = Path(found.path).resolve().parents[1]
        if prefix.name != "usr" and not (prefix / "pyvenv.cfg").exists():
            return prefix
    raise UnavailableError("needs a Python besides the system's, as pyenv builds it")


def _wheel(spec: LayoutSpec) -> tuple[Path, ...]:
    return () if spec.stock else (built_wheel(),)


def _pipx(spec: LayoutSpec) -> None:
    home = spec.directory / "home"
    home.mkdir()
    # From uv's cache like the rest: pip takes half a minute.
    environ = {"PIPX_DEFAULT_BACKEND": "uv", **pipx_variables(home), "PATH": _path_with_uv()}
    _run_in(environ, pipx(), "install", "--python", interpreter(), f"poetry=={spec.version}")
    for wheel in _wheel(spec):
        _run_in(environ, pipx(), "inject", "poetry", str(wheel))
    shutil.rmtree(home / ".cache", ignore_errors=True)


def _uv_tool(spec: LayoutSpec) -> None:
    home = spec.directory / "home"
    home.mkdir()
    more = [word for wheel in _wheel(spec) for word in ("--with", str(wheel))]
    environ = {**uv_variables(home), "UV_CACHE_DIR": _uv_cache()}
    _run_in(
        environ, uv(), "tool", "install", "--quiet", "--python", interpreter(),
        "--compile-bytecode", f"poetry=={spec.version}", *more,
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
    """A real pipx in its own environment."""
    program = shutil.which("pipx")
    if program:
        return program

    def make(directory: Path) -> None:
        run_checked(uv(), "venv", "--quiet", "--python", interpreter(), directory)
        run_checked(uv(), "pip", "install", "--quiet", "--python", directory / "bin/python", _PIPX)

    return str(build_once(f"parity-pipx-{cache_key(_PIPX, interpreter())}", make) / "bin" / "pipx")


def pyenv() -> str:
    """A real pyenv; raises UnavailableError if there is none."""
    program = shutil.which("pyenv") or str(Path.home() / ".pyenv/bin/pyenv")
    if not Path(program).exists():
        raise UnavailableError("needs pyenv")
    return program


def pipx_variables(home: Path) -> dict[str, str]:
    """The default directories of pipx, below this home."""
    return {
        "HOME": str(home),
        "PIPX_HOME": str(home / ".local/share/pipx"),
        "PIPX_BIN_DIR": str(home / ".local/bin"),
    }


def uv_variables(home: Path) -> dict[str, str]:
    """The default directories of `uv tool`, below this home."""
    return {
        "HOME": str(home),
        "UV_TOOL_DIR": str(home / ".local/share/uv/tools"),
        "UV_TOOL_BIN_DIR": str(home / ".local/bin"),
    }


@dataclass(frozen=True)
class Layout:
    """Where Poetry is and how it gets there."""

    prefix: str
    """Poetry's own environment, relative to the world."""
    make: MakeLayout
    on_path: bool = False
    """Whether all its programs are on PATH, and not only `poetry`."""

    def programs(self, world: Path) -> Path:
        """The directory on PATH that contains `poetry`."""
        return world / (self.prefix if self.on_path else "home/.local") / "bin"

    def skeleton(self, name: str, version: str, *, stock: bool) -> Skeleton:
        """The layout for this version, made once."""
        of = LayoutSpec(Path(), version, stock)
        key = cache_key(of.kept.path.name, _how_made())
        kind = "stock" if stock else "guarded"

        def make(directory: Path) -> None:
            directory.mkdir(parents=True)
            self.make(LayoutSpec(directory, version, stock))

        return _skeleton(build_once(f"parity-{name}-{version}-{kind}-{key}", make))


def _how_made() -> str:
    return cache_key(Path(__file__))


LAYOUTS = {
    "venv": Layout("opt/poetry", _environment_at("opt/poetry")),
    "official": Layout(
        "home/.local/share/pypoetry/venv", _environment_at("home/.local/share/pypoetry/venv")
    ),
    "project": Layout("src/demo/.venv", _environment_at("src/demo/.venv", ""), on_path=True),
    "popular plugins": Layout("opt/poetry", _popular_plugins),
    "conda": Layout("opt/conda", _in_a_python("opt/conda"), on_path=True),
    "pyenv": Layout(_PYENVS_OWN, _in_a_python(_PYENVS_OWN), on_path=True),
    "pipx": Layout("home/.local/share/pipx/venvs/poetry", _pipx),
    "uv": Layout("home/.local/share/uv/tools/poetry", _uv_tool),
}


@dataclass(frozen=True)
class Skeleton:
    """A finished layout, and the parts of it that contain its own path."""

    directory: Path
    texts: tuple[str, ...]
    links: tuple[str, ...]

    def copy_to(self, world: Path) -> None:
        """Copy it into a world: files are hard-linked, except those that contain their path."""
        subprocess.run(["cp", "-al", f"{self.directory}/.", str(world)], check=True)
        before, after = str(self.directory).encode(), str(world).encode()
        for name in self.texts:
            file = world / name
            text, mode = file.read_bytes(), file.stat().st_mode
            file.unlink()
            file.write_bytes(text.replace(before, after))
            file.chmod(mode)
        for name in self.links:
            link = world / name
            target = str(link.readlink()).replace(str(self.directory), str(world))
            link.unlink()
            link.symlink_to(target)


@functools.cache
def _skeleton(directory: Path) -> Skeleton:
    grep = ["grep", "-rlIF", "--", str(directory), str(directory)]
    # -I skips compiled code, whose paths Python corrects on import.
    texts = subprocess.run(grep, capture_output=True, text=True, check=False).stdout.splitlines()
    find = ["find", str(directory), "-lname", f"{directory}*"]
    links = subprocess.run(find, capture_output=True, text=True, check=True).stdout.splitlines()
    return Skeleton(directory, _named_in(directory, texts), _named_in(directory, links))


def _named_in(directory: Path, paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(str(Path(path).relative_to(directory)) for path in paths)
