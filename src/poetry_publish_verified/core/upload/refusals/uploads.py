"""Refusals because of the upload: attestations, form and URL."""

from poetry_publish_verified.core.upload.refusals.row import ATTESTED, Row, Said
from poetry_publish_verified.errors import Code

UPLOADS = (
    # attestations/services.py
    Row(
        Code.ATTESTATIONS_REFUSED,
        Said(
            400,
            "only supported when using Trusted Publishing",
            "not currently supported with",
            beside=ATTESTED,
        ),
        "the index accepts attestations only with trusted publishing, and not from every publisher",
        "Publish without --attest, or from a trusted publisher (added on {publishing}), then"
        " {rerun}.",
    ),
    Row(
        Code.ATTESTATIONS_REFUSED,
        Said(400, "Could not verify", beside=ATTESTED),
        "the attestation is for another file, or by a publisher other than the one that uploads",
        "Delete the file .publish.attestation beside the distribution, if there is one. Compare"
        " this job with {publishing}: owner and repository must be written as the CI system writes"
        " them, and the job must not be in a reusable workflow. Then {rerun}, or publish without"
        " --attest.",
    ),
    Row(
        Code.ATTESTATIONS_REFUSED,
        Said(
            400,
            "Malformed",
            "maximum of 2",
            "unsupported predicate type",
            "Multiple attestations",
            beside=ATTESTED,
        ),
        "the attestations are not of a form that the index accepts",
        "Delete the file .publish.attestation beside the distribution, so that --attest signs a new"
        " one, or publish without --attest, then {rerun}.",
    ),
    Row(
        Code.ATTESTATIONS_NOT_CHECKED,
        Said(400, "Unknown error", beside=ATTESTED),
        "the index failed while it checked the attestations",
        "Change nothing and {rerun}. If this happens again, publish without --attest.",
        again="once",
    ),
    # forklift/legacy.py, forklift/forms.py, forklift/decorators.py
    Row(
        Code.CLIENT_FAULT,
        Said(
            400,
            "Unknown protocol version",
            "does not have a file",
            "Include at least one message digest",
            "Should not be a tuple",
            "Invalid value for filetype",
            "Invalid value for pyversion",
            "Invalid value for sha256_digest",
            "Invalid value for blake2_256_digest",
        ),
        "the upload itself was malformed, which is a bug in this plugin",
        "Report it and attach the receipt, which quotes the server. Until it is fixed, upload the"
        " file with poetry publish, then run this command to verify it.",
    ),
    Row(
        Code.REDIRECTED,
        Said(301, 302, 307, 308, "trailing slash"),
        "the upload URL lacks its trailing slash",
        "Run poetry config repositories.{repository} {url} and {rerun}.",
    ),
    Row(
        Code.NOT_AN_UPLOAD_URL,
        Said(410, "no longer supported", "no longer required or supported"),
        "this URL belongs to a service that the index no longer offers",
        "Set the repository's current upload URL with {set_url}, then {rerun}.",
    ),
)
