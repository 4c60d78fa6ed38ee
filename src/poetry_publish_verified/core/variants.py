"""Client variants: the ways clients ask an index, hence the cached copies of its pages.

Read off pip 26.3, uv 0.13 and Poetry 2.0 to 2.5 as they ask; to the letter, since caches compare
letters (`Vary`, RFC 9110, 12.5.5).
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from poetry_publish_verified.values import Value

_JSON = "application/vnd.pypi.simple.v1+json"
_HTML = "application/vnd.pypi.simple.v1+html"
_USUAL_ENCODINGS = "gzip, deflate"

Client = Literal["pip", "uv", "poetry", "html"]
CLIENTS: tuple[Client, ...] = ("pip", "uv", "poetry", "html")
DEFAULT_CLIENTS: tuple[Client, ...] = ("pip", "uv", "poetry")


class Variant(Value):
    """One way a client asks an index.

    `page` is the project's page of the simple API, or the JSON page of one version
    (`/pypi/<name>/<version>/json`), from which Poetry takes its links on PyPI.
    """

    name: str
    accept: str
    accept_encoding: str
    page: Literal["project", "version"] = "project"


PIP = Variant(
    "pip",
    f"{_JSON}, {_HTML}; q=0.1, text/html; q=0.01",
    _USUAL_ENCODINGS,
)
# A copy that no installer reads: our look before the upload must not put an old page, or a
# 404, into the copies that they do read.
UNSEEN = Variant("unseen", PIP.accept, "identity")
_UV = Variant("uv", f"{_JSON}, {_HTML};q=0.2, text/html;q=0.01", "gzip, deflate, zstd")
_POETRY = Variant("poetry", f"{_JSON}, */*;q=0.1", _USUAL_ENCODINGS)
_POETRY_ON_PYPI = replace(_POETRY, accept=_JSON)
_POETRY_VERSION = Variant("poetry-json", "*/*", _USUAL_ENCODINGS, page="version")
# Old pips and simple tools.
_SIMPLE_TOOLS = Variant("html", "text/html", _USUAL_ENCODINGS)


class Encodings(Value):
    """What can be decoded here (`zstd`), and the Accept-Encoding that this Poetry sends."""

    zstd: bool = False
    poetry: str = _USUAL_ENCODINGS


def variants(clients: Iterable[Client], encodings: Encodings, *, pypi: bool) -> list[Variant]:
    """The project pages to observe; `pypi`: whether Poetry reads this index in PyPI's own way."""
    poetry = _POETRY_ON_PYPI if pypi else _POETRY
    poetry = replace(poetry, accept_encoding=_decodable(encodings.poetry, encodings))
    uv = replace(_UV, accept_encoding=_decodable(_UV.accept_encoding, encodings))
    known = {"pip": PIP, "uv": uv, "poetry": poetry, "html": _SIMPLE_TOOLS}
    return [known[client] for client in dict.fromkeys(clients)]


def version_variant(encodings: Encodings) -> Variant:
    """How Poetry asks PyPI for one version."""
    return replace(_POETRY_VERSION, accept_encoding=_decodable(encodings.poetry, encodings))


def _decodable(accept_encoding: str, encodings: Encodings) -> str:
    names = [name.strip() for name in accept_encoding.split(",")]
    readable = {"gzip", "deflate", "identity"} | ({"zstd"} if encodings.zstd else set())
    kept = [name for name in names if name in readable]
    # To the letter where nothing has to be left out.
    return accept_encoding if kept == names else ", ".join(kept)


def told_apart(one: Variant, other: Variant, vary: frozenset[str] | None) -> bool:
    """Whether a server that says `Vary: …` may have different copies for two variants.

    `vary` holds lower-case header names; None if nothing is known of the server yet.
    """
    if one.page != other.page or vary is None or "*" in vary:
        return one != other
    return ("accept" in vary and one.accept != other.accept) or (
        "accept-encoding" in vary and one.accept_encoding != other.accept_encoding
    )
