"""Before a byte leaves: every fault in one run, and no false alarm."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.beds.environments import environment
from tests.beds.indexes import Index
from tests.beds.poetry import Poetry
from tests.beds.processes import HANG, free_port
from tests.beds.projects import Project, make_project, read_receipt
from tests.beds.release import ended, problems, publish

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

UNKNOWN = 'classifiers = ["Topic :: Lanterns"]'
DEPRECATED = 'classifiers = ["Natural Language :: Ukranian"]'


def git(project: Project, *arguments: str) -> None:
    """Call git in a project, with an identity."""
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.invalid")
    subprocess.run(["git", *identity, *arguments], cwd=project.path, check=True, timeout=HANG)


def commit(project: Project, *tags: str) -> None:
    """Put a project under git, with tags on its commit."""
    (project.path / ".gitignore").write_text("dist\n", encoding="utf-8")
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-qm", "one")
    for tag in tags:
        git(project, "tag", tag)


def edit(project: Project, old: str, new: str) -> None:
    """Change a project's pyproject.toml."""
    file = project.path / "pyproject.toml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def reported(receipt: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Codes and severities of all problems."""
    return sorted((problem["code"], problem["severity"]) for problem in problems(receipt))


def without(sdist: Path, name: str) -> None:
    """Remove one file from an sdist."""
    whole = sdist.with_name("whole")
    sdist.rename(whole)
    with tarfile.open(whole) as old, tarfile.open(sdist, "w:gz") as new:
        for member in old:
            if not member.name.endswith(name):
                new.addfile(member, old.extractfile(member))
    whole.unlink()


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["publish", "dry-run"])
def test_all_faults_are_reported_at_once(
    poetry: Poetry, project: Project, pypi: Index, options: tuple[str, ...], tmp_path: Path
) -> None:
    """Faults of files, metadata, project and git are reported in one run; nothing is sent."""
    (project.path / "LICENSE").write_text("Take it.\n", encoding="utf-8")
    edit(project, "authors =", UNKNOWN + "\nauthors =")
    commit(project, "v0.9")
    project.build()
    without(project.dist / project.sdist, "LICENSE")
    with zipfile.ZipFile(project.dist / project.wheel, "a") as archive:
        archive.writestr("lantern/smuggled.py", "")
    (project.dist / project.wheel.replace("py3", "py2")).write_bytes(b"junk")
    edit(project, '">=3.11"', '">=3.12"')
    file = tmp_path / "receipt.json"
    run = publish(poetry, project, pypi, "--receipt", file, *options)
    ended(run, 3)
    assert reported(read_receipt(file)) == [
        ("PV205", "error"),
        ("PV219", "warning"),
        ("PV221", "error"),
        ("PV224", "error"),
        ("PV231", "error"),
        ("PV231", "error"),
        ("PV232", "warning"),
        ("PV233", "warning"),
    ]
    for problem in problems(read_receipt(file)):
        assert problem["message"] in run.said
        assert problem["remedy"] in run.said
    assert pypi.stored("lantern") == {}


def test_strict_refuses_warnings(poetry: Poetry, project: Project, pypi: Index) -> None:
    """The same release goes out with a warning, and not at all with --strict."""
    edit(project, "authors =", UNKNOWN + "\nauthors =")
    project.build()
    ended(publish(poetry, project, pypi, "--strict"), 3)
    assert reported(project.receipt()) == [("PV219", "error")]
    assert pypi.stored("lantern") == {}
    ended(publish(poetry, project, pypi), 0)
    assert reported(project.receipt()) == [("PV219", "warning")]
    assert pypi.stored("lantern") == project.hashes()


def test_rehearsal_runs_preflight(poetry: Poetry, project: Project, tmp_path: Path) -> None:
    """A rehearsal refuses what a publication would."""
    project.build()
    with zipfile.ZipFile(project.dist / project.wheel, "a") as archive:
        archive.writestr("lantern/smuggled.py", "")
    file = tmp_path / "receipt.json"
    run = poetry.run("publish-verified", "-n", "--rehearse", "--receipt", file, cwd=project.path)
    ended(run, 3)
    assert reported(read_receipt(file)) == [("PV224", "error")]


def test_clean_release_passes_strict(poetry: Poetry, project: Project, pypi: Index) -> None:
    """A committed and tagged project built by Poetry passes --strict."""
    (project.path / "LICENSE").write_text("Take it.\n", encoding="utf-8")
    edit(project, "authors =", 'dependencies = ["anyio (>=4)", "packaging>=24"]\nauthors =')
    commit(project, "v1.0", "tested")
    ended(poetry.run("build", cwd=project.path), 0)
    ended(publish(poetry, project, pypi, "--strict"), 0)
    assert problems(project.receipt()) == []


