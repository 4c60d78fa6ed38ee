"""The wheel of this checkout and Poetry environments: built once, shared, and kept in `.venv`.

Each is named after what it was built from, so that a change produces a new one and parallel runs
never remove each other's. Never change what is kept: to install something, take a copy.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / ".venv" / "beds"
POETRY_MINORS = ("2.0.1", "2.1.4", "2.2.1", "2.3.4", "2.4.3", "2.5.1")
PYPISERVER = "pypiserver>=2.4,<3"
OLDEST_POETRY, NEWEST_POETRY = POETRY_MINORS[0], POETRY_MINORS[-1]

_KEPT_UNUSED = 86_400.0
_HANG = 900.0


@dataclass(frozen=True, order=True)
class Interpreter:
    """A CPython on this machine."""

    version: tuple[int, int, int]
    path: str

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


@functools.cache
def interpreters() -> list[Interpreter]:
    """Every CPython 3.11 or later on this machine that can make environments, oldest first.

    One per minor version; for the running minor it is the running interpreter.
    """
    directories = [
        Path(directory) for directory in os.environ.get("PATH", "").split(os.pathsep) if directory
    ]
    directories += sorted((Path.home() / ".pyenv" / "versions").glob("*/bin"))
    candidates = [Path(sys.executable)]
    for directory in directories:
        with contextlib.suppress(OSError):
            candidates += [p for p in directory.iterdir() if re.fullmatch(r"python3\.\d+", p.name)]
    found: dict[tuple[int, int], Interpreter] = {}
    for candidate in candidates:
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            # A shim may point nowhere, and a Python may lack venv.
            interpreter = _interpreter(candidate)
            if interpreter.version >= (3, 11):
                found.setdefault(interpreter.version[:2], interpreter)
    return sorted(found.values())


@functools.cache
def _interpreter(path: Path) -> Interpreter:
    question = "import sys, venv, json; print(json.dumps(sys.version_info[:3]))"
    answer = subprocess.run([path, "-c", question], capture_output=True, check=True, timeout=_HANG)
    major, minor, patch = json.loads(answer.stdout)
    return Interpreter((major, minor, patch), str(path))


def pythons() -> list[str]:
    """Their paths, the running one first."""
    paths = [interpreter.path for interpreter in interpreters()]
    return sorted(paths, key=lambda path: path != sys.executable)


@dataclass(frozen=True)
class PoetryEnvironment:
    """A virtual environment that contains Poetry, usually with the plugin."""

    path: Path

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.path / "bin" / "python"

    @property
    def poetry(self) -> Path:
        """The `poetry` script."""
        return self.path / "bin" / "poetry"

    @property
    def site(self) -> Path:
        """Its `site-packages`."""
        (site,) = self.path.glob("lib/python3*/site-packages")
        return site

    @property
    def poetry_version(self) -> str:
        """The version of the Poetry it contains."""
        (info,) = self.site.glob("poetry-[0-9]*.dist-info")
        return info.name.removeprefix("poetry-").removesuffix(".dist-info")

    def copy(self, directory: Path) -> PoetryEnvironment:
        """A copy in a new directory that may be changed freely."""
        # Files are hard-linked: installers replace files and never write into existing ones.
        # A lock is not: holding the linked file would hold the lock of every copy.
        locks = shutil.ignore_patterns(".poetry-lock*")
        shutil.copytree(self.path, directory, symlinks=True, ignore=locks, copy_function=_link)
        before, after = str(self.path).encode(), str(directory).encode()
        for file in (*(directory / "bin").iterdir(), directory / "pyvenv.cfg"):
            if not file.is_symlink() and before in (text := file.read_bytes()):
                mode = file.stat().st_mode
                file.unlink()
                file.write_bytes(text.replace(before, after))
                file.chmod(mode)
        return PoetryEnvironment(directory)

    def install(self, *requirements: str | Path, dependencies: bool = True) -> None:
        """Install into it; it must be your own copy."""
        run_checked(
            uv(), "pip", "install", "--quiet", "--python", self.python,
            *(() if dependencies else ("--no-deps",)), *requirements,
        )  # fmt: skip
        # As pip and pipx do; else every process that may not write there compiles for itself.
        run_checked(self.python, "-m", "compileall", "-q", self.site)


def uv() -> str:
    """The uv to build and install with: preferably the one next to this Python."""
    beside = Path(sys.executable).with_name("uv")
    found = os.environ.get("UV") or (str(beside) if beside.exists() else shutil.which("uv"))
    if not found:
        raise FileNotFoundError("uv is needed to make Poetry's environments")
    return found


def run_checked(*command: str | Path) -> None:
    """Run a program; raise RuntimeError with its output if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=_HANG, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")


@functools.cache
def built_wheel() -> Path:
    """The wheel of this checkout, as a release would contain it."""

    def make(directory: Path) -> None:
        run_checked(uv(), "build", "--wheel", "--quiet", "--out-dir", directory, ROOT)

    (wheel,) = build_once(f"wheel-{cache_key(*_sources())}", make).glob("*.whl")
    return wheel


def _sources() -> Iterator[Path]:
    for directory in (ROOT, ROOT / "src"):
        yield from sorted(directory.glob("*.md" if directory == ROOT else "**/*.py"))
    yield from (ROOT / "pyproject.toml", ROOT / "LICENSE")


