"""Content codings: a body decoded piece by piece, never beyond what is allowed."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import AsyncIterable
from dataclasses import dataclass
from typing import Any
from typing import Protocol

from poetry_publish_verified.sanitize import printable

_GZIP = 16 + zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"
_MAGIC_BYTES = 2
# Each costs time; nobody has so many.
_MAX_MEMBERS = 1000
# What installers undo of their own accord, whatever they have asked for.
UNDONE = frozenset({"gzip", "x-gzip", "deflate", "zstd"})


class DecodingError(ValueError):
    """A body that is too large, or not what its headers say; the message is printable."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body as it was before it was encoded; `oddity`: what uv, unlike others, does not undo."""

    content: bytes
    oddity: str = ""


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _zstd_library() -> Any:
    """Python's own from 3.14 on; before, the same by the name that Poetry's dependencies bring."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


_ZSTD = _zstd_library()
ZSTD_IS_KNOWN = _ZSTD is not None


async def decoded(chunks: AsyncIterable[bytes], coding: str, limit: int) -> Body:
    """A whole body of at most `limit` bytes; `coding` is its Content-Encoding.

    Raises DecodingError. (httpx's own decoding expands a piece before anyone can count it.)
    """
    undoing = _Undoing(coding, limit)
    async for chunk in chunks:
        try:
            undoing.feed(chunk)
        except (zlib.error, EOFError, getattr(_ZSTD, "ZstdError", zlib.error)) as error:
            raise DecodingError(f"it is not the {undoing.coding} that it says it is") from error
    return undoing.body()


class _Undoing:
    """One body on its way."""

    def __init__(self, coding: str, limit: int) -> None:
        self.coding = coding.strip().lower()
        self._limit = limit
        self._decoder = _decoder(self.coding)
        self._content = bytearray()
        self._waiting = b""
        self._members = 0
        self._came = self._over = False
        self._oddity = ""
        if self._decoder and coding.strip() not in UNDONE - {"x-gzip"}:
            self._oddity = f"its Content-Encoding is {printable(coding, 40)}"

    def feed(self, chunk: bytes) -> None:
        """Take a piece in."""
        begun, self._came = self._came, self._came or bool(chunk)
        if self._decoder is None:
            self._keep(chunk)
            return
        chunk = self._waiting + chunk
        self._waiting = b""
        if self._over:
            return
        if len(chunk) < _MAGIC_BYTES and (not begun or self._decoder.eof):
            self._waiting = chunk
            self._came = begun
            return
        if not begun:
            self._begin(chunk)
        while chunk:
            if self._decoder.eof and not self._begins_next_member(chunk):
                self._over = True
                return
            self._keep(self._decoder.decompress(chunk, self._room()))
            chunk = self._decoder.unused_data if self._decoder.eof else b""
            if len(chunk) < _MAGIC_BYTES:
                self._waiting, chunk = chunk, b""

    def _begin(self, start: bytes) -> None:
        """Many a server sends deflate without the header that it should have (RFC 9110, 8.4.1.2).

        requests and urllib3 read it all the same.
        """
        if self.coding == "deflate" and (start[0] & 0xF != 8 or int.from_bytes(start[:2]) % 31):
            self._decoder = zlib.decompressobj(-zlib.MAX_WBITS)
            self._oddity = "its deflate has no header"

    def _begins_next_member(self, rest: bytes) -> bool:
        """gzip may have several members; what else follows is passed over, as clients do."""
        if self.coding not in {"gzip", "x-gzip"} or not rest.startswith(_GZIP_MAGIC):
            return False
        self._members += 1
        if self._members > _MAX_MEMBERS:
            raise DecodingError(f"its gzip has more than {_MAX_MEMBERS} members")
        self._decoder = zlib.decompressobj(_GZIP)
        self._oddity = "its gzip has several members"
        return True

    def _room(self) -> int:
        return self._limit - len(self._content) + 1

    def _keep(self, piece: bytes) -> None:
        self._content += piece
        if len(self._content) > self._limit:
            raise DecodingError(f"it is larger than {self._limit // 1048576} MiB")

    def body(self) -> Body:
        """All that came."""
        if self._decoder and (self._came or self._waiting) and not self._decoder.eof:
            raise DecodingError("it broke off in the middle")
        return Body(bytes(self._content), self._oddity)


def _decoder(coding: str) -> _Decoder | None:
    if coding in {"", "identity"}:
        return None
    if coding in {"gzip", "x-gzip"}:
        return zlib.decompressobj(_GZIP)
    if coding == "deflate":
        return zlib.decompressobj()
    if coding == "zstd" and _ZSTD is not None:
        found: _Decoder = _ZSTD.ZstdDecompressor()
        return found
    raise DecodingError(f"it is encoded as {printable(coding, 40)}, which was not asked for")
