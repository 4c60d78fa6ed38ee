"""What Poetry's own caches keep of one release, dropped, so that the next `poetry lock` asks.

Poetry makes no request for a page as long as its max-age lasts, and its cache of releases never
expires: a version that was seen with one wheel keeps one wheel. Tried with Poetry 2.0, 2.1, 2.2,
2.3, 2.4 and 2.5. `mismatch` looks at what is relied upon, each time; where Poetry is not as
expected nothing is touched, and the answer says which command helps. What is touched, and why:

`Config.repository_cache_directory`, one directory in it for each name of a source, read
    `poetry cache list` goes by the same, and there is no list of the sources of other projects.
`Authenticator._cache_control`: `_http` before 2.4, `_http_` since, in the source's directory
    `Authenticator.delete_cache` knows only that of the Poetry that runs, and deletes the body
    too: who has read the metadata by then takes the page for empty. So cachecontrol's
    `FileCache` is given the directory: its `delete` leaves the body, which nobody reads alone.
The keys: a page's URL as requests sends it, with the credentials that a source's URL has
    Poetry asks for `<index>/<name>/`, of PyPI also for `/pypi/<name>/<version>/json`. What
    cachecontrol writes has host and credentials in lower case, what it reads has not.
`Serializer.loads` of cachecontrol, asked about pages of a source that has none under such a key
    Other projects' credentials are not known; such a page is known by the files it lists.
`CachedRepository._release_cache`: a `FileCache` in the source's directory, `<name>:<version>`
    `CachedRepository.forget` came with 2.3. The release is dropped whatever the source's URL:
    it costs who needs it one request.

A reader meets an entry or none. Who has asked the index before, and writes the answer after, still
writes an old page.
"""

from __future__ import annotations

import os
import re
import shlex
from contextlib import ExitStack
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cachecontrol.caches import FileCache

_RESPONSES = "_http*"
# Poetry's own names of what has no credentials in its URL, and most of the entries.
_WITHOUT_CREDENTIALS = ("PyPI", "_default_cache")
# Four thousand files are on a page of this size; archives are in the same cache.
_LARGEST_PAGE = 1024 * 1024
# Enough to know whose files a page lists.
_HEAD = 64 * 1024
_LISTED = re.compile(rb'([\w.+!-]+\.(?:whl|tar\.gz|zip))(?:"|\s*</a>)', re.IGNORECASE)


class Forgotten(NamedTuple):
    """How many entries were dropped; whose caches may hold old ones still, and why."""

    entries: int = 0
    kept: tuple[str, ...] = ()
    """Names of sources; empty with a `reason` where not even these are known."""
    reason: str = ""

    @property
    def warning(self) -> str | None:
        """One line with the commands that help, where something may be left."""
        if not self.reason:
            return None
        names = [shlex.quote(_shown(name)) for name in self.kept] or ["<source>"]
        commands = ", ".join(f"`poetry cache clear {name} --all`" for name in names)
        return (
            f"Poetry's own cache may still hold an older page of this project"
            f" ({_shown(self.reason)}): {commands} empties it."
        )


def forget_release(index_url: str, name: str, version: str) -> Forgotten:
    """Drop a project's pages and one release of it from the caches of Poetry on this machine.

    `index_url` is that of the simple API, with or without credentials; `name` is normalised;
    `version` is as in the names of the files. It is the cache of the Poetry that runs, by
    `cache-dir` or POETRY_CACHE_DIR, and all sources in it, by whatever name. Other projects'
    entries and other releases stay. Raises nothing: what goes wrong is in the answer.
    """
    try:
        reason = mismatch()
        if reason is not None:
            return Forgotten(reason=reason)
        return _forget(_Release(index_url, name, version))
    # Nothing in a cache can make a proven release a failure.
    except Exception as error:  # noqa: BLE001
        return Forgotten(reason=_told(error))


def mismatch() -> str | None:
    """How Poetry's caches differ from what was tried, in a few words; None if they do not."""
    from cachecontrol.caches import FileCache as Responses
    from cachecontrol.caches import SeparateBodyFileCache
    from poetry.config.config import Config
    from poetry.repositories.cached_repository import CachedRepository
    from poetry.repositories.legacy_repository import LegacyRepository
    from poetry.utils.cache import FileCache

    config = Config.create()
    directory = config.repository_cache_directory / "any"
    # Makes no file and no request.
    source = LegacyRepository("any", "https://index.invalid/simple", config=config)
    responses = getattr(source.session, "_cache_control", None)
    if not isinstance(responses, Responses | SeparateBodyFileCache):
        return "Poetry keeps pages otherwise"
    kept_in = Path(responses.directory)
    if kept_in.parent != directory or not kept_in.match(_RESPONSES):
        return f"Poetry keeps pages in {kept_in}"
    releases = getattr(source, "_release_cache", None)
    if not isinstance(releases, FileCache) or releases.path != directory:
        return "Poetry keeps releases otherwise"
    code = getattr(CachedRepository.get_release_info, "__code__", None)
    if code is None or not {"_release_cache", "remember"} <= set(code.co_names):
        return "Poetry keeps releases otherwise"
    return None


