"""`wait --provenance`: a release that was really published with attestations, on a local index."""

from __future__ import annotations

import base64
import copy
from typing import TYPE_CHECKING

import pytest
from pypi_attestations import AttestationType

from tests.beds.attested import GITHUB, Attested, attested, serve
from tests.beds.environments import environment
from tests.beds.poetry import Poetry
from tests.beds.projects import read_receipt
from tests.beds.release import ended, problems

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.indexes import Index
    from tests.beds.poetry import Run
    from tests.beds.proxy import FaultProxy

RELEASE = "pypi-attestations==0.0.19"
BY = "github:trailofbits/pypi-attestations:release.yml"
VARIABLE = "POETRY_PUBLISH_VERIFIED_PROVENANCE"
# Nothing that a person or a program does next may depend on how long the index takes.
SOON = ("--timeout", "3s")


@pytest.fixture
def file(pypi: Index) -> Attested:
    """An sdist that is on the index, and the provenance that its publisher made."""
    found = attested(GITHUB)
    assert pypi.root is not None
    (pypi.root / GITHUB).write_bytes(found.file.read_bytes())
    return found


@pytest.fixture
def with_extra(tmp_path: Path) -> Poetry:
    """Poetry with the plugin and its extra."""
    return Poetry(environment(extra="attestations"), tmp_path / "my höme")


def wait(poetry: Poetry, proxy: FaultProxy, cwd: Path, *words: str, **variables: str) -> Run:
    """Wait for the release on the index behind the proxy."""
    index = ("--index", f"{proxy.origin}/simple/", "--receipt", "receipt.json")
    command = ("publish-verified", "wait", RELEASE, "--no-interaction", *index, *words)
    return poetry.run(*command, cwd=cwd, **variables)


def codes(directory: Path) -> list[str]:
    """The codes of the errors in the receipt."""
    found = problems(read_receipt(directory / "receipt.json"))
    return [problem["code"] for problem in found if problem["severity"] == "error"]


def test_release_by_its_publisher(
    with_extra: Poetry, proxy: FaultProxy, file: Attested, tmp_path: Path
) -> None:
    """It is proven, and output and receipt say who published it; also from the environment."""
    serve(proxy, lambda: {GITHUB: file.provenance})
    run = wait(with_extra, proxy, tmp_path, **{VARIABLE: f"github:octo/lantern {BY}"})
    ended(run, 0)
    assert f"published by {BY}" in run.out
    assert "TUF" not in run.said
    (found,) = read_receipt(tmp_path / "receipt.json")["releases"][0]["distributions"]
    assert found["provenance"] == [
        {
            "index": f"{proxy.origin}/simple/",
            "publisher": BY,
            "predicate": AttestationType.PYPI_PUBLISH_V1.value,
            "log_index": 153454663,
            "verified": True,
        }
    ]


def test_release_by_somebody_else(
    with_extra: Poetry, proxy: FaultProxy, file: Attested, tmp_path: Path
) -> None:
    """Another publisher, a changed document and a missing one end in 7, 7 and 6."""
    serve(proxy, lambda: {GITHUB: file.provenance})
    run = wait(with_extra, proxy, tmp_path, "--provenance", "github:octo/lantern")
    ended(run, 7)
    assert f"was published by {BY}, not by github:octo/lantern (another repository)" in run.err
    assert codes(tmp_path) == ["PV724"]
    document = copy.deepcopy(file.provenance)
    (attestation,) = document["attestation_bundles"][0]["attestations"]
    attestation["envelope"]["signature"] = base64.b64encode(b"0" * 64).decode()
    serve(proxy, lambda: {GITHUB: document})
    ended(wait(with_extra, proxy, tmp_path, "--provenance", BY), 7)
    assert codes(tmp_path) == ["PV725"]
    proxy.clear()
    run = wait(with_extra, proxy, tmp_path, "--provenance", BY, *SOON)
    ended(run, 6)
    assert codes(tmp_path) == ["PV612"]
    assert f"waiting for the provenance of {GITHUB} on {proxy.origin}/simple/" in run.out
    assert "its page links to none" in run.err


def test_without_the_extra(poetry: Poetry, proxy: FaultProxy, tmp_path: Path) -> None:
    """The command says at once what to install, and asks no index."""
    run = wait(poetry, proxy, tmp_path, "--provenance", BY)
    ended(run, 3)
    assert codes(tmp_path) == ["PV248"]
    assert "--provenance needs the extra attestations" in run.err
    for installer in ("poetry self add", "pipx inject", "uv tool install"):
        assert installer in run.err
    assert "'poetry-publish-verified[attestations]'" in run.err
    assert proxy.requests == []


def test_invalid_publisher(poetry: Poetry, proxy: FaultProxy, tmp_path: Path) -> None:
    """It is wrong usage, with the forms that are valid."""
    run = wait(poetry, proxy, tmp_path, "--provenance", "octo/lantern")
    ended(run, 1)
    assert "Invalid value for --provenance: expected github:owner/repo[:workflow.yml]" in run.err
    assert proxy.requests == []
