"""Keeps the run's secrets out of all that cleo prints: our lines, Poetry's, logs and errors."""

import os
import sys

from cleo.formatters.formatter import Formatter
from cleo.io.io import IO

from poetry_publish_verified.sanitize import learn_environment, learn_url, redacted


def hide_secrets(io: IO) -> None:
    """Print none of them any more: those of the environment, and in URLs on the command line."""
    learn_environment(os.environ)
    for word in sys.argv:
        # Also where an option takes no URL, as a path loses one of the slashes.
        if "://" in word:
            learn_url(word)
    for formatter in {io.output.formatter, io.error_output.formatter}:
        _redact(formatter)


def _redact(formatter: Formatter) -> None:
    styled = formatter.format
    # Every line goes through it, before a table or a width cuts it.
    formatter.format = lambda message: styled(redacted(message))  # type: ignore[method-assign]
