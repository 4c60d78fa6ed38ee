"""How an upload ends: the answer, and what it proves."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from poetry_publish_verified.errors import Problem
from poetry_publish_verified.values import Value

# Whether a refused file may be sent again unchanged, without user action: never; once, as it may
# have been chance; when the index is open again; when its limit is reset; after a pause.
Again = Literal["no", "once", "later", "after-reset", "yes"]


class Answered(Value):
    """The server's answer to an upload; `reason` is the raw reason phrase, `body` its start.

    `headers` holds those that say when to retry, under lower-case names. `location` is where a
    redirect leads, without credentials and query. `early`: it claims success before the
    whole file was sent.
    """

    status: int
    reason: bytes = b""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    location: str = ""
    early: bool = False


class NoAnswer(Value):
    """The answer never came; `sent` is False if the request certainly never arrived.

    `passing`: what was in the way may be gone a moment later, unlike a certificate's fault;
    `changed`: the file is no longer what was looked at.
    """

    detail: str
    sent: bool
    passing: bool = False
    changed: bool = False


class Stored(Value):
    """The server says that it stored the file."""


class Doubtful(Value):
    """The file may or may not be there: only the index can tell.

    With a `problem` it is not sent again: that is reported if the index does not list the file.
    """

    says_exists: bool
    words: str
    problem: Problem | None = None


class Refused(Value):
    """The server, or a proxy, refused the file, and nothing was stored."""

    problem: Problem
    again: Again = "no"


UploadOutcome = Stored | Doubtful | Refused
