"""What all lock and plugin set scenarios share: Poetry environments, an index, checkouts, homes."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.beds.distributions import WheelSource
from tests.beds.environments import NEWEST_POETRY, PoetryEnvironment, environment, uv
from tests.beds.plugins import VENV_IN_PROJECT, stamp_helper, stamp_plugin, write_project
from tests.beds.poetry import isolated
from tests.beds.processes import HANG
from tests.beds.simple_index import SimpleIndex
from tests.stress.racing import Finished, Start, Tally

TIMEOUT_VARIABLE = "POETRY_PUBLISH_VERIFIED_LOCK_TIMEOUT"
NO_WRITING = "POETRY_DYNAMIC_VERSIONING_COMMANDS_NO_IO"
OLD_LIST, NEW_LIST = 'stamp-plugin = ">=1,<2"', 'stamp-plugin = ">=2"'


@dataclass
class Bed:
    """What all scenarios share."""

    work: Path
    index: SimpleIndex
    lock_file: Path
    rounds: int
    address: str = "127.0.0.1"
    """Where servers for it listen."""
    real_wheels: bool = False
    """Whether the index has poetry-dynamic-versioning, and real wheels of Poetry's dependencies."""

    def poetry(
        self, version: str = NEWEST_POETRY, python: str = sys.executable, stock: bool = False
    ) -> Path:
        """Poetry, guarded or stock, in a place that every user can reach."""
        kept = environment(version, python=python, plugin=not stock)
        copy = self.work / "envs" / kept.path.name
        return (PoetryEnvironment(copy) if copy.exists() else kept.copy(copy)).poetry

    @contextmanager
    def project(self, plugins: str = OLD_LIST, under: Path | None = None) -> Iterator[Path]:
        """A fresh checkout with its lock file."""
        checkout = Path(tempfile.mkdtemp(prefix="checkout-", dir=under or self.work))
        write_project(checkout, self.index.url, plugins)
        shutil.copy(self.lock_file, checkout / "poetry.lock")
        try:
            yield checkout
        finally:
            shutil.rmtree(checkout, ignore_errors=True)

    def start(self, poetry: Path, checkout: Path, home: Path, command: str, *right: str) -> Start:
        """`install` into its own new environment, or `version`; the result must be in `right`."""
        venvs = Path(tempfile.mkdtemp(prefix="venvs-", dir=home))
        environ = isolated(
            home, POETRY_VIRTUALENVS_CREATE="true", POETRY_VIRTUALENVS_PATH=str(venvs)
        )

        def check(ended: Finished) -> str | None:
            if command == "version":
                said = ended.out.strip().removeprefix("demo ")
            else:
                found = next(venvs.rglob("demo-*.dist-info"), None)
                said = (
                    found.name.removeprefix("demo-").removesuffix(".dist-info") if found else "none"
                )
            shutil.rmtree(venvs, ignore_errors=True)
            return None if said in right else f"silent: {command} with {said}"

        return Start([str(poetry), command], checkout, environ, check, str(poetry.parents[1]))

    def command(
        self,
        poetry: Path,
        where: Path,
        home: Path,
        *args: str,
        check: Callable[[Finished], str | None] = lambda _: None,
        environ: dict[str, str] | None = None,
    ) -> Start:
        """Any command with this home; it is not interactive and never times out on a lock."""
        quiet = () if args[0] in ("run", "version", "--version") else ("-n",)
        # A nested `poetry` must be this one.
        path = f"{poetry.parent}{os.pathsep}{os.environ['PATH']}"
        return Start(
            [str(poetry), *args, *quiet],
            where,
            isolated(
                home,
                **{
                    **VENV_IN_PROJECT,
                    "PATH": path,
                    TIMEOUT_VARIABLE: str(2 * HANG),
                    **(environ or {}),
                },
            ),
            check,
            " ".join(("poetry", *args)),
        )

    @contextmanager
    def copy_of(self, poetry: Path) -> Iterator[Path]:
        """The same Poetry in an environment that may be changed."""
        original = poetry.parents[1]
        copy = Path(tempfile.mkdtemp(prefix="env-", dir=self.work))
        shutil.copytree(original, copy, symlinks=True, dirs_exist_ok=True)
        script = copy / "bin" / "poetry"
        text = script.read_text(encoding="utf-8").replace(str(original), str(copy))
        script.write_text(text, encoding="utf-8")
        try:
            yield script
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    @contextmanager
    def home(self) -> Iterator[Path]:
        """A home with a cold cache."""
        path = Path(tempfile.mkdtemp(prefix="home-", dir=self.work))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def check_leftovers(tally: Tally, checkout: Path) -> None:
    """Record a failure if `.poetry` holds anything but one plugin set and the locks."""
    sets = [path.name for path in (checkout / ".poetry" / ".nox" / "plugin-sets").iterdir()]
    others = [path.name for path in (checkout / ".poetry").iterdir()]
    if len(sets) != 2 or not set(others) <= {".gitignore", ".nox", "plugin-sets"}:
        tally.fail("left over", f"{sets} {others}")


