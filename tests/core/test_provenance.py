"""Publishers as users name them, provenance documents, and the verdict on attestations."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poetry_publish_verified.core.provenance import (
    Attested,
    Fault,
    MalformedProvenanceError,
    Unverified,
    judge,
    named,
    read_document,
    subject_of,
)
from poetry_publish_verified.core.publishers import NamedPublisher, SignerIdentity, parse_publisher
from poetry_publish_verified.core.settings import resolve
from poetry_publish_verified.core.trusted_publishing import publisher_of
from poetry_publish_verified.errors import Code, ReleaseError

INDEX, FILE = "https://index.example/simple/", "lantern-1.0.tar.gz"
PUBLISH = "https://index.example/attestations/publish/v1"
GITHUB = SignerIdentity(
    "https://token.actions.githubusercontent.com",
    "https://github.com/octo/lantern",
    "https://github.com/octo/lantern/.github/workflows/release.yml@refs/tags/v1",
    ("refs/tags/v1", "5a" * 20),
)
GITLAB = SignerIdentity(
    "https://gitlab.com",
    "https://gitlab.com/octo/deep/lantern",
    f"https://gitlab.com/octo/deep/lantern//ci/release.yml@{'5a' * 20}",
    ("refs/heads/main", "5a" * 20),
)
GOOGLE = SignerIdentity("https://accounts.google.com", email="robot@octo.iam.gserviceaccount.com")
OTHER = SignerIdentity("https://oidc.circleci.com", "github.com/octo/lantern")


def attested(identity: SignerIdentity, *, confirmed: bool = True) -> Attested:
    """A genuine attestation of this identity."""
    return Attested(identity, PUBLISH, 42, "GitHub octo/lantern", confirmed)


def refused(*found: Attested | Unverified, named: tuple[str, ...] = ()) -> tuple[Code, str] | None:
    """The code and the message for these attestations; None if they prove what is wanted."""
    problem = judge(INDEX, FILE, found, tuple(map(parse_publisher, named)))
    return None if problem is None else (problem.code, problem.message)


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("github:octo/lantern", GITHUB),
        ("github:octo/lantern:release.yml", GITHUB),
        ("github:octo/lantern:.github/workflows/release.yml", GITHUB),
        ("gitlab:octo/deep/lantern", GITLAB),
        ("gitlab:octo/deep/lantern:ci/release.yml", GITLAB),
        ("google:robot@octo.iam.gserviceaccount.com", GOOGLE),
    ],
)
def test_publisher_is_the_certificates_identity(text: str, identity: SignerIdentity) -> None:
    """Each form names the identity in the certificate, and no other one."""
    assert refused(attested(identity, confirmed=False), named=(text,)) is None
    for other in {GITHUB, GITLAB, GOOGLE, OTHER} - {identity}:
        code, message = refused(attested(other), named=(text,)) or (None, "")
        assert code is Code.PUBLISHED_BY_ANOTHER
        assert "another issuer" in message
    assert parse_publisher(str(parse_publisher(text))) == parse_publisher(text)


@pytest.mark.parametrize(
    ("changed", "named", "what"),
    [
        ({"repository": "https://github.com/octo/lanterns"}, "github:octo/lantern", "repository"),
        ({"repository": "https://evil.example/octo/lantern"}, "github:octo/lantern", "repository"),
        ({"repository": ""}, "github:octo/lantern", "repository"),
        ({}, "github:octo/lanter", "repository"),
        ({}, "github:Octo/lantern", "repository: upper and lower case differ"),
        ({}, "github:octo/lantern:elease.yml", "workflow"),
        ({}, "github:octo/lantern:Release.yml", "workflow"),
        ({"workflow": ""}, "github:octo/lantern:release.yml", "workflow"),
        ({"revisions": ()}, "github:octo/lantern:release.yml", "workflow"),
        ({"revisions": ("refs/tags/v2",)}, "github:octo/lantern:release.yml", "workflow"),
        (
            {"workflow": "https://github.com/evil/x/.github/workflows/release.yml@refs/tags/v1"},
            *("github:octo/lantern:release.yml", "workflow"),
        ),
    ],
)
def test_every_difference_is_named(changed: dict[str, Any], named: str, what: str) -> None:
    """The whole repository and workflow count, with the case of letters."""
    code, message = refused(attested(replace(GITHUB, **changed)), named=(named,)) or (None, "")
    assert code is Code.PUBLISHED_BY_ANOTHER
    assert f"(another {what})" in message
    assert named in message


def test_one_of_the_publishers_suffices() -> None:
    """Any of several, for any of several attestations; otherwise all are named."""
    both = (attested(GITLAB), attested(GITHUB))
    assert refused(*both, named=("google:a@b.example", "github:octo/lantern")) is None
    code, message = refused(*both, named=("google:a@b.example", "github:octo/x")) or (None, "")
    assert code is Code.PUBLISHED_BY_ANOTHER
    for name in ("gitlab:octo/deep/lantern", "github:octo/lantern", "google:a@b.example"):
        assert name in message
    assert "another" not in message


@pytest.mark.parametrize("fault", get_args(Fault))
@pytest.mark.parametrize("first", [True, False])
def test_one_fault_spoils_the_whole(fault: Fault, first: bool) -> None:
    """A damaged attestation beside a good one is a failure with its own message."""
    found: list[Attested | Unverified] = [Unverified(fault, "x\x1b[2J"), attested(GITHUB)]
    code, message = refused(*(found if first else found[::-1]), named=("github:octo/lantern",)) or (
        *(None, ""),
    )
    assert code not in {None, Code.PUBLISHED_BY_ANOTHER}
    assert "\x1b" not in message


def test_faults_have_messages_of_their_own() -> None:
    """No two faults read the same."""
    found = {refused(Unverified(fault, "x")) for fault in get_args(Fault)}
    assert len(found) == len(get_args(Fault))


def test_claim_of_the_document() -> None:
    """Where no publisher is named, the certificate must confirm the one in the document."""
    assert refused(attested(GITHUB)) is None
    code, message = refused(attested(GITHUB), attested(OTHER, confirmed=False)) or (None, "")
    assert code is Code.PUBLISHED_BY_ANOTHER
    assert "names GitHub octo/lantern as the publisher" in message
    assert "that of github.com/octo/lantern (https://oidc.circleci.com)" in message


@pytest.mark.parametrize(
    "text",
    [
        *("", "octo/lantern", "github", "github:", "github:octo", "github:octo/lantern:"),
        *("github:octo/lantern:release", "github:octo/lantern:a/b.yml", "GitHub:octo/lantern"),
        *(
            "github:octo/lantern/x",
            "github:https://github.com/octo/lantern",
            "github:octo/la ntern",
        ),
        *("gitlab:lantern", "gitlab:octo/lantern:", "gitlab:octo/lantern:a@b", "google:octo"),
        *("circleci:octo/lantern", "github:octo/lantern@v1", "google:a@b:c", "github:octo/x.yml:"),
    ],
)
def test_invalid_publishers(text: str) -> None:
    """The error names the forms, and not the text, which could be anything."""
    with pytest.raises(ValueError, match="expected github:owner/repo") as caught:
        parse_publisher(text)
    assert "lantern" not in str(caught.value)


def test_publishers_are_a_setting() -> None:
    """Several in a list, or in one text."""
    two = (NamedPublisher("github", "octo/lantern", "a.yml"), NamedPublisher("google", "a@b.c"))
    texts = ["github:octo/lantern:a.yml", "google:a@b.c"]
    assert resolve({"provenance": texts}, {}, {}).checked().provenance == two
    assert resolve({}, {"PROVENANCE": ", ".join(texts)}, {}).checked().provenance == two
    assert resolve({}, {}, {"provenance": texts}).checked().provenance == two
    with pytest.raises(ReleaseError, match=r"--provenance: expected github:owner/repo"):
        resolve({"provenance": ["octo/lantern"]}, {}, {}).checked()
    for empty in ("", "  "):
        with pytest.raises(ReleaseError, match=r"--provenance: expected github:owner/repo"):
            resolve({"provenance": [empty]}, {}, {"provenance": texts}).checked()


def claims(issuer: str, **more: str) -> dict[str, str]:
    """The claims of an identity token."""
    return {"iss": issuer, "ref": "refs/tags/v1", **more}


WORKFLOW = "octo/lantern/.github/workflows/release.yml@refs/tags/v1"
IN_GITHUB = {"repository": "octo/lantern", "job_workflow_ref": WORKFLOW, "workflow_ref": WORKFLOW}
IN_GITLAB = {
    "project_path": "octo/deep/lantern",
    "ci_config_ref_uri": "gitlab.com/octo/deep/lantern//ci/release.yml@refs/heads/main",
}


@pytest.mark.parametrize(
    ("said", "identity"),
    [
        (claims(GITHUB.issuer, **IN_GITHUB), GITHUB),
        (claims(GITLAB.issuer, **IN_GITLAB), GITLAB),
        (claims("https://gitlab.example", **IN_GITLAB), None),
        (claims(GOOGLE.issuer, email=GOOGLE.email, sub="1234"), GOOGLE),
        (claims(OTHER.issuer), None),
    ],
)
def test_publisher_of_an_identity_token(
    said: dict[str, str], identity: SignerIdentity | None
) -> None:
    """What a job's token claims is what the certificate of its attestations has."""
    found = named(publisher_of(said))
    assert (found is None) == (identity is None)
    assert found is None or identity is None or identity.differs(found) == ""


