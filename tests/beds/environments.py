"""The wheel of this checkout, and environments of Poetry: made once, shared, and kept in `.venv`.

Everything kept has a name made of what it was made from, so that a change makes another, and two
runs side by side never take one another's away. What is kept is never changed: whoever installs
into an environment takes a copy.
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
    from collections.abc import Callable
    from collections.abc import Iterator

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
    """Every CPython of 3.11 or later on this machine that can make environments, oldest first.

    One a minor version; of its own it is the one that runs this.
    """
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    folders += sorted((Path.home() / ".pyenv" / "versions").glob("*/bin"))
    candidates = [Path(sys.executable)]
    for folder in folders:
        with contextlib.suppress(OSError):
            candidates += [p for p in folder.iterdir() if re.fullmatch(r"python3\.\d+", p.name)]
    found: dict[tuple[int, int], Interpreter] = {}
    for candidate in candidates:
        with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
            # A shim may run nothing, and a Python may have no venv.
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
    """Their paths, the one that runs this first."""
    paths = [interpreter.path for interpreter in interpreters()]
    return sorted(paths, key=lambda path: path != sys.executable)


@dataclass(frozen=True)
class PoetryEnvironment:
    """A virtual environment that holds a Poetry, mostly with the plugin."""

    path: Path

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.path / "bin" / "python"

    @property
    def poetry(self) -> Path:
        """The program that people start."""
        return self.path / "bin" / "poetry"

    @property
    def site(self) -> Path:
        """Its `site-packages`."""
        (site,) = self.path.glob("lib/python3*/site-packages")
        return site

    @property
    def poetry_version(self) -> str:
        """The version of the Poetry in it."""
        (info,) = self.site.glob("poetry-[0-9]*.dist-info")
        return info.name.removeprefix("poetry-").removesuffix(".dist-info")

    def copy(self, folder: Path) -> PoetryEnvironment:
        """The same in a new folder, to be changed as one likes."""
        # Files are linked: installers replace them, and write into none that is there.
        # Not so a lock: whoever held the linked one would hold that of every copy.
        locks = shutil.ignore_patterns(".poetry-lock*")
        shutil.copytree(self.path, folder, symlinks=True, ignore=locks, copy_function=_link)
        before, after = str(self.path).encode(), str(folder).encode()
        for file in (*(folder / "bin").iterdir(), folder / "pyvenv.cfg"):
            if not file.is_symlink() and before in (text := file.read_bytes()):
                mode = file.stat().st_mode
                file.unlink()
                file.write_bytes(text.replace(before, after))
                file.chmod(mode)
        return PoetryEnvironment(folder)

    def install(self, *requirements: str | Path, dependencies: bool = True) -> None:
        """Install into it, which must be a copy of one's own."""
        call(
            uv(), "pip", "install", "--quiet", "--python", self.python,
            *(() if dependencies else ("--no-deps",)), *requirements,
        )  # fmt: skip
        # As pip and pipx do, or each process that may not write there compiles for itself.
        call(self.python, "-m", "compileall", "-q", self.site)


def uv() -> str:
    """The uv to build and install with: the one beside this Python, if there is one."""
    beside = Path(sys.executable).with_name("uv")
    found = os.environ.get("UV") or (str(beside) if beside.exists() else shutil.which("uv"))
    if not found:
        raise FileNotFoundError("uv is needed to make Poetry's environments")
    return found


def call(*command: str | Path) -> None:
    """Run a program; raise RuntimeError with all that it said where it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=_HANG, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")


@functools.cache
def own_wheel() -> Path:
    """The wheel of this checkout, as it would be installed of a release."""

    def make(folder: Path) -> None:
        call(uv(), "build", "--wheel", "--quiet", "--out-dir", folder, ROOT)

    (wheel,) = made_once(f"wheel-{key_of(*_sources())}", make).glob("*.whl")
    return wheel


def _sources() -> Iterator[Path]:
    for folder in (ROOT, ROOT / "src"):
        yield from sorted(folder.glob("*.md" if folder == ROOT else "**/*.py"))
    yield from (ROOT / "pyproject.toml", ROOT / "LICENSE")


@functools.cache
def environment(
    poetry: str = NEWEST_POETRY,
    *packages: Path,
    python: str = sys.executable,
    plugin: bool = True,
    pypiserver: bool = True,
) -> PoetryEnvironment:
    """This version of Poetry with the plugin, or as stock, and with these wheels; not to change.

    pypiserver is beside the plugin, or each rehearsal would fetch one for its home.
    """
    own = _stock(poetry, Path(python))
    if plugin:
        # In two steps: what the plugin needs changes seldom, and takes longest to install.
        own = _with(own, *_requirements(own_wheel()), *([PYPISERVER] if pypiserver else []))
        own = _with(own, own_wheel(), dependencies=False)
    return _with(own, *packages, dependencies=False) if packages else own


def _stock(poetry: str, python: Path) -> PoetryEnvironment:
    """Poetry and nothing else."""
    interpreter = _interpreter(python)

    def make(folder: Path) -> None:
        call(uv(), "venv", "--quiet", "--python", interpreter.path, folder)
        PoetryEnvironment(folder).install(f"poetry=={poetry}")

    name = f"python-{interpreter}-poetry-{poetry}-{key_of(interpreter.path)}"
    return PoetryEnvironment(made_once(name, make))


def _with(
    base: PoetryEnvironment, *requirements: str | Path, dependencies: bool = True
) -> PoetryEnvironment:
    """A copy of what is kept that has these as well."""

    def make(folder: Path) -> None:
        base.copy(folder).install(*requirements, dependencies=dependencies)

    stem, _, _ = base.path.name.rpartition("-")
    return PoetryEnvironment(made_once(f"{stem}-{key_of(base.path.name, *requirements)}", make))


def _requirements(wheel: Path) -> list[str]:
    """What a wheel requires."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith("dist-info/METADATA")]
        lines = archive.read(metadata).decode().splitlines()
    return [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist:")]


@functools.cache
def wheels_of(requirement: str) -> Path:
    """A folder with the wheels that this Python needs of a requirement, fetched once."""

    def make(folder: Path) -> None:
        call(
            *(sys.executable, "-I", "-m", "pip", "download", "--quiet", "--only-binary=:all:"),
            *("--disable-pip-version-check", "--dest", folder, requirement),
        )

    return made_once(f"wheels-{key_of(requirement, sys.version)}", make)


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """What `make` makes in its folder, whoever comes first; half-made ones are made again."""
    finished, made = STORE / name, STORE / f"{name}.made"
    STORE.mkdir(parents=True, exist_ok=True)
    # In its place from the start, for a virtual environment knows its own: the mark is renamed.
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


def key_of(*parts: str | Path) -> str:
    """A short name for these words, and for these files with all that is in them."""
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
