"""Verifies the attestations in provenance documents, offline, with pypi-attestations.

That takes half a second or more to import, so only `verify` does.
"""

import logging
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from poetry_publish_verified.core.provenance import (
    Assessment,
    Attested,
    Fault,
    MalformedProvenanceError,
    NotVerifiable,
    Unverified,
    named_in,
    read_document,
    subject_of,
)
from poetry_publish_verified.core.publishers import SignerIdentity

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from pypi_attestations import Attestation

# Fulcio's extensions (oid-info.md): issuer, source repository, its ref and digest, build config.
_ARC = "1.3.6.1.4.1.57264.1."
_ISSUER, _REPOSITORY, _REF, _DIGEST, _CONFIG = (f"{_ARC}{n}" for n in (8, 12, 14, 13, 18))


def extra_is_installed() -> bool:
    """Whether attestations can be verified; imports nothing."""
    return find_spec("pypi_attestations") is not None


class SigstoreVerifier:
    """Verifies with the trust root that Sigstore's library has, or keeps in the user's cache."""

    def __init__(self) -> None:
        # One at a time: the first writes that trust root into the cache.
        self._limiter = anyio.CapacityLimiter(1)

    async def verify(
        self, document: bytes, filename: str, sha256: str
    ) -> tuple[Assessment, ...] | NotVerifiable:
        """An assessment of each attestation in a provenance document of a file; never raises."""
        work = partial(_verified, document, filename, sha256)
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)


def _verified(
    document: bytes, filename: str, sha256: str
) -> tuple[Assessment, ...] | NotVerifiable:
    try:
        found = read_document(document)
    except MalformedProvenanceError as error:
        return (Unverified("malformed", str(error)),)
    # It warns that it does not update what it trusts, which is intended.
    logging.getLogger("sigstore").setLevel(logging.CRITICAL)
    try:
        from sigstore.verify import Verifier

        Verifier.production(offline=True)
    except Exception as error:  # noqa: BLE001 - a directory or a file in the user's cache, or a package
        return NotVerifiable(f"{type(error).__name__}: {error}")
    return tuple(_assessed(claimed, given, filename, sha256) for claimed, given in found)


def _assessed(
    claimed: Mapping[str, Any], given: Mapping[str, Any], filename: str, sha256: str
) -> Assessment:
    from pydantic import ValidationError
    from pypi_attestations import Attestation, Distribution

    signer = _Signer(claimed)
    attestation = None
    try:
        attestation = Attestation.model_validate(given)
        file = Distribution(name=filename, digest=sha256)
        predicate, _ = attestation.verify(signer, file, offline=True)
        (entry, *_) = attestation.verification_material.transparency_entries
        index = str(entry.get("logIndex"))
        number = int(index) if index.isascii() and index.isdecimal() and len(index) < 20 else None
        return Attested(signer.identity, predicate, number, named_in(claimed), signer.confirmed)
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False, include_input=False)
        place = ".".join(map(str, first["loc"]))
        return Unverified("malformed", f"has an attestation whose {place} is malformed")
    # Their libraries' parsers of foreign bytes panic with BaseException, in a thread of its own.
    except BaseException as error:  # noqa: BLE001
        if attestation is None:
            return Unverified("malformed", "has an attestation that cannot be read")
        return _explained(error, attestation, signer, filename)


class _Signer:
    """A policy of Sigstore's that takes every certificate, and remembers whom it was issued to.

    It is asked once the certificate is found to be Sigstore's. Which identities are right is not
    decided here (but in `core.provenance.judge`).
    """

    def __init__(self, claimed: Mapping[str, Any]) -> None:
        self._claimed = claimed
        self.identity = SignerIdentity("")
        self.confirmed = False

    def verify(self, cert: "Certificate") -> None:
        """Raises only if the certificate is malformed."""
        self.identity = _identity(cert)
        self.confirmed = self._confirms(cert)

    def _confirms(self, cert: "Certificate") -> bool:
        from pydantic import TypeAdapter
        from pypi_attestations import Publisher

        try:
            named = TypeAdapter[Any](Publisher).validate_python(self._claimed)
            named._as_policy().verify(cert)  # noqa: SLF001 - `Attestation.verify` does the same
        except Exception:  # noqa: BLE001 - an unknown kind of publisher, another identity
            return False
        return True


def _identity(cert: "Certificate") -> SignerIdentity:
    from cryptography.x509 import RFC822Name, SubjectAlternativeName
    from pypi_attestations._impl import _der_decode_utf8string  # what it reads the others with

    said = {each.oid.dotted_string: each.value for each in cert.extensions}

    def text(oid: str) -> str:
        return _der_decode_utf8string(said[oid].public_bytes()) if oid in said else ""

    names = cert.extensions.get_extension_for_class(SubjectAlternativeName).value
    emails = names.get_values_for_type(RFC822Name)
    revisions = tuple(filter(None, (text(_REF), text(_DIGEST))))
    email = emails[0] if emails else ""
    return SignerIdentity(text(_ISSUER), text(_REPOSITORY), text(_CONFIG), revisions, email)


def _explained(
    error: BaseException, attestation: "Attestation", signer: _Signer, filename: str
) -> Unverified:
    """At which step of the verification an attestation failed, by the order of the steps.

    Their errors have one type, so where the step does not say which, its first words do.
    """
    words = str(error).removeprefix("Verification failed: ").partition(": expected")[0]
    words = words or type(error).__name__
    try:
        bundle = attestation.to_bundle()
    except Exception:  # noqa: BLE001 - the same error again
        return Unverified("malformed", f"has an incomplete or damaged attestation ({words})")
    if not signer.identity.issuer:
        logged = bundle.log_entry._inner.integrated_time or 0  # noqa: SLF001 - no other access
        cert = bundle.signing_certificate
        begins, ends = cert.not_valid_before_utc.timestamp(), cert.not_valid_after_utc.timestamp()
        if begins <= logged <= ends:
            return Unverified("certificate", words)
        return Unverified("time", f"{logged} is not in {begins:.0f} to {ends:.0f}")
    if error.__cause__ is not None:
        logged = words.startswith(("invalid log entry", "invalid signing cert", "log entry"))
        return Unverified("log" if logged else "signature", words)
    name, digest = subject_of(attestation.envelope.statement)
    fault: Fault = "statement"
    if "distribution name" in words:
        fault, words = "name", name
    elif "distribution digest" in words:
        fault, words = ("bytes", digest) if name == filename else ("name", name)
    return Unverified(fault, words)