# Documents.


def document(**more: object) -> dict[str, object]:
    """A provenance document with an empty attestation."""
    bundle = {"publisher": {"kind": "GitHub"}, "attestations": [{}]}
    return {"version": 1, "attestation_bundles": [bundle], **more}


def test_document() -> None:
    """Each attestation comes with the publisher of its bundle."""
    bundles = [
        {"publisher": {"kind": "GitHub"}, "attestations": [{"a": 1}, {"b": 2}]},
        {"publisher": {}, "attestations": [{"c": 3}]},
    ]
    body = json.dumps(document(attestation_bundles=bundles, more=[1])).encode()
    found = [({"kind": "GitHub"}, {"a": 1}), ({"kind": "GitHub"}, {"b": 2}), ({}, {"c": 3})]
    assert read_document(body) == found


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (b"", "is not valid JSON"),
        (b"<html>", "is not valid JSON"),
        (b'{"version": 1, "attestation_bundles": ' + b"[" * 100_000, "is not valid JSON"),
        (b'{"version": 1' + b"0" * 100_000 + b"}", "is not valid JSON"),
        (b"[]", "is not a JSON object"),
        (document(version=2), "is not of version 1"),
        (document(version=True), "is not of version 1"),
        (document(attestation_bundles=[]), "has an empty list as 'attestation_bundles'"),
        (
            document(attestation_bundles=None),
            "has no list of JSON objects as 'attestation_bundles'",
        ),
        (document(attestation_bundles=[1]), "has no list of JSON objects as 'attestation_bundles'"),
        (document(attestation_bundles=[{}]), "has no list of JSON objects as 'attestations'"),
        (
            document(attestation_bundles=[{"publisher": {}, "attestations": []}]),
            "has an empty list as 'attestations'",
        ),
        (
            document(attestation_bundles=[{"attestations": [{}]}]),
            "has a publisher that is not a JSON object",
        ),
        (
            document(attestation_bundles=[{"publisher": {}, "attestations": [{}] * 65}]),
            "has more than 64 attestations",
        ),
    ],
)
def test_malformed_documents(given: bytes | dict[str, object], reason: str) -> None:
    """Each is refused with what is wrong with it."""
    body = given if isinstance(given, bytes) else json.dumps(given).encode()
    with pytest.raises(MalformedProvenanceError) as caught:
        read_document(body)
    assert str(caught.value) == reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["version", "attestation_bundles", "attestations", "publisher"])
            | st.sampled_from(["subject", "name", "digest", "sha256"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)


@given(JSON.map(json.dumps).map(str.encode) | st.binary(max_size=50))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Nothing but the one error escapes, and a statement's subject is text."""
    name, sha256 = subject_of(body)
    assert isinstance(name, str)
    assert isinstance(sha256, str)
    found: list[tuple[object, object]] = []
    with suppress(MalformedProvenanceError):
        found = read_document(body)
    assert all(isinstance(attestation, dict) for _, attestation in found)
