"""Distributions that were really published with attestations, and their provenance.

They are test data in the sdist of pypi-attestations (Apache-2.0), which pip gets from the package
index. A test that needs them is skipped where there is none.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.beds.environments import build_once, cache_key
from tests.beds.proxy import Answer, is_page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.beds.proxy import Exchange, FaultProxy, Request

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


def serve(proxy: FaultProxy, documents: Callable[[], Mapping[str, Any]]) -> None:
    """Have an index behind a proxy serve these provenance documents, by the file's name.

    Bytes are served as they are.
    """

    def place(filename: str) -> str:
        return f"/integrity/{filename}/provenance"

    def link(exchange: Exchange) -> Answer:
        answer = exchange.forward()
        if isinstance(answer.body, bytes) and answer.status == 200:
            for name in documents():
                old = f'href="/packages/{name}'
                new = f'data-provenance="{proxy.origin}{place(name)}" {old}'
                answer.body = answer.body.replace(old.encode(), new.encode())
        return answer

    def document(exchange: Exchange) -> Answer:
        found = {place(name): each for name, each in documents().items()}
        body = found.get(exchange.request.path)
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = {"Content-Type": "application/vnd.pypi.integrity.v1+json"}
        return Answer(200 if exchange.request.path in found else 404, body, headers=kind)

    proxy.on(is_page, link)
    proxy.on(lambda request: request.path.startswith("/integrity/"), document)


def sent(proxy: FaultProxy) -> dict[str, Any]:
    """The attestations that came along with each upload, by the file's name; None for nothing."""
    return {_filename(each): _attestations(each) for each in proxy.uploads}


def accepted(proxy: FaultProxy) -> dict[str, Any]:
    """The provenance that an index makes of what was sent by the repository octo/lantern."""
    publisher = {"kind": "GitHub", "repository": "octo/lantern", "workflow": "release.yml"}
    return {
        name: {
            "version": 1,
            "attestation_bundles": [{"publisher": publisher, "attestations": attestations}],
        }
        for name, attestations in sent(proxy).items()
        if attestations
    }


def _filename(upload: Request) -> str:
    found = re.search(rb'filename="([^"]+)"', upload.body)
    assert found
    return found[1].decode()


def _attestations(upload: Request) -> Any:
    found = re.search(rb'name="attestations"\r\n\r\n(.*?)\r\n--', upload.body, re.DOTALL)
    return json.loads(found[1]) if found else None


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
