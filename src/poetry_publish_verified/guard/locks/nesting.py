"""The locks that a process has through its ancestors: a token in the environment names each.

A token counts only while the ancestor lives and still holds the lock: `poetry run` becomes the
program that it starts, under the same process id, and must not leave a lock behind that nobody
holds.
"""

import json
import os
import threading
from pathlib import Path
from typing import NamedTuple

from poetry_publish_verified.guard.locks import holders
from poetry_publish_verified.guard.processes import ProcessId

# Set for the processes that a holder starts; it removes its part again when it releases the lock.
TOKEN_VARIABLE = "POETRY_PUBLISH_VERIFIED_LOCKS_HELD"  # noqa: S105 - not a secret
_CHANGING = threading.Lock()


class Token(NamedTuple):
    """One lock that somebody holds."""

    lock: str
    order: int
    process: str
    """`str(ProcessId)` of the holder."""
    nonce: str
    record: str
    """The lock file beside which the holder's record lies; empty where there is none."""


def inherited_locks() -> list[Token]:
    """The locks that this process's ancestors hold now."""
    found = []
    for token in _tokens():
        process = ProcessId.parse(token.process)
        if process is None or process.pid == os.getpid() or not process.is_ancestor():
            continue
        record = holders.read_record(Path(token.record)) if token.record else None
        # Released since, perhaps taken by somebody else.
        if token.record and (record is None or record.nonce != token.nonce):
            continue
        found.append(token)
    return found


def export(token: Token) -> None:
    """Pass a token to the processes that are started from now on."""
    with _CHANGING:
        _write([*_tokens(), token])


def withdraw(nonce: str) -> None:
    """Stop passing a token on."""
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
    # Somebody else wrote it.
    except (ValueError, TypeError, RecursionError):
        return []


def _write(tokens: list[Token]) -> None:
    if tokens:
        os.environ[TOKEN_VARIABLE] = json.dumps(tokens)
    else:
        os.environ.pop(TOKEN_VARIABLE, None)
