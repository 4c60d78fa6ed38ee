"""Attestations (PEP 740) of files that are about to be sent: which publishers may sign them."""

from poetry_publish_verified.core.problems import attestations as problems
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


def not_attestable(publisher: Publisher, severity: Severity) -> Problem | None:
    """Why indexes accept no attestations from a trusted publisher; None if they do.

    Source: PyPI's `attestations/services.py`, and which publishers it can turn into an identity.
    """
    if publisher.caller:
        return problems.of_reusable_workflow(publisher.caller, severity)
    managed = publisher.provider != "gitlab" or publisher.issuer == "https://gitlab.com"
    if publisher.provider in {"github", "gitlab", "google"} and managed:
        return None
    return problems.publisher_not_accepted(publisher.issuer, severity)
