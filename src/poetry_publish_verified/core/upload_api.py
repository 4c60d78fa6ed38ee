"""The upload API: the form an index takes, and what its answer means.

Specification: "Upload API" in PyPI's own documentation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.foreign import printable
from poetry_publish_verified.core.foreign import words_of_html
from poetry_publish_verified.errors import Code
from poetry_publish_verified.errors import Problem

# Metadata fields whose form field has another name.
_FORM_NAMES = {
    "platforms": "platform",
    "supported_platforms": "supported_platform",
    "license_files": "license_file",
}


def form_fields(distribution: Distribution) -> dict[str, str | list[str]]:
    """The form fields of one upload, the file itself left out; a list is sent once per item.

    All metadata fields come from the archive itself, whatever tool built it.
    """
    parsed = distribution.parsed
    fields: dict[str, str | list[str]] = {
        ":action": "file_upload",
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
    return fields


@dataclass(frozen=True, slots=True)
class Answered:
    """The server's answer to an upload; `reason` is the raw reason phrase, `body` its start."""

    status: int
    reason: bytes = b""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The answer never came; `sent` is False where the request surely never arrived."""

    detail: str
    sent: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """The server says that it took the file."""


@dataclass(frozen=True, slots=True)
class Doubtful:
    """The file may be there or not: only a look at the index tells."""

    says_exists: bool
    words: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The server, or the way there, said no, and nothing was stored."""

    problem: Problem
    again: str = "no"


Judgement = Stored | Doubtful | Refused

# What indexes say of a file they hold: (status, words). PyPI and Google, Nexus, Artifactory,
# GitLab. pypiserver and devpi answer 409, which is doubtful whatever the words.
_EXISTS = (
    (400, "already exist"),
    (400, "updating asset"),
    (400, "cannot be updated"),
    (403, "overwrite artifact"),
    (400, "already been taken"),
)


def judge(answer: Answered | NoAnswer, filename: str) -> Judgement:
    """What an answer proves about `filename`: stored, refused, or neither."""
    if isinstance(answer, NoAnswer):
        if answer.sent:
            return Doubtful(says_exists=False, words=printable(answer.detail))
        return Refused(
            Problem(
                Code.UPLOAD_NOT_SENT,
                f"{filename} was not sent: {printable(answer.detail)}.",
                "Check the repository's address, the network and the certificates, and run the"
                " same command again.",
                filename=filename,
            )
        )
    if 200 <= answer.status < 300:
        return Stored()
    words = server_words(answer)
    lower = words.lower()
    if answer.status == 409 or any(
        answer.status == status and text in lower for status, text in _EXISTS
    ):
        return Doubtful(says_exists=True, words=words)
    if answer.status >= 500:
        return Doubtful(says_exists=False, words=words)
    return Refused(_refusal(answer, words, filename))


def server_words(answer: Answered) -> str:
    """What the server said, on one line: status, reason phrase and the words of the body.

    PyPI puts its message into the reason phrase, the others into the body (HTML, JSON, text).
    """
    said = printable(answer.reason)
    body = _words_of_body(answer.body)
    if body and body not in said:
        said = f"{said}: {body}" if said else body
    return printable(f"{answer.status} {said}".strip(), 800)


def _words_of_body(body: bytes) -> str:
    text = body[:65536].strip()
    if text.startswith((b"{", b'"', b"[")):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return printable(text)
        for key in ("message", "detail", "error", "errors"):
            if isinstance(value, dict) and value.get(key):
                value = value[key]
        return printable(value if isinstance(value, str) else json.dumps(value))
    return words_of_html(text)


@dataclass(frozen=True, slots=True)
class _Row:
    """One kind of refusal: where status and words match, this code, cause and remedy."""

    statuses: tuple[int, ...]
    words: str
    code: Code
    cause: str
    remedy: str


_CHECK_LOGIN = (
    "Check the user name and password or the token: for a token the user name is __token__"
    " (poetry config pypi-token.<repository>, or POETRY_PYPI_TOKEN_<REPOSITORY>)."
)

# The first row that matches counts: from the particular to the general.
_REFUSALS = (
    _Row(
        (400, 403),
        "verified primary email",
        Code.EMAIL_NOT_VERIFIED,
        "the account's primary e-mail address is not verified",
        "Log in to the index, verify the primary e-mail address on the account settings page,"
        " and run the same command again.",
    ),
    _Row(
        (403,),
        "isn't allowed to upload to project",
        Code.NOT_ALLOWED,
        "this account or token may not upload to this project",
        "Ask an owner of the project for the Maintainer role, or use a token of this project.",
    ),
    *(
        _Row(
            (403,),
            words,
            Code.CLOSED,
            "the index takes no uploads at the moment",
            "Run the same command again later; the index's status page may say when.",
        )
        for words in ("read-only mode", "temporarily disabled")
    ),
    *(
        _Row(
            (status,),
            "",
            Code.TRY_LATER,
            "the index asks to wait",
            "Wait some minutes and run the same command again; do not build again.",
        )
        for status in (408, 429)
    ),
    _Row((401, 403), "", Code.CREDENTIALS_REFUSED, "the credentials were refused", _CHECK_LOGIN),
    _Row(
        (400, 413),
        "too large",
        Code.FILE_TOO_LARGE,
        "the index takes no file of this size",
        "Ask the index for a higher limit, or make the file smaller.",
    ),
    _Row(
        (413,),
        "",
        Code.FILE_TOO_LARGE,
        "the index, or a proxy before it, takes no file of this size",
        "Ask for a higher limit, or make the file smaller.",
    ),
    _Row(
        (404, 405, 410),
        "",
        Code.NOT_AN_UPLOAD_URL,
        "this address takes no uploads",
        "Give the repository's upload URL: poetry config repositories.<name> <upload URL>. The"
        " address of a simple index is not one.",
    ),
)


def _refusal(answer: Answered, words: str, filename: str) -> Problem:
    if 300 <= answer.status < 400:
        return Problem(
            Code.REDIRECTED,
            f"{filename} was refused: the upload URL redirects elsewhere ({words}), and an upload"
            " is never sent on.",
            "Mend the repository's URL; often only the slash at its end is missing.",
            filename=filename,
        )
    for row in _REFUSALS:
        if answer.status in row.statuses and row.words in words.lower():
            return Problem(
                row.code,
                f"{filename} was refused: {row.cause}. The server said: {words}",
                row.remedy,
                filename=filename,
            )
    return Problem(
        Code.UPLOAD_REFUSED,
        f"{filename} was refused. The server said: {words}",
        "Mend what the server names and run the same command again. If that takes a new build and"
        " some files of this version are there already, raise the version.",
        filename=filename,
    )
