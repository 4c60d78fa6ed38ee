"""Stress the guard of project plugins with real Poetry processes, stock beside guarded.

    python -m tests.stress.plugin_sets [--short] [--rounds N] [--scenarios abcdefghi]

Prints one line a scenario: processes, failures by kind, builds per key, wall time. Exits 1 if
a guarded process failed, a key was built twice on an honest filesystem, or eight guarded cold
installs were not faster than three quarters of stock's. Scenarios that this machine cannot
have are skipped with a reason.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.stress.racing import Ended
from tests.stress.racing import Start
from tests.stress.racing import Tally
from tests.stress.racing import race
from tests.stress.racing import run
from tests.stress.racing import run_and_kill
from tests.stress.testbed import Index
from tests.stress.testbed import WheelSource
from tests.stress.testbed import build_own_wheel
from tests.stress.testbed import isolated_environ
from tests.stress.testbed import poetry_environment
from tests.stress.testbed import pythons
from tests.stress.testbed import stamp_helper
from tests.stress.testbed import stamp_plugin
from tests.stress.testbed import uv
from tests.stress.testbed import write_project

NEWEST, OLDEST = "2.5.1", "2.0.1"
NO_WRITING = "POETRY_DYNAMIC_VERSIONING_COMMANDS_NO_IO"
OLD_LIST, NEW_LIST = 'stamp-plugin = ">=1,<2"', 'stamp-plugin = ">=2"'


@dataclass
class Bed:
    """Everything that all scenarios share."""

    work: Path
    own_wheel: Path
    index: Index
    lock_file: Path
    rounds: int
    real_wheels: bool = False
    """Whether the index has poetry-dynamic-versioning, and whole wheels of all that Poetry has."""

    def poetry(
        self, version: str = NEWEST, python: str = sys.executable, stock: bool = False
    ) -> Path:
        """A Poetry, guarded or stock."""
        kind = "stock" if stock else "guarded"
        interpreter = os.path.realpath(python).strip("/").replace("/", "_")
        name = f"{kind}-{version}-{interpreter}"
        packages = [] if stock else [self.own_wheel]
        return poetry_environment(self.work / "envs" / name, version, *packages, python=python)

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
        """`install` into a new environment of its own, or `version`, which must say `right`."""
        venvs = Path(tempfile.mkdtemp(prefix="venvs-", dir=home))
        environ = isolated_environ(
            home, POETRY_VIRTUALENVS_IN_PROJECT="false", POETRY_VIRTUALENVS_PATH=str(venvs)
        )

        def check(ended: Ended) -> str | None:
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

    @contextmanager
    def home(self) -> Iterator[Path]:
        """A home with a cold cache."""
        path = Path(tempfile.mkdtemp(prefix="home-", dir=self.work))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


def dynamic(checkout: Path) -> None:
    """Let poetry-dynamic-versioning find the project's version, in a tag."""
    file = checkout / "pyproject.toml"
    text = file.read_text(encoding="utf-8").replace('version = "0.0.0"', 'dynamic = ["version"]')
    text = text.replace(OLD_LIST, 'poetry-dynamic-versioning = ">=1,<2"')
    text = text.replace("[tool.poetry]", '[tool.poetry]\nversion = "0.0.0"')
    file.write_text(f"{text}\n[tool.poetry-dynamic-versioning]\nenable = true\n", encoding="utf-8")
    who = ["-c", "user.name=stress", "-c", "user.email=stress@example.org"]
    for command in (["init"], ["add", "--all"], [*who, "commit", "-m", "First"], ["tag", "v1.2.3"]):
        subprocess.run(["git", *command], cwd=checkout, check=True, capture_output=True)


def cold(
    bed: Bed, count: int, under: Path | None = None, stock: bool = True, writing: bool = False
) -> list[Tally]:
    """(a) `count` parallel first installs, each into its own environment.

    With poetry-dynamic-versioning where that is to be had; `writing` leaves it its own way of
    rewriting pyproject.toml in place, which is a race of its own.
    """
    kinds = ("stock", "guarded") if stock else ("guarded",)
    tallies = [Tally(f"(a) cold, N = {count}, {kind}") for kind in kinds]
    for _ in range(bed.rounds):
        for tally in tallies:
            is_stock = tally.name.endswith("stock")
            poetry = bed.poetry(stock=is_stock)
            # Stock's first run is always without the plugin: not what is raced for here.
            version = "1.2.3" if bed.real_wheels else "9.1.0"
            right = (version, "0.0.0") if is_stock else (version,)
            with bed.home() as home, bed.project(under=under) as checkout:
                if bed.real_wheels:
                    dynamic(checkout)
                starts = [
                    bed.start(poetry, checkout, home, "install", *right) for _ in range(count)
                ]
                last = bed.start(poetry, checkout, home, "version", version)
                for start in () if writing else (*starts, last):
                    start.environ[NO_WRITING] = "install,version"
                begun = time.monotonic()
                tally.add(race(starts), time.monotonic() - begun)
                tally.add([run(last)])
    return tallies


