"""Sigstore on loopback: a Fulcio, a Rekor (version 1), and a trust root of their own.

Poetry finds it as it would find the real one, in sigstore's cache (`variables`), which is used if
the repository of trusted keys cannot be reached. Real code signs and verifies.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from tests.beds.proxy import Answer, Exchange, FaultProxy, Request

if TYPE_CHECKING:
    from tests.beds.publishing import TrustedIndex

AUDIENCE = "sigstore"
ISSUERS = {
    "github": "https://token.actions.githubusercontent.com",
    "gitlab": "https://gitlab.com",
    "google": "https://accounts.google.com",
}
"""The issuers that verifiers know, by publisher."""
_PRODUCTION = "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
_LOG = "rekor.harbour.example"
_SCT = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_START = datetime(2020, 1, 1, tzinfo=UTC)
_COMMIT = "5a" * 20


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _public(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _signed(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def _canonical(value: Any) -> bytes:
    """What RFC 8785 makes of texts and whole numbers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _json(value: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), headers={"Content-Type": "application/json"})


@dataclass
class PlayedSigstore:
    """Fulcio and Rekor behind one proxy, whose rules can break them.

    `identities` checks identity tokens: the CI systems' side of an index. Certificates are valid
    for `lifetime` seconds. `entries` has the body of each log entry.
    """

    proxy: FaultProxy
    identities: TrustedIndex
    lifetime: float = 600.0
    entries: list[dict[str, Any]] = field(default_factory=list)
    _authority: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    _certificates: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    _entries: ec.EllipticCurvePrivateKey = field(default_factory=_key)

    def __post_init__(self) -> None:
        """Answer what signers ask."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Harbour's Fulcio")])
        self._root = _certificate(name, name, self._authority.public_key(), 3650 * 86400.0)
        for extension in (
            x509.BasicConstraints(ca=True, path_length=1),
            _usage(certificates=True),
        ):
            self._root = self._root.add_extension(extension, critical=True)
        own = x509.SubjectKeyIdentifier.from_public_key(self._authority.public_key())
        self.root = self._root.add_extension(own, critical=False).sign(
            self._authority, hashes.SHA256()
        )
        self.proxy.on(self.is_fulcio, self._issue)
        self.proxy.on(self.is_rekor, self.enter)

    @staticmethod
    def is_fulcio(request: Request) -> bool:
        """Match requests for a certificate."""
        return request.path == "/api/v2/signingCert"

    @staticmethod
    def is_rekor(request: Request) -> bool:
        """Match new entries of the log."""
        return request.path == "/api/v1/log/entries"

    def count(self, match: Any) -> int:
        """How many requests so far were of this kind."""
        return sum(match(request) for request in list(self.proxy.requests))

    def variables(self, folder: Path) -> dict[str, str]:
        """The environment in which this is Sigstore; `folder` gets its cache."""
        known = folder / "sigstore-python" / "tuf" / _PRODUCTION
        known.mkdir(parents=True)
        known.joinpath("trusted_root.json").write_text(json.dumps(self.trusted_root()))
        known.joinpath("signing_config.v0.2.json").write_text(json.dumps(self.signing_config()))
        # Nothing listens at port 1, so that no new keys are fetched.
        return {"XDG_CACHE_HOME": str(folder), "HTTPS_PROXY": "http://127.0.0.1:1"}

    def sign(self, name: str, sha256: str, identity: str, statement: Any = None) -> str:
        """An attestation that was made elsewhere, in JSON; of another statement if one is given."""
        from pypi_attestations import Attestation, Distribution
        from sigstore.models import ClientTrustConfig
        from sigstore.oidc import IdentityToken
        from sigstore.sign import SigningContext

        known = {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": self.trusted_root(),
            "signingConfig": self.signing_config(),
        }
        config = ClientTrustConfig.from_json(json.dumps(known))
        config.force_tlog_version = 1
        with SigningContext.from_trust_config(config).signer(IdentityToken(identity)) as signer:
            if statement is not None:
                return Attestation.from_bundle(signer.sign_dsse(statement)).model_dump_json()
            file = Distribution(name=name, digest=sha256)
            return Attestation.sign(signer, file).model_dump_json()

    def signing_config(self) -> dict[str, Any]:
        """Where to sign: a newer log, which must not be used, comes first."""
        valid = {"validFor": {"start": _START.isoformat()}, "operator": "harbour"}
        old = {"url": self.proxy.origin, "majorApiVersion": 1, **valid}
        return {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [old],
            "rekorTlogUrls": [{**old, "majorApiVersion": 2, "url": "http://127.0.0.1:1"}, old],
            "tsaUrls": [],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaConfig": {"selector": "ANY"},
        }

    def trusted_root(self) -> dict[str, Any]:
        """What verifiers trust."""
        valid = {"start": _START.isoformat()}

        def log(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
            public = {"rawBytes": _base64(_public(key)), "validFor": valid}
            return {
                "baseUrl": self.proxy.origin,
                "hashAlgorithm": "SHA2_256",
                "publicKey": {**public, "keyDetails": "PKIX_ECDSA_P256_SHA_256"},
                "logId": {"keyId": _base64(_id(key))},
            }

        root = _base64(self.root.public_bytes(serialization.Encoding.DER))
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self._entries)],
            "ctlogs": [log(self._certificates)],
            "certificateAuthorities": [
                {
                    "subject": {"organization": "harbour", "commonName": "Harbour's Fulcio"},
                    "uri": self.proxy.origin,
                    "certChain": {"certificates": [{"rawBytes": root}]},
                    "validFor": valid,
                }
            ],
            "timestampAuthorities": [],
        }

    def _issue(self, exchange: Exchange) -> Answer:
        """Fulcio: a certificate for an identity token."""
        scheme, _, token = exchange.request.headers.get("authorization", "").partition(" ")
        claims = self.identities.checked(token, AUDIENCE) if scheme == "Bearer" else None
        if claims is None:
            return _json({"code": 16, "message": "There was an error processing the token"}, 401)
        asked = json.loads(exchange.request.body)["certificateSigningRequest"]
        request = x509.load_pem_x509_csr(base64.b64decode(asked))
        assert request.is_signature_valid
        leaf = self._leaf(request, claims)
        chain = [each.public_bytes(serialization.Encoding.PEM).decode() for each in leaf]
        return _json({"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}})

    def _leaf(
        self, request: x509.CertificateSigningRequest, claims: dict[str, Any]
    ) -> tuple[x509.Certificate, x509.Certificate]:
        key = request.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        subject, issued = _identity_of(claims)
        own = x509.SubjectKeyIdentifier.from_public_key(self._authority.public_key())
        builder = _certificate(self.root.subject, x509.Name([]), key, self.lifetime)
        for extension, critical in (
            (_usage(certificates=False), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False),
            (x509.SubjectKeyIdentifier.from_public_key(key), False),
            (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), False),
            (x509.SubjectAlternativeName([subject]), True),
        ):
            builder = builder.add_extension(extension, critical=critical)
        for number, text in {1: issued[8], **issued}.items():
            oid = ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}")
            value = text.encode()
            head = bytes([len(value)]) if len(value) < 128 else b"\x81%c" % len(value)
            # The first one is older, and no string of ASN.1.
            value = value if number == 1 else b"\x0c" + head + value
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=False)
        precertificate = builder.sign(self._authority, hashes.SHA256())
        stamp = x509.UnrecognizedExtension(_SCT, self._stamp(precertificate))
        return (
            builder.add_extension(stamp, critical=False).sign(self._authority, hashes.SHA256()),
            self.root,
        )

    def _stamp(self, precertificate: x509.Certificate) -> bytes:
        """The promise of the log of certificates to list this one (RFC 6962)."""
        now = int(time.time() * 1000)
        body = precertificate.tbs_certificate_bytes
        entry = _id(self._authority) + len(body).to_bytes(3, "big") + body
        signature = _signed(
            self._certificates,
            struct.pack("!BBQH", 0, 0, now, 1) + entry + struct.pack("!H", 0),
        )
        stamp = struct.pack("!B32sQHBBH", 0, _id(self._certificates), now, 0, 4, 3, len(signature))
        stamp += signature
        stamps = struct.pack("!HH", len(stamp) + 2, len(stamp)) + stamp
        return b"\x04" + bytes([len(stamps)]) + stamps

    def enter(self, exchange: Exchange) -> Answer:
        """Rekor: an entry for a signed statement."""
        proposed = json.loads(exchange.request.body)
        assert (proposed["kind"], proposed["apiVersion"]) == ("dsse", "0.0.1")
        content = proposed["spec"]["proposedContent"]
        envelope = json.loads(content["envelope"])
        payload = base64.b64decode(envelope["payload"])

        def digest(data: bytes) -> dict[str, str]:
            return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}

        body = {
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": digest(content["envelope"].encode()),
                "payloadHash": digest(payload),
                "signatures": [
                    {"signature": each["sig"], "verifier": content["verifiers"][0]}
                    for each in envelope["signatures"]
                ],
            },
        }
        self.entries.append(json.loads(payload))
        return _json({"ab" * 32: self._entry(_canonical(body))}, 201)

    def _entry(self, body: bytes) -> dict[str, Any]:
        """The log's answer: the proof is of a tree with this entry alone."""
        entry = {
            "body": _base64(body),
            "integratedTime": int(time.time()),
            "logID": _id(self._entries).hex(),
            "logIndex": len(self.entries) - 1,
        }
        root = hashlib.sha256(b"\0" + body).digest()
        note = f"{_LOG} - 1\n1\n{_base64(root)}\n"
        signature = _id(self._entries)[:4] + _signed(self._entries, note.encode())
        return {
            **entry,
            "verification": {
                "signedEntryTimestamp": _base64(_signed(self._entries, _canonical(entry))),
                "inclusionProof": {
                    "checkpoint": f"{note}\n\u2014 {_LOG} {_base64(signature)}\n",
                    "hashes": [],
                    "logIndex": 0,
                    "rootHash": root.hex(),
                    "treeSize": 1,
                },
            },
        }


