"""Refusals for the upload: attestations, form and address."""

from __future__ import annotations

from poetry_publish_verified.core.upload.refusals.row import ATTESTED
from poetry_publish_verified.core.upload.refusals.row import SAME
from poetry_publish_verified.core.upload.refusals.row import Row
from poetry_publish_verified.errors import Code

UPLOADS = (
    Row(
        Code.ATTESTATIONS_REFUSED,
        (400,),
        ("only supported when using Trusted Publishing", "not currently supported with"),
        "the index takes attestations with trusted publishing only, and not from every publisher",
        "Publish without attestations, or from a trusted publisher that was added on"
        f" {{publishing}}, and {SAME}.",
        beside=ATTESTED,
    ),
    Row(
        Code.ATTESTATIONS_REFUSED,
        (400,),
        (
            "Malformed",
            "maximum of 2",
            "Could not verify",
            "unsupported predicate type",
            "Multiple attestations",
        ),
        "the attestations are not valid for this file and publisher",
        "Sign the files as they are now once more, in the job that publishes them, or publish"
        f" without attestations, and {SAME}.",
        beside=ATTESTED,
    ),
    Row(
        Code.ATTESTATIONS_NOT_CHECKED,
        (400,),
        ("Unknown error",),
        "the index failed while it checked the attestations",
        f"Change nothing and {SAME}. If the index says so again, sign once more or publish"
        " without attestations.",
        again="once",
        beside=ATTESTED,
    ),
    Row(
        Code.CLIENT_FAULT,
        (400,),
        (
            "Unknown protocol version",
            "does not have a file",
            "Include at least one message digest",
            "Should not be a tuple",
            "Invalid value for filetype",
            "Invalid value for pyversion",
            "Invalid value for sha256_digest",
            "Invalid value for blake2_256_digest",
        ),
        "the upload itself was malformed, which is a fault of this plugin and not yours",
        "Report it with the receipt, which holds the server's words. Until it is mended, poetry"
        " publish can send the file; then run this command to prove it.",
    ),
    Row(
        Code.REDIRECTED,
        (301, 302, 307, 308),
        ("trailing slash",),
        "the slash at the end of the upload URL is missing",
        f"Set it with poetry config repositories.<repository> {{url}} and {SAME}.",
    ),
    Row(
        Code.NOT_AN_UPLOAD_URL,
        (410,),
        ("no longer supported", "no longer required or supported"),
        "this address is one for something that the index did once and does no longer",
        "Give the repository's upload URL of today: poetry config repositories.<repository>"
        f" <upload URL>, and {SAME}.",
    ),
)