def writing(bed: Bed) -> list[Tally]:
    """(i) As (a), with poetry-dynamic-versioning rewriting pyproject.toml in place."""
    if not bed.real_wheels:
        raise UnavailableError("needs poetry-dynamic-versioning")
    tallies = cold(bed, 8, writing=True)
    for tally in tallies:
        tally.name = tally.name.replace("(a) cold", "(i) cold, writing in place")
    return tallies


def edited(bed: Bed, count: int = 8) -> list[Tally]:
    """(b) The plugin list was edited: installers, and readers that loop."""
    tallies = [Tally("(b) edited list, stock"), Tally("(b) edited list, guarded")]
    for _ in range(bed.rounds):
        for tally in tallies:
            poetry = bed.poetry(stock=tally.name.endswith("stock"))
            with bed.home() as home, bed.project() as checkout:
                run(bed.start(poetry, checkout, home, "install"))
                run(bed.start(poetry, checkout, home, "install"))
                write_project(checkout, bed.index.url, NEW_LIST)
                starts = []
                for number in range(count):
                    install = number % 4 == 0
                    # Stock's installer has loaded the old plugin before it removes it.
                    old = not install or tally.name.endswith("stock")
                    right = ("9.2.0", "9.1.0") if old else ("9.2.0",)
                    command = "install" if install else "version"
                    starts.append(bed.start(poetry, checkout, home, command, *right))
                begun = time.monotonic()
                tally.add(race(starts), time.monotonic() - begun)
                tally.add([run(bed.start(poetry, checkout, home, "version", "9.2.0"))])
    return tallies


def interpreters(bed: Bed) -> list[Tally]:
    """(c) Several interpreters and two Poetry versions in one checkout."""
    tally = Tally("(c) interpreters in parallel, guarded")
    turns = Tally("(c) interpreters in turn, guarded")
    poetries = [bed.poetry(python=python) for python in pythons()[:3]]
    poetries.append(bed.poetry(OLDEST))
    for _ in range(bed.rounds):
        with bed.home() as home, bed.project() as checkout:
            installs = [bed.start(one, checkout, home, "install", "9.1.0") for one in poetries * 2]
            begun = time.monotonic()
            ended = race(installs)
            tally.add(ended, time.monotonic() - begun)
            tally.add(
                race([bed.start(one, checkout, home, "version", "9.1.0") for one in poetries])
            )
            for one in poetries:
                again = run(bed.start(one, checkout, home, "install", "9.1.0"))
                turns.add([again])
                if "Building" in again.out:
                    turns.fail("built again", again.out)
    return [tally, turns]


def killed(bed: Bed) -> list[Tally]:
    """(d) kill -9 at any moment of a first install, alone and beside others, then go on."""
    tally = Tally("(d) kill -9, then go on, guarded")
    poetry = bed.poetry()
    for _ in range(bed.rounds * 4):
        with bed.home() as home, bed.project() as checkout:
            for _ in range(3):
                victim = bed.start(poetry, checkout, home, "install")
                run_and_kill(victim, random.uniform(0.4, 2.2))  # noqa: S311 - any moment will do
            tally.add(race([bed.start(poetry, checkout, home, "install", "9.1.0") for _ in "12"]))
            tally.add([run(bed.start(poetry, checkout, home, "version", "9.1.0"))])
            _nothing_left(tally, checkout)
    return [tally]


def _nothing_left(tally: Tally, checkout: Path) -> None:
    sets = [path.name for path in (checkout / ".poetry" / "plugin-sets").iterdir()]
    others = [path.name for path in (checkout / ".poetry").iterdir()]
    if len(sets) != 2 or set(others) != {".gitignore", "plugin-sets"}:
        tally.fail("left over", f"{sets} {others}")


