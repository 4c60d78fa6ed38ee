"""Foreign text made harmless: what servers and other programs said, fit to print."""

from __future__ import annotations

import html
import re
import unicodedata

_MARKUP = re.compile(rb"<(head|script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)


def printable(text: str | bytes, limit: int = 500) -> str:
    """`text` on one line, without control or direction characters, at most `limit` long.

    One line, because CI systems read `::command::` at the start of any line and
    `##[command]` anywhere as an order; a terminal obeys escape sequences.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    kept = "".join(" " if _unsafe(char) else char for char in text[: limit * 8])
    kept = " ".join(kept.split()).replace("##[", "## [")
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def _unsafe(char: str) -> bool:
    # Cc: control, Cf: direction overrides and the like, Cs: lone surrogates, Zl/Zp: line ends.
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def words_of_html(body: bytes, limit: int = 500) -> str:
    """The words of an HTML (or plain) body, markup left out."""
    text = _MARKUP.sub(b" ", body[:65536]).decode("utf-8", "replace")
    return printable(html.unescape(text), limit)
