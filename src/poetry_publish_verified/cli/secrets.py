"""Keeps the run's secrets out of all that cleo prints: our lines, Poetry's, logs and errors."""

import os

from cleo.formatters.formatter import Formatter
from cleo.io.io import IO

from poetry_publish_verified.sanitize import learn_environment, redacted


def hide_secrets(io: IO) -> None:
    """Print none of them to this input and output any more; those of the environment are known."""
    learn_environment(os.environ)
    for formatter in {io.output.formatter, io.error_output.formatter}:
        _redact(formatter)


def _redact(formatter: Formatter) -> None:
    styled = formatter.format
    # Every line goes through it, before a table or a width cuts it.
    formatter.format = lambda message: styled(redacted(message))  # type: ignore[method-assign]
