"""How this project is released: the jobs of .github/workflows/release.yml, run on this machine."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.beds import indexes
from tests.beds.attested import accepted, sent, serve
from tests.beds.environments import ROOT, environment, share_pip
from tests.beds.poetry import isolated
from tests.beds.projects import Project, make_project, read_receipt
from tests.beds.publishing import TrustedIndex
from tests.beds.sigstore import PlayedSigstore
from tests.beds.workflows import Artifacts, Job, copied, load
from tests.thorough import THOROUGH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.beds.indexes import Index
    from tests.conftest import MakeProxy

WORKFLOW = load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.0] - 2026-01-02\n\n- It works.\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Project:
    """A project that is ready to be released."""
    urls = '[project.urls]\nIssues = "https://lantern.invalid/issues"\n'
    project = make_project(tmp_path / "checkout", more=urls)
    shutil.copytree(ROOT / ".ci", project.path / ".ci")
    (project.path / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    return project


@pytest.fixture
def quay(tmp_path: Path) -> Iterator[Index]:
    """What stands for TestPyPI."""
    with indexes.pypiserver(tmp_path / "quay", password=False) as index:
        yield index


@pytest.mark.skipif(not THOROUGH, reason="takes long; with TESTS_THOROUGH=1")
def test_release(
    checkout: Project, open_pypi: Index, quay: Index, make_proxy: MakeProxy, tmp_path: Path
) -> None:
    """Built in one job, then staged, published and attested in another one, without a secret."""
    trusted = TrustedIndex(make_proxy(open_pypi.origin))
    serve(trusted.proxy, partial(accepted, trusted.proxy))
    stage = trusted.beside(make_proxy(quay.origin), "quay")
    sigstore = PlayedSigstore(make_proxy("http://127.0.0.1:1"), trusted)
    own = environment(extra="attestations")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "poetry").symlink_to(own.poetry)
    (programs / "pipx").symlink_to("/bin/true")
    artifacts = Artifacts(tmp_path / "artifacts")

    def job(name: str, **variables: str) -> Job:
        home = tmp_path / name / "home"
        share_pip(home / "cache/publish-verified/clients", own.python)
        found = isolated(home, **variables)
        found["PATH"] = f"{programs}:/usr/bin:/bin"
        values = {"github.ref_name": "v1.0", "vars.TESTPYPI_UPLOAD_URL": f"{stage.proxy.origin}/"}
        actions = {"actions/checkout": copied(checkout.path), **artifacts.all()}
        return Job(tmp_path / name, found, values, actions, to_harbour)

    def to_harbour(script: str) -> str:
        return script.replace("--no-interaction", "--no-interaction --repository harbour")

    build = job("build")
    ended = build.run(WORKFLOW["jobs"]["build"])
    assert ended.code == 0, ended.said
    assert "- It works." in ended.said

    behind = open_pypi.behind(trusted.proxy.origin)
    publish = job(
        "publish",
        **behind.environment("harbour"),
        **trusted.variables("github", tmp_path / "bin"),
        **sigstore.variables(tmp_path / "known"),
    )
    publish.values["needs.build.outputs.sum"] = build.values["steps.build.outputs.sum"]
    ended = publish.run(WORKFLOW["jobs"]["publish"])
    assert ended.code == 0, ended.said
    assert quay.listed("lantern") == open_pypi.listed("lantern") != {}
    assert set(sent(trusted.proxy)) == checkout.filenames
    assert (len(stage.minted), len(trusted.minted)) == (1, 1)
    receipt = read_receipt(artifacts.kept("receipt") / "receipt.json")
    assert receipt["verdict"] == "verified"


def test_other_files_are_not_published(checkout: Project, tmp_path: Path) -> None:
    """Files that are not those of the first job end the second one before it installs Poetry."""
    checkout.build()
    artifacts = Artifacts(tmp_path / "artifacts")
    shutil.copytree(checkout.dist, artifacts.kept("dist"))
    actions = {"actions/checkout": copied(checkout.path), **artifacts.all()}
    publish = Job(tmp_path / "job", isolated(tmp_path / "home"), {}, actions)
    publish.values |= {"needs.build.outputs.sum": "0" * 64, "vars.TESTPYPI_UPLOAD_URL": ""}
    steps = WORKFLOW["jobs"]["publish"]["steps"]
    kept = [step for step in steps if step.get("if") != "always()"]
    ended = publish.run({"steps": kept})
    assert (ended.code, ended.said) == (1, "")
