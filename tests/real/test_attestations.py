"""Files that are sent with attestations, signed by a played Sigstore."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.beds.attested import accepted, sent, serve
from tests.beds.environments import environment
from tests.beds.poetry import Poetry
from tests.beds.proxy import Answer, Exchange
from tests.beds.publishing import CLAIMS, TrustedIndex
from tests.beds.release import ended, keeps_secrets, problems, publish
from tests.beds.sigstore import AUDIENCE, ISSUERS, PlayedSigstore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.projects import Project
    from tests.conftest import MakeProxy


@pytest.fixture
def trusted(open_pypi: Index, make_proxy: MakeProxy) -> TrustedIndex:
    """An index that trusts the publishers of `lantern`, and serves what it gets from them."""
    index = TrustedIndex(make_proxy(open_pypi.origin))
    serve(index.proxy, partial(accepted, index.proxy))
    return index


@pytest.fixture
def sigstore(trusted: TrustedIndex, make_proxy: MakeProxy) -> PlayedSigstore:
    """The test's own Sigstore."""
    return PlayedSigstore(make_proxy("http://127.0.0.1:1"), trusted)


@pytest.fixture
def behind(open_pypi: Index, project: Project, trusted: TrustedIndex) -> Index:
    """The index as its publishers reach it, and the project is built."""
    project.build()
    return open_pypi.behind(trusted.proxy.origin)


@pytest.fixture
def signing(tmp_path: Path, sigstore: PlayedSigstore) -> Poetry:
    """Poetry with what signs, and this Sigstore."""
    home = Poetry(environment(extra="attestations"), tmp_path / "home")
    return home.with_variables(**sigstore.variables(tmp_path / "known"))


@pytest.fixture
def github(signing: Poetry, trusted: TrustedIndex, tmp_path: Path) -> Poetry:
    """The same in a GitHub job that may have identity tokens."""
    return signing.with_variables(**trusted.variables("github", tmp_path / "bin"))


def test_attests_every_file(
    github: Poetry,
    project: Project,
    trusted: TrustedIndex,
    sigstore: PlayedSigstore,
    behind: Index,
    tmp_path: Path,
) -> None:
    """One certificate, one log entry a file, and nobody ever sees the identity token."""
    run = publish(github, project, behind, "--attest=require")
    ended(run, 0)
    hashes, along = project.hashes(), sent(trusted.proxy)
    assert {name: len(each) for name, each in along.items()} == dict.fromkeys(hashes, 1)
    subjects = [each["subject"][0] for each in sigstore.entries]
    assert {each["name"]: each["digest"]["sha256"] for each in subjects} == hashes
    assert sigstore.count(sigstore.is_fulcio) == 1
    assert f"attested {project.wheel}, {project.sdist}" in run.out
    keeps_secrets(run, trusted, project.path, github.home, tmp_path / "known")


def test_provenance_is_part_of_the_proof(
    github: Poetry, project: Project, trusted: TrustedIndex, behind: Index, tmp_path: Path
) -> None:
    """What was signed and sent is verified as it is served, by the publisher and by its users."""
    ended(publish(github, project, behind, "--attest=require"), 0)
    files = project.receipt()["releases"][0]["distributions"]
    by = "github:octo/lantern:release.yml"
    for file in files:
        (found,) = file["provenance"]
        assert (found["index"], found["publisher"], found["verified"]) == (
            *(behind.simple_url, by, True),
        )
    assert {file["provenance"][0]["log_index"] for file in files} == {0, 1}
    words = ("publish-verified", "wait", "lantern==1.0", "--index", behind.simple_url)
    run = github.run(*words, "--provenance", "github:octo/lantern", cwd=tmp_path)
    ended(run, 0)
    assert f"; published by {by}" in run.out
    run = github.run(*words, "--provenance", "github:octo/lantern:other.yml", cwd=tmp_path)
    ended(run, 7)
    assert "(another workflow)" in run.err
    # The index swaps them.
    serve(trusted.proxy, lambda: _swapped(accepted(trusted.proxy)))
    ended(publish(github, project, behind, "--attest=require"), 7)
    assert {problem["code"] for problem in problems(project.receipt())} == {"PV723"}
    # As if the files had been sent without.
    serve(trusted.proxy, dict)
    ended(publish(github, project, behind, "--attest=require"), 3)
    assert {problem["code"] for problem in problems(project.receipt())} == {"PV506"}


def _swapped(documents: dict[str, Any]) -> dict[str, Any]:
    return dict(zip(documents, reversed(documents.values()), strict=True))


@pytest.mark.parametrize("option", ["--dry-run", "--rehearse"])
def test_a_trial_signs_nothing(
    github: Poetry,
    project: Project,
    trusted: TrustedIndex,
    sigstore: PlayedSigstore,
    behind: Index,
    option: str,
) -> None:
    """What is in Sigstore's log stays there."""
    ended(publish(github, project, behind, "--attest", option, until="listed"), 0)
    assert sigstore.proxy.requests == []
    assert trusted.minted == []


