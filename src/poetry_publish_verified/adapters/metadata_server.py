"""Release metadata on a server: tried again, asked conditionally, and the last good copy kept."""

import hashlib
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from poetry_publish_verified.adapters import receipt_file
from poetry_publish_verified.adapters.http import GIVEN, Asked, Http, Page
from poetry_publish_verified.adapters.http_errors import HttpError, StatusError, UntrustedError
from poetry_publish_verified.core.caching import is_transient
from poetry_publish_verified.core.release_metadata import (
    NotMetadataError,
    ReleaseMetadata,
    read_metadata,
)
from poetry_publish_verified.core.urls import Access
from poetry_publish_verified.values import Value

# Several times what a release of thousands of files needs.
_LARGEST = 8 * 1024 * 1024
# Seconds for one answer, and before each further attempt.
_ANSWER_TIMEOUT = 15.0
_PAUSES = (1.0, 2.0, 4.0)
# What makes the next request conditional, by the header of an answer (RFC 9110, 13.1).
_CONDITIONS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}


class _Clock(Protocol):
    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class NoMetadataError(Exception):
    """There is neither a usable document nor a copy; the message is printable."""


class Found(NamedTuple):
    """What a server has, or the last good copy and why that had to do."""

    metadata: ReleaseMetadata
    why_a_copy: str = ""


class _Copy(Value):
    """The last good document of a URL, and what makes the next request conditional."""

    metadata: ReleaseMetadata
    document: Any
    conditions: Mapping[str, str]


class MetadataServer:
    """Reads release metadata by URL; good copies are kept in a directory for the next run."""

    def __init__(self, http: Http, kept_in: Path, clock: _Clock) -> None:
        self._http = http
        self._kept_in = kept_in
        self._clock = clock

    async def read(self, url: str, timeout: float) -> Found:
        """The document at `url`, or the last good copy if there is none within `timeout` seconds.

        A document that is older than one that was there before counts as none. Raises
        NoMetadataError if there is no copy either.
        """
        place = self._kept_in / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.json"
        copy = _copy_at(place)
        try:
            new = await self._ask_again(url, copy, self._clock.monotonic() + timeout)
        except (HttpError, NotMetadataError) as error:
            if copy is None:
                raise NoMetadataError(str(error)) from error
            return Found(copy.metadata, str(error))
        kept = {"document": new.document, "conditions": new.conditions}
        with suppress(OSError):  # then the next run has an older one, or none
            receipt_file.write(place, kept)
        return Found(new.metadata)

    async def _ask_again(self, url: str, copy: _Copy | None, deadline: float) -> _Copy:
        for pause in (*_PAUSES, math.inf):
            left = deadline - self._clock.monotonic()
            try:
                return await self._ask(url, copy, left)
            except (HttpError, NotMetadataError) as error:
                final = isinstance(error, UntrustedError) or (
                    isinstance(error, StatusError) and not is_transient(error.status)
                )
                if final or self._clock.monotonic() + pause >= deadline:
                    raise
            await self._clock.sleep(pause)
        raise AssertionError

    async def _ask(self, url: str, copy: _Copy | None, left: float) -> _Copy:
        limit, timeout = _LARGEST, max(min(_ANSWER_TIMEOUT, left), 0.1)
        asked = Asked(limit, timeout, patience=max(left, 0.0), anywhere=True)
        headers = {"Accept": "application/json", **(copy.conditions if copy else {})}
        page = await self._http.page(url, headers, Access(), asked)
        if page.status == 304 and copy is not None:
            return copy
        if page.status not in GIVEN:
            raise StatusError(page.status)
        new = _of_page(page)
        if copy is not None and new.metadata.is_older_than(copy.metadata):
            raise NotMetadataError(
                f"its version {new.metadata.version} is older than {copy.metadata.version},"
                " which was there before"
                if new.metadata.version != copy.metadata.version
                else "it is older than what was there before"
            )
        return new


def _of_page(page: Page) -> _Copy:
    try:
        document = json.loads(page.body)
    except (ValueError, RecursionError):
        raise NotMetadataError("it is not JSON") from None
    given = {name: page.headers[each] for each, name in _CONDITIONS.items() if each in page.headers}
    return _Copy(read_metadata(document), document, given)


def _copy_at(place: Path) -> _Copy | None:
    with suppress(OSError, NotMetadataError, KeyError, TypeError, AttributeError):
        kept = receipt_file.read(place)
        conditions = {str(name): str(value) for name, value in kept["conditions"].items()}
        return _Copy(read_metadata(kept["document"]), kept["document"], conditions)
    return None
