"""Signing with a played Sigstore that works, hangs, fails, refuses and lies."""

from __future__ import annotations

import json
import socket
import sys
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from pypi_attestations import AttestationType

from poetry_publish_verified.adapters.attestations import SigstoreSigner
from poetry_publish_verified.core.attestations import attesting
from poetry_publish_verified.core.publishers import NamedPublisher
from poetry_publish_verified.core.trusted_publishing import Refusal, claims_of, publisher_of
from poetry_publish_verified.errors import Code
from tests.beds.processes import HANG
from tests.beds.proxy import Answer, Exchange, FaultProxy, Raw
from tests.beds.publishing import TrustedIndex
from tests.beds.sigstore import AUDIENCE, ISSUERS, PlayedSigstore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from poetry_publish_verified.errors import Problem

WHEEL, SHA256 = "lantern-1.0-py3-none-any.whl", "ab" * 32
# For answers that never come; all that is needed to give up is on this machine.
SOON = 0.5


@pytest.fixture
def sigstore(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PlayedSigstore]:
    """The Sigstore that this process knows."""
    with FaultProxy("http://127.0.0.1:1") as proxy, FaultProxy("http://127.0.0.1:1") as index:
        played = PlayedSigstore(proxy, TrustedIndex(index))
        for name, value in played.variables(tmp_path / "known").items():
            monkeypatch.setenv(name, value)
        yield played


class Session:
    """A signer in a job of a CI system."""

    def __init__(
        self, sigstore: PlayedSigstore, ci: str = "github", *, patience: float = HANG, **claims: Any
    ) -> None:
        self.signer = SigstoreSigner(patience)
        self._sigstore = sigstore
        self.identity = sigstore.identities.identity(ci, AUDIENCE, **claims)

    @property
    def publisher(self) -> NamedPublisher:
        """Whom the identity token is for."""
        named = attesting(publisher_of(claims_of(self.identity)), "error")
        assert isinstance(named, NamedPublisher)
        return named

    def certify(self) -> Refusal | list[Problem]:
        """Get a certificate."""
        return anyio.run(self.signer.certify, self.identity)

    def certified(self) -> list[Problem]:
        """The same if that succeeds: the warnings."""
        result = self.certify()
        assert isinstance(result, list), result
        return result

    def sign(self, filename: str = WHEEL, sha256: str = SHA256) -> str | Refusal | None:
        """Sign, with the certificate."""
        return anyio.run(self.signer.sign, filename, sha256, self.publisher)

    def fault_of(self, text: str, filename: str = WHEEL, sha256: str = SHA256) -> str | None:
        """Check an attestation."""
        return anyio.run(self.signer.fault_of, text, filename, sha256, self.publisher)


@pytest.mark.parametrize(
    ("ci", "claims"),
    [("github", {}), ("gitlab", {"iss": ISSUERS["gitlab"]}), ("google", {})],
)
def test_signs_as_each_publisher(sigstore: PlayedSigstore, ci: str, claims: dict[str, Any]) -> None:
    """What is signed verifies, for this file and publisher alone."""
    session = Session(sigstore, ci, **claims)
    (warning,) = session.certified()
    assert warning.code is Code.KEYS_NOT_UPDATED
    signed = session.sign()
    assert isinstance(signed, str)
    statement = sigstore.entries[0]
    assert statement["predicateType"] == AttestationType.PYPI_PUBLISH_V1.value
    assert statement["subject"] == [{"name": WHEEL, "digest": {"sha256": SHA256}}]
    assert session.fault_of(signed) is None
    of_bytes = f"it is for other content: sha256 {SHA256}"
    assert session.fault_of(signed, sha256="cd" * 32) == of_bytes
    assert session.fault_of(signed, "lantern-1.1-py3-none-any.whl") == f"it is for {WHEEL}"
    other: dict[str, dict[str, Any]] = {
        "github": {"repository": "octo/harbour"},
        "gitlab": {**claims, "project_path": "group/harbour"},
    }
    foreign = Session(sigstore, ci, **other.get(ci, {"email": "other@example.org"}))
    words = foreign.fault_of(signed)
    assert words is not None
    assert words.startswith(f"it was signed by {session.publisher} (another ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is not valid JSON"),
        ("\0", "it is not valid JSON"),
        ("[" * 100_000, "it is not valid JSON"),
        ("[]", "it is not a JSON object"),
        ('{"version": 1}', "it has an attestation whose verification_material is malformed"),
    ],
)
def test_no_attestation(sigstore: PlayedSigstore, text: str, words: str) -> None:
    """Whatever a file holds, it is only said what is wrong."""
    assert Session(sigstore).fault_of(text) == words


def test_deep_attestation(sigstore: PlayedSigstore) -> None:
    """What can just be read may be too deep to be written."""
    session = Session(sigstore)
    limit = sys.getrecursionlimit()
    said = {
        session.fault_of('{"a":' * deep + "1" + "}" * deep)
        for deep in range(limit - 60, limit + 10)
    }
    # Which of the missing fields is named differs between Pythons.
    assert said <= {
        "it is not valid JSON",
        "it has an attestation whose verification_material is malformed",
        "it has an attestation whose version is malformed",
    }


def test_changed_attestation(sigstore: PlayedSigstore) -> None:
    """A part of another attestation in its place is noticed."""
    session = Session(sigstore)
    session.certified()
    one, other = (json.loads(str(session.sign(WHEEL, sha256))) for sha256 in (SHA256, "cd" * 32))
    for part, value in (("envelope", other["envelope"]), ("verification_material", {})):
        assert session.fault_of(json.dumps({**one, part: value})) not in {None, ""}
    one["envelope"]["statement"] = other["envelope"]["statement"]
    assert session.fault_of(json.dumps(one)) == "DSSE: invalid signature"


