"""What clients say when they refuse, cut to what matters and fit to print."""

import re

from poetry_publish_verified.sanitize import decoded, printable

_LIMIT = 1000
# Where uv's error begins; before that it reports on the interpreter. It draws a tree of causes
# (up to 0.12), or writes "cause:" before each.
_UVS_ERROR = re.compile(r"^\s*(?:error:|\u00d7)\s*", re.MULTILINE)
_UVS_CAUSE = re.compile(r":?\n\s*(?:[╰├]─▶|[Cc]aused? ?(?:by)?:)\s*")
_UVS_DRAWING = re.compile(r"^\s*│", re.MULTILINE)


def of_pip(said: bytes) -> str:
    """pip's errors, after its last warning, which may have the cause; else its last lines."""
    lines = [line for line in decoded(said).splitlines() if line.strip()]
    # What follows "ERROR: Exception:" is a traceback, of which the last line matters.
    errors = [_after("ERROR:", line) for line in lines if _says_why("ERROR:", line)]
    warnings = [_after("WARNING:", line) for line in lines if _says_why("WARNING:", line)]
    return _fit(" ".join([*warnings[-1:], *errors] if errors else lines[-3:]))


def of_uv(said: bytes) -> str:
    """uv's error with its causes and hints."""
    text = decoded(said)
    error = _UVS_ERROR.search(text)
    text = text[error.end() :] if error else text
    return _fit(_UVS_CAUSE.sub(": ", _UVS_DRAWING.sub("", text)))


def _says_why(level: str, line: str) -> bool:
    return line.startswith(level) and not line.endswith(":")


def _after(level: str, line: str) -> str:
    return line.removeprefix(level).strip()


def _fit(text: str) -> str:
    return printable(text, _LIMIT)
