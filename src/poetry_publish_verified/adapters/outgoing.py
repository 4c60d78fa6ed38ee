"""A file on its way out: counted, and held against what was looked at."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import IO
from typing import Any


class ChangedError(Exception):
    """What is being sent is not what was to be sent."""


class OutgoingFile:
    """A file that tells how much of it was read; httpx reads it in small pieces.

    The last piece comes only where all of them together are what they should be.
    """

    def __init__(self, stream: IO[bytes], sha256: str, on_read: Callable[[int], None]) -> None:
        self._stream = stream
        self._size = os.fstat(stream.fileno()).st_size
        self._sha256 = sha256
        self._digest = hashlib.sha256()
        self._on_read = on_read

    def read(self, size: int = -1) -> bytes:
        """The next piece; ChangedError in place of the last one where the whole is another."""
        piece = self._stream.read(size)
        self._digest.update(piece)
        if self._stream.tell() >= self._size and self._digest.hexdigest() != self._sha256:
            raise ChangedError
        self._on_read(self._stream.tell())
        return piece

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
