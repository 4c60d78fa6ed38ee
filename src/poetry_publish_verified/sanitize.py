"""Foreign text made harmless, and the run's secrets blanked: everybody's last step before print.

What a run knows as secret is kept here for the whole process, because text is cut to a length in
many places, and half a password must not remain at the end of it.
"""

import base64
import html
import re
import unicodedata
from collections.abc import Mapping
from html.entities import codepoint2name
from urllib.parse import unquote

HIDDEN = "***"
"""What is shown in place of a secret."""
# Tags within a sentence, and what ends one.
_WITHIN = re.compile(
    r"</?(?:a|abbr|b|code|em|i|kbd|samp|small|strong|tt|u|var)(?:\s[^<>]*)?>", re.IGNORECASE
)
_BREAK = re.compile(r"<[^<>]*>|[\r\n]")
# What CI systems take for an order: Azure and TeamCity anywhere in a line, GitHub at its beginning,
# GitLab and Travis before a number or a name. A space makes words of it.
_ORDERS = re.compile(
    r"(##)(?=\w*\[)|(^:)(?=:)|(section_(?:start|end):|travis_(?:fold|time):)(?=\w)"
)

# A password may hold a slash or an @ that nobody has encoded. Only what an @ follows is looked at,
# and only once, as foreign text may have no end of slashes.
_BEFORE_AT = re.compile(r"(?<![^\s'\"<>])[^\s'\"<>]*@")
_USERINFO = re.compile(r"//((?:[^/?#@:]*+(?::[^@]*+)?+@)+)")
_QUERY = re.compile(r"(?<![^\s'\"<>?])(?=[^\s'\"<>?]*://)([^\s'\"<>?]*)\?[^\s'\"<>]*")
_HEADER = re.compile(
    r"(authorization[\"'\]]{0,2}\s*[:=]\s*[\"'\[]{0,2}(?:(?:basic|bearer|token)\s+)?)[^\s\"',;<>]+",
    re.IGNORECASE,
)
# An API token of PyPI (a macaroon) begins so, whoever has put it where none belongs.
_PYPI_TOKEN = re.compile(r"pypi-Ag[\w-]{16,}")
# Variables of the environment that hold a secret by their name.
_SECRET_VARIABLE = re.compile(
    r"POETRY_PYPI_TOKEN_.*|.*(?:PASSWORD|PASSWD|TOKEN|SECRET|API_?KEY|ACCESS_KEY)", re.IGNORECASE
)

# A secret shorter than this may be any word.
_SHORTEST = 8
# What may break a longer one in two: the end of a line, an element, characters without a width.
_SPLIT = re.compile(
    r"[ \t]*+(?:[\r\n]|\\{1,9}[rn]|<[^<>]{0,60}+>|&(?:shy|ZeroWidthSpace|#8203);"
    "|[\u00ad\u200b-\u200d\u2060\ufeff])\\s*+"
)
# File names, hashes and versions are never changed, even where a secret is a part of one. What
# follows a % is no beginning of one: in `%3Dbeef` it is `beef` that may be a secret.
_BEFORE, _AFTER = r"(?<![\w.+!%-])", r"(?![\w+!-]|\.\w)"
_KEPT = (
    r"[\w.+!-]*\.(?:whl|tar\.gz|tar\.bz2|zip|json)(?:\.\w+)?|[0-9A-Fa-f]{32,128}"
    r"|v?(?:\d+!)?\d+(?:\.\d+)+(?:[._-]?[a-z]{1,7}[._-]?\d+)*(?:\+[\w.-]*\w)?"
)

_NO_WORDS = ("head", "script", "style")
# Characters of a body that are looked at.
_LARGEST = 65_536


def printable(text: str | bytes, limit: int = 500) -> str:
    """Words of somebody else on one line, `harmless` and without secrets, at most `limit` long."""
    if isinstance(text, bytes):
        text = decoded(text)
    return harmless(redacted(text, words=True), limit)