def two_mounts(bed: Bed) -> list[Tally]:
    """(e) One directory mounted twice, other PID and UTS namespaces: locks lie there."""
    tally = Tally("(e) two mounts and namespaces, guarded")
    _need("bindfs", "unshare", "fusermount")
    poetry = bed.poetry()
    for _ in range(bed.rounds):
        with bed.home() as home, bed.project() as checkout, _mounts(bed, checkout) as mounts:
            starts = []
            for number in range(4):
                one = bed.start(poetry, mounts[number % 2], home, "install", "9.1.0")
                name = f'hostname host{number % 2}; exec "$@"'
                apart = [
                    "unshare",
                    "--pid",
                    "--fork",
                    "--uts",
                    "--mount-proc",
                    "sh",
                    "-c",
                    name,
                    "sh",
                ]
                one.argv = [*apart, *one.argv]
                starts.append(one)
            ended = race(starts)
            tally.add(ended)
            tally.add([run(bed.start(poetry, checkout, home, "version", "9.1.0"))])
            _nothing_left(tally, checkout)
    return [tally]


@contextmanager
def _mounts(bed: Bed, checkout: Path) -> Iterator[list[Path]]:
    points = [Path(tempfile.mkdtemp(prefix="mount-", dir=bed.work)) for _ in "12"]
    try:
        for point in points:
            _call("bindfs", str(checkout), str(point))
        yield points
    finally:
        for point in points:
            subprocess.run(["fusermount", "-u", "-z", str(point)], check=False)


def two_users(bed: Bed) -> list[Tally]:
    """(f) Two users in one checkout that both may write; one of them hides what it makes."""
    tally = Tally("(f) two users, guarded")
    _need("setpriv")
    python = shutil.which("python3.13", path="/usr/bin") or shutil.which(
        "python3.11", path="/usr/bin"
    )
    if os.geteuid() != 0 or python is None:
        raise UnavailableError("needs root, and a Python that other users can read")
    poetry = bed.poetry(python=python)
    for _ in range(bed.rounds):
        with bed.project() as checkout:
            for path in (checkout, *checkout.rglob("*")):
                path.chmod(0o777 if path.is_dir() else 0o666)
            starts = []
            for number in range(4):
                user = 23450 + number % 2
                home = Path(tempfile.mkdtemp(prefix="home-", dir=bed.work))
                command = "install" if number < 3 else "version"
                one = bed.start(
                    poetry, checkout, home, command, "9.1.0", *(["0.0.0"] * (number == 3))
                )
                for path in (home, *home.rglob("*")):
                    os.chown(path, user, user)
                mask = f'umask {"077" if number % 2 else "022"}; exec "$@"'
                drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
                one.argv = [*drop, "sh", "-c", mask, "sh", *one.argv]
                starts.append(one)
            tally.add(race(starts))
            last = bed.start(poetry, checkout, bed.work, "version", "9.1.0")
            last.argv = ["setpriv", "--reuid=23452", "--regid=23452", "--clear-groups", *last.argv]
            last.environ |= {"POETRY_CACHE_DIR": str(bed.work / "nobody")}
            tally.add([run(last)])
    return [tally]


def odd_path(bed: Bed) -> list[Tally]:
    """(g) A path with spaces and umlauts."""
    under = bed.work / "ein Pfad mit Ümläuten"
    under.mkdir(exist_ok=True)
    (tally,) = cold(bed, 2, under, stock=False)
    tally.name = "(g) spaces and umlauts, guarded"
    return [tally]