def _id(key: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(_public(key)).digest()


def _certificate(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey, lifetime: float
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(seconds=1))
        .not_valid_after(now + timedelta(seconds=lifetime))
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        key_cert_sign=certificates,
        crl_sign=certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _identity_of(claims: dict[str, Any]) -> tuple[x509.GeneralName, dict[int, str]]:
    """What Fulcio certifies: the subject, and extensions by their last number.

    Documented in Fulcio's `docs/oid-info.md`.
    """
    if "email" in claims:
        return x509.RFC822Name(claims["email"]), {8: ISSUERS["google"]}
    if "project_path" in claims:
        provider, path, uri = "gitlab", claims["project_path"], claims["ci_config_ref_uri"]
        config = f"https://gitlab.com/{uri.partition('/')[2]}"
        home = "https://gitlab.com"
    else:
        provider, path = "github", claims["repository"]
        home = "https://github.com"
        config = f"{home}/{claims['workflow_ref']}"
    issued = {
        8: ISSUERS[provider],
        9: f"{home}/{claims['job_workflow_ref']}" if provider == "github" else config,
        12: f"{home}/{path}",
        13: claims.get("sha", _COMMIT),
        14: config.rpartition("@")[2],
        18: config,
    }
    return x509.UniformResourceIdentifier(issued[9]), issued