def test_attestation_that_is_there(
    github: Poetry, project: Project, trusted: TrustedIndex, sigstore: PlayedSigstore, behind: Index
) -> None:
    """It is sent instead of a new one, but never for another file."""
    ended(publish(github, project, behind, "--attest"), 0)
    (made,) = sent(trusted.proxy)[project.wheel]
    newer = project.set_version("1.1")
    newer.build()
    beside = newer.dist / f"{newer.wheel}.publish.attestation"
    beside.write_text(json.dumps(made), encoding="utf-8")
    run = publish(github, newer, behind, "--attest")
    ended(run, 3)
    (problem,) = problems(newer.receipt())
    assert problem["code"] == "PV341"
    assert f"it is for {project.wheel}." in problem["message"]
    assert len(trusted.minted) == 1
    subject = {"name": newer.wheel, "sha256": newer.hashes()[newer.wheel]}
    made = sigstore.sign(**subject, identity=trusted.identity("github", AUDIENCE))
    beside.write_text(made, encoding="utf-8")
    ended(publish(github, newer, behind, "--attest"), 0)
    assert sent(trusted.proxy)[newer.wheel] == [json.loads(made)]
    assert [each["subject"][0]["name"] for each in sigstore.entries].count(newer.wheel) == 1


def test_log_that_is_down(
    github: Poetry, project: Project, trusted: TrustedIndex, sigstore: PlayedSigstore, behind: Index
) -> None:
    """The files go without, and the run says so; with `require` nothing is sent."""
    sigstore.proxy.answer(sigstore.is_rekor, Answer(502))
    required = publish(github, project, behind, "--attest=require", "--retries", "1")
    ended(required, 3)
    assert trusted.proxy.uploads == []
    assert "Nothing was uploaded." in required.said
    assert sigstore.count(sigstore.is_rekor) == 4
    run = publish(github, project, behind, "--attest", "--retries", "0")
    ended(run, 0)
    assert sent(trusted.proxy) == dict.fromkeys(project.hashes())
    (problem,) = [each for each in problems(project.receipt()) if each["code"] == "PV344"]
    assert problem["severity"] == "warning"
    assert "502 Bad Gateway" in problem["message"]
    assert f"cannot get any later: {project.wheel}, {project.sdist}" in problem["message"]


def test_without_trusted_publishing(
    signing: Poetry, project: Project, open_pypi: Index, sigstore: PlayedSigstore
) -> None:
    """No index accepts attestations then: a warning, or nothing is sent."""
    project.build()
    ended(publish(signing, project, open_pypi, "--attest=require"), 3)
    (problem,) = problems(project.receipt())
    assert problem["code"] == "PV340"
    assert open_pypi.stored("lantern") == {}
    run = publish(signing.with_variables(POETRY_PUBLISH_VERIFIED_ATTEST="on"), project, open_pypi)
    ended(run, 0)
    assert "Warning PV340" in run.said
    assert sigstore.proxy.requests == []


def test_without_the_extra(
    poetry: Poetry, project: Project, trusted: TrustedIndex, behind: Index, tmp_path: Path
) -> None:
    """It says what to install; everything else works."""
    job = poetry.with_variables(**trusted.variables("github", tmp_path / "bin"))
    run = publish(job, project, behind, "--attest")
    ended(run, 3)
    assert "poetry self add 'poetry-publish-verified[attestations]'" in run.said
    ended(publish(job, project, behind), 0)


def test_reusable_workflow(
    github: Poetry,
    project: Project,
    trusted: TrustedIndex,
    sigstore: PlayedSigstore,
    behind: Index,
) -> None:
    """`doctor` says it beforehand; a run uploads without, or nothing at all."""

    def issue(exchange: Exchange) -> Answer:
        audience = exchange.request.path.partition("audience=")[2]
        token = trusted.identity("github", audience, workflow_ref="octo/harbour/ci.yml@main")
        return Answer(200, json.dumps({"value": token}).encode())

    trusted.proxy.on(trusted.is_identity, issue)
    job = github.with_variables(POETRY_PUBLISH_VERIFIED_ATTEST="on", **behind.environment())
    run = job.run("publish-verified", "doctor", "-r", "harbour", cwd=project.path)
    ended(run, 0)
    words = "This job is in a reusable workflow, which octo/harbour/ci.yml calls."
    assert words in run.out
    ended(publish(github, project, behind, "--attest=require"), 3)
    assert trusted.minted == []
    run = publish(github, project, behind, "--attest")
    ended(run, 0)
    assert f"Warning PV340: {words}" in run.said
    assert sigstore.proxy.requests == []


def test_gitlab(
    signing: Poetry,
    project: Project,
    trusted: TrustedIndex,
    sigstore: PlayedSigstore,
    behind: Index,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The token for Sigstore is in a variable of its own, and in no output and file."""
    monkeypatch.setitem(CLAIMS["gitlab"], "iss", ISSUERS["gitlab"])
    job = signing.with_variables(**trusted.variables("gitlab", tmp_path / "bin"))
    run = publish(job, project, behind, "--attest")
    ended(run, 0)
    assert "SIGSTORE_ID_TOKEN is not set" in run.said
    newer = project.set_version("1.1")
    newer.build()
    job = job.with_variables(**trusted.variables("gitlab", tmp_path / "bin"))
    token = trusted.identity("gitlab", AUDIENCE)
    run = publish(job.with_variables(SIGSTORE_ID_TOKEN=token), newer, behind, "--attest")
    ended(run, 0)
    assert len(sigstore.entries) == 2
    keeps_secrets(run, trusted, project.path, signing.home, tmp_path / "known")
