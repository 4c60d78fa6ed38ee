"""Provenance of really published files, verified offline with the trust root of the library."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypi_attestations import AttestationType

from poetry_publish_verified.adapters.provenance import SigstoreVerifier, extra_is_installed
from poetry_publish_verified.core.provenance import Attested, NotVerifiable, Unverified, judge
from poetry_publish_verified.core.publishers import parse_publisher
from poetry_publish_verified.errors import Code
from tests.beds.attested import CIRCLECI, GITHUB, GITLAB, GOOGLE, attested
from tests.beds.publishing import TrustedIndex
from tests.beds.sigstore import AUDIENCE, PlayedSigstore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import MakeProxy

INDEX = "https://index.example/simple/"
PUBLISH = AttestationType.PYPI_PUBLISH_V1.value
BY = "github:trailofbits/pypi-attestations:release.yml"
NONE = base64.b64encode(b"\0" * 32).decode()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sigstore's library writes its trust root into a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def verified(
    document: bytes | dict[str, Any], filename: str = GITHUB, sha256: str = ""
) -> tuple[Attested | Unverified, ...] | NotVerifiable:
    """What the verifier makes of this document; by default of the right file."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    sha256 = sha256 or attested(filename).sha256
    return asyncio.run(SigstoreVerifier().verify(body, filename, sha256))


@pytest.mark.parametrize(
    ("filename", "publisher", "index"),
    [
        (GITHUB, BY, 153454663),
        (GITLAB, "gitlab:facutuesca/gitlab-oidc-project:.gitlab-ci.yml", 149945774),
        (GOOGLE, "google:919436158236-compute@developer.gserviceaccount.com", 200170367),
    ],
)
def test_published_files(filename: str, publisher: str, index: int) -> None:
    """Each kind of publisher is verified, with the number of its entry in the log."""
    found = verified(attested(filename).provenance, filename)
    assert isinstance(found, tuple)
    (one,) = found
    assert isinstance(one, Attested)
    assert (str(one.identity), one.predicate, one.log_index) == (publisher, PUBLISH, index)
    assert one.confirmed
    assert judge(INDEX, filename, found, (parse_publisher(publisher),)) is None
    assert judge(INDEX, filename, found, ()) is None


def test_other_publishers_are_shown() -> None:
    """One that cannot be named is verified all the same, by what the document claims."""
    found = verified(attested(CIRCLECI).provenance, CIRCLECI)
    assert isinstance(found, tuple)
    (one,) = found
    assert isinstance(one, Attested)
    assert str(one.identity).endswith("sign-and-publish-examples (https://oidc.circleci.com)")
    assert judge(INDEX, CIRCLECI, found, ()) is None
    assert judge(INDEX, CIRCLECI, found, (parse_publisher(BY),)) is not None


def _flip(holder: dict[str, Any], key: str) -> None:
    """Change the last bit of something in base64."""
    data = bytearray(base64.b64decode(holder[key]))
    data[-1] ^= 1
    holder[key] = base64.b64encode(data).decode()


def _of_another_certificate(attestation: dict[str, Any]) -> None:
    (bundle,) = attested(GITLAB).provenance["attestation_bundles"]
    (other,) = bundle["attestations"]
    material = other["verification_material"]
    attestation["verification_material"]["certificate"] = material["certificate"]


