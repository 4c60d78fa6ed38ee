"""Drops what Poetry's own caches hold of one release, so that the next `poetry lock` asks again.

Poetry requests no page again while its max-age lasts, and its cache of releases never expires: a
version that was seen with one wheel keeps one wheel. Read in Poetry 2.0 to 2.5 and cachecontrol
0.14. `mismatch` checks each time what is relied upon; where Poetry differs nothing is touched, and
the answer names the command that helps.

`Config.repository_cache_directory`, which has one directory for each name of a source, read
    `poetry cache list` does the same, and nothing lists the sources of other projects.
`Authenticator._cache_control`: `_http` before 2.4, `_http_` since, in the source's directory
    `Authenticator.delete_cache` knows only that of the running Poetry, and deletes the body too:
    whoever has read the metadata by then takes the page for empty. So cachecontrol's `FileCache`
    gets the directory: its `delete` leaves the body, which nobody reads alone.
The keys: a page's URL as requests sends it, with the credentials that the source's URL has
    Poetry asks for `<index>/<name>/`, and PyPI also for `/pypi/<name>/<version>/json`.
    cachecontrol writes host and credentials in lower case, and reads them as they are.
`Serializer.loads` of cachecontrol, for pages of a source that has none under such a key
    The credentials of other projects are unknown; the files that a page lists identify it.
`CachedRepository._release_cache`: a `FileCache` in the source's directory, `<name>:<version>`
    `CachedRepository.forget` came with 2.3. The release is dropped whatever the source's URL: that
    costs one request where it is needed.

A reader finds an entry or none. Whoever has asked the index before, and writes the answer after,
still writes an old page.
"""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from poetry_publish_verified.guard import problems

_RESPONSES = "_http*"
# Poetry's own names of sources that have no credentials in their URL, but most of the entries.
_WITHOUT_CREDENTIALS = ("PyPI", "_default_cache")
# A page of this size lists four thousand files; archives are in the same cache.
_MAX_PAGE = 1024 * 1024
# Enough to know whose files a page lists.
_HEAD = 64 * 1024
_LISTED = re.compile(rb'([\w.+!-]+\.(?:whl|tar\.gz|zip))(?:"|\s*</a>)', re.IGNORECASE)


class Forgotten(NamedTuple):
    """How many entries were dropped; which sources may still have old ones, and why."""

    entries: int = 0
    kept: tuple[str, ...] = ()
    """Names of sources; empty with a `reason` where not even these are known."""
    reason: str = ""

    @property
    def warning(self) -> str | None:
        """One line with the commands that help, if something may be left."""
        return problems.cache_not_cleared(self.kept, self.reason) if self.reason else None


def forget_release(index_url: str, name: str, version: str) -> Forgotten:
    """Drop a project's pages and one release of it from Poetry's cache on this machine.

    `index_url` is that of the simple API, with or without credentials; `name` is normalized;
    `version` is as in file names. It is the cache of the running Poetry, by `cache-dir` or
    POETRY_CACHE_DIR, and every source in it, by whatever name. Other projects and releases stay.
    Raises nothing: errors are in the answer.
    """
    try:
        reason = mismatch()
        return Forgotten(reason=reason) if reason else _forget(index_url, name, version)
    # Nothing in a cache can make a failure of a proven release.
    except Exception as error:  # noqa: BLE001
        return Forgotten(reason=_reason(error))


def mismatch() -> str | None:
    """How Poetry's caches differ from what was read, in a few words; None if they do not."""
    from cachecontrol.caches import FileCache as Responses
    from cachecontrol.caches import SeparateBodyFileCache
    from poetry.config.config import Config
    from poetry.repositories.cached_repository import CachedRepository
    from poetry.repositories.legacy_repository import LegacyRepository
    from poetry.utils.cache import FileCache

    config = Config.create()
    directory = config.repository_cache_directory / "any"
    # Creates no file and sends no request.
    source = LegacyRepository("any", "https://index.invalid/simple", config=config)
    responses = getattr(source.session, "_cache_control", None)
    if not isinstance(responses, Responses | SeparateBodyFileCache):
        return "Poetry caches pages differently"
    kept_in = Path(responses.directory)
    if kept_in.parent != directory or not kept_in.match(_RESPONSES):
        return f"Poetry caches pages in {kept_in}"
    releases = getattr(source, "_release_cache", None)
    code = getattr(CachedRepository.get_release_info, "__code__", None)
    is_known = code is not None and {"_release_cache", "remember"} <= set(code.co_names)
    if not is_known or not isinstance(releases, FileCache) or releases.path != directory:
        return "Poetry caches releases differently"
    return None


