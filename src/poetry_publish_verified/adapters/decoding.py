"""Content codings: a body decoded piece by piece, never beyond its limit."""

import importlib
import zlib
from collections.abc import AsyncIterable
from typing import Any, Protocol

from poetry_publish_verified.sanitize import printable

# What further members (RFC 1952, 2.2) and frames (RFC 8878, 3.1) begin with.
_MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
# What installers decode of their own accord, whatever they asked for.
UNDONE = frozenset({"gzip", "x-gzip", "deflate", "zstd"})


class DecodingError(ValueError):
    """A body that is too large, or not what its headers say; the message is printable."""


class TooLargeError(DecodingError):
    """A body that is larger than it may be."""


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _zstd_library() -> Any:
    """Python's own from 3.14 on; before that, the one that Poetry's dependencies bring."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


_ZSTD = _zstd_library()
ZSTD_IS_KNOWN = _ZSTD is not None
_DAMAGE = (zlib.error, EOFError, getattr(_ZSTD, "ZstdError", zlib.error))


async def decoded(chunks: AsyncIterable[bytes], coding: str, limit: int) -> bytes:
    """A whole body of at most `limit` bytes; `coding` is its Content-Encoding.

    Raises DecodingError for what is not surely decoded by every installer, such as several members
    or deflate without a header. (httpx's own decoding expands a piece before anyone can count it.)
    """
    decoder = _decoder(coding)
    content, came, after = bytearray(), False, b""
    async for chunk in chunks:
        came = came or bool(chunk)
        if decoder is not None and decoder.eof:
            after = (after + chunk)[:4]
            continue
        if decoder is not None:
            try:
                chunk = decoder.decompress(chunk, limit - len(content) + 1)  # noqa: PLW2901
            except _DAMAGE as error:
                raise DecodingError(f"it is not valid {coding}") from error
            after = decoder.unused_data[:4]
        content += chunk
        if len(content) > limit:
            size = f"{limit // 1048576} MiB" if limit >= 1048576 else f"{limit // 1024} KiB"
            raise TooLargeError(f"it is larger than {size}")
    if decoder is not None and came and not decoder.eof:
        raise DecodingError("it is truncated")
    # Other bytes after the end are ignored, as every client does.
    if after.startswith(_MAGIC.get(coding, b"\0" * 5)):
        raise DecodingError(f"its {coding} has several members")
    return bytes(content)


def _decoder(coding: str) -> _Decoder | None:
    match coding:
        case "" | "identity":
            return None
        case "gzip":
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        case "deflate":
            return zlib.decompressobj()
        case "zstd" if _ZSTD is not None:
            decoder: _Decoder = _ZSTD.ZstdDecompressor()
            return decoder
    raise DecodingError(f"its Content-Encoding is {printable(coding, 40)}, which is not supported")
