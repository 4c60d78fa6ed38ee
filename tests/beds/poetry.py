"""Poetry as a user has it: an environment of its own, with the built wheel in it."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
import zipfile
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from filelock import FileLock

from tests.beds.processes import end_group

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / ".venv" / "beds"
OLDEST_POETRY = "poetry>=2.0,<2.1"
NEWEST_POETRY = "poetry>=2,<3"


@dataclass(frozen=True, order=True)
class Interpreter:
    """A CPython on this machine."""

    version: tuple[int, int, int]
    path: str

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


@functools.cache
def interpreters() -> list[Interpreter]:
    """Every CPython of 3.11 or later on this machine that can make environments, oldest first."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    folders += sorted((Path.home() / ".pyenv" / "versions").glob("*/bin"))
    candidates = [Path(sys.executable)]
    for folder in folders:
        with contextlib.suppress(OSError):
            candidates += [p for p in folder.iterdir() if re.fullmatch(r"python3\.\d+", p.name)]
    question = "import sys, venv, json; print(json.dumps([*sys.version_info[:3], sys.base_prefix]))"
    found: dict[tuple[int, int, int], Interpreter] = {}
    for candidate in candidates:
        try:
            answer = subprocess.run(
                [candidate, "-c", question], capture_output=True, check=True, timeout=30
            )
            major, minor, patch, _ = json.loads(answer.stdout)
        except (OSError, ValueError, subprocess.SubprocessError):
            continue  # a shim that runs nothing, or a Python without venv
        version = (major, minor, patch)
        if version >= (3, 11):
            found.setdefault(version, Interpreter(version, str(candidate)))
    return sorted(found.values())


def current_interpreter() -> Interpreter:
    """The CPython that runs the tests."""
    major, minor, patch = sys.version_info[:3]
    return Interpreter((major, minor, patch), sys.executable)


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout, as `pip install` of a release would get it."""
    _pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    return wheel


def _pip(*arguments: str, python: Path | None = None) -> None:
    other = ["--python", str(python)] if python else []
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *other, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")


def _requirements(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith("dist-info/METADATA")]
        lines = archive.read(metadata).decode().splitlines()
    return "\n".join(line for line in lines if line.startswith("Requires-Dist:"))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
            raise
        shutil.copy2(source, target)


def _base(interpreter: Interpreter, poetry: str, wheel: Path) -> Path:
    """Poetry with all that the wheel needs, made once per checkout and never changed."""
    key = hashlib.sha256(f"{_requirements(wheel)}\n{poetry}".encode()).hexdigest()[:12]
    finished = STORE / f"python-{interpreter}-{key}"
    STORE.mkdir(parents=True, exist_ok=True)
    with FileLock(STORE / f"{finished.name}.lock"):  # other test processes want the same
        if not finished.exists():
            private = STORE / f"new-{uuid.uuid4().hex}"
            try:
                command = [interpreter.path, "-m", "venv", "--without-pip", str(private)]
                subprocess.run(command, check=True, timeout=120)
                _pip("install", poetry, f"{wheel}[rehearsal]", python=private / "bin" / "python")
                private.rename(finished)
            finally:
                shutil.rmtree(private, ignore_errors=True)
    return finished


@dataclass(frozen=True)
class PoetryEnvironment:
    """A virtual environment that holds a Poetry, mostly with the plugin."""

    path: Path
    interpreter: Interpreter

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.path / "bin" / "python"

    @functools.cached_property
    def poetry_version(self) -> str:
        """The version of the Poetry in it."""
        (info,) = self.path.glob("lib/python3*/site-packages/poetry-[0-9]*.dist-info")
        return info.name.removeprefix("poetry-").removesuffix(".dist-info")


def make_environment(
    folder: Path, interpreter: Interpreter, poetry: str, wheel: Path, *, plugin: bool = True
) -> PoetryEnvironment:
    """Make an environment of the caller's own, out of one that is kept for the next time."""
    base = _base(interpreter, poetry, wheel)
    shutil.copytree(base, folder, symlinks=True, copy_function=_link)
    environment = PoetryEnvironment(folder, interpreter)
    if plugin:
        _pip("install", "--no-deps", "--force-reinstall", str(wheel), python=environment.python)
    else:
        _pip("uninstall", "--yes", "poetry-publish-verified", python=environment.python)
    return environment


@dataclass(frozen=True)
class Run:
    """How a call of Poetry ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def said(self) -> str:
        """All that was said, on both streams."""
        return f"{self.out}\n{self.err}"

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of `--format json`; every line of standard output has to be one."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Poetry:
    """Calls Poetry with a home, configuration, cache and keyring that are a test's own."""

    environment: PoetryEnvironment
    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    def with_variables(self, **variables: str) -> Poetry:
        """The same Poetry with more environment variables."""
        return Poetry(self.environment, self.home, {**self.variables, **variables})

    @property
    def temporary(self) -> Path:
        """Where temporary files go."""
        return self.home / "temporary"

    def left_over(self) -> list[str]:
        """The command lines of what still runs with this home, and the temporary files."""
        mark = f"HOME={self.home}\0".encode()
        found = [str(path) for path in self.temporary.iterdir()]
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes() + b"\0":
                    found.append((process / "cmdline").read_bytes().decode().replace("\0", " "))
        return found

    def surroundings(self) -> dict[str, str]:
        """All environment variables of a call: nothing of this machine's configuration."""
        self.temporary.mkdir(parents=True, exist_ok=True)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "TMPDIR": str(self.temporary),
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "POETRY_CONFIG_DIR": str(self.home / "poetry-config"),
            "POETRY_CACHE_DIR": str(self.home / "poetry-cache"),
            "POETRY_DATA_DIR": str(self.home / "poetry-data"),
            "POETRY_VIRTUALENVS_CREATE": "false",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_COLOR": "1",
            **self.variables,
        }

    def start(self, *arguments: str | Path, cwd: Path) -> subprocess.Popen[str]:
        """Start a call, in a process group of its own, and leave it to the caller."""
        return subprocess.Popen(
            [self.environment.python, "-m", "poetry", *map(str, arguments)],
            cwd=cwd,
            env=self.surroundings(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )

    @contextlib.contextmanager
    def started(self, *arguments: str | Path, cwd: Path) -> Iterator[subprocess.Popen[str]]:
        """Start a call; whatever is left of it is ended with the block."""
        process = self.start(*arguments, cwd=cwd)
        try:
            with process:
                try:
                    yield process
                finally:
                    end_group(process)
        finally:
            end_group(process)

    def run(self, *arguments: str | Path, cwd: Path, timeout: float = 120) -> Run:
        """Call Poetry with a closed standard input and wait for the end."""
        begun = time.monotonic()
        process = self.start(*arguments, cwd=cwd)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"no end after {timeout:g} s\n{out}\n{err}") from None
        finally:
            end_group(process)
        return Run(process.returncode, out, err, time.monotonic() - begun)