# What is changed of a document, its attestation and that one's log entry; the code, and what only
# the message of this case has.
TAMPERED: dict[str, tuple[Callable[[Any, Any, Any], object], Code, str]] = {
    "signature": (
        lambda _d, a, _e: _flip(a["envelope"], "signature"),
        *(Code.SIGNATURE_WRONG, "invalid signature"),
    ),
    "statement": (
        lambda _d, a, _e: _flip(a["envelope"], "statement"),
        *(Code.SIGNATURE_WRONG, "invalid signature"),
    ),
    "time": (
        lambda _d, _a, e: e.update(integratedTime=str(int(e["integratedTime"]) + 86400)),
        *(Code.LOG_ENTRY_WRONG, "at a time at which its certificate was not valid"),
    ),
    "time while valid": (
        lambda _d, _a, e: e.update(integratedTime=str(int(e["integratedTime"]) + 1)),
        *(Code.LOG_ENTRY_WRONG, "inclusion promise"),
    ),
    "no time": (
        lambda _d, _a, e: e.pop("integratedTime"),
        *(Code.LOG_ENTRY_WRONG, "(0 is not in "),
    ),
    "no promise": (
        lambda _d, _a, e: e.pop("inclusionPromise"),
        *(Code.PROVENANCE_MALFORMED, "must contain an inclusion promise"),
    ),
    "number in the log": (
        lambda _d, _a, e: e.update(logIndex="5"),
        *(Code.LOG_ENTRY_WRONG, "inclusion promise"),
    ),
    "root of the log": (
        lambda _d, _a, e: e["inclusionProof"].update(rootHash=NONE),
        *(Code.LOG_ENTRY_WRONG, "invalid root hash"),
    ),
    "checkpoint": (
        lambda _d, _a, e: e["inclusionProof"].update(checkpoint={"envelope": "x"}),
        *(Code.LOG_ENTRY_WRONG, "note must contain"),
    ),
    "body of the entry": (
        lambda _d, _a, e: e.update(canonicalizedBody=base64.b64encode(b"{}").decode()),
        *(Code.LOG_ENTRY_WRONG, "invalid root hash"),
    ),
    "kind of entry": (
        lambda _d, _a, e: e.update(kindVersion={"kind": "x", "version": "9"}),
        *(Code.PROVENANCE_MALFORMED, "log entry version"),
    ),
    "certificate": (
        lambda _d, a, _e: a["verification_material"].update(certificate=NONE),
        *(Code.PROVENANCE_MALFORMED, "X.509"),
    ),
    "signed certificate": (
        lambda _d, a, _e: _flip(a["verification_material"], "certificate"),
        *(Code.CERTIFICATE_UNTRUSTED, "certificate that Sigstore did not issue"),
    ),
    "another certificate": (
        lambda _d, a, _e: _of_another_certificate(a),
        *(Code.LOG_ENTRY_WRONG, "at a time at which its certificate was not valid"),
    ),
    "no attestation": (
        lambda d, _a, _e: d["attestation_bundles"][0]["attestations"].append({}),
        *(Code.PROVENANCE_MALFORMED, "whose version is malformed"),
    ),
    "no base64": (
        lambda _d, a, _e: a["envelope"].update(statement="A"),
        *(Code.PROVENANCE_MALFORMED, "whose envelope.statement is malformed"),
    ),
    "deep statement": (
        lambda _d, a, _e: a["envelope"].update(statement=base64.b64encode(b"[" * 200_000).decode()),
        *(Code.SIGNATURE_WRONG, "invalid signature"),
    ),
    "claimed workflow": (
        lambda d, _a, _e: d["attestation_bundles"][0]["publisher"].update(workflow="other.yml"),
        *(Code.PUBLISHED_BY_ANOTHER, "names GitHub trailofbits/pypi-attestations other.yml"),
    ),
    "claimed kind": (
        lambda d, _a, _e: d["attestation_bundles"][0].update(publisher={"kind": "Moon"}),
        *(Code.PUBLISHED_BY_ANOTHER, "names Moon as the publisher"),
    ),
    "no bundles": (
        lambda d, _a, _e: d.update(attestation_bundles=[]),
        *(Code.PROVENANCE_MALFORMED, "empty list as 'attestation_bundles'"),
    ),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_tampered_documents(how: str) -> None:
    """Each kind of tampering has its code and its message, whoever is named."""
    change, code, words = TAMPERED[how]
    document = copy.deepcopy(attested(GITHUB).provenance)
    (attestation,) = document["attestation_bundles"][0]["attestations"]
    (entry,) = attestation["verification_material"]["transparency_entries"]
    change(document, attestation, entry)
    found = verified(document)
    assert isinstance(found, tuple)
    problem = judge(INDEX, GITHUB, found, ())
    assert problem is not None
    assert problem.code is code
    assert words in problem.message
    assert problem.message.isprintable()
    by = judge(INDEX, GITHUB, found, (parse_publisher(BY),))
    # What the document claims is of no account where a publisher is named.
    assert by == (None if how.startswith("claimed") else problem)


@pytest.mark.parametrize(
    ("filename", "sha256", "words"),
    [
        (GITHUB, "0" * 64, f"for other content: sha256 {'9bb1add0'}"),
        ("pypi_attestations-0.0.18.tar.gz", "", f"serves the provenance of {GITHUB} for"),
        ("lantern-1.0-py3-none-any.whl", "0" * 64, f"serves the provenance of {GITHUB} for"),
    ],
)
def test_another_file(filename: str, sha256: str, words: str) -> None:
    """Other bytes and another name are told apart."""
    own = attested(GITHUB)
    found = verified(own.provenance, filename, sha256 or own.sha256)
    assert isinstance(found, tuple)
    problem = judge(INDEX, filename, found, (parse_publisher(BY),))
    assert problem is not None
    assert problem.code is Code.PROVENANCE_OF_ANOTHER_FILE
    assert words in problem.message


def test_another_trust_root(tmp_path: Path) -> None:
    """What Sigstore's staging server issued proves nothing, and the other way round."""
    from sigstore._utils import read_embedded

    place = "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
    known = tmp_path / "cache" / "sigstore-python" / "tuf" / place
    known.mkdir(parents=True)
    staging = read_embedded("trusted_root.json", "https://tuf-repo-cdn.sigstage.dev")
    (known / "trusted_root.json").write_bytes(staging)
    found = verified(attested(GITHUB).provenance)
    assert isinstance(found, tuple)
    problem = judge(INDEX, GITHUB, found, ())
    assert problem is not None
    assert problem.code is Code.CERTIFICATE_UNTRUSTED
    assert "delete sigstore-python in the user's cache directory" in problem.remedy
    (known / "trusted_root.json").write_bytes(b"{")
    assert isinstance(verified(attested(GITHUB).provenance), NotVerifiable)


def test_unwritable_cache(tmp_path: Path) -> None:
    """Where the library cannot keep its trust root, that says nothing about the file."""
    (tmp_path / "cache").write_text("no directory")
    found = verified(attested(GITHUB).provenance)
    assert isinstance(found, NotVerifiable)
    assert "Error: " in found.reason


@pytest.mark.parametrize(
    ("predicate", "subjects", "words"),
    [
        ("https://example.org/audit/v1", 1, "unknown attestation type"),
        (PUBLISH, 2, "too many subjects"),
        (PUBLISH, 0, ""),
    ],
)
def test_genuine_attestation_of_something_else(
    predicate: str, subjects: int, words: str, make_proxy: MakeProxy, tmp_path: Path
) -> None:
    """What is validly signed need not say who published one file."""
    from sigstore.dsse import DigestSet, StatementBuilder, Subject

    nowhere = "http://127.0.0.1:1"
    identities = TrustedIndex(make_proxy(nowhere))
    sigstore = PlayedSigstore(make_proxy(nowhere), identities)
    sigstore.variables(tmp_path / "cache")
    sha256 = "ab" * 32
    subject = Subject(name=GITHUB, digest=DigestSet(root={"sha256": sha256}))
    statement = StatementBuilder().subjects([subject] * subjects).predicate_type(predicate)
    identity = identities.identity("github", AUDIENCE)
    signed = sigstore.sign(GITHUB, sha256, identity, statement.build() if subjects else None)
    publisher = {"kind": "GitHub", "repository": "octo/lantern", "workflow": "release.yml"}
    bundle = {"publisher": publisher, "attestations": [json.loads(signed)]}
    found = verified({"version": 1, "attestation_bundles": [bundle]}, GITHUB, sha256)
    assert isinstance(found, tuple)
    problem = judge(INDEX, GITHUB, found, (parse_publisher("github:octo/lantern:release.yml"),))
    if not words:
        assert problem is None
        return
    assert problem is not None
    assert problem.code is Code.PROVENANCE_OF_ANOTHER_FILE
    assert words in problem.message


PLACES = st.lists(st.integers(0, 11), min_size=1, max_size=6)
ODD: st.SearchStrategy[Any] = (
    st.none() | st.integers() | st.floats() | st.text(max_size=9) | st.just([]) | st.just({})
)


@given(PLACES, ODD)
def test_anything_ends_in_an_assessment(places: list[int], odd: object) -> None:
    """Whatever stands in the place of a value, nothing is raised and nothing is proven by it."""
    document = copy.deepcopy(attested(GITHUB).provenance)
    holder: Any = document
    key: Any = "version"
    for place in places:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = keys[place % len(keys)]
        if not holder[key] or not isinstance(holder[key], dict | list):
            break
        holder = holder[key] if place is not places[-1] else holder
    before, holder[key] = holder[key], odd
    body = json.dumps(document).encode()
    found = verified(body)
    assert isinstance(found, tuple)
    problem = judge(INDEX, GITHUB, found, (parse_publisher(BY),))
    unread = {"publisher", "kind", "repository", "workflow", "environment", "logId"}
    assert problem is not None or key in unread or before == odd


def test_the_extra_is_installed_for_these_tests() -> None:
    """Without it, all of the above would say so."""
    assert extra_is_installed()
