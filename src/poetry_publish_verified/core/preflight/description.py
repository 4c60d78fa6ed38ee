"""Whether the description renders, asked of PyPI's own renderer where it is installed."""

import re
from collections.abc import Iterator
from email.message import EmailMessage
from functools import lru_cache

from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.problems import distributions as problems
from poetry_publish_verified.errors import Problem


def of_metadata(distribution: Distribution) -> Iterator[Problem]:
    """A reStructuredText that does not render; Markdown and plain text always do.

    A warning: the server's renderer may be another version (`render` in
    warehouse/utils/readme.py, August 2026).
    """
    raw = distribution.raw_metadata
    text, kind = raw.get("description", ""), raw.get("description_content_type", "")
    header = EmailMessage()
    header["content-type"] = kind or "text/x-rst"
    if text and header.get_content_type() == "text/x-rst":
        fault = _fault_of_rst(text)
        if fault is not None:
            yield problems.description_does_not_render(fault)


class _Words:
    """What the renderer writes into its stream."""

    said = ""

    def write(self, text: str) -> None:
        self.said += text

    def tell(self) -> int:
        return len(self.said)


@lru_cache(maxsize=2)  # a wheel and its sdist have the same
def _fault_of_rst(text: str) -> str | None:
    """What is wrong, in the renderer's words; None if nothing is, or nobody can say."""
    try:
        from readme_renderer import rst
    except ImportError:
        return None
    words = _Words()
    if rst.render(text, stream=words) is not None:  # type: ignore[arg-type]
        return None
    first = words.said.strip().partition("\n")[0].rstrip(".")
    return re.sub(r"<string>:(\d+): \(\w+/\d\) ", r"line \1: ", first)
