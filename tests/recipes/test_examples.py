"""Each example is run as its README says, against an index on this machine."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.beds.environments import ROOT, built_wheel, environment, interpreters, wheels_of
from tests.beds.git import make_repository
from tests.beds.poetry import Poetry, isolated
from tests.beds.processes import HANG
from tests.beds.projects import read_receipt
from tests.beds.simple_index import SimpleIndex
from tests.beds.workflows import PLAIN, run_script
from tests.thorough import THOROUGH

EXAMPLES = ROOT / "examples"
thorough = pytest.mark.skipif(not THOROUGH, reason="takes long; with TESTS_THOROUGH=1")


@pytest.fixture
def index() -> Iterator[SimpleIndex]:
    """An index that has the plugin of the examples."""
    with SimpleIndex(wheels_of("poetry-dynamic-versioning>=1.4,<2")) as index:
        yield index


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """What a user's shell has: Poetry with the plugin, and every Python of this machine."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "poetry").symlink_to(environment().poetry)
    places = [str(tmp_path / "bin"), *(str(Path(each.path).parent) for each in interpreters())]
    found = isolated(tmp_path / "home", POETRY_VIRTUALENVS_CREATE="")
    found["PATH"] = os.pathsep.join([*places, found["PATH"]])
    return found


def example(name: str, to: Path, index: SimpleIndex, variables: dict[str, str]) -> Path:
    """A copy of an example that takes plugins from the index."""
    shutil.copytree(EXAMPLES / name, to)
    file = to / "pyproject.toml"
    source = f'\n[[tool.poetry.source]]\nname = "here"\nurl = "{index.url}"\n'
    file.write_text(file.read_text(encoding="utf-8") + source, encoding="utf-8")
    (to / "poetry.lock").unlink()  # another source has other files
    called("poetry", "lock", where=to, variables=variables)
    return to