class UnavailableError(Exception):
    """This machine lacks something that a scenario needs."""


def require_tools(*tools: str) -> None:
    """Raise UnavailableError if one of these programs is missing."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        raise UnavailableError(f"needs {', '.join(missing)}")


def run_tool(*argv: str) -> None:
    """Run a program; raise UnavailableError if it fails."""
    try:
        subprocess.run(argv, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise UnavailableError(f"{argv[0]} does not work here: {error}") from error


def fill_index(wheels: Path, poetry: Path) -> bool:
    """Put everything on the index that stock Poetry asks for: all of Poetry's environment.

    Real wheels and poetry-dynamic-versioning if pip can fetch them (then True), else Poetry's
    distributions as metadata only: less work for stock than in real life.
    """
    for source in (stamp_plugin("1.0"), stamp_plugin("2.0"), stamp_helper()):
        source.build(wheels)
    installed = write_stubs(wheels, poetry)
    download = [uv(), "tool", "run", "--python", sys.executable, "pip", "download", "--quiet"]
    fetched = wheels.with_name("fetched")
    pins = [f"{name}=={version}" for name, version in installed.items()]
    plugin = ["poetry-dynamic-versioning>=1,<2", *pins]
    done = subprocess.run(
        [*download, "--only-binary", ":all:", "--dest", str(fetched), *plugin], check=False
    )
    for wheel in fetched.glob("*.whl") if done.returncode == 0 else ():
        replace_stub(wheel, wheels)
    return done.returncode == 0


def write_stubs(wheels: Path, poetry: Path) -> dict[str, str]:
    """Write everything in a Poetry environment as metadata-only wheels; return versions by name."""
    (site,) = poetry.parents[1].glob("lib/python*/site-packages")
    installed = {found.name: found for found in importlib.metadata.distributions(path=[str(site)])}
    named = {_canonical(name) for name in installed}
    for name, found in installed.items():
        needed = [one for one in found.requires or [] if "extra ==" not in one]
        WheelSource(name, found.version, {}, requires=tuple(needed)).build(wheels)
        for requirement in needed:
            match = re.match(r"[\w.-]+", requirement)
            lowest = re.search(r"[>~=]=\s*([\w.]+)", requirement)
            if match and _canonical(match[0]) not in named:
                # For another platform: never installed, but the solver asks for it.
                WheelSource(match[0], lowest[1] if lowest else "1.0", {}).build(wheels)
    return {name: found.version for name, found in installed.items()}


def replace_stub(wheel: Path, wheels: Path) -> None:
    """Put a real wheel into the directory, instead of the metadata-only one."""
    for stub in wheels.glob(f"{'-'.join(wheel.name.split('-')[:2])}-*.whl"):
        stub.unlink()
    shutil.copy(wheel, wheels)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
