"""Foreign text made safe for a terminal, and cut to the width of a row."""

import textwrap

from poetry_publish_verified.errors import Problem
from poetry_publish_verified.sanitize import harmless


def escaped(text: str, style: str = "") -> str:
    """`text` on one line, without control characters, in no style of cleo's but this."""
    words = harmless(text, 2000).replace("<", "\\<")
    # A backslash at the end would escape the tag that follows.
    words += " " if words.endswith("\\") else ""
    return f"<{style}>{words}</{style}>" if style else words


def problem_lines(problem: Problem, of: str = "") -> tuple[str, str]:
    """A problem and its remedy, in cleo's styles; `of` is in these already."""
    style, message = problem.severity, escaped(problem.message)
    first = f"<{style}>{style.title()} {problem.code}: {of}{message}</{style}>"
    return first, f"  {escaped(problem.remedy, 'c1')}"


def unstyled(text: str) -> str:
    """The same for cleo's sections, which look for styles in what they have shown already, too."""
    return harmless(text).replace("<", "< ")


def plural(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def in_bytes(size: int) -> str:
    """`512 B`, `1.5 kB`, `20.0 MB`."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"


def shortened(text: str, width: int) -> str:
    """`text` in at most `width` characters, cut in the middle: names differ at their ends."""
    if len(text) <= width:
        return text
    kept = max(width - 3, 2)
    return f"{text[: kept // 2]}...{text[len(text) - (kept - kept // 2) :]}"[:width]


def row(label: str, text: str, width: int) -> list[str]:
    """`text` beside its label, wrapped where it does not fit into `width` characters."""
    first = f"  {label} "
    rest, room = " " * len(first), max(width, len(first) + 1)
    lines = textwrap.wrap(text, room, initial_indent=first, subsequent_indent=rest)
    return [line[:width] for line in lines]
