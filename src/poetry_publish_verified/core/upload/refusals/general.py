"""Refusals that are told by little more than their status, and whatever else a server says."""

from __future__ import annotations

from poetry_publish_verified.core.upload.refusals.row import ATTESTED
from poetry_publish_verified.core.upload.refusals.row import BUILD
from poetry_publish_verified.core.upload.refusals.row import INVALID
from poetry_publish_verified.core.upload.refusals.row import SAME
from poetry_publish_verified.core.upload.refusals.row import SET_TOKEN
from poetry_publish_verified.core.upload.refusals.row import Row
from poetry_publish_verified.errors import Code

_UPLOAD_URL = (
    "Give the repository's upload URL: poetry config repositories.<repository> <upload URL>. The"
    " address of a simple index is not one."
)

# What is left, from words to a status alone: the first that fits counts.
GENERAL = (
    Row(
        Code.TOKEN_VOID,
        (403,),
        ("Invalid API Token:",),
        "the API token does not hold for this upload",
        f"Make a new token on {{tokens}}, store it with {SET_TOKEN}, and {SAME}.",
    ),
    Row(
        Code.ARCHIVE_REFUSED,
        (400,),
        (INVALID,),
        "the index does not take what is in the archive",
        f"Mend what the server names, {BUILD}.",
    ),
    Row(
        Code.ATTESTATIONS_REFUSED,
        (400,),
        (ATTESTED,),
        "the index does not take the attestations",
        f"Sign the files once more, or publish without attestations, and {SAME}.",
    ),
    Row(
        Code.METADATA_REFUSED,
        (400,),
        ("Invalid value for",),
        "a metadata field is not what the index takes",
        f"Mend the field that the server names in pyproject.toml, {BUILD}.",
    ),
    Row(
        Code.FILE_TOO_LARGE,
        (400,),
        ("too large",),
        "the index takes no file of this size",
        f"Make the file smaller, or ask the index for a higher limit, and {SAME}.",
    ),
    Row(
        Code.FILE_TOO_LARGE,
        (413,),
        (),
        "the index, or a proxy before it, takes no file of this size",
        f"Make the file smaller, or ask whoever runs it for a higher limit, and {SAME}.",
    ),
    Row(
        Code.TRY_LATER,
        (408, 429),
        (),
        "the index asks to wait",
        f"Wait some minutes and {SAME}; nothing has to be changed or built again.",
        again="yes",
    ),
    Row(
        Code.CREDENTIALS_REFUSED,
        (401, 403),
        (),
        "the credentials were refused, or they do not suffice for an upload",
        "Check the user name and password (poetry config http-basic.<repository> <user>) or the"
        f" token ({SET_TOKEN}, or POETRY_PYPI_TOKEN_<REPOSITORY>): for a token the user name is"
        " __token__. Then look whether that user may write to this repository.",
    ),
    Row(
        Code.NOT_AN_UPLOAD_URL,
        (404,),
        (),
        "there is nothing at this address that takes uploads, or these credentials may not see it",
        _UPLOAD_URL,
    ),
    Row(
        Code.NOT_AN_UPLOAD_URL,
        (405, 410),
        (),
        "this address takes no uploads; often it is that of a simple index",
        _UPLOAD_URL,
    ),
    Row(
        Code.REDIRECTED,
        tuple(range(300, 400)),
        (),
        "the upload URL redirects elsewhere, and an upload is never sent on",
        "Mend the repository's URL: poetry config repositories.<repository> <upload URL>. Often"
        " only the slash at its end is missing.",
    ),
)

# Whatever else a server says.
UNKNOWN = Row(
    Code.UPLOAD_REFUSED,
    (),
    (),
    "the index has a reason of its own",
    f"Mend what the server names and {SAME}. If that takes a new build and some files of this"
    " version are there already, raise the version.",
)