def full_and_read_only(bed: Bed) -> list[Tally]:
    """(h) A full disk, then one with space again; a checkout that nobody can write."""
    tally = Tally("(h) full disk and read-only, guarded")
    if os.geteuid() != 0:
        raise UnavailableError("needs root")
    poetry = bed.poetry()
    point = Path(tempfile.mkdtemp(prefix="small-", dir=bed.work))
    _call("mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(point))
    try:
        with bed.home() as home, bed.project(under=point) as checkout:
            (point / "filler").write_bytes(b"." * 300_000)
            full = run(bed.start(poetry, checkout, home, "install"))
            tally.processes += 1
            if full.code != 1 or list((checkout / ".poetry" / "plugin-sets").glob(".building*")):
                tally.fail("a full disk was not told", full.out + full.err)
            (point / "filler").unlink()
            _call("mount", "-o", "remount,size=20m", str(point))
            tally.add([run(bed.start(poetry, checkout, home, "install", "9.1.0"))])
            _nothing_left(tally, checkout)
            _call("mount", "-o", "remount,ro", str(point))
            commands = ("version", "install", "version")
            tally.add([run(bed.start(poetry, checkout, home, one, "9.1.0")) for one in commands])
            _call("mount", "-o", "remount,rw", str(point))
            shutil.rmtree(checkout / ".poetry")
            _call("mount", "-o", "remount,ro", str(point))
            tally.add([run(bed.start(poetry, checkout, home, "install", "9.1.0"))])
            sets = {"POETRY_PUBLISH_VERIFIED_PLUGIN_SETS": str(home / "sets")}
            for command in ("install", "version"):
                one = bed.start(poetry, checkout, home, command, "9.1.0")
                one.environ |= sets
                tally.add([run(one)])
            _call("mount", "-o", "remount,rw", str(point))
    finally:
        subprocess.run(["umount", "-l", str(point)], check=False)
    return [tally]


class UnavailableError(Exception):
    """The machine lacks something that a scenario needs."""


def _need(*tools: str) -> None:
    lacking = [tool for tool in tools if shutil.which(tool) is None]
    if lacking:
        raise UnavailableError(f"needs {', '.join(lacking)}")


def _call(*argv: str) -> None:
    try:
        subprocess.run(argv, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise UnavailableError(f"{argv[0]} does not work here: {error}") from error


SCENARIOS = {
    "a": lambda bed: [tally for count in (2, 4, 8) for tally in cold(bed, count)],
    "b": edited,
    "c": interpreters,
    "d": killed,
    "e": two_mounts,
    "f": two_users,
    "g": odd_path,
    "h": full_and_read_only,
    "i": writing,
}
# Its failures are the other plugin's: they are only counted.
_ONLY_COUNTED = "(i)"
# Where locks lie a set may be built twice; nothing else may happen.
_MAY_BUILD_TWICE = ("(e)", "(f)")


def _fill_index(wheels: Path, poetry: Path) -> bool:
    """Put on the index what stock asks for: all of Poetry's environment.

    Whole wheels and poetry-dynamic-versioning, if pip can fetch them (then it answers True),
    else Poetry's distributions as metadata only: less work for stock than it really has.
    """
    for source in (stamp_plugin("1.0"), stamp_plugin("2.0"), stamp_helper()):
        source.build(wheels)
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
                # Of another platform: never installed, but the solver asks.
                WheelSource(match[0], lowest[1] if lowest else "1.0", {}).build(wheels)
    download = [uv(), "tool", "run", "--python", sys.executable, "pip", "download", "--quiet"]
    fetched = wheels.with_name("fetched")
    pins = [f"{name}=={found.version}" for name, found in installed.items()]
    plugin = ["poetry-dynamic-versioning>=1,<2", *pins]
    done = subprocess.run(
        [*download, "--only-binary", ":all:", "--dest", str(fetched), *plugin], check=False
    )
    for wheel in fetched.glob("*.whl") if done.returncode == 0 else ():
        for stub in wheels.glob(f"{'-'.join(wheel.name.split('-')[:2])}-*.whl"):
            stub.unlink()
        shutil.copy(wheel, wheels)
    return done.returncode == 0


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _verdict(tallies: Sequence[Tally]) -> list[str]:
    faults = []
    for tally in tallies:
        if tally.name.endswith("guarded") and not tally.name.startswith(_ONLY_COUNTED):
            faults += [f"{tally.name}: {kind}\n{text}" for kind, text in tally.examples.items()]
            if tally.most_builds > 1 and not tally.name.startswith(_MAY_BUILD_TWICE):
                faults.append(f"{tally.name}: {tally.most_builds} builds of one key")
    walls = {tally.name: statistics.median(tally.walls) for tally in tallies if tally.walls}
    stock, guarded = (walls.get(f"(a) cold, N = 8, {kind}") for kind in ("stock", "guarded"))
    if stock and guarded:
        _say(f"cold installs, N = 8: guarded takes {guarded / stock:.2f} of stock's time")
        if guarded > 0.75 * stock:
            faults.append("eight guarded cold installs take more than 0.75 of stock's time")
    return faults


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the scenarios asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="one round of a, c and d")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--scenarios", default="".join(SCENARIOS))
    options = parser.parse_args()
    tallies: list[Tally] = []
    with tempfile.TemporaryDirectory(prefix="stress-", ignore_cleanup_errors=True) as directory:
        work = Path(directory)
        work.chmod(0o755)
        for name in ("dist", "wheels", "lock"):
            (work / name).mkdir()
        with Index(work / "wheels") as index:
            rounds = 1 if options.short else options.rounds
            bed = Bed(
                work, build_own_wheel(work / "dist"), index, work / "lock/poetry.lock", rounds
            )
            bed.real_wheels = _fill_index(work / "wheels", bed.poetry(stock=True))
            write_project(work / "lock", index.url, "")
            locking = bed.start(bed.poetry(stock=True), work / "lock", work, "lock")
            assert run(locking).code == 0
            for name in "acd" if options.short else options.scenarios:
                try:
                    found = SCENARIOS[name](bed)
                except UnavailableError as reason:
                    _say(f"({name}) skipped: {reason}")
                    continue
                tallies += found
                _say(*(tally.line() for tally in found))
    faults = _verdict(tallies)
    _say(*faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