def harmless(text: str, limit: int = 500) -> str:
    """`text` on one line, without control or direction characters, at most `limit` long.

    One line, because CI systems take some lines for orders (`::command::`, `##vso[…]`), and a
    terminal obeys escape sequences.
    """
    kept = "".join(" " if _unsafe(char) else char for char in text[: limit * 8])
    kept = _ORDERS.sub(r"\1\2\3 ", " ".join(kept.split()))
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def printable_lines(text: str) -> str:
    """Text of several lines (a traceback), each cleaned as `printable` does; indentation stays."""
    lines = []
    for line in redacted(text, words=True).splitlines():
        indent = " " * (len(line) - len(line.lstrip(" ")))
        lines.append(indent + harmless(line, 2000))
    return "\n".join(lines)


def redacted(text: str, *, words: bool = False) -> str:
    """`text` without the run's secrets, in whatever way they are encoded there.

    URLs lose their user name, password and query (signatures), headers their credentials. File
    names, hashes and versions stay. A secret that is short, or a public word, counts only in a
    URL or a header, and with `words` (for text that is not ours) as a whole word.
    """
    text = _BEFORE_AT.sub(lambda match: _USERINFO.sub("//", match[0]), text)
    text = _QUERY.sub(r"\1?…", text)
    text = _PYPI_TOKEN.sub(HIDDEN, _HEADER.sub(rf"\1{HIDDEN}", text))
    for pattern, shown in _secrets.patterns(words=words):
        text = pattern.sub(lambda match, shown=shown: match["kept"] or shown, text)  # type: ignore[misc]
    return _without_split_secrets(text)


def _without_split_secrets(text: str) -> str:
    """`text` without long secrets that something breaks in two."""
    splits = [match.span() for match in _SPLIT.finditer(text)]
    if not splits:
        return text
    starts, ends = [0, *(end for _, end in splits)], [*(start for start, _ in splits), len(text)]
    # Where each character of the text without splits is in `text`.
    places = [at for span in zip(starts, ends, strict=True) for at in range(*span)]
    whole = "".join(text[at] for at in places)
    found = [
        (places[match.start()], places[match.end() - 1] + 1, shown)
        for pattern, shown in _secrets.patterns(words=False)
        for match in pattern.finditer(whole)
        if not match["kept"] and len(match[0]) >= _SHORTEST
    ]
    rest = len(text)
    for start, end, shown in sorted(found, reverse=True):
        if end <= rest:
            text, rest = text[:start] + shown + text[end:], start
    return text


def learn(secret: str | None, username: str | None = None, shown: str = HIDDEN) -> None:
    """Never show this secret from now on, nor what HTTP makes of it and its user name.

    `shown` is what to show instead.
    """
    if secret and secret.strip():
        _secrets.add(secret, username, shown)


def learn_login(username: str | None, password: str | None) -> None:
    """The same of a login; a user name without a password is a token."""
    learn(password or username, username)


def learn_url(url: str) -> None:
    """The same of the login in a URL, which may be malformed."""
    for userinfo in _USERINFO.findall(url if "//" in url else f"//{url}"):
        username, _, password = userinfo[:-1].partition(":")
        learn_login(username, password)
        learn_login(unquote(username), unquote(password))


def learn_environment(environment: Mapping[str, str]) -> None:
    """The same of variables that are secrets by their name, and of all logins in URLs."""
    for name, value in environment.items():
        if _SECRET_VARIABLE.fullmatch(name):
            learn(value)
        if "@" in value and ("://" in value or name.lower().endswith("_proxy")):
            for url in value.split():
                learn_url(url)


def make_public(word: str) -> None:
    """Show this word, although it may be somebody's password: the name of what is released."""
    _secrets.allow(word)


