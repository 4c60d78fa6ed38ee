"""The upload API: the form an index takes, and what its answer means.

Specification: "Upload API" in PyPI's own documentation.
"""

from __future__ import annotations

import json
import re

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
from poetry_publish_verified.core.upload.refusal import WORDS_LIMIT, explain, particular
from poetry_publish_verified.core.upload.refusals.row import SIGN_IN_PAGE
from poetry_publish_verified.core.urls import credential_variables, is_sign_in
from poetry_publish_verified.errors import Code
from poetry_publish_verified.sanitize import printable, words_of_html

# Metadata fields whose form field has another name.
_FORM_NAMES = {
    "platforms": "platform",
    "supported_platforms": "supported_platform",
    "license_files": "license_file",
}


def form_fields(distribution: Distribution) -> dict[str, str | list[str]]:
    """The form fields of one upload, to follow the file itself; a list is sent once per item.

    All metadata fields come from the archive itself, whatever tool built it. `:action` comes last:
    without it no index stores anything, while some (pypiserver under gunicorn) store what they got
    of a request that was cut off.
    """
    parsed = distribution.parsed
    fields: dict[str, str | list[str]] = {
        "protocol_version": "1",
        "filetype": "bdist_wheel" if parsed.kind == "wheel" else "sdist",
        "pyversion": parsed.pyversion,
        "md5_digest": distribution.md5,
        "sha256_digest": distribution.sha256,
        "blake2_256_digest": distribution.blake2_256,
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
    return {**fields, ":action": "file_upload"}


# What indexes say of a file they hold: (status, words). PyPI and Google, Nexus, Artifactory (which
# says that one lacks the permission to overwrite), GitLab. pypiserver and devpi answer 409, which
# is doubtful unless its words give another reason.
_EXISTS = (
    (400, "already exist"),
    (400, "updating asset"),
    (400, "cannot be updated"),
    (403, "overwrite artifact"),
    (403, "overwrite all artifacts"),
    (409, "already exist"),
    (409, "already contain"),
    (400, "already been taken"),
)
# No index says that it stored a file by a page for people; what stands in front of one does.
_START = 2048
_PAGE = re.compile(rb"<(?:!doctype\s+html|html|head|body|form)\b", re.IGNORECASE)
_SIGN_IN = re.compile(
    rb"<form\b|type\s*=\s*[\"']?password|\b(?:sign|log)[ -]?[io]n\b|single sign|\bsso\b",
    re.IGNORECASE,
)
# Under which names JSON answers have their message, what may stand beside it, and how deep it is.
_MESSAGES = frozenset({"message", "detail", "error", "errors", "reason"})
_BESIDE = frozenset({"code", "status", "success"})
_DEPTH = 5


def judge(
    answer: Answered | NoAnswer,
    filename: str,
    upload_url: str,
    *,
    repository: str,
    anonymous: bool = False,
) -> UploadOutcome:
    """What an answer proves about `filename`: stored, refused, or neither.

    `repository` is Poetry's name for what is at `upload_url`; `anonymous`: no credentials
    were sent.
    """
    if isinstance(answer, NoAnswer):
        return _unanswered(answer, filename)
    words = server_words(answer)
    if 200 <= answer.status < 300:
        if _PAGE.search(answer.body[:_START]):
            sign_in = _SIGN_IN.search(answer.body) is not None
            page = problems.web_page(
                filename, upload_url, repository=repository, words=words, sign_in=sign_in
            )
            return Doubtful(says_exists=False, words=words, problem=page)
        if not answer.early:
            return Stored()
        words = f"the server answered before it had the whole file: {words}"
        return Doubtful(says_exists=False, words=words)
    if answer.status >= 500:
        return Doubtful(says_exists=False, words=words)
    lower = words.lower()
    # A status may mean that the file is there (409), and its words something else.
    by_status = answer.status == 409 and particular(answer.status, words) is None
    if by_status or any(answer.status == known and text in lower for known, text in _EXISTS):
        return Doubtful(says_exists=True, words=words)
    refused = explain(answer, words, filename, upload_url, repository=repository)
    if anonymous and refused.problem.code is Code.CREDENTIALS_REFUSED:
        looked_in = credential_variables(repository)
        problem = problems.no_credentials_sent(filename, repository, looked_in, words=words)
        return Refused(problem)
    return refused


def _unanswered(answer: NoAnswer, filename: str) -> UploadOutcome:
    if answer.changed:
        return Refused(problems.file_changed(filename))
    if answer.sent:
        return Doubtful(says_exists=False, words=printable(answer.detail))
    again: Again = "yes" if answer.passing else "no"
    return Refused(problems.not_sent(filename, answer.detail), again)


def server_words(answer: Answered) -> str:
    """What the server said, on one line: status, reason phrase and the words of the body.

    PyPI puts its message into the reason phrase, the others into the body (HTML, JSON, text).
    """
    said = printable(answer.reason, WORDS_LIMIT)
    body = _words_of_body(answer.body)
    if body and body not in said:
        said = f"{said}: {body}" if said else body
    words = printable(f"{answer.status} {said}".strip(), WORDS_LIMIT)
    if not answer.location:
        return words
    page = f"{SIGN_IN_PAGE} " if is_sign_in(answer.location) else ""
    return f"{words}, redirecting to {page}{answer.location}"


def _words_of_body(body: bytes) -> str:
    text = body[:65536].strip()
    if text.startswith((b"{", b'"', b"[")):
        try:
            value = _message_in(json.loads(text))
            said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        except (ValueError, RecursionError):
            return printable(text, WORDS_LIMIT)
        return printable(said, WORDS_LIMIT)
    return words_of_html(text, WORDS_LIMIT)


def _message_in(value: object) -> object:
    """The message inside a JSON answer, where it has one of the usual forms; else all of it."""
    for _ in range(_DEPTH):
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        elif (
            isinstance(value, dict)
            and len(keys := value.keys() - _BESIDE) == 1
            and value[key := keys.pop()]
            and key in _MESSAGES
        ):
            value = value[key]
        else:
            break
    return value