def test_source_changed_since_the_build(poetry: Poetry, project: Project, pypi: Index) -> None:
    """A source file changed after the build is named; --build fixes it."""
    commit(project)
    project.build()
    project.change("Changed.")
    ended(publish(poetry, project, pypi, "--dry-run", "--receipt", "receipt.json"), 0)
    (problem,) = problems(read_receipt(project.path / "receipt.json"))
    assert (problem["code"], problem["severity"]) == ("PV232", "warning")
    assert "lantern/__init__.py" in problem["message"]
    ended(publish(poetry, project, pypi, "--build", "--strict"), 0)
    assert problems(project.receipt()) == []


def test_user_name_without_a_password(poetry: Poetry, project: Project, pypi: Index) -> None:
    """It is refused before the server has to."""
    project.build()
    run = publish(poetry, project, Index(pypi.upload_url, ""), "-u", "very-secret-99")
    ended(run, 3)
    assert reported(project.receipt()) == [("PV306", "error")]
    assert "very-secret-99" not in run.said


def test_malformed_url_of_a_repository(poetry: Poetry, project: Project) -> None:
    """Poetry reads no project then, with whatever repository; its variable is named."""
    variable = "POETRY_REPOSITORIES_HARBOUR_URL"
    with_password = {variable: "http://sailor:s3cret-word@[::1"}
    run = poetry.run("publish-verified", "--dry-run", cwd=project.path, **with_password)
    ended(run, 3)
    assert f"PV302: The URL of repository harbour (from {variable}) is invalid" in run.err
    assert f"Set {variable} to the upload URL." in run.err
    assert "s3cret" not in run.out + run.err


def test_pypi_only_refusals(poetry: Poetry, project: Project) -> None:
    """For PyPI, missing credentials and a deprecated classifier are refused offline.

    That nothing is reachable (PV304, PV310) is reported as well.
    """
    edit(project, "authors =", DEPRECATED + "\nauthors =")
    project.build()
    nowhere = f"http://127.0.0.1:{free_port()}"
    offline = poetry.with_variables(HTTPS_PROXY=nowhere, HTTP_PROXY=nowhere)
    run = offline.run("publish-verified", "-n", cwd=project.path)
    ended(run, 3)
    expected = {("PV218", "error"), ("PV306", "error"), ("PV304", "error"), ("PV310", "error")}
    assert set(reported(project.receipt())) == expected
    assert "Natural Language :: Ukrainian" in run.said
    assert "POETRY_PYPI_TOKEN_PYPI" in run.said
    token = offline.with_variables(POETRY_PYPI_TOKEN_PYPI="pypi-x")
    ended(token.run("publish-verified", "-n", cwd=project.path), 3)
    assert set(reported(project.receipt())) == expected - {("PV306", "error")}


@pytest.fixture(scope="session")
def dynamic_poetry(tmp_path_factory: pytest.TempPathFactory) -> Poetry:
    """Poetry with this plugin and poetry-dynamic-versioning."""
    directory = tmp_path_factory.mktemp("dynamic")
    own = environment().copy(directory / "env")
    try:
        own.install("poetry-dynamic-versioning>=1,<2")
    except RuntimeError as error:
        pytest.skip(f"poetry-dynamic-versioning cannot be installed: {str(error)[-300:]}")
    return Poetry(own, directory / "home")


@pytest.mark.parametrize("writing", [True, False], ids=["writing", "not-writing"])
def test_dynamic_versioning_is_no_change(
    dynamic_poetry: Poetry, pypi: Index, tmp_path: Path, writing: bool
) -> None:
    """What poetry-dynamic-versioning substitutes is no change of the sources."""
    project = make_project(
        tmp_path / "dynamic",
        version="1.2.3",
        more='\n[tool.poetry]\nversion = "0.0.0"\n'
        "\n[tool.poetry-dynamic-versioning]\nenable = true\n",
    )
    edit(project, 'version = "1.2.3"\n', 'dynamic = ["version"]\n')
    module = project.path / "lantern" / "__init__.py"
    module.write_text(
        '"""A lantern."""\n\n__version__ = "0.0.0"\n__version_tuple__ = (0, 0, 0)\n',
        encoding="utf-8",
    )
    commit(project, "v1.2.3")
    ended(dynamic_poetry.run("build", cwd=project.path), 0)
    with tarfile.open(project.dist / project.sdist) as archive:
        packed = archive.extractfile("lantern-1.2.3/lantern/__init__.py")
        assert packed is not None
        assert b'"1.2.3"' in packed.read()
    poetry = (
        dynamic_poetry
        if writing
        else dynamic_poetry.with_variables(
            POETRY_DYNAMIC_VERSIONING_COMMANDS_NO_IO="publish-verified"
        )
    )
    ended(publish(poetry, project, pypi, "--dry-run", "--strict", "--receipt", "one.json"), 0)
    assert problems(read_receipt(project.path / "one.json")) == []
    (project.path / "README.md").write_text("Changed.\n", encoding="utf-8")
    ended(publish(poetry, project, pypi, "--dry-run", "--receipt", "two.json"), 0)
    (problem,) = problems(read_receipt(project.path / "two.json"))
    assert problem["code"] == "PV232"
    assert "README.md" in problem["message"]
    assert "__init__.py" not in problem["message"]
    assert "pyproject.toml" not in problem["message"]
