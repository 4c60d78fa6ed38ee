"""The repository: where distributions are uploaded to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from poetry_publish_verified.adapters.http import Asked, Http, HttpError, UnreachableError
from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.upload.form import form_fields
from poetry_publish_verified.core.upload.outcomes import Answered, NoAnswer
from poetry_publish_verified.core.urls import RepositoryTarget
from poetry_publish_verified.sanitize import printable

# Only whether anyone answers: upload URLs answer a GET with 405, which is enough.
_JUST_THERE = Asked(limit=0, timeout=10.0)


class HttpRepository:
    """A repository that speaks the upload API."""

    def __init__(self, http: Http, target: RepositoryTarget, dist_dir: Path) -> None:
        """`dist_dir` is the directory with the files."""
        self._http = http
        self._target = target
        self._dist_dir = dist_dir

    @property
    def name(self) -> str:
        """Poetry's name for it."""
        return self._target.name

    @property
    def url(self) -> str:
        """The upload URL, without credentials."""
        return self._target.url

    @property
    def anonymous(self) -> bool:
        """Whether no credentials were found, so none are sent."""
        return self._target.access.basic is None

    async def unreachable(self) -> str | None:
        """Why no server can be reached there, in words; None where one answers."""
        try:
            await self._http.page(self._target.url, {}, self._target.access, _JUST_THERE)
        except UnreachableError as error:
            return str(error)
        except HttpError:
            return None
        return None

    async def upload(
        self, distribution: Distribution, on_sent: Callable[[int], None]
    ) -> Answered | NoAnswer:
        """Send one file once; `on_sent` gets the number of bytes sent so far."""
        try:
            return await self._http.post_file(
                self._target.url,
                form_fields(distribution),
                self._dist_dir / distribution.filename,
                self._target.access,
                on_sent,
                sha256=distribution.sha256,
            )
        except OSError as error:
            return NoAnswer(f"it cannot be read: {printable(str(error))}", sent=False)
