"""What is shown of a client's refusal."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from poetry_publish_verified.core import client_words
from tests.core.rows import each

# Actual messages of pip 26.3, uv 0.8 and uv 0.13.
PIP = [
    (
        (
            "Looking in indexes: http://harbour:secret@index.example/simple/\n"
            "ERROR: Could not find a version that satisfies the requirement lantern===1.1"
            " (from versions: 1.0)\n"
            "ERROR: No matching distribution found for lantern===1.1\n"
        ),
        (
            "Could not find a version that satisfies the requirement lantern===1.1 (from versions:"
            " 1.0) No matching distribution found for lantern===1.1"
        ),
    ),
    (
        (
            "WARNING: Retrying (Retry(total=4)) after connection broken by 'first'\n"
            "WARNING: 401 Error, Credentials not correct for https://me:secret@index.example/simple/\n"
            "ERROR: No matching distribution found for lantern===1.0\n"
        ),
        (
            "401 Error, Credentials not correct for https://index.example/simple/"
            " No matching distribution found for lantern===1.0"
        ),
    ),
    (
        (
            'ERROR: Exception:\nTraceback (most recent call last):\n  File "pip/x.py", line 1\n'
            "ValueError: no\n"
        ),
        'Traceback (most recent call last): File "pip/x.py", line 1 ValueError: no',
    ),
    ("WARNING: odd\none\n\ntwo\nthree\nfour\n", "two three four"),
    ("", ""),
]
UV = [
    (
        (
            "Using CPython 3.11.7 interpreter at: /usr/bin/python\n"
            "  \u00d7 No solution found when resolving dependencies:\n"
            "  ╰─▶ Because there is no version of lantern==1.1 and you require\n"
            "      lantern==1.1, we can conclude that your requirements are unsatisfiable.\n\n"
            "hint: `lantern` was filtered by `exclude-newer`.\n"
        ),
        (
            "No solution found when resolving dependencies: Because there is no version of"
            " lantern==1.1 and you require lantern==1.1, we can conclude that your requirements are"
            " unsatisfiable. hint: `lantern` was filtered by `exclude-newer`."
        ),
    ),
    (
        (
            "warning: odd\nerror: Request failed after 3 retries in 7.1s\n"
            "  cause: Failed to fetch: https://me:secret@index.example/simple/lantern/\n"
            "  cause: Connection refused (os error 111)\n"
        ),
        (
            "Request failed after 3 retries in 7.1s: Failed to fetch:"
            " https://index.example/simple/lantern/: Connection refused (os error 111)"
        ),
    ),
    (
        "error: Failed to fetch: `https://index.example/`\n  Caused by: client error (Connect)\n",
        "Failed to fetch: `https://index.example/`: client error (Connect)",
    ),
    (
        "  \u00d7 Failed to download `lantern`\n  ├─▶ Hash mismatch\n  │   at once\n  ╰─▶ odd\n",
        "Failed to download `lantern`: Hash mismatch at once: odd",
    ),
    ("uv: not found\n", "uv: not found"),
]


@each(PIP)
def test_words_of_pip(said: str, words: str) -> None:
    """pip's errors and the warning before them, without credentials."""
    assert client_words.of_pip(said.encode()) == words


@each(UV)
def test_words_of_uv(said: str, words: str) -> None:
    """uv's error with causes and hints, without its drawing and credentials."""
    assert client_words.of_uv(said.encode()) == words


@pytest.mark.parametrize("words_of", [client_words.of_pip, client_words.of_uv])
def test_foreign_text_is_sanitized(words_of: Callable[[bytes], str]) -> None:
    """What a server made a client say cannot control or flood the terminal."""
    words = words_of(b"ERROR: \x1b[31m no\nERROR: ::error::" + b"x" * 5000 + b"\xff")
    assert not set(words) & {"\x1b", "\n"}
    assert not words.startswith("::")
    assert len(words) <= 1000