def called(*command: str, where: Path, variables: dict[str, str]) -> str:
    """Run a program to its good end; returns what it wrote."""
    done = subprocess.run(
        command,
        cwd=where,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("name", ["matrix", "layers"])
def test_locks_are_current(name: str, poetry: Poetry, tmp_path: Path) -> None:
    """The lock files in the examples fit their projects."""
    project = shutil.copytree(EXAMPLES / name, tmp_path / name)
    poetry.run("check", "--lock", cwd=project).ok()


@pytest.fixture
def matrix(tmp_path: Path, index: SimpleIndex, variables: dict[str, str]) -> Path:
    """The example for tox and nox, tagged."""
    project = example("matrix", tmp_path / "matrix", index, variables)
    repository = make_repository(project)
    repository.commit()
    repository.tag("v1.2.0")
    return project


@thorough
def test_tox(matrix: Path, variables: dict[str, str]) -> None:
    """All environments at once, in one checkout."""
    command = ("-m", "tox", "run-parallel", "--parallel-no-spinner", "--parallel-live")
    said = called(sys.executable, *command, where=matrix, variables=variables)
    pythons = {"py" + "".join(map(str, each.version[:2])) for each in interpreters()}
    tested = set(re.findall(r"^  (py\d+): OK", said, re.MULTILINE))
    assert tested == pythons & {"py311", "py312", "py313"}
    assert not (matrix / ".poetry" / "plugins").exists()


@thorough
def test_nox(matrix: Path, variables: dict[str, str]) -> None:
    """A process per Python at once, in one checkout; then the release."""
    nox = (sys.executable, "-m", "nox", "--non-interactive", "--session")
    minors = [f"3.{each.version[1]}" for each in interpreters() if each.version[1] in {11, 12, 13}]
    processes = [
        subprocess.Popen(
            [*nox, f"tests-{minor}"],
            cwd=matrix,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for minor in minors
    ]
    ends = [(process.communicate(timeout=HANG)[0], process.returncode) for process in processes]
    assert [code for _, code in ends] == [0] * len(minors), ends
    options = ("--rehearse", "--until", "downloadable", "--receipt", "receipt.json")
    called(*nox, "release", "--", *options, where=matrix, variables=variables)
    (release,) = read_receipt(matrix / "receipt.json")["releases"]
    assert (release["version"], release["verdict"]) == ("1.2.0", "verified")


def test_monorepo_plan(poetry: Poetry, tmp_path: Path) -> None:
    """The plan of the four packages has each after those it needs."""
    root = shutil.copytree(EXAMPLES / "monorepo", tmp_path / "monorepo")
    plan = poetry.run("publish-verified", "--plan", cwd=root).ok()
    names = re.findall(r"harbour-(\w+)-example \(1\.2\.0\)", plan)
    assert sorted(names) == ["core", "horn", "lamp", "tower"]
    assert (names[0], names[-1]) == ("core", "tower")


@thorough
def test_monorepo(tmp_path: Path, variables: dict[str, str]) -> None:
    """All four are published and proven."""
    root = shutil.copytree(EXAMPLES / "monorepo", tmp_path / "monorepo")
    options = ("--build", "--rehearse", "--no-interaction", "--receipt", "receipt.json")
    called("poetry", "publish-verified", *options, where=root, variables=variables)
    releases = read_receipt(root / "receipt.json")["releases"]
    assert [release["verdict"] for release in releases] == ["verified"] * 4


class Image:
    """An image that is built without a daemon: each of its directories lies in a folder.

    After each instruction what has changed goes through an archive, as into a layer and out of it.
    """

    def __init__(self, folder: Path, context: Path, variables: dict[str, str]) -> None:
        self._folder, self._context = folder, context
        self._variables = variables
        self._where = "/"
        folder.mkdir()

    def place(self, path: str) -> Path:
        """Where a path of the image is."""
        return self._folder / str(Path(self._where, path)).lstrip("/")

    def do(self, instruction: str, rest: str) -> None:
        """Obey one instruction of a Dockerfile."""
        match instruction:
            case "WORKDIR":
                self._where = rest
                self.place(rest).mkdir(parents=True, exist_ok=True)
            case "ENV":
                pairs = [word.partition("=") for word in shlex.split(rest)]
                self._variables |= {name: value for name, _, value in pairs}
            case "COPY":
                self._copy(*shlex.split(rest))
            case "RUN":
                script = re.sub(r"(?<![\w./])(/opt|/app)\b", rf"{self._folder}\1", rest)
                ended = run_script(script, PLAIN, self.place("."), self._variables)
                assert ended.code == 0, ended.said
                self._through_archive()

    def _copy(self, *words: str) -> None:
        *sources, target = words
        for name in sources:
            source = self._context / name
            if source.is_dir():
                shutil.copytree(source, self.place(target), dirs_exist_ok=True)
            else:
                shutil.copy(source, self.place(target))

    def _through_archive(self) -> None:
        """Docker keeps whole seconds, and makes every file anew."""
        archive = self._folder.with_suffix(".tar")
        with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as layer:
            layer.add(self._folder, arcname=".")
        shutil.rmtree(self._folder)
        with tarfile.open(archive) as layer:
            layer.extractall(self._folder, filter="fully_trusted")  # noqa: S202 - our own


def stages(text: str) -> list[list[tuple[str, str]]]:
    """The instructions of each stage of a Dockerfile."""
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.partition(" ") for line in text.splitlines() if line.strip()]
    found: list[list[tuple[str, str]]] = []
    for word, _, rest in lines:
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest))
    return found


@thorough
def test_layers(tmp_path: Path, index: SimpleIndex, variables: dict[str, str]) -> None:
    """The last layer finds the plugins in the one before, without an index; the program runs."""
    context = example("layers", tmp_path / "context", index, variables)
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    links = f"{pip.get('PIP_FIND_LINKS', '')} {built_wheel().parent}"
    own = isolated(tmp_path / "of the image", POETRY_VIRTUALENVS_CREATE="")
    own |= {**pip, "PIP_FIND_LINKS": links, "VERSION": "1.2.0"}
    image = Image(tmp_path / "image", context, own)
    build, final = stages((context / "Dockerfile").read_text(encoding="utf-8"))
    before = 0
    for word, rest in build:
        before = before if word == "RUN" else len(index.requests)
        image.do(word, rest)
    assert index.requests
    assert len(index.requests) == before, "the last layer has asked the index"
    ((_, command),) = [each for each in final if each[0] == "CMD"]
    words = [word.replace("/app", str(image.place("/app")), 1) for word in json.loads(command)]
    assert called(*words, where=tmp_path, variables=own) == "1.2.0\n"