@functools.cache
def environment(
    poetry: str = NEWEST_POETRY,
    *packages: Path,
    python: str = sys.executable,
    plugin: bool = True,
    pypiserver: bool = True,
    extra: str = "",
) -> PoetryEnvironment:
    """This version of Poetry with these wheels, with or without the plugin. Do not change it.

    `extra` is one of the plugin's. It also has pypiserver; otherwise each rehearsal would install
    one into its home.
    """
    own = _stock(poetry, Path(python))
    if plugin:
        # In two steps: the plugin's dependencies rarely change and take longest to install.
        own = _with(
            own, *_requirements(built_wheel(), extra), *([PYPISERVER] if pypiserver else [])
        )
        own = _with(own, built_wheel(), dependencies=False)
    return _with(own, *packages, dependencies=False) if packages else own


def _stock(poetry: str, python: Path) -> PoetryEnvironment:
    """Plain Poetry."""
    interpreter = _interpreter(python)

    def make(directory: Path) -> None:
        run_checked(uv(), "venv", "--quiet", "--python", interpreter.path, directory)
        PoetryEnvironment(directory).install(f"poetry=={poetry}")

    name = f"python-{interpreter}-poetry-{poetry}-{cache_key(interpreter.path)}"
    return PoetryEnvironment(build_once(name, make))


def _with(
    base: PoetryEnvironment, *requirements: str | Path, dependencies: bool = True
) -> PoetryEnvironment:
    """A copy of a kept environment with these requirements added."""

    def make(directory: Path) -> None:
        base.copy(directory).install(*requirements, dependencies=dependencies)

    stem, _, _ = base.path.name.rpartition("-")
    return PoetryEnvironment(build_once(f"{stem}-{cache_key(base.path.name, *requirements)}", make))


def _requirements(wheel: Path, extra: str = "") -> list[str]:
    """The requirements of a wheel, with those of an extra."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith("dist-info/METADATA")]
        lines = archive.read(metadata).decode().splitlines()
    found = [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist:")]
    return [line.removesuffix(f' ; extra == "{extra}"') for line in found]


@functools.cache
def gunicorn() -> Path:
    """The gunicorn of an environment that has pypiserver and gevent."""

    def make(directory: Path) -> None:
        run_checked(uv(), "venv", "--quiet", "--python", sys.executable, directory)
        PoetryEnvironment(directory).install(*needed)

    needed = (PYPISERVER.replace(">", "[passlib]>", 1), "gunicorn", "gevent")
    made = build_once(f"gunicorn-{cache_key(*needed, sys.executable)}", make)
    return made / "bin" / "gunicorn"


@functools.cache
def wheels_of(requirement: str) -> Path:
    """A directory with the wheels this Python needs for a requirement, downloaded once."""

    def make(directory: Path) -> None:
        run_checked(
            *(sys.executable, "-I", "-m", "pip", "download", "--quiet", "--only-binary=:all:"),
            *("--disable-pip-version-check", "--dest", directory, requirement),
        )

    return build_once(f"wheels-{cache_key(requirement, sys.version)}", make)


def share_pip(kept_in: Path, python: Path = Path(sys.executable)) -> None:
    """Put the pip that a client would unpack into `kept_in`, as a run before has left it there.

    A link to what all tests share: do not change it.
    """
    wheel = _embedded_pip(python)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()[:16]
    place = kept_in / f"{wheel.stem}-{digest}"

    def make(directory: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(directory)
        run_checked(python, "-m", "compileall", "-q", directory)

    kept_in.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        place.symlink_to(build_once(f"{place.name}-{cache_key(str(_interpreter(python)))}", make))


@functools.cache
def _embedded_pip(python: Path) -> Path:
    question = (
        "import sys; from virtualenv.seed.wheels.embed import get_embed_wheel;"
        "print(get_embed_wheel('pip', '%d.%d' % sys.version_info[:2]).path)"
    )
    answer = subprocess.run([python, "-c", question], capture_output=True, check=True, text=True)
    return Path(answer.stdout.strip())


def build_once(name: str, make: Callable[[Path], None]) -> Path:
    """The directory that `make` fills, whoever comes first; a half-made one is made again."""
    finished, made = STORE / name, STORE / f"{name}.made"
    STORE.mkdir(parents=True, exist_ok=True)
    # Built in its final place, because a virtual environment contains its own path; only the
    # marker is renamed.
    with FileLock(STORE / f"{name}.lock"):
        if not made.exists():
            shutil.rmtree(finished, ignore_errors=True)
            make(finished)
            new = made.with_suffix(".new")
            new.touch()
            new.rename(made)
            _sweep()
        os.utime(made)
    return finished


def _sweep() -> None:
    """Remove what no run has used for a day."""
    for made in STORE.glob("*.made"):
        with contextlib.suppress(OSError):
            if time.time() - made.stat().st_mtime > _KEPT_UNUSED:
                made.unlink()
                shutil.rmtree(made.with_suffix(""), ignore_errors=True)


def cache_key(*parts: str | Path) -> str:
    """A short name for these words and for the contents of these files."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{getattr(part, 'name', part)}\n".encode())
        digest.update(part.read_bytes() if isinstance(part, Path) else b"")
    return digest.hexdigest()[:12]


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
            raise
        shutil.copy2(source, target)
