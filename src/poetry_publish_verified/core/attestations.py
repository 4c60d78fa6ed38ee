"""Attestations (PEP 740) of files that are about to be sent: who may sign, and what is unfit."""

from collections.abc import Iterable

from poetry_publish_verified.core.problems import attestations as problems
from poetry_publish_verified.core.provenance import (
    Assessment,
    Fault,
    NotVerifiable,
    Unverified,
    named,
)
from poetry_publish_verified.core.publishers import NamedPublisher
from poetry_publish_verified.core.trusted_publishing import Publisher
from poetry_publish_verified.errors import Problem, Severity

AUDIENCE = "sigstore"
"""The audience of identity tokens that Sigstore accepts."""
SUFFIX = ".publish.attestation"
"""What the name of a file with an attestation ends with, after that of the distribution."""
EXTRA = "attestations"
"""The extra that installs what signs and verifies them."""
CERTIFICATE_LIFETIME = 600.0
"""Seconds for which Sigstore's certificates are valid."""
_FAULTS: dict[Fault, str] = {
    "malformed": "it {}",
    "certificate": "its certificate was not issued by Sigstore ({})",
    "time": "it was signed at a time at which its certificate was not valid ({})",
    "name": "it is for {}",
    "bytes": "it is for other content: sha256 {}",
}


def attesting(publisher: Publisher, severity: Severity) -> NamedPublisher | Problem:
    """Whom the attestations of a trusted publisher name, or why indexes accept none from it.

    Source: PyPI's `attestations/services.py`, and which publishers it can turn into an identity.
    """
    if publisher.caller:
        return problems.of_reusable_workflow(publisher.caller, severity)
    return named(publisher) or problems.publisher_not_accepted(publisher.issuer, severity)


def fault_in(found: Iterable[Assessment] | NotVerifiable, publisher: NamedPublisher) -> str | None:
    """Why what was found in an attestation is not right, in words."""
    if isinstance(found, NotVerifiable):
        return f"it cannot be verified ({found.reason})"
    for each in found:
        if isinstance(each, Unverified):
            return _FAULTS.get(each.fault, "{}").format(each.detail)
        if what := each.identity.differs(publisher):
            return f"it was signed by {each.identity} (another {what})"
    return None