class _Secrets:
    """What is shown for each secret and its base64, and the patterns that find them."""

    def __init__(self) -> None:
        self._public: set[str] = set()
        self._shown: dict[str, str] = {}
        self._patterns: dict[bool, list[tuple[re.Pattern[str], str]]] = {}

    def add(self, secret: str, username: str | None, shown: str) -> None:
        forms = {secret.strip()}
        # A token loses the spaces around it before it is sent, a password keeps them.
        for sent in (secret, secret.strip()):
            forms |= _as_bytes(sent)
            if username is not None:
                forms |= _as_bytes(f"{username}:{sent}")
        new = {form: shown for form in forms if self._shown.get(form) in {None, HIDDEN} - {shown}}
        if new:  # patterns take long to compile
            self._shown |= new
            self._patterns = {}

    def allow(self, word: str) -> None:
        if word not in self._public:
            self._public.add(word)
            self._patterns = {}

    def patterns(self, *, words: bool) -> list[tuple[re.Pattern[str], str]]:
        """The patterns, and what to show instead of a match that is not to be `kept`."""
        if words not in self._patterns:
            by_shown: dict[str, list[str]] = {}
            for form, shown in sorted(self._shown.items(), key=lambda item: -len(item[0])):
                by_shown.setdefault(shown, []).append(form)
            found = [(self._pattern(forms, each, words), each) for each, forms in by_shown.items()]
            self._patterns[words] = [(one, shown) for one, shown in found if one is not None]
        return self._patterns[words]

    def _pattern(self, forms: list[str], shown: str, words: bool) -> re.Pattern[str] | None:
        first, last = [], []
        for form in forms:
            encoded = "".join(map(_encoded, form))
            alone = f"{_BEFORE}{encoded}={{0,2}}{_AFTER}"
            if len(form) >= _SHORTEST and form not in self._public:
                last.append(f"{encoded}={{0,2}}")
                if re.match(_KEPT, form):  # the rest of it would not be found
                    first.append(alone if re.fullmatch(_KEPT, form) else encoded)
            else:
                first += [alone] if words else []
                # It is marked in a URL.
                first += [f"(?<=/){encoded}(?=/)"] if shown != HIDDEN else []
        if not first and not last:
            return None
        kept = f"(?P<kept>{_BEFORE}(?:{_KEPT}){_AFTER})"
        return re.compile("|".join([*first, kept, *last]))


_secrets = _Secrets()


def _as_bytes(text: str) -> set[str]:
    """Base64 and hex of it in UTF-8 and in Latin-1, as requests has it; without the padding."""
    found = {text.encode("utf-8", "surrogateescape"), text.encode("latin-1", "ignore")}
    both = base64.b64encode, base64.urlsafe_b64encode, base64.b16encode
    forms = {encode(data).decode().rstrip("=") for encode in both for data in found if data}
    return forms | {data.hex() for data in found if data}


def _encoded(char: str) -> str:
    """A pattern for one character: itself, and as URLs, JSON, HTML and `repr` write it."""
    if char.isascii() and char.isalnum():
        return char
    code, utf8 = ord(char), char.encode("utf-8", "surrogatepass")
    # An escape may be escaped again.
    forms = [
        r"\\{0,9}" + re.escape(char),
        "".join(f"%(?:25)*{byte:02x}" for byte in utf8),
        "".join(rf"\\{{1,9}}x{byte:02x}" for byte in utf8),
        "".join(rf"\\{{1,9}}u{unit:04x}" for unit in _utf_16(char)),
        rf"&(?:amp;)*#0*{code};",
        rf"&(?:amp;)*#x0*{code:x};",
    ]
    if not char.isascii():
        # Read in another encoding than it was written in: reason phrases are.
        forms += [re.escape(utf8.decode("latin-1")), re.escape(utf8.decode("cp1252", "replace"))]
        forms += ["\ufffd+", r"\?"]
    if code < 256:
        forms += [f"%(?:25)*{code:02x}", rf"\\{{1,9}}x{code:02x}"]
    else:
        forms.append(rf"\\{{1,9}}U{code:08x}")
    if code in codepoint2name:
        forms.append(f"&(?:amp;)*{codepoint2name[code]};")
    if char.isspace():
        # Lines may be broken anew.
        forms += [r"\s+", r"\+", r"\\{1,9}[nrt]"]
    return f"(?i:{'|'.join(forms)})"


def _utf_16(char: str) -> list[int]:
    data = char.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


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
    # A secret may look like markup.
    text = redacted(decoded(body)[: 2 * _LARGEST], words=True)[:_LARGEST]
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
