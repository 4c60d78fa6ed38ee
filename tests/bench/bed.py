"""What the benchmarks share: the tools to compare, the index, and how a process is measured."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.beds.clients import UV, clean_environment
from tests.beds.environments import PoetryEnvironment, environment
from tests.beds.indexes import PASSWORD, USER, Index, pypiserver
from tests.beds.poetry import Poetry
from tests.beds.processes import HANG
from tests.beds.projects import Project
from tests.beds.release import REPOSITORY
from tests.stress import rounds
from tests.stress.bed import Bed as GuardBed

_NO_KEYRING = "keyring.backends.null.Keyring"
_KNOWN = ("--username", USER, "--password", PASSWORD)
# A child's own peak: that of this process would count for a direct child until it runs a program.
_PEAK = """
import os, sys
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
with open(sys.argv[1], "w") as file:
    file.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Command:
    """A program to run in a project's directory."""

    argv: tuple[str | Path, ...]
    environment: Mapping[str, str]

    def run(self, cwd: Path) -> Ended:
        """Run it to its end; raises RuntimeError if it fails."""
        begun, began_at = time.monotonic(), time.time()
        done = subprocess.run(
            self.argv,
            cwd=cwd,
            env={**self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HANG,
            check=False,
        )
        ended = Ended(begun, time.monotonic(), began_at, time.time(), done.stdout)
        if done.returncode:
            raise RuntimeError(f"{self.argv} failed:\n{done.stdout}\n{done.stderr}")
        return ended

    def peak(self, cwd: Path) -> tuple[Ended, float]:
        """The same, and its peak of resident memory in MB."""
        with tempfile.NamedTemporaryFile("r") as file:
            meter: tuple[str | Path, ...] = (sys.executable, "-I", "-S", "-c", _PEAK, file.name)
            ended = Command((*meter, *self.argv), self.environment).run(cwd)
            return ended, int(file.read()) * 1024 / 1e6


@dataclass(frozen=True)
class Ended:
    """A process that has ended: when, by the monotonic clock and by the wall's, and its output."""

    begun: float
    ended: float
    began_at: float
    ended_at: float
    out: str

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.begun


@dataclass(frozen=True)
class Bed:
    """A directory to work in, an empty index, and the tools."""

    work: Path
    index: Index
    stack: ExitStack

    @cached_property
    def guarded(self) -> PoetryEnvironment:
        """Poetry with the wheel of this checkout."""
        return environment()

    @cached_property
    def stock(self) -> PoetryEnvironment:
        """The same Poetry without it."""
        return environment(plugin=False)

    @cached_property
    def _twine(self) -> Path:
        place = self.work / "twine"
        subprocess.run([sys.executable, "-m", "venv", place], check=True, timeout=HANG)
        pip = (place / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install")
        subprocess.run((*pip, "twine"), check=True, capture_output=True, timeout=HANG)
        return place / "bin" / "twine"

    @cached_property
    def of_guard(self) -> GuardBed:
        """Checkouts, homes, and an index with all that Poetry needs to install plugins."""
        return self.stack.enter_context(rounds.set_up(1))

    @cached_property
    def versions(self) -> dict[str, str]:
        """Of all tools that were used."""
        used = {"poetry": self.stock.poetry_version, "uv": _said(UV, "--version").split()[1]}
        if "_twine" in self.__dict__:
            used["twine"] = _said(self._twine, "--version").split()[2]
        return used

    def poetry(self, front: Index, *words: str, stock: bool = False) -> Command:
        """A command of Poetry that uploads to the index."""
        own = self.stock if stock else self.guarded
        calls = Poetry(own, self.work / "home").call_environment(**front.environment(REPOSITORY))
        return Command((own.poetry, *words, "--no-interaction", "-r", REPOSITORY), calls)

    def twine(self, front: Index, project: Project) -> Command:
        """`twine upload` of all in the project's dist directory."""
        quietly = ("--non-interactive", "--disable-progress-bar", *_KNOWN)
        to = ("--repository-url", front.upload_url)
        return Command((self._twine, "upload", *quietly, *to, *_files(project)), self._clean)

    def uv(self, front: Index, project: Project) -> Command:
        """`uv publish` of all in the project's dist directory."""
        alone = ("--no-config", "--trusted-publishing", "never", *_KNOWN)
        to = ("--publish-url", front.upload_url)
        return Command((UV, "publish", *alone, *to, *_files(project)), self._clean)

    @property
    def _clean(self) -> dict[str, str]:
        return clean_environment(self.work / "home", PYTHON_KEYRING_BACKEND=_NO_KEYRING)

    def forget(self, project: Project) -> None:
        """Check that the index has the release, and remove it there; its receipt goes too."""
        assert self.index.root is not None
        hashes = project.hashes()
        if self.index.stored(project.name) != hashes:
            raise RuntimeError(f"{project.name} is not on the index")
        for name in hashes:
            (self.index.root / name).unlink()
        shutil.rmtree(project.receipt_file.parent, ignore_errors=True)


@contextmanager
def set_up() -> Iterator[Bed]:
    """A bed; what it needs is set up when it is used."""
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        (work / "home").mkdir()
        # The only one of its servers that handles several uploads at once.
        index = stack.enter_context(pypiserver(work / "pypiserver", server="auto"))
        yield Bed(work, index, stack)


def _files(project: Project) -> list[Path]:
    return sorted(path for path in project.dist.iterdir() if path.is_file())


def _said(*argv: str | Path) -> str:
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=HANG)
    return done.stdout.strip()
