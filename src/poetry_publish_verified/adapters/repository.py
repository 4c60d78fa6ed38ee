"""The repository: where distributions are uploaded to."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from poetry_publish_verified.adapters.http import Asked, Http
from poetry_publish_verified.adapters.http_errors import HttpError, UnreachableError
from poetry_publish_verified.adapters.uploads import post_file
from poetry_publish_verified.core.distribution import Distribution
from poetry_publish_verified.core.upload.form import form_fields
from poetry_publish_verified.core.upload.outcomes import Answered, NoAnswer
from poetry_publish_verified.core.urls import RepositoryState, RepositoryTarget, moves_uploads
from poetry_publish_verified.sanitize import printable

# Only whether anyone answers: upload URLs answer a GET with 405, which is enough.
_JUST_THERE = Asked(limit=0, timeout=10.0, patience=10.0, follow=False, upload_follows=True)


class HttpRepository:
    """A repository that speaks the upload API."""

    def __init__(self, http: Http, target: RepositoryTarget, dist_dir: Path) -> None:
        """`dist_dir` is the directory with the files."""
        self.name, self.url = target.name, target.url
        self.anonymous = target.access.basic is None
        self._http = http
        self._access = target.access
        self._dist_dir = dist_dir

    async def state(self) -> tuple[RepositoryState, str]:
        """Whether what is there takes uploads, as far as a GET tells; and in words.

        Of a redirect the words are its target.
        """
        try:
            answer = await self._http.page(self.url, {}, self._access, _JUST_THERE)
        except UnreachableError as error:
            return "unreachable", str(error)
        except HttpError as error:
            return "there", str(error)
        return moves_uploads(self.url, answer.location) or "there", answer.location

    async def upload(
        self,
        distribution: Distribution,
        on_sent: Callable[[int], None],
        token: str | None = None,
        attestation: str | None = None,
        until: Callable[[], Awaitable[object]] | None = None,
    ) -> Answered | NoAnswer:
        try:
            return await post_file(
                self._http,
                self.url,
                form_fields(distribution, attestation),
                self._dist_dir / distribution.filename,
                self._access.with_token(token),
                on_sent,
                sha256=distribution.sha256,
                until=until,
            )
        except OSError as error:
            return NoAnswer(f"it cannot be read: {printable(str(error))}", sent=False)
