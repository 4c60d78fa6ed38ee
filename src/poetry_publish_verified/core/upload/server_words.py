"""What a server said about an upload: its status, reason phrase and body on one line, each once."""

import json
import re
from typing import Any

from poetry_publish_verified.core.upload.outcomes import Answered
from poetry_publish_verified.core.upload.refusal import WORDS_LIMIT
from poetry_publish_verified.core.upload.refusals.row import SIGN_IN_PAGE
from poetry_publish_verified.core.urls import is_sign_in
from poetry_publish_verified.sanitize import decoded, pieces_of_html, printable

_LARGEST = 65_536
# Under which names JSON answers have their message, what may stand beside it, and how deep it is.
_MESSAGES = frozenset({"message", "detail", "error", "errors", "reason"})
_BESIDE = frozenset({"code", "status", "success"})
_DEPTH = 5


def server_words(answer: Answered) -> str:
    """What the server said, on one line: status, reason phrase and the words of the body.

    PyPI puts its message into the reason phrase, the others into the body (HTML, JSON, text), and
    many repeat the reason phrase in a title, a heading and a paragraph.
    """
    said = _Said(answer.status)
    said.add(decoded(answer.reason))
    (between,) = [": " if piece[-1] not in ".:;!?" else " " for piece in said.pieces] or [" "]
    for piece in _of_body(answer.body[:_LARGEST].strip(), said):
        said.add(piece)
    first, rest = said.pieces[:1], " ".join(said.pieces[1:])
    words = between.join([*first, rest] if rest else first)
    words = printable(f"{answer.status} {words}".strip(), WORDS_LIMIT)
    if not answer.location:
        return words
    page = f"{SIGN_IN_PAGE} " if is_sign_in(answer.location) else ""
    return f"{words}, redirecting to {page}{answer.location}"


def json_object(body: bytes) -> dict[str, Any]:
    """A JSON object; an empty one if the body is anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _of_body(text: bytes, said: "_Said") -> list[str]:
    if not text.startswith((b"{", b'"', b"[")):
        return pieces_of_html(text)
    try:
        value = _message_in(said.without_known(json.loads(text)))
        words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return pieces_of_html(text)
    return [words] if value else []


class _Said:
    """What a server has said so far, in pieces."""

    def __init__(self, status: int) -> None:
        self.pieces: list[str] = []
        self._number = status
        self._known = {""}
        # `403 Forbidden`, `Error 403: Forbidden`, `HTTP/1.1 403 Forbidden`.
        names = r"(?:(?:error|status|code|https?(?:/[\d.]+)?)\b[\s:]*)*"
        self._status = re.compile(rf"\s*{names}{status}(?![\w.])[\s:-]*", re.IGNORECASE)

    def add(self, text: str) -> None:
        """Add what is new; what only says more than the first piece takes its place."""
        text = self._without_status(text)
        key = _key(text)
        if sum(map(len, self.pieces)) > WORDS_LIMIT or self._is_known(key):
            return
        self._known.add(key)
        if self.pieces and _begins(key, _key(self.pieces[0])):
            self.pieces[0] = text
        else:
            self.pieces.append(text)

    def without_known(self, value: object) -> object:
        """A JSON value without the entries that repeat what is said already, or each other."""
        seen: set[str] = set()

        def new(inner: object) -> bool:
            if not isinstance(inner, str):
                return inner != self._number
            key = _key(self._without_status(inner))
            known = key in seen or self._is_known(key)
            seen.add(key)
            return not known

        def kept(inner: object) -> object:
            if isinstance(inner, dict):
                return {name: kept(each) for name, each in inner.items() if new(each)}
            return [kept(each) for each in inner if new(each)] if isinstance(inner, list) else inner

        return kept(value)

    def _without_status(self, text: str) -> str:
        text = printable(text, WORDS_LIMIT)
        found = self._status.match(text)
        return text[found.end() :] if found else text

    def _is_known(self, key: str) -> bool:
        if key in self._known:
            return True
        keys = [_key(piece) for piece in self.pieces]
        known = any(_begins(each, key) or f" {each}".endswith(f" {key}") for each in keys)
        # `403 Forbidden: Forbidden`
        rest = f"{key} ".replace(f"{self._number} ", "")
        known = known or (bool(keys) and not rest.replace(f"{keys[0]} ", ""))
        if known:  # remembered, so that a body of many pieces takes no longer than its length
            self._known.add(key)
        return known


def _key(text: str) -> str:
    """What texts are compared by: their words, in lower case."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def _begins(key: str, beginning: str) -> bool:
    return f"{key} ".startswith(f"{beginning} ")


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
