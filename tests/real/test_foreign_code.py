"""Child Pythons never import from the working directory, and see only what they need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from poetry_publish_verified import isolated_python as children
from tests.beds.environments import PoetryEnvironment, environment, run_checked, uv
from tests.beds.indexes import Index
from tests.beds.poetry import Poetry
from tests.beds.projects import Project
from tests.beds.release import ended

# Names in the standard library, in Poetry's environment, and of programs that only we start.
TRAPS = (
    *("json", "socket", "threading", "runpy", "typing", "logging", "site", "sitecustomize"),
    *("usercustomize", "filelock", "distlib", "platformdirs", "packaging", "httpx", "anyio"),
    *("pip", "virtualenv", "pypiserver", "poetry", "poetry_publish_verified", "tomllib"),
)
INSTALLABLE = ("--until", "installable")
DOCTOR = ("doctor", "-r", "harbour")
SECRET = "pypi-a-token-that-is-nobodys-business"
MAIN = """\
import sys
from poetry.console.application import main
sys.argv[0] = "poetry"
sys.exit(main())
"""
# What a Python records about itself when it starts, and which arguments identify it.
START = (
    "{'pid': os.getpid(), 'parent': os.getppid(), 'argv': sys.orig_argv, 'cwd': os.getcwd(),"
    " 'isolated': sys.flags.isolated, 'environ': dict(os.environ)}"
)
KINDS = ("build", "--disable-fallback")


@dataclass(frozen=True)
class Trapped:
    """A project with modules that leave a mark when they are imported."""

    project: Project
    mark: Path

    def untouched(self) -> bool:
        """Whether none was imported."""
        return not self.mark.exists()


@pytest.fixture
def trapped(project: Project, tmp_path: Path) -> Trapped:
    """The project with a trap of each kind."""
    mark = tmp_path / "imported"
    lay_traps(project.path, mark, *TRAPS)
    return Trapped(project, mark)


def lay_traps(directory: Path, mark: Path, *names: str) -> None:
    """Write a module of each name there."""
    code = f"with open({str(mark)!r}, 'a') as mark:\n    mark.write(__name__ + chr(10))\n"
    for name in names:
        (directory / f"{name}.py").write_text(code, encoding="utf-8")


@pytest.mark.real_start
def test_traps_work(trapped: Trapped, poetry: Poetry) -> None:
    """A Python started without care imports them."""
    poetry.project = trapped.project.path
    poetry.python("import pip")
    assert not trapped.untouched()


@pytest.mark.parametrize("more", [(), ("--projects", ".")], ids=["alone", "many"])
def test_rehearsal(trapped: Trapped, poetry: Poetry, more: tuple[str, ...]) -> None:
    """A rehearsal builds, serves and asks every client, and imports nothing of the project."""
    project = trapped.project
    run = poetry.run("publish-verified", "-n", "--rehearse", "--build", *more, cwd=project.path)
    ended(run, 0)
    assert trapped.untouched(), trapped.mark.read_text("utf-8")


def test_wait(trapped: Trapped, poetry: Poetry, open_pypi: Index) -> None:
    """`wait`, which also asks the user's pip for its settings, imports nothing either."""
    assert open_pypi.root is not None
    trapped.project.build(open_pypi.root)
    words = ("lantern==1.0", "--index", open_pypi.simple_url, *INSTALLABLE)
    run = poetry.run("publish-verified", "wait", *words, cwd=trapped.project.path)
    ended(run, 0)
    assert trapped.untouched(), trapped.mark.read_text("utf-8")


def test_doctor(trapped: Trapped, poetry: Poetry, open_pypi: Index) -> None:
    """Neither does the doctor, which tries locks with two processes, and sets up clients."""
    poetry = poetry.with_variables(**open_pypi.environment())
    ended(poetry.run("publish-verified", *DOCTOR, cwd=trapped.project.path), 0)
    assert trapped.untouched(), trapped.mark.read_text("utf-8")


def test_poetry_on_pythonpath(
    project: Project, tmp_path: Path, poetry: Poetry, open_pypi: Index
) -> None:
    """Modules that only Poetry's own path has are found there.

    Here all are on PYTHONPATH, behind a directory with the user's own modules; and Poetry, run as a
    module, does import from the working directory.
    """
    bare = PoetryEnvironment(tmp_path / "bare")
    run_checked(uv(), "venv", "--quiet", "--python", sys.executable, bare.path)
    mark = tmp_path / "imported"
    # Poetry itself would import these too.
    lay_traps(project.path, mark, "pip", "pypiserver")
    poetry = Poetry(bare, poetry.home, project.path).with_variables(
        PYTHONPATH=os.pathsep.join((str(project.path), str(poetry.environment.site))),
        PYTHONHASHSEED="0",
        **open_pypi.environment(),
    )
    for words in (("--rehearse", "--build", "--projects", "."), DOCTOR):
        ended(poetry.python(MAIN, "publish-verified", *words, "-n"), 0)
    assert not mark.exists()


