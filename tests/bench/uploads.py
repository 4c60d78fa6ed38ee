"""How long uploads take, compared with `poetry publish`, `twine upload` and `uv publish`.

    python -m tests.bench.uploads [--runs N]

One wheel of 50 MB, and twelve of 5 MB, go to a real pypiserver over a line with 40 ms of latency
and 5 MB/s per connection. The others end with the upload and ours with the proof, so ours is
measured to its end, with `--until listed` to the point where every file is on the page, and in
those runs also to the end of the last upload and for the uploads alone. Prints medians side by
side, and each as a multiple of ours. It asserts nothing: on a shared machine only a human can judge
the figures.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

from tests.beds.clients import UV, clean_environment
from tests.beds.distributions import PLATFORMS, write_wheel
from tests.beds.environments import PoetryEnvironment, environment
from tests.beds.indexes import PASSWORD, USER, Index, pypiserver
from tests.beds.poetry import Poetry
from tests.beds.processes import HANG
from tests.beds.projects import Project, make_project
from tests.beds.release import REPOSITORY
from tests.bench.slow_line import Line, measured, slow_line
from tests.stress.rounds import say

_LINE = Line(latency=0.040, rate=5e6)
_OURS, _OURS_LISTED = "publish-verified", "publish-verified --until listed"
_TAKEN, _ALONE = " to the last file taken", " the uploads alone"
_NO_KEYRING = "keyring.backends.null.Keyring"


@dataclass(frozen=True)
class Uploader:
    """One way to upload: its version, and the command to run in the project's directory."""

    version: str
    argv: tuple[str | Path, ...]
    environment: Mapping[str, str]

    def seconds(self, project: Project, index: Index) -> dict[str, float]:
        """Upload a release that is not there, and check that it is there afterwards.

        Returns the total time under an empty name, and the parts that our own events report.
        """
        shutil.rmtree(project.receipt_file.parent, ignore_errors=True)
        begun, began_at = time.monotonic(), datetime.now(UTC)
        done = subprocess.run(
            self.argv,
            cwd=project.path,
            env={**self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HANG,
            check=False,
        )
        took = time.monotonic() - begun
        if done.returncode or index.stored(project.name) != project.hashes():
            raise RuntimeError(f"{self.argv} failed:\n{done.stdout}\n{done.stderr}")
        assert index.root is not None
        for name in project.hashes():
            (index.root / name).unlink()
        return {"": took, **_parts(done.stdout, began_at)}


def _parts(output: str, began_at: datetime) -> dict[str, float]:
    """When the last file was taken, and how long the uploads took, if the events say so."""
    if not output.startswith("{"):
        return {}
    times: dict[str, list[datetime]] = {"upload-started": [], "upload-ended": []}
    for event in map(json.loads, output.splitlines()):
        if event["event"] in times:
            times[event["event"]].append(datetime.fromisoformat(event["time"]))
    first, last = min(times["upload-started"]), max(times["upload-ended"])
    return {_TAKEN: (last - began_at).total_seconds(), _ALONE: (last - first).total_seconds()}


@dataclass(frozen=True)
class Tools:
    """The programs that upload."""

    home: Path
    guarded: PoetryEnvironment
    stock: PoetryEnvironment
    twine: Path


def install(work: Path) -> Tools:
    """Install Poetry with and without the wheel of this checkout, and the newest twine."""
    twine = work / "twine"
    subprocess.run([sys.executable, "-m", "venv", twine], check=True, timeout=HANG)
    pip = (twine / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install")
    subprocess.run((*pip, "twine"), check=True, capture_output=True, timeout=HANG)
    return Tools(work / "home", environment(), environment(plugin=False), twine / "bin" / "twine")


def uploaders(tools: Tools, front: Index, project: Project) -> dict[str, Uploader]:
    """Every way to upload the project's dist directory to the index."""
    poetry = Poetry(tools.guarded, tools.home).call_environment(**front.environment(REPOSITORY))
    clean = clean_environment(tools.home, PYTHON_KEYRING_BACKEND=_NO_KEYRING)
    files = [project.dist / name for name in sorted(project.hashes())]
    known = ("--username", USER, "--password", PASSWORD)

    def of_poetry(own: PoetryEnvironment, *command: str) -> Uploader:
        argv: tuple[str | Path, ...] = (own.poetry, *command, "--no-interaction", "-r", REPOSITORY)
        return Uploader(f"Poetry {own.poetry_version}", argv, poetry)

    with_twine = (tools.twine, "upload", "--non-interactive", "--disable-progress-bar")
    with_uv = (UV, "publish", "--no-config", "--trusted-publishing", "never")
    return {
        _OURS: of_poetry(tools.guarded, "publish-verified"),
        _OURS_LISTED: of_poetry(
            tools.guarded, "publish-verified", "--until", "listed", "--format", "json"
        ),
        "poetry publish": of_poetry(tools.stock, "publish"),
        "twine upload": Uploader(
            _said(tools.twine, "--version").split(" (")[0].replace(" version", ""),
            (*with_twine, "--repository-url", front.upload_url, *known, *files),
            clean,
        ),
        "uv publish": Uploader(
            _said(UV, "--version").split(" (")[0],
            (*with_uv, "--publish-url", front.upload_url, *known, *files),
            clean,
        ),
    }


def _said(*argv: str | Path) -> str:
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=HANG)
    return done.stdout.strip()


def sized(project: Project, count: int, size: int) -> None:
    """Fill the dist directory with `count` wheels of this size."""
    names = list(product(range(1, count // len(PLATFORMS) + 2), PLATFORMS))[:count]
    for build, platform in names:
        write_wheel(project, platform, size, build)


def compare(
    tools: Mapping[str, Uploader], project: Project, index: Index, runs: int
) -> Iterator[str]:
    """Measure each way in turn, `runs` times over."""
    parts = [_OURS_LISTED + part for part in (_TAKEN, _ALONE)]
    seconds_of: dict[str, list[float]] = {name: [] for name in [*parts, *tools]}
    for turn in range(runs):
        for name in list(tools) if turn % 2 else [*tools][::-1]:
            for part, seconds in tools[name].seconds(project, index).items():
                seconds_of[name + part].append(seconds)
    medians = {name: statistics.median(seconds) for name, seconds in seconds_of.items()}
    bases = (_OURS, _OURS_LISTED, *parts)
    heads = ("/ ours", "/ listed", "/ taken", "/ alone")
    yield f"  {'':54} {'median':>9} {'all runs':>22} {' '.join(f'{h:>8}' for h in heads)}"
    for name, median in medians.items():
        every = " ".join(f"{seconds:.1f}" for seconds in sorted(seconds_of[name]))
        ratios = " ".join(f"{median / medians[base]:8.2f}" for base in bases)
        version = tools[name].version if name in tools else ""
        yield f"  {name:54} {median:7.2f} s {every:>22} {ratios}   {version}"


@contextmanager
def set_up() -> Iterator[tuple[Path, Index, Index]]:
    """A directory, pypiserver, and pypiserver as reached over the slow line."""
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        # The only one of its servers that handles several uploads at once.
        index = stack.enter_context(pypiserver(work / "pypiserver", server="auto"))
        port = stack.enter_context(slow_line(int(index.origin.rpartition(":")[2]), _LINE))
        yield work, index, index.behind(f"http://127.0.0.1:{port}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    for connections in (1, 4):
        say(f"the line, {connections} at once: {measured(_LINE, connections) / 1e6:.1f} MB/s")
    with set_up() as (work, index, front):
        tools = install(work)
        for count, megabytes in ((1, 50), (12, 5)):
            project = make_project(work / f"of-{count}")
            sized(project, count, megabytes * 1_000_000)
            every = uploaders(tools, front, project)
            say(f"{count} x {megabytes} MB, median of {options.runs}")
            say(*compare(every, project, index, options.runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
