"""Uploads: a form sent over its own connection, and the answer read however early it comes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import anyio
import httpx

from poetry_publish_verified.adapters.connection_failure import is_of_tls
from poetry_publish_verified.adapters.duplex import PAUSE, TAKEN
from poetry_publish_verified.adapters.http import (
    CONNECT_TIMEOUT,
    NEVER_ARRIVED,
    UNUSABLE,
    Http,
    location_of,
    plain,
    said,
)
from poetry_publish_verified.adapters.progress import PORTION, Progress
from poetry_publish_verified.core.upload.form import OTHER_DIGESTS
from poetry_publish_verified.core.upload.outcomes import Answered, NoAnswer
from poetry_publish_verified.core.urls import Access

# What an upload's answer may say at most.
_MAX_ANSWER = 256 * 1024
# How much of a file is read, hashed and sent at once. Of pieces of 64 KiB, as httpx reads them,
# each costs more time than its bytes.
_PIECE = 256 * 1024
# A thread computes the digests of some 300 MB/s; with one per file, the event loop would have to
# wait for a core.
_READERS = ThreadPoolExecutor(max(1, min((os.cpu_count() or 1) // 2, 4)))
# What an answer says of when to come again.
_WHEN = ("retry-after", "ratelimit", "ratelimit-reset", "x-ratelimit-reset")


async def post_file(  # noqa: PLR0913 - all of a request
    http: Http,
    url: str,
    fields: Mapping[str, str | list[str]],
    file: Path,
    access: Access,
    on_sent: Callable[[int], None],
    *,
    sha256: str,
    until: Callable[[], Awaitable[object]] | None = None,
) -> Answered | NoAnswer:
    """POST a form, the file before the `fields`; `on_sent` gets the bytes of it that have left.

    A file that is not of this `sha256` never leaves whole: the server drops what breaks off. The
    fields leave after `until`, if that is given.
    """
    with file.open("rb") as stream:
        outgoing = _OutgoingFile(stream, sha256)
        try:
            client = await http.uploader(url, access)
            request = client.build_request(
                "POST",
                url,
                files=_form(file.name, outgoing, fields),
                headers={"Accept-Encoding": "identity"},
            )
        except UNUSABLE as error:
            return NoAnswer(said(error), sent=False)
        progress = Progress(http.stretch)
        body = request.stream = _Body(
            request.stream, outgoing, progress, on_sent, http.answer_timeout, until
        )
        try:
            return await _exchange(http, client, request, body, access)
        finally:
            TAKEN.set(None)
            with anyio.CancelScope(shield=True):
                await body.unread()


async def _exchange(
    http: Http, client: httpx.AsyncClient, request: httpx.Request, body: _Body, access: Access
) -> Answered | NoAnswer:
    """Send an upload's request, and read the answer."""
    url = str(request.url)
    auth = httpx.BasicAuth(*access.basic) if access.basic else None
    response: httpx.Response | None = None
    try:
        with body.progress.scope:
            response = await client.send(request, auth=auth, stream=True)
    except _ChangedError:
        return NoAnswer("the file has changed", sent=False, changed=True)
    except NEVER_ARRIVED as error:
        lasts = is_of_tls(error) or isinstance(error, httpx.UnsupportedProtocol)
        return NoAnswer(http.why_not_reached(error, url), sent=False, passing=not lasts)
    except UNUSABLE as error:
        return NoAnswer(said(error), sent=False)
    except httpx.HTTPError as error:
        return NoAnswer(said(error), sent=True)
    if response is None:
        return NoAnswer(body.why_it_ended(), sent=body.begun, passing=True)
    try:
        start = await _start_of_body(response)
    finally:
        await response.aclose()
    reason = response.extensions.get("reason_phrase", b"")
    when, location = _when(plain(response.headers)), location_of(url, response)
    early = response.is_success and not body.whole
    return Answered(response.status_code, reason, start, when, location, early)


class _ChangedError(Exception):
    """The file is no longer what preflight read."""


class _Digest(BytesIO):
    """The value of a form field: a digest of the file before it, of which only the length is known.

    httpx asks for the length first, and reads the fields in their order.
    """

    def __init__(self, hasher: hashlib._Hash | hashlib.blake2b) -> None:
        super().__init__(hasher.hexdigest().encode())
        self.update = hasher.update
        self._hasher = hasher

    def read(self, size: int | None = -1) -> bytes:
        """The digest of what has been read of the file."""
        self.getbuffer()[:] = self._hasher.hexdigest().encode()
        return super().read(size)


