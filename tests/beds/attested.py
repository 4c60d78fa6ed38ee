"""Distributions that were really published with attestations, and their provenance.

They are test data in the sdist of pypi-attestations (Apache-2.0), which pip gets from the package
index. A test that needs them is skipped where there is none.
"""

from __future__ import annotations

import functools
import hashlib
import json
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.beds.environments import build_once, cache_key
from tests.beds.proxy import Answer, is_page

if TYPE_CHECKING:
    from pathlib import Path

    from tests.beds.proxy import Exchange, FaultProxy

_SDIST = "pypi-attestations==0.0.30"
_ASSETS = "test/assets"
GITHUB = "pypi_attestations-0.0.19.tar.gz"
GITLAB = "gitlab_oidc_project-0.0.3.tar.gz"
GOOGLE = "gcb_attestation_test-0.0.0.tar.gz"
CIRCLECI = "circleci_sign_publish_example-0.0.1.dev137-py3-none-any.whl"
_GITLAB = {
    "kind": "GitLab",
    "repository": "facutuesca/gitlab-oidc-project",
    "workflow_filepath": ".gitlab-ci.yml",
}


@dataclass(frozen=True)
class Attested:
    """A distribution, and the provenance document that an index serves of it."""

    file: Path
    provenance: dict[str, Any]

    @property
    def sha256(self) -> str:
        """The hash of the distribution."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()


def attested(filename: str) -> Attested:
    """One of those above."""
    file = _assets() / filename
    provenance = file.with_name(f"{filename}.provenance")
    if provenance.exists():
        return Attested(file, json.loads(provenance.read_bytes()))
    attestation = json.loads(file.with_name(f"{filename}.publish.attestation").read_bytes())
    bundle = {"publisher": _GITLAB, "attestations": [attestation]}
    return Attested(file, {"version": 1, "attestation_bundles": [bundle]})


def serve(proxy: FaultProxy, file: Attested, document: bytes | None = None) -> None:
    """Have an index behind a proxy serve the provenance of a file, or this document instead."""
    place = f"/integrity/{file.file.name}/provenance"
    body = json.dumps(file.provenance).encode() if document is None else document

    def link(exchange: Exchange) -> Answer:
        answer = exchange.forward()
        if isinstance(answer.body, bytes) and answer.status == 200:
            mark = f'data-provenance="{proxy.origin}{place}" '
            answer.body = answer.body.replace(b"<a href", b"<a " + mark.encode() + b"href")
        return answer

    proxy.on(is_page, link)
    kind = {"Content-Type": "application/vnd.pypi.integrity.v1+json"}
    proxy.answer(lambda request: request.path == place, Answer(200, body, headers=kind))


@functools.cache
def _assets() -> Path:
    def get(directory: Path) -> None:
        directory.mkdir()
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:")
        subprocess.run(
            [*pip, "--dest", str(directory), _SDIST], check=True, capture_output=True, text=True
        )
        (sdist,) = directory.glob("*.tar.gz")
        with tarfile.open(sdist) as archive:
            archive.extractall(directory, filter="data")

    try:
        directory = build_once(f"attested-{cache_key(_SDIST)}", get)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"pip cannot get the sdist of {_SDIST}: {error.stderr[-300:]}")
    (assets,) = directory.glob(f"*/{_ASSETS}")
    return assets