def _forget(index_url: str, name: str, version: str) -> Forgotten:
    from poetry.config.config import Config

    directory = Config.create().repository_cache_directory
    dropped, kept, reason = 0, [], ""
    try:
        sources = sorted(path for path in directory.iterdir() if path.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        sources = []
    forget_metadata = partial(_forget_metadata, f"{name}:{version}")
    forget_pages = partial(_forget_pages, name, set(_keys(index_url, name, version)))
    for source in sources:
        # A failure in one place is no reason to keep what is in another.
        for forget in (forget_metadata, forget_pages):
            try:
                dropped += forget(source)
            except OSError as error:
                kept.append(source.name)
                reason = reason or _reason(error)
    return Forgotten(dropped, tuple(dict.fromkeys(kept)), reason)


def _forget_metadata(release: str, source: Path) -> int:
    """Drop what a source's cache knows of the release; the number of entries."""
    from poetry.utils.cache import FileCache

    cache: FileCache[Any] = FileCache(path=source)
    # Another process may drop it too.
    with suppress(FileNotFoundError):
        if cache.has(release):
            cache.forget(release)
            return 1
    return 0


def _forget_pages(name: str, keys: Collection[str], source: Path) -> int:
    """Drop the project's pages from a source's cache; the number of entries."""
    from cachecontrol.caches import FileCache

    dropped = 0
    for directory in source.glob(_RESPONSES):
        cache = FileCache(directory)
        found = [key for key in keys if cache.get(key) is not None]
        for key in found:
            cache.delete(key)
        dropped += len(found)
        if found or source.name in _WITHOUT_CREDENTIALS:
            continue
        for path in _responses(directory):
            with suppress(FileNotFoundError):
                if _is_page_of(name, path):
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
            # PyPI, and whatever stands in for it.
            root = index.removesuffix("/simple")
            urls += [f"{root}/pypi/{name}/json", f"{root}/pypi/{name}/{version}/json"]
        for url in urls:
            sent = Request("GET", url).prepare().url or url
            yield sent
            yield CacheController.cache_url(sent)


def _responses(directory: Path) -> Iterator[Path]:
    """The metadata of every response; before Poetry 2.4, metadata and body in one file."""
    for parent, _, files in os.walk(directory):
        for name in files:
            if not name.endswith((".body", ".lock")):
                yield Path(parent, name)


def _is_page_of(name: str, path: Path) -> bool:
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        parse_sdist_filename,
        parse_wheel_filename,
    )

    names: set[str] = set()
    for match in _LISTED.finditer(_head(path)):
        filename = match[1].decode(errors="replace")
        parse = parse_wheel_filename if filename.endswith(".whl") else parse_sdist_filename
        with suppress(InvalidSdistFilename, InvalidWheelFilename):
            names.add(parse(filename)[0])
    return names == {name}


def _head(path: Path) -> bytes:
    """How the response at `path` begins; empty if it cannot be a page."""
    from cachecontrol.serialize import Serializer

    body = path.with_name(f"{path.name}.body")
    with path.open("rb") as file, ExitStack() as stack:
        content = stack.enter_context(body.open("rb")) if body.exists() else None
        if max(os.fstat(one.fileno()).st_size for one in (file, content or file)) > _MAX_PAGE:
            return b""
        request: Any = SimpleNamespace(headers=_AnyHeaders())
        try:
            response = Serializer().loads(request, file.read(), content)
            return response.read(_HEAD, decode_content=True) if response else b""
        # Nor can Poetry read it as a page.
        except Exception:  # noqa: BLE001
            return b""


class _AnyHeaders:
    """Headers of a request that match every `Vary`."""

    def get(self, *_: object) -> Self:
        return self

    def __eq__(self, _: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