class _OutgoingFile:
    """A file that httpx reads; `ended` once it has found the end.

    The last piece is only given out if all of them together have the right sha256. `digests` are
    the form fields whose values are computed on the way.
    """

    def __init__(self, stream: IO[bytes], sha256: str) -> None:
        self._stream = stream
        self.size = os.fstat(stream.fileno()).st_size
        self._sha256 = sha256
        self._digest = hashlib.sha256()
        self.digests = {name: _Digest(new()) for name, new in OTHER_DIGESTS.items()}
        self.ended = False

    def read(self, _: int = -1) -> bytes:
        """The next piece; raises _ChangedError instead of the last one if the hash is wrong."""
        piece = self._stream.read(_PIECE)
        self.ended = not piece
        self._digest.update(piece)
        for other in self.digests.values():
            other.update(piece)
        last = self.ended or self._stream.tell() >= self.size
        if last and self._digest.hexdigest() != self._sha256:
            raise _ChangedError
        return piece

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Body(httpx.AsyncByteStream):
    """The body of an upload on its way; `whole` once all of it has left.

    A thread reads and hashes one piece while the one before is sent. What follows the file,
    `:action` included, leaves in one piece, and after `until`.
    """

    def __init__(
        self,
        form: Any,
        file: _OutgoingFile,
        progress: Progress,
        on_sent: Callable[[int], None],
        answer_timeout: float,
        until: Callable[[], Awaitable[object]] | None,
    ) -> None:
        """`form`: the whole body, in pieces."""
        self._pieces: Iterator[bytes] = iter(form)
        self._file = file
        self.progress = progress
        self._on_sent = on_sent
        self._answer_timeout = answer_timeout
        self._until = until
        self._sent = 0
        self._end = b""
        self.begun = False
        self.whole = False
        self._ahead = self._soon()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.begun = True
        TAKEN.set(self._taken)
        # Else a thread could still be reading when the file is closed.
        while piece := await asyncio.shield(self._ahead):
            self._ahead = self._soon()
            yield piece
        if self._until is not None:
            PAUSE.set(partial(self._pause, self._until))
            yield b""
        yield self._end
        self.whole = True
        self.progress.end_in(self._answer_timeout)

    async def _pause(self, until: Callable[[], Awaitable[object]]) -> None:
        """Wait, however long it takes; cancelled once the server answers, which has its time."""
        self.progress.end_in(math.inf)
        try:
            await until()
        finally:
            self.progress.end_in(self.progress.stretch)

    async def unread(self) -> None:
        """Return once no thread reads the file any more."""
        await asyncio.gather(self._ahead, return_exceptions=True)

    def _soon(self) -> asyncio.Future[bytes]:
        return asyncio.get_running_loop().run_in_executor(_READERS, self._read)

    def _read(self) -> bytes:
        """The next piece, the first one with the form's start; empty once the file has ended."""
        found = bytearray()
        for piece in self._pieces:
            if self._file.ended:
                self._end = piece + b"".join(self._pieces)
                break
            found += piece
            if len(found) >= _PIECE:
                break
        return bytes(found)

    def _taken(self, size: int) -> None:
        """So many bytes have left, the form's start and what TLS adds included."""
        self.progress.moved(size)
        self._sent += size
        self._on_sent(min(self._sent, self._file.size))

    def why_it_ended(self) -> str:
        """Why there is no answer, where the time was up."""
        if self.whole:
            return f"the server did not answer within {self._answer_timeout:.0f} s"
        if self.begun:
            portion, stretch = PORTION // 1024, self.progress.stretch
            return f"the server took less than {portion} KiB within {stretch:.0f} s"
        return "the server did not accept the connection in time"


def _form(
    filename: str, file: _OutgoingFile, fields: Mapping[str, str | list[str]]
) -> list[tuple[str, Any]]:
    """The parts of a form, the file first, then what is computed of it."""
    parts: list[tuple[str, Any]] = [("content", (filename, file, "application/octet-stream"))]
    parts += [(name, (None, digest)) for name, digest in file.digests.items()]
    for name, value in fields.items():
        parts += [(name, (None, each)) for each in (value if isinstance(value, list) else [value])]
    return parts


def _when(headers: Mapping[str, str]) -> dict[str, str]:
    """What an answer says of when to come again; a date needs the server's own clock, or ours."""
    said = {name: headers[name] for name in _WHEN if name in headers}
    now = format_datetime(datetime.now(UTC))
    return {**said, "date": headers.get("date", now)} if said else {}


async def _start_of_body(response: httpx.Response) -> bytes:
    """The first bytes of a body, as they are; the status is known, so a broken one is no matter."""
    body = bytearray()
    with contextlib.suppress(httpx.HTTPError), anyio.move_on_after(CONNECT_TIMEOUT):
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _MAX_ANSWER:
                break
    return bytes(body[:_MAX_ANSWER])
