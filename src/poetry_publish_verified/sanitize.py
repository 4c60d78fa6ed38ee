"""Foreign text made harmless: what servers and other programs said, fit to print."""

import html
import re
import unicodedata

# Tags that stand within a sentence, and what ends one.
_WITHIN = re.compile(
    r"</?(?:a|abbr|b|code|em|i|kbd|samp|small|strong|tt|u|var)(?:\s[^<>]*)?>", re.IGNORECASE
)
_BREAK = re.compile(r"<[^<>]*>|[\r\n]")
_ORDER = re.compile(r"##(?=\w*\[)")

# A password may hold a slash that nobody has encoded.
_USERINFO = re.compile(r"//[^\s/?#@'\"<>]*(?::[^\s@'\"<>]*)?@")
_QUERY = re.compile(r"(://[^\s?'\"<>]*)\?[^\s'\"<>]*")
_NO_WORDS = ("head", "script", "style")
# Characters of a body that are looked at.
_LARGEST = 65_536


def printable(text: str | bytes, limit: int = 500) -> str:
    """`text` on one line, without control or direction characters, at most `limit` long.

    One line, because CI systems read `::command::` at the start of any line and `##[command]`
    (`##vso[…]`, `##teamcity[…]`) anywhere as an order; a terminal obeys escape sequences.
    """
    if isinstance(text, bytes):
        text = decoded(text)
    kept = "".join(" " if _unsafe(char) else char for char in text[: limit * 8])
    kept = _ORDER.sub("## ", " ".join(kept.split()))
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def printable_lines(text: str) -> str:
    """Text of several lines (a traceback) in which no line is an order, cleaned as `printable`."""
    lines = []
    for line in text.splitlines():
        words = printable(line, 2000)
        indent = " " * (len(line) - len(line.lstrip(" ")))
        lines.append(indent + (f": {words[1:]}" if words.startswith("::") else words))
    return "\n".join(lines)


def without_secrets(text: str) -> str:
    """`text` with every URL in it short of its user name, password and query (signatures)."""
    text = _USERINFO.sub("//", text)
    return _QUERY.sub(r"\1?…", text)


def decoded(text: bytes) -> str:
    """UTF-8 where it is that, else Latin-1, as HTTP once had it: nothing is lost."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _unsafe(char: str) -> bool:
    # Cc: control, Cf: direction overrides and the like, Cs: lone surrogates, Zl/Zp: line ends.
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def pieces_of_html(body: bytes) -> list[str]:
    """The words of an HTML (or plain) body, cut where an element or a line ends."""
    text = decoded(body)[:_LARGEST]
    for element in _NO_WORDS:
        text = _without(text, element)
    return [html.unescape(piece) for piece in _BREAK.split(_WITHIN.sub("", text))]


def _without(text: str, element: str) -> str:
    """`text` without whole elements of that name; in linear time, as it is foreign."""
    lower, kept, start = text.lower(), [], 0
    while (begin := lower.find(f"<{element}", start)) >= 0:
        end = lower.find(f"</{element}", begin)
        if end < 0:
            break
        kept.append(text[start:begin])
        start = end
    return "".join([*kept, text[start:]])
