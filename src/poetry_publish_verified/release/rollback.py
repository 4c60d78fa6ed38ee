"""Taking a release back where the index lets that be done: look, delete, and look again."""

from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

from poetry_publish_verified.core.distribution import versions_among
from poetry_publish_verified.core.problems import rollback as problems
from poetry_publish_verified.core.rollback import SentRelease
from poetry_publish_verified.core.simple.page import IndexFile
from poetry_publish_verified.core.variants import UNSEEN
from poetry_publish_verified.core.verification import Download, NotDownloaded
from poetry_publish_verified.errors import ReleaseError, Verdict
from poetry_publish_verified.release.interfaces import Clock, Index

_TRIES = 3
_LONGEST_PAUSE = 5.0


class Remover(Protocol):
    """What deletes the versions that files of a project have."""

    async def delete(self, name: str, filenames: Collection[str]) -> str:
        """Delete them; what the server said, empty if all is well."""


class Rollback:
    """One release on the repository's own index."""

    def __init__(self, release: SentRelease, index: Index, clock: Clock, timeout: float) -> None:
        """`timeout`: seconds for a file without a listed hash, and for the index to forget it."""
        self.release = release
        self._index, self._clock, self._timeout = index, clock, timeout
        self._asked = False
        self._urls: list[str] = []
        self.later: list[str] = []
        """The later versions of the project, once the index was looked at."""

    async def files(self) -> dict[str, str]:
        """The sha256 of the files of the version that are there, all of them sent by the run.

        Raises ReleaseError if others are there too, or the index does not tell.
        """
        release, listed = self.release, await self._listed()
        held: dict[str, str] = {}
        for filename, file in listed.items():
            held[filename] = file.sha256 or ""
            if file.flaw or file.ambiguous:
                held[filename] = ""
            elif file.sha256 is None:
                got = await self._index.fetch(file.url, None, patience=self._timeout)
                held[filename] = got.sha256 if isinstance(got, Download) else ""
        if others := release.not_ours(held):
            problem = problems.others_files(release.title, self._index.url, others)
            raise ReleaseError.refused(problem)
        self._urls = [file.url for file in listed.values()]
        return held

    async def delete(self, remover: Remover, require_lock: Callable[[], Awaitable[None]]) -> None:
        """Look again, delete, and return when nothing of the version is there any more.

        Raises ReleaseError as `files` and `require_lock` do, or if something is still there in the
        end.
        """
        held = await self.files()
        if not held:
            return
        await require_lock()
        self._asked = True
        said = await remover.delete(self.release.name, held)
        end, pause = self._clock.monotonic() + self._timeout, 0.1
        while left := await self._left():
            if said or self._clock.monotonic() + pause > end:
                title, index = self.release.title, self._index.url
                problem = problems.deletion_failed(title, index, left, said)
                raise ReleaseError(Verdict.UPLOAD_FAILED, problem)
            await self._clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _left(self) -> list[str]:
        """What is still listed, or else still served."""
        if listed := await self._listed():
            return sorted(listed)
        served = [url for url in self._urls if isinstance(await self._served(url), Download)]
        return [url.rsplit("/", 1)[-1] for url in served]

    async def _served(self, url: str) -> Download | NotDownloaded:
        return await self._index.fetch(url, 0, patience=self._timeout)

    async def _listed(self) -> dict[str, IndexFile]:
        """The files of the version, looked at through a copy that no installer reads."""
        name, version = self.release.name, str(self.release.version)
        detail = ""
        for attempt in range(1, _TRIES + 1):
            seen = await self._index.look(name, version, UNSEEN, fresh=True)
            detail = seen.detail
            if seen.page is not None:
                files = seen.page.files
                later = versions_among(files, name)
                self.later = [str(each) for each in later if each > self.release.version]
                return {each: files[each] for each in self.release.listed_in(files)}
            if seen.state == "absent":
                # Nothing is at a wrong address either.
                state, detail = ("there", "") if seen.refers else await self._index.root()
                if state == "there" or self._index.certain:
                    return {}
            if attempt < _TRIES:
                await self._clock.sleep(float(attempt))
        verdict = Verdict.NOT_VISIBLE if self._asked else Verdict.PREFLIGHT_REFUSED
        problem = problems.not_told(self._index.url, detail, asked=self._asked)
        raise ReleaseError(verdict, problem)
