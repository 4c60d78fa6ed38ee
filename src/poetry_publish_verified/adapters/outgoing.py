"""A file being uploaded: counted, and compared with what preflight read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import IO, Any


class ChangedError(Exception):
    """The file is no longer what preflight read."""


class OutgoingFile:
    """A file that reports how much of it httpx has read.

    The last piece is only given out if all of them together have the right sha256.
    """

    def __init__(self, stream: IO[bytes], sha256: str, on_read: Callable[[int], None]) -> None:
        self._stream = stream
        self._size = os.fstat(stream.fileno()).st_size
        self._sha256 = sha256
        self._digest = hashlib.sha256()
        self._on_read = on_read

    def read(self, size: int = -1) -> bytes:
        """The next piece; raises ChangedError instead of the last one if the hash is wrong."""
        piece = self._stream.read(size)
        self._digest.update(piece)
        if self._stream.tell() >= self._size and self._digest.hexdigest() != self._sha256:
            raise ChangedError
        self._on_read(self._stream.tell())
        return piece

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
