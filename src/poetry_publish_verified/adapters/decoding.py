"""Content codings: a body decoded piece by piece, never beyond what is allowed."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import AsyncIterable
from typing import Any
from typing import Protocol

from poetry_publish_verified.core.foreign import printable

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class DecodingError(ValueError):
    """A body that is too large, or not what its headers say; the message is printable."""


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
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


async def decoded(chunks: AsyncIterable[bytes], coding: str, limit: int) -> bytes:
    """A whole body of at most `limit` bytes; `coding` is its Content-Encoding.

    Raises DecodingError. (httpx's own decoding expands a piece before anyone can count it.)
    """
    coding = coding.strip().lower()
    decoder = _decoder(coding)
    body, came = bytearray(), False
    async for chunk in chunks:
        came = True
        try:
            body += decoder.decompress(chunk, limit - len(body) + 1) if decoder else chunk
        except (zlib.error, EOFError, getattr(_ZSTD, "ZstdError", zlib.error)) as error:
            raise DecodingError(f"it is not the {coding} that it says it is") from error
        if len(body) > limit:
            raise DecodingError(f"it is larger than {limit // 1048576} MiB")
    if decoder and came and not decoder.eof:
        raise DecodingError("it broke off in the middle")
    return bytes(body)


def _decoder(coding: str) -> _Decoder | None:
    if coding in {"", "identity"}:
        return None
    if coding in {"gzip", "x-gzip", "deflate"}:
        return zlib.decompressobj(_GZIP_OR_ZLIB)
    if coding == "zstd" and _ZSTD is not None:
        found: _Decoder = _ZSTD.ZstdDecompressor()
        return found
    raise DecodingError(f"it is encoded as {printable(coding, 40)}, which was not asked for")
