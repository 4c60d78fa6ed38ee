"""Refusals recognized by little more than their status, and a row for everything else."""

from poetry_publish_verified.core.upload.refusals.row import (
    ATTESTED,
    INVALID,
    SIGN_IN_PAGE,
    Row,
    Said,
)
from poetry_publish_verified.errors import Code

_SET_URL = "Set the repository's upload URL: {set_url}. A simple index does not accept uploads."

# From words to a status alone: the first row that fits counts.
GENERAL = (
    # forklift/legacy.py, macaroons/security_policy.py
    Row(
        Code.TOKEN_VOID,
        Said(403, "Invalid API Token:"),
        "the API token is not valid for this upload",
        "{new_token}",
    ),
    Row(
        Code.ARCHIVE_REFUSED,
        Said(400, INVALID),
        "the index does not accept what is in the archive",
        "Fix what the server reports, {build}.",
    ),
    Row(
        Code.ATTESTATIONS_REFUSED,
        Said(400, ATTESTED),
        "the index does not accept the attestations",
        "Publish without --attest, or {rerun} with a newer version of this plugin.",
    ),
    Row(
        Code.METADATA_REFUSED,
        Said(400, "Invalid value for"),
        "the index does not accept one of the metadata fields",
        "Fix the field that the server names in pyproject.toml, {build}.",
    ),
    # Any index, and the proxies in front of it.
    Row(
        Code.FILE_TOO_LARGE,
        Said(400, "too large"),
        "the file is larger than the index accepts",
        "Make the file smaller, or ask the index for a higher limit, then {rerun}.",
    ),
    Row(
        Code.FILE_TOO_LARGE,
        Said(413),
        "the file is larger than the index, or a proxy in front of it, accepts",
        "Make the file smaller, or ask the administrators for a higher limit, then {rerun}.",
    ),
    Row(
        Code.TRY_LATER,
        Said(408, 429),
        "the index asks you to wait",
        "Wait a few minutes, then {rerun}; there is nothing to change or rebuild.",
        again="yes",
    ),
    Row(
        Code.CREDENTIALS_REFUSED,
        Said(401, 403),
        "the credentials are wrong, or do not allow uploads",
        "Check the user name and password (poetry config http-basic.{repository} <user>) or the"
        " token ({set_token}{or_variable}); with a token, the user name is"
        " __token__. Then check whether that user may write to this repository.",
    ),
    Row(
        Code.NOT_AN_UPLOAD_URL,
        Said(404),
        "nothing at this URL accepts uploads, or these credentials may not see it",
        _SET_URL,
    ),
    Row(
        Code.NOT_AN_UPLOAD_URL,
        Said(405, 410),
        "this URL does not accept uploads; it may be the URL of a simple index",
        _SET_URL,
    ),
    Row(
        Code.REDIRECTED,
        Said(*range(300, 400), f"redirecting to {SIGN_IN_PAGE}"),
        "the upload URL redirects to a sign-in page, so the credentials were not accepted",
        "Check the credentials (poetry config http-basic.{repository} <user>). If they are right,"
        " ask the administrators for an upload URL that accepts them without a sign-in page, then"
        " {rerun}.",
    ),
    Row(
        Code.REDIRECTED,
        Said(*range(300, 400)),
        "the upload URL redirects elsewhere, and uploads do not follow redirects",
        "If the target is right, set it as the upload URL: {set_url}. Often only the"
        " trailing slash or the s of https is missing.",
    ),
)

# Anything else a server says.
UNKNOWN = Row(
    Code.UPLOAD_REFUSED,
    Said(),
    "the index does not accept it",
    "Fix what the server reports, then {rerun}. If that takes a new build and some files of this"
    " version are already on the index, bump the version.",
)