def _forget(release: _Release) -> Forgotten:
    from poetry.config.config import Config

    directory = Config.create().repository_cache_directory
    dropped, kept, reason = 0, [], ""
    try:
        sources = sorted(path for path in directory.iterdir() if path.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        sources = []
    for source in sources:
        try:
            dropped += release.forget_in(source)
        except OSError as error:
            kept.append(source.name)
            reason = reason or _told(error)
    return Forgotten(dropped, tuple(kept), reason)


class _Release:
    """One release on one index, and the keys that Poetry and cachecontrol have for it."""

    def __init__(self, index_url: str, name: str, version: str) -> None:
        self._name = name
        self._release = f"{name}:{version}"
        self._keys = set(_keys(index_url, name, version))

    def forget_in(self, source: Path) -> int:
        """Drop it from one source's cache; how many entries there were. Raises OSError."""
        failed: list[OSError] = []
        dropped = 0
        for drop in (self._forget_release, self._forget_pages):
            # One that cannot be dropped is no reason to keep the other.
            try:
                dropped += drop(source)
            except OSError as error:
                failed.append(error)
        if failed:
            raise failed[0]
        return dropped

    def _forget_release(self, source: Path) -> int:
        from poetry.utils.cache import FileCache

        cache: FileCache[Any] = FileCache(path=source)
        # A peer drops it too.
        with suppress(FileNotFoundError):
            if cache.has(self._release):
                cache.forget(self._release)
                return 1
        return 0

    def _forget_pages(self, source: Path) -> int:
        from cachecontrol.caches import FileCache

        dropped = 0
        for directory in source.glob(_RESPONSES):
            cache = FileCache(directory)
            found = [key for key in self._keys if cache.get(key) is not None]
            for key in found:
                cache.delete(key)
            dropped += len(found)
            if not found and source.name not in _WITHOUT_CREDENTIALS:
                dropped += self._forget_pages_with_credentials(cache)
        return dropped

    def _forget_pages_with_credentials(self, cache: FileCache) -> int:
        dropped = 0
        for path in _responses(Path(cache.directory)):
            with suppress(FileNotFoundError):
                if not _is_page_of(self._name, path):
                    continue
                path.unlink()
                dropped += 1
        return dropped


def _keys(index_url: str, name: str, version: str) -> Iterator[str]:
    from cachecontrol.controller import CacheController
    from requests import Request

    bare = urlsplit(index_url)
    bare = bare._replace(netloc=bare.netloc.rpartition("@")[2])
    for index in (index_url.rstrip("/"), bare.geturl().rstrip("/")):
        urls = [f"{index}/{name}/", f"{index}/{name}"]
        if index.endswith("/simple"):
            # PyPI's own, and whatever stands in for it.
            root = index.removesuffix("/simple")
            urls += [f"{root}/pypi/{name}/json", f"{root}/pypi/{name}/{version}/json"]
        for url in urls:
            sent = Request("GET", url).prepare().url or url
            yield sent
            yield CacheController.cache_url(sent)


def _responses(directory: Path) -> Iterator[Path]:
    """The metadata of all responses, or metadata and body in one before Poetry 2.4."""
    for parent, _, files in os.walk(directory):
        for name in files:
            if not name.endswith((".body", ".lock")):
                yield Path(parent, name)


def _is_page_of(name: str, path: Path) -> bool:
    from packaging.utils import InvalidSdistFilename
    from packaging.utils import InvalidWheelFilename
    from packaging.utils import parse_sdist_filename
    from packaging.utils import parse_wheel_filename

    names: set[str] = set()
    for match in _LISTED.finditer(_head(path)):
        filename = match[1].decode(errors="replace")
        parse = parse_wheel_filename if filename.endswith(".whl") else parse_sdist_filename
        with suppress(InvalidSdistFilename, InvalidWheelFilename):
            names.add(parse(filename)[0])
    return names == {name}


def _head(path: Path) -> bytes:
    """How the response begins that is kept at `path`; empty where it can be no page."""
    from cachecontrol.serialize import Serializer

    body = path.with_name(f"{path.name}.body")
    with path.open("rb") as file, ExitStack() as stack:
        content = stack.enter_context(body.open("rb")) if body.exists() else None
        if max(os.fstat(one.fileno()).st_size for one in (file, content or file)) > _LARGEST_PAGE:
            return b""
        request: Any = SimpleNamespace(headers=_WhateverWasAsked())
        try:
            response = Serializer().loads(request, file.read(), content)
            return response.read(_HEAD, decode_content=True) if response else b""
        # What cannot be read is no page to Poetry either.
        except Exception:  # noqa: BLE001
            return b""


class _WhateverWasAsked:
    """Headers of a request that fit every `Vary`."""

    def get(self, *_: object) -> _WhateverWasAsked:
        return self

    def __eq__(self, _: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def _told(error: Exception) -> str:
    return getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"


def _shown(text: str) -> str:
    # Names of directories are other projects' words.
    return "".join(one if one.isprintable() else "?" for one in text)
