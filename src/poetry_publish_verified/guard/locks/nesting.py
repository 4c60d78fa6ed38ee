"""Which locks a process has by way of its ancestors: a token in the environment names them.

A token counts only while the ancestor lives and still holds the lock: `poetry run` becomes the
program it starts, under the same process id, and must not leave behind what nobody holds.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import NamedTuple

from poetry_publish_verified.guard.locks import holders
from poetry_publish_verified.guard.python_environment import Builder

# Set for the processes that a holder starts; it takes its part out again when it lets go.
TOKEN_VARIABLE = "POETRY_PUBLISH_VERIFIED_LOCKS_HELD"  # noqa: S105 - no secret
_CHANGING = threading.Lock()


class Token(NamedTuple):
    """One lock that somebody holds."""

    lock: str
    order: int
    process: str
    """`str(Builder)` of the holder."""
    nonce: str
    record: str
    """The lock file beside which the holder's record lies; empty where it could leave none."""


def of_ancestors() -> list[Token]:
    """The locks that this process's ancestors hold at this moment."""
    found = []
    for token in _tokens():
        process = Builder.parse(token.process)
        if process is None or process.pid == os.getpid() or not holders.is_ancestor(process):
            continue
        record = holders.read(Path(token.record)) if token.record else None
        # Let go meanwhile, perhaps taken by somebody else.
        if token.record and (record is None or record.nonce != token.nonce):
            continue
        found.append(token)
    return found


def show(token: Token) -> None:
    """Let the processes that are started from now on see it."""
    with _CHANGING:
        _write([*_tokens(), token])


def hide(nonce: str) -> None:
    """Take a token out again."""
    with _CHANGING:
        _write([token for token in _tokens() if token.nonce != nonce])


def _tokens() -> list[Token]:
    types = (str, int, str, str, str)
    try:
        found = json.loads(os.environ.get(TOKEN_VARIABLE) or "[]")
        return [
            Token(*fields)
            for fields in found
            if len(fields) == len(types) and all(map(isinstance, fields, types))
        ]
    # Not written by us, then.
    except (ValueError, TypeError, RecursionError):
        return []


def _write(tokens: list[Token]) -> None:
    if tokens:
        os.environ[TOKEN_VARIABLE] = json.dumps(tokens)
    else:
        os.environ.pop(TOKEN_VARIABLE, None)
