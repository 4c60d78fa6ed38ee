"""What a run leaves for people and CI systems: summary, report, JUnit, outputs, history."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.beds.projects import Project, make_project
from tests.beds.release import TOO_SHORT, ended, publish
from tests.beds.schemas import check

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Poetry
    from tests.beds.proxy import FaultProxy

SETTINGS = """
[tool.publish-verified]
history = "releases.jsonl"
summary = "out/summary.md"
report = "out/report.html"
junit = "out/junit.xml"
dotenv = "out/release.env"
"""


@pytest.fixture
def lantern(tmp_path: Path) -> Project:
    """A project that asks for all of it."""
    return make_project(tmp_path / "größe und ruhm", more=SETTINGS)


@pytest.fixture
def github(poetry: Poetry, tmp_path: Path) -> Poetry:
    """A step of GitHub Actions; another one has written before it."""
    (tmp_path / "output").write_text("before=1\n", encoding="utf-8")
    return poetry.with_variables(
        GITHUB_ACTIONS="true",
        GITHUB_OUTPUT=str(tmp_path / "output"),
        GITHUB_STEP_SUMMARY=str(tmp_path / "step summary.md"),
    )


def lines(project: Project) -> list[dict[str, str]]:
    """The history."""
    text = (project.path / "releases.jsonl").read_text(encoding="utf-8")
    found = [json.loads(line) for line in text.splitlines()]
    for line in found:
        check("history", line)
    return found


def test_all_of_it(
    github: Poetry, lantern: Project, pypi: Index, proxy: FaultProxy, tmp_path: Path
) -> None:
    """A failed run and a good one; nothing of it has a secret or counts as a source."""
    ours = pypi.behind(proxy.origin)
    hidden = proxy.hide(lantern.sdist)
    run = publish(github, lantern, ours, "--build", *TOO_SHORT)
    ended(run, 6)
    annotation = f"::error title=PV601::lantern 1.0: {proxy.origin}/simple/ did not list "
    (shown,) = [line for line in run.out.splitlines() if line.startswith("::")]
    assert shown.startswith(annotation)
    assert shown.count("%0A") == 1
    out = lantern.path / "out"
    assert "## lantern 1.0: not-visible" in (out / "summary.md").read_text(encoding="utf-8")
    hidden.lift()
    run = publish(github, lantern, ours, "--build", until=None)
    ended(run, 0)
    assert "the sources have not changed" in run.out
    assert not [line for line in run.out.splitlines() if line.startswith("::")]
    step = (tmp_path / "step summary.md").read_text(encoding="utf-8")
    assert step.count("## lantern 1.0") == 2
    summary = (out / "summary.md").read_text(encoding="utf-8")
    assert step.endswith(summary)
    assert "| pip (1 downloaded, 0 resolved)" in summary
    assert all(digest in summary for digest in lantern.hashes().values())
    outputs = (tmp_path / "output").read_text(encoding="utf-8").splitlines()
    assert outputs == [
        "before=1",
        *("version=1.0", "verdict=not-visible", f"receipt={lantern.receipt_file}"),
        f"url={proxy.origin}/simple/lantern/",
        *("version=1.0", "verdict=verified", f"receipt={lantern.receipt_file}"),
        f"url={proxy.origin}/simple/lantern/",
    ]
    assert "RELEASE_VERDICT=verified" in (out / "release.env").read_text(encoding="utf-8")
    suites = ET.parse(out / "junit.xml").getroot()  # noqa: S314 - our own
    assert [suite.get("failures") for suite in suites] == ["0", "0"]
    assert lantern.sdist in (out / "report.html").read_text(encoding="utf-8")
    assert [line["verdict"] for line in lines(lantern)] == ["not-visible", "verified"]
    for file in (*out.iterdir(), lantern.path / "releases.jsonl", tmp_path / "step summary.md"):
        assert pypi.password
        assert pypi.password not in file.read_text(encoding="utf-8")
    assert not [path for path in lantern.path.iterdir() if path.name.startswith(".releases")]


def test_json_lines_stay_pure(github: Poetry, lantern: Project, pypi: Index) -> None:
    """With --format json the annotations are on standard error, which GitHub reads too."""
    run = publish(github, lantern, pypi, "--format", "json")
    ended(run, 3)
    assert run.events[-1]["event"] == "receipt"
    assert "::error title=PV203::lantern 1.0: " in run.err


def test_no_annotations_elsewhere(poetry: Poetry, lantern: Project, pypi: Index) -> None:
    """Nobody else obeys them."""
    run = publish(poetry.with_variables(CI="true"), lantern, pypi)
    ended(run, 3)
    assert "::error" not in run.said


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--summary", "README.md"), 3, "Cannot write the summary file"),
        (("--report", "/proc/report.html"), 3, "Cannot write the report file"),
        (("--summary", "x", "--report", "x"), 1, "summary names the same file"),
        (("--history", "pyproject.toml"), 3, "Cannot write the history file"),
    ],
)
def test_refused_before_the_upload(
    poetry: Poetry, project: Project, pypi: Index, options: tuple[str, ...], code: int, words: str
) -> None:
    """A file that is something else, or cannot be written, is found before a byte leaves."""
    project.build()
    files = (project.path / "README.md", project.path / "pyproject.toml")
    before = [file.read_bytes() for file in files]
    run = publish(poetry, project, pypi, *options)
    ended(run, code)
    assert words in run.err
    assert run.err.count(words) == 1
    assert [file.read_bytes() for file in files] == before
    assert pypi.stored("lantern") == {}


def test_wait_and_dry_run(poetry: Poetry, lantern: Project, pypi: Index, tmp_path: Path) -> None:
    """Both leave what was asked for, and neither is a run of the history."""
    lantern.build()
    ended(publish(poetry, lantern, pypi, "--dry-run"), 0)
    assert "dry-run" in (lantern.path / "out" / "summary.md").read_text(encoding="utf-8")
    pypi.upload(lantern)
    wait = ("publish-verified", "wait", "lantern==1.0", "--index", pypi.simple_url)
    ended(poetry.run(*wait, "--report", "seen.html", cwd=tmp_path), 0)
    assert lantern.sdist in (tmp_path / "seen.html").read_text(encoding="utf-8")
    assert not (lantern.path / "releases.jsonl").exists()


def test_cannot_be_written_in_the_end(poetry: Poetry, lantern: Project, pypi: Index) -> None:
    """It is shown, and the release is what it is."""
    lantern.build()
    (lantern.path / "out").mkdir()
    run = publish(
        poetry.with_variables(GITHUB_ACTIONS="true", GITHUB_OUTPUT=str(lantern.path / "out")),
        lantern,
        pypi,
    )
    ended(run, 0)
    assert "Warning PV250: Cannot write the GITHUB_OUTPUT file" in run.err