BROKEN: dict[str, tuple[Answer | Raw, str, float | None]] = {
    "refused": (Answer(400, b'{"code": 3, "message": "no such thing"}'), "400 no such thing", None),
    "limit": (Answer(429, headers={"Retry-After": "7"}), "429", 7.0),
    "down": (Answer(502, b"<html>"), "502 Bad Gateway", 1.0),
    "junk": (Answer(200, b"junk"), "", 1.0),
    "other": (Answer(201, b"{}"), "", 1.0),
    "strange": (Answer(201, b'{"signedCertificateEmbeddedSct": [], "ab": 7}'), "", 1.0),
    "no HTTP": (Raw(b"\0\1\2"), "", 1.0),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_authority(sigstore: PlayedSigstore, case: str) -> None:
    """What may pass is worth another try, what is refused is not."""
    answer, words, again = BROKEN[case]
    sigstore.proxy.on(sigstore.is_fulcio, lambda _: answer)
    refusal = Session(sigstore).certify()
    assert isinstance(refusal, Refusal)
    refused = Code.CERTIFICATE_NOT_ISSUED if case == "refused" else Code.AUTHORITY_FAILED
    assert (refusal.problem.code, refusal.again) == (refused, again)
    assert words in refusal.problem.message


@pytest.mark.parametrize("case", BROKEN)
def test_broken_log(sigstore: PlayedSigstore, case: str) -> None:
    """The same of the log."""
    session = Session(sigstore)
    session.certified()
    answer, words, again = BROKEN[case]
    sigstore.proxy.on(sigstore.is_rekor, lambda _: answer)
    refusal = session.sign()
    assert isinstance(refusal, Refusal)
    assert (refusal.problem.code, refusal.again) == (Code.LOG_FAILED, again)
    assert words in refusal.problem.message


def test_nobody_is_waited_for_too_long(sigstore: PlayedSigstore) -> None:
    """The libraries would wait for ever."""
    session = Session(sigstore, patience=SOON)
    session.certified()
    for match, ask in (
        (sigstore.is_rekor, session.sign),
        (sigstore.is_fulcio, Session(sigstore, patience=SOON).certify),
    ):
        sigstore.proxy.stall(match)
        refusal = ask()
        assert isinstance(refusal, Refusal)
        assert "it does not answer" in refusal.problem.message
        assert refusal.again


def test_lying_log(sigstore: PlayedSigstore) -> None:
    """An entry that is not for this attestation is not sent to the index."""
    session = Session(sigstore)
    session.certified()
    first: list[Answer] = []

    def same_again(exchange: Exchange) -> Answer:
        first.append(sigstore.enter(exchange))
        return first[0]

    sigstore.proxy.on(sigstore.is_rekor, same_again)
    assert isinstance(session.sign(), str)
    refusal = session.sign()
    assert isinstance(refusal, Refusal)
    assert refusal.problem.code is Code.LOG_FAILED
    assert "log entry" in refusal.problem.message


def test_authority_that_nobody_trusts(sigstore: PlayedSigstore) -> None:
    """A certificate must be in a log of certificates that is known."""
    other = PlayedSigstore(sigstore.proxy, sigstore.identities)
    refusal = Session(sigstore).certify()
    assert isinstance(refusal, Refusal)
    assert other.count(other.is_fulcio) == 1
    assert refusal.problem.code is Code.AUTHORITY_FAILED


def test_expired_certificate(sigstore: PlayedSigstore) -> None:
    """It says nothing but that, so that a new one can be had."""
    sigstore.lifetime = -1.0
    session = Session(sigstore)
    session.certified()
    assert session.sign() is None
    sigstore.lifetime = 600.0
    session.certified()
    assert isinstance(session.sign(), str)


@pytest.mark.parametrize("claims", [{"exp": 1.0}, {"sub": None}])
def test_useless_identity_token(sigstore: PlayedSigstore, claims: dict[str, Any]) -> None:
    """Nobody is asked with a token that has expired."""
    refusal = Session(sigstore, **claims).certify()
    assert isinstance(refusal, Refusal)
    assert (refusal.problem.code, refusal.again) == (Code.CERTIFICATE_NOT_ISSUED, None)
    assert sigstore.proxy.requests == []


def test_repository_of_keys_that_hangs(
    sigstore: PlayedSigstore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys that are known are used."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{silent.getsockname()[1]}")
        (warning,) = Session(sigstore, patience=SOON).certified()
    assert warning.code is Code.KEYS_NOT_UPDATED
    assert "it does not answer" in warning.message


@pytest.mark.parametrize("content", ["junk", "{}", None])
def test_useless_keys(
    sigstore: PlayedSigstore, tmp_path: Path, content: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys that cannot be read, and no place to keep them."""
    (file,) = tmp_path.glob("known/**/trusted_root.json")
    if content is None:
        blocked = tmp_path / "file"
        blocked.touch()
        monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    else:
        file.write_text(content, encoding="utf-8")
    refusal = Session(sigstore).certify()
    assert isinstance(refusal, Refusal)
    assert (refusal.problem.code, refusal.again) == (Code.KEYS_UNUSABLE, None)


def test_not_installed(sigstore: PlayedSigstore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    session = Session(sigstore)
    assert session.signer.missing() is None
    monkeypatch.setattr("sys.path", [])
    monkeypatch.delitem(sys.modules, "pypi_attestations", raising=False)
    missing = session.signer.missing()
    assert missing is not None
    assert "pipx inject" in missing.remedy
