"""Poetry as a user runs it: a process with its own home, isolated from this machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.beds import forking
from tests.beds.processes import HANG, end_group
from tests.beds.schemas import check_event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.beds.environments import PoetryEnvironment


def isolated(home: Path, **more: str) -> dict[str, str]:
    """The environment variables of a Poetry that reads and writes nothing outside `home`.

    An empty value in `more` unsets the variable.
    """
    temporary = home / "temporary"
    temporary.mkdir(parents=True, exist_ok=True)
    variables = {
        "PATH": os.environ.get("PATH", os.defpath),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "POETRY_CONFIG_DIR": str(home / "config"),
        "POETRY_CACHE_DIR": str(home / "cache"),
        "POETRY_DATA_DIR": str(home / "data"),
        "POETRY_VIRTUALENVS_CREATE": "false",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "NO_COLOR": "1",
        **more,
    }
    return {name: value for name, value in variables.items() if value}


@dataclass(frozen=True)
class Run:
    """The result of a process."""

    code: int
    out: str
    err: str
    seconds: float = 0.0

    @property
    def said(self) -> str:
        """Everything it wrote, on both streams."""
        return f"{self.out}\n{self.err}"

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of `--format json`; every line of standard output must be one."""
        lines = [json.loads(line) for line in self.out.splitlines()]
        for line in lines:
            check_event(line)
        return lines

    def ok(self) -> str:
        """Its output; fails if it did not succeed."""
        assert self.code == 0, self.said
        return self.out


@dataclass
class Poetry:
    """Calls Poetry with the test's own home, configuration, cache and keyring."""

    environment: PoetryEnvironment
    home: Path
    project: Path = Path("/nowhere")
    """The default working directory."""
    variables: Mapping[str, str] = field(default_factory=dict)
    script: Path | None = None
    """A program to run instead of the environment's `poetry`."""
    real: bool = False
    """Whether each call starts Python instead of forking it."""

    @property
    def program(self) -> Path:
        """The program to run."""
        return self.script or self.environment.poetry

    def with_variables(self, **variables: str) -> Poetry:
        """The same Poetry with more environment variables."""
        return replace(self, variables={**self.variables, **variables})

    @property
    def temporary(self) -> Path:
        """The directory for temporary files."""
        return self.home / "temporary"

    @property
    def sets(self) -> list[Path]:
        """The project's published plugin sets."""
        return sorted(self.project.glob(".poetry/.nox/plugin-sets/py*"))

    def leftovers(self) -> list[str]:
        """The command lines of processes that still use this home, and the temporary files."""
        mark = f"HOME={self.home}\0".encode()
        found = [str(path) for path in self.temporary.iterdir()]
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes() + b"\0":
                    found.append((process / "cmdline").read_bytes().decode().replace("\0", " "))
        return found

    def call_environment(self, **environ: str) -> dict[str, str]:
        """All environment variables of a call."""
        return isolated(self.home, **{**self.variables, **environ})

    def start(
        self,
        *arguments: str | Path,
        cwd: Path | None = None,
        stdin: Any = subprocess.DEVNULL,
        stdout: Any = subprocess.PIPE,
        stderr: Any = subprocess.PIPE,
        **environ: str,
    ) -> subprocess.Popen[str]:
        """Start a call in its own session; the caller looks after it."""
        return self._popen(
            [self.program, *arguments], cwd, environ, stdin=stdin, stdout=stdout, stderr=stderr
        )

    def _popen(
        self,
        command: Sequence[str | Path],
        cwd: Path | None,
        environ: Mapping[str, str],
        **streams: Any,
    ) -> subprocess.Popen[str]:
        return forking.popen(
            command,
            cwd=cwd or self.project,
            env=self.call_environment(**environ),
            real=self.real,
            text=True,
            encoding="utf-8",
            start_new_session=True,
            **streams,
        )

    def start_python(
        self, code: str, *arguments: str | Path, stdin: Any = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        """Start code in Poetry's own environment; the caller looks after it."""
        command = [self.environment.python, "-c", code, *arguments]
        pipe = subprocess.PIPE
        return self._popen(command, None, {}, stdin=stdin, stdout=pipe, stderr=pipe)

    @contextlib.contextmanager
    def started(
        self, *arguments: str | Path, cwd: Path, **streams: Any
    ) -> Iterator[subprocess.Popen[str]]:
        """Start a call; whatever is left of it ends with the block."""
        process = self.start(*arguments, cwd=cwd, **streams)
        try:
            with process:
                try:
                    yield process
                finally:
                    end_group(process)
        finally:
            end_group(process)

    def run(self, *arguments: str | Path, cwd: Path | None = None, **environ: str) -> Run:
        """Call Poetry with closed standard input and wait until it ends."""
        return self._end_of([self.program, *arguments], cwd, environ)

    def python(self, code: str, *arguments: str | Path, **environ: str) -> Run:
        """Run code in Poetry's own environment, in the working directory of a call."""
        return self._end_of([self.environment.python, "-c", code, *arguments], None, environ)

    def _end_of(
        self, command: Sequence[str | Path], cwd: Path | None, environ: Mapping[str, str]
    ) -> Run:
        begun = time.monotonic()
        pipe = subprocess.PIPE
        process = self._popen(
            command, cwd, environ, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
        try:
            out, err = process.communicate(timeout=HANG)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"no end within {HANG:g} s\n{out}\n{err}") from None
        finally:
            end_group(process)
        return Run(process.returncode, out, err, time.monotonic() - begun)
