"""The upload API: the form an index takes, and what its answer means.

Specification: "Upload API" in PyPI's own documentation.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.problems import upload as problems
from poetry_publish_verified.core.upload.outcomes import (
    Again,
    Answered,
    Doubtful,
    NoAnswer,
    Refused,
    Stored,
    UploadOutcome,
)
from poetry_publish_verified.core.upload.refusal import explain, particular
from poetry_publish_verified.core.upload.refusals.row import SIGN_IN_PAGE, Said
from poetry_publish_verified.core.upload.server_words import json_object, server_words
from poetry_publish_verified.core.urls import credential_variables
from poetry_publish_verified.errors import Code
from poetry_publish_verified.sanitize import printable

# Metadata fields whose form field has another name.
_FORM_NAMES = {
    "platforms": "platform",
    "supported_platforms": "supported_platform",
    "license_files": "license_file",
    "import_names": "import_name",
    "import_namespaces": "import_namespace",
}

# Fields with digests of the file that only the index compares: they are computed as the file is
# sent, and follow it. Hashing for them would take most of the time that reading takes before.
OTHER_DIGESTS: Mapping[str, Callable[[], "hashlib._Hash | hashlib.blake2b"]] = {
    "md5_digest": partial(hashlib.md5, usedforsecurity=False),
    "blake2_256_digest": partial(hashlib.blake2b, digest_size=32),
}


def form_fields(
    distribution: Distribution, attestation: str | None = None
) -> dict[str, str | list[str]]:
    """The form fields of one upload, to follow the file itself; a list is sent once per item.

    All metadata fields come from the archive itself, whatever tool built it; `attestation` is an
    object of PEP 740 in JSON. Those of `OTHER_DIGESTS` are left to the sender. `:action` comes
    last: without it no index stores anything, while some (pypiserver under gunicorn) store what
    they got of a request that was cut off.
    """
    parsed = distribution.parsed
    fields: dict[str, str | list[str]] = {
        "protocol_version": "1",
        "filetype": "bdist_wheel" if parsed.kind == "wheel" else "sdist",
        "pyversion": parsed.pyversion,
        "sha256_digest": distribution.sha256,
    }
    for key, value in distribution.raw_metadata.items():
        name = _FORM_NAMES.get(key, key)
        if isinstance(value, dict):  # project_urls
            fields[name] = [f"{label}, {url}" for label, url in value.items()]
        elif key == "keywords" and isinstance(value, list):
            fields[name] = ", ".join(value)
        elif isinstance(value, list):
            fields[name] = [str(item) for item in value]
        else:
            fields[name] = str(value)
    if attestation is not None:
        fields["attestations"] = f"[{attestation}]"
    return {**fields, ":action": "file_upload"}


# What indexes say of a file they hold: PyPI and Google, Nexus, GitLab; Artifactory (which says that
# one lacks the permission to overwrite). pypiserver and devpi answer 409, which is doubtful unless
# its words give another reason.
_EXISTS = (
    Said(400, 403, 409, 422, "already exist", "already been taken"),
    Said(400, "updating asset", "cannot be updated"),
    Said(403, "overwrite artifact", "overwrite all artifacts"),
    Said(409, "already contain"),
)
# No index says that it stored a file by a page for people; what stands in front of one does.
_START = 2048
_PAGE = re.compile(rb"<(?:!doctype\s+html|html|head|body|form)\b", re.IGNORECASE)
_SIGN_IN = re.compile(
    rb"<form\b|type\s*=\s*[\"']?password|\b(?:sign|log)[ -]?[io]n\b|single sign|\bsso\b",
    re.IGNORECASE,
)
_FAILED = re.compile(r"err(or)?|fail(ed|ure)?|denied|rejected|[45]\d\d", re.IGNORECASE)


def judge(
    answer: Answered | NoAnswer,
    filename: str,
    upload_url: str,
    *,
    repository: str,
    sent: Literal["none", "own", "minted"] = "own",
) -> UploadOutcome:
    """What an answer proves about `filename`: stored, refused, or neither.

    `repository` is Poetry's name for what is at `upload_url`; `sent`: which credentials
    were sent, where `minted` is a trusted publisher's token.
    """
    if isinstance(answer, NoAnswer):
        return _unanswered(answer, filename)
    words = server_words(answer)
    claims_success = 200 <= answer.status < 300
    if claims_success:
        if _PAGE.search(answer.body[:_START]):
            sign_in = _SIGN_IN.search(answer.body) is not None
            page = problems.web_page(
                filename, upload_url, repository=repository, words=words, sign_in=sign_in
            )
            return Doubtful(says_exists=False, words=words, problem=page)
        if answer.early:
            words = f"the server answered before it had the whole file: {words}"
            return Doubtful(says_exists=False, words=words)
        if not _reports_error(answer.body):
            return Stored()
    if answer.status >= 500:
        return Doubtful(says_exists=False, words=words)
    # A status may mean that the file is there (409), and its words something else.
    by_status = answer.status == 409 and particular(answer.status, words) is None
    if by_status or any(said.fits(answer.status, words) for said in _EXISTS):
        return Doubtful(says_exists=True, words=words)
    refused = explain(answer, words, filename, upload_url, repository=repository)
    if sent == "none" and refused.problem.code is Code.CREDENTIALS_REFUSED:
        looked_in = credential_variables(repository)
        problem = problems.no_credentials_sent(filename, repository, looked_in, words=words)
        refused = Refused(problem)
    elif sent == "minted" and refused.problem.code in {Code.CREDENTIALS_REFUSED, Code.TOKEN_VOID}:
        refused = Refused(problems.minted_token_refused(filename, words=words))
    # A form that was processed may lead to another page, too.
    leads_on = answer.status in {302, 303} and SIGN_IN_PAGE not in words.lower()
    if leads_on or claims_success:
        return Doubtful(says_exists=False, words=words, problem=refused.problem)
    return refused


def _reports_error(body: bytes) -> bool:
    """Whether an answer that claims success is a JSON object that says the opposite."""
    said = json_object(body)
    if any(said.get(key) for key in ("error", "errors")):
        return True
    if any(said.get(key) is False for key in ("ok", "success")):
        return True
    statuses = [said.get(key) for key in ("status", "code", "result")]
    return any(_FAILED.fullmatch(str(status)) for status in statuses)


def _unanswered(answer: NoAnswer, filename: str) -> UploadOutcome:
    if answer.changed:
        return Refused(problems.file_changed(filename))
    if answer.sent:
        return Doubtful(says_exists=False, words=printable(answer.detail))
    again: Again = "yes" if answer.passing else "no"
    return Refused(problems.not_sent(filename, answer.detail), again)