def test_what_is_started(
    trapped: Trapped, poetry: Poetry, tmp_path: Path, open_pypi: Index
) -> None:
    """Every Python that has packages is isolated, away from the project, and has no secrets.

    But a build is in the project, and its scripts have what they have below `poetry build`.
    """
    own = environment().copy(tmp_path / "environment")
    log = tmp_path / "starts"
    (own.site / "log_starts.pth").write_text(
        f"import os, sys, json; open({str(log)!r}, 'a').write(json.dumps({START}) + chr(10))",
        encoding="utf-8",
    )
    poetry = Poetry(own, poetry.home, trapped.project.path, real=True).with_variables(
        TWINE_PASSWORD=SECRET,
        POETRY_PYPI_TOKEN_HARBOUR=SECRET,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN=SECRET,
        PYPI_ID_TOKEN=SECRET,
        POETRY_HTTP_BASIC_QUAY_PASSWORD=SECRET,
        PYTHONSAFEPATH="1",
        PYTHONPATH=str(tmp_path / "nothing"),
        **open_pypi.environment(),
    )
    for words in (("--rehearse", "--build", "--projects", "."), DOCTOR):
        ended(poetry.run("publish-verified", "-n", *words), 0)
    # Some systems have two paths for one package directory, and Python uses both.
    noted = map(json.loads, log.read_text("utf-8").splitlines())
    starts = list({start["pid"]: start for start in noted}.values())
    poetrys = {start["pid"] for start in starts if str(own.poetry) in start["argv"]}
    by_poetry = [start for start in starts if start["parent"] in poetrys]
    assert len({start["parent"] for start in by_poetry}) == len(poetrys) == 2
    assert all(start["isolated"] for start in by_poetry)
    (build,), (_,) = ([s for s in by_poetry if kind in s["argv"]] for kind in KINDS)
    assert build["cwd"] == str(trapped.project.path)
    tokens = {"POETRY_PYPI_TOKEN_HARBOUR", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "PYPI_ID_TOKEN"}
    assert tokens.isdisjoint(build["environ"])
    assert {"TWINE_PASSWORD", "POETRY_HTTP_BASIC_QUAY_PASSWORD"} <= build["environ"].keys()
    others = [start for start in starts if start["pid"] not in {build["pid"], *poetrys}]
    for start in others:
        assert not Path(start["cwd"]).is_relative_to(trapped.project.path), start
        assert SECRET not in start["environ"].values(), start


PLUGIN = """
import sys
from poetry.plugins.application_plugin import ApplicationPlugin

class Lamp(ApplicationPlugin):
    def activate(self, application):
        with open({mark!r}, "a") as mark:
            mark.write(sys.argv[1] + chr(10))
"""


def test_plugins_on_pythonpath(trapped: Trapped, poetry: Poetry, tmp_path: Path) -> None:
    """A build has the plugins that Poetry has, but nothing from its own directory."""
    root, mark = trapped.project.path.parent, tmp_path / "plugin"
    info = root / "plugins" / "lamp-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lamp\nVersion: 1.0\n", "utf-8")
    points = "[poetry.application.plugin]\nlamp = lamp:Lamp\n"
    (info / "entry_points.txt").write_text(points, "utf-8")
    (root / "plugins" / "lamp.py").write_text(PLUGIN.format(mark=str(mark)), "utf-8")
    words = ("--rehearse", "--build", "--projects", trapped.project.path)
    paths = os.pathsep.join((".", "plugins"))
    ended(poetry.run("publish-verified", "-n", *words, cwd=root, PYTHONPATH=paths), 0)
    assert mark.read_text("utf-8").split() == ["publish-verified", "build"]
    assert trapped.untouched(), trapped.mark.read_text("utf-8")


def test_python_variables(tmp_path: Path) -> None:
    """Whatever PYTHON* variables say, a child starts with its own arguments."""
    command = children.python(["json"], "import sys; print(sys.argv[1:])", "ä", "-c")
    broken = {"PYTHONHOME": "/nowhere", "PYTHONPATH": "/nowhere", "PYTHONSTARTUP": "/nowhere"}
    done = subprocess.run(command, env=broken, cwd=tmp_path, capture_output=True, check=True)
    assert done.stdout.decode() == "['ä', '-c']\n"
