"""Every attribute of Poetry's that is replaced while a command runs, so that its files stay whole.

Tried with Poetry 2.0, 2.1, 2.2, 2.3, 2.4 and 2.5. Each is checked on its own (`unlike`); one that
is not as expected stays stock and keeps its races, the others are replaced. Nothing is imported
for this: all of these modules are loaded whenever a command runs. Where a stock method has to
write elsewhere it is called on a copy of its object that answers another path, so that what it
writes stays stock's.

`FileCache.put`, `forget`, `_get_payload`
    Truncate in place, or look and then open or unlink. A file now gets its name when it is
    whole, and one that a peer has removed is a miss.
`FileCache.flush`
    What `cache clear` calls: deletes in place, and fails where a peer writes or deletes. The
    directory is now moved aside first: out of `repositories`, where `cache list` would name it.
`_FileCacheMixin._write` of cachecontrol
    Fails where a peer clears the cache between its steps. That is tried again.
`CacheController._cache_set` of cachecontrol
    Writes metadata before the body: a reader between the two, or after a kill, takes the page
    for empty. The body now comes first.
`ArtifactCache.get_cached_archive_for_link`
    Two processes download one archive twice, one that fails removes what the other has finished,
    and the file can be read by its owner alone. Now there is a lock for each archive, a private
    directory to download into, and the umask's mode.
`Chef._prepare`
    Builds wheels where others look for them. It now builds in a private directory.
`TOMLFile.write` (tomlkit's, set on Poetry's subclass), `Locker._write_lock_data`
    Truncate config.toml, auth.toml, envs.toml, pyproject.toml and poetry.lock in place. A new
    file now replaces the old one.
"""

from __future__ import annotations

import copy
import shutil
import sys
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple

from poetry_publish_verified.guard import atomic_files as caches

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    LockArchive = Callable[[Path, Path], AbstractContextManager[bool]]


@contextmanager
def storage_made_atomic(lock_archive: LockArchive) -> Iterator[list[str]]:
    """Replace the attributes listed above; yields those left as stock, in a few words each.

    `lock_archive(cache, archive)` is around each download of an archive.
    Commands that call commands come here again: what is replaced stays so until the first ends.
    """
    if any(seam.is_ours() for seam in SEAMS):
        yield []
        return
    left = []
    replaced: list[tuple[type, str, Any, Any]] = []
    try:
        for seam in SEAMS:
            reason = unlike(seam)
            if reason is not None:
                left.append(reason)
                continue
            owner = seam.find_owner()
            before = vars(owner).get(seam.name)
            ours = seam.wrap(getattr(owner, seam.name), lock_archive)
            ours.__module__ = __name__
            try:
                setattr(owner, seam.name, ours)
            except (AttributeError, TypeError) as error:
                left.append(f"{seam}: {error}")
                continue
            replaced.append((owner, seam.name, before, ours))
        yield left
    finally:
        for owner, name, before, ours in reversed(replaced):
            # Who replaced ours meanwhile puts it back, or calls it.
            if vars(owner).get(name) is not ours:
                continue
            if before is None:
                delattr(owner, name)
            else:
                setattr(owner, name, before)


def unlike(seam: Seam) -> str | None:
    """How the attribute differs from what was tried, in a few words; None if it does not.

    A stand-in works only where stock's code reads what the stand-in answers: that is looked
    for in the code itself.
    """
    try:
        stock = getattr(seam.find_owner(), seam.name)
    except (AttributeError, KeyError):
        return f"{seam} is not there"
    if not isinstance(stock, FunctionType) or stock.__module__ != seam.home:
        return f"{seam} is not its own"
    code = stock.__code__
    parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    expected = tuple(seam.parameters.split())
    if parameters[: len(expected)] != expected:
        return f"{seam} takes other arguments"
    if parameters != expected and not seam.may_take_more:
        return f"{seam} takes more arguments"
    lost = set(seam.reads.split()) - set(code.co_names)
    if lost:
        return f"{seam} does without {', '.join(sorted(lost))}"
    return None


def _stand_in(original: Any, **attributes: Any) -> Any:
    made = copy.copy(original)
    vars(made).update(attributes)
    return made


def _put(stock: Callable[..., None], _: LockArchive) -> Callable[..., None]:
    def put(self: Any, key: str, value: Any, minutes: int | None = None) -> None:
        def write(place: Path) -> None:
            stock(_stand_in(self, _path=lambda _: place), key, value, minutes)

        caches.put(self._path(key), write)

    return put


def _forget(stock: Callable[..., None], _: LockArchive) -> Callable[..., None]:
    def forget(self: Any, key: str) -> None:
        with suppress(FileNotFoundError):
            stock(self, key)

    return forget


def _get_payload(stock: Callable[..., Any], _: LockArchive) -> Callable[..., Any]:
    def get_payload(self: Any, key: str) -> Any:
        try:
            return stock(self, key)
        except FileNotFoundError:
            return None

    return get_payload


def _flush(stock: Callable[..., None], _: LockArchive) -> Callable[..., None]:
    def flush(self: Any) -> None:
        trash = self.path.parent
        # `cache clear` has read it, to find what to flush.
        with suppress(AttributeError, KeyError):
            config = sys.modules["poetry.config.config"].Config.create()
            listed = config.repository_cache_directory
            if self.path == listed or listed in self.path.parents:
                trash = listed.parent
        caches.flush(self.path, trash, lambda: stock(self))

    return flush


def _write_response(stock: Callable[..., None], _: LockArchive) -> Callable[..., None]:
    def write(self: Any, path: str, data: bytes) -> None:
        caches.write_unless_cleared(lambda: stock(self, path, data))

    return write


def _store_response(stock: Callable[..., None], _: LockArchive) -> Callable[..., None]:
    def store(self: Any, *args: Any, **kwargs: Any) -> None:
        later: list[tuple[Any, Any]] = []
        cache = _stand_in(self.cache, set=lambda *args, **kwargs: later.append((args, kwargs)))
        stock(_stand_in(self, cache=cache), *args, **kwargs)
        for metadata, options in later:
            self.cache.set(*metadata, **options)

    return store


def _get_archive(stock: Callable[..., Any], lock: LockArchive) -> Callable[..., Any]:
    def get_archive(self: Any, link: Any, *, download_func: Any = None, **kwargs: Any) -> Any:
        if download_func is None:
            return stock(self, link, **kwargs)
        failed: list[BaseException] = []

        def download(url: str, archive: Path) -> None:
            # What stock sees fail, it unlinks, whoever finished it.
            try:
                with lock(self._cache_dir, archive):
                    if not archive.exists():
                        caches.fetch(archive, lambda private: download_func(url, private))
            except BaseException as error:  # noqa: BLE001
                failed.append(error)

        archive = stock(self, link, download_func=download, **kwargs)
        if failed:
            raise failed[0]
        return archive

    return get_archive


def _prepare(stock: Callable[..., Path], _: LockArchive) -> Callable[..., Path]:
    def prepare(self: Any, directory: Path, destination: Path, **kwargs: Any) -> Path:
        return caches.build(destination, lambda private: stock(self, directory, private, **kwargs))

    return prepare


def _write_toml(stock: Callable[..., None], _: LockArchive) -> Callable[..., None]:
    def write(self: Any, data: Any) -> None:
        caches.rewrite(Path(self._path), lambda place: stock(_stand_in(self, _path=place), data))

    return write


def _write_lock_data(stock: Callable[..., None], _: LockArchive) -> Callable[..., None]:
    def write_lock_data(self: Any, data: Any) -> None:
        # A new one is written by TOMLFile.
        if not self.lock.exists():
            stock(self, data)
            return

        def write(place: Path) -> None:
            if place != self.lock:
                # For its line endings.
                shutil.copyfile(self.lock, place)
            stock(_stand_in(self, _lock=place), data)

        caches.rewrite(self.lock, write)
        self._lock_data = None

    return write_lock_data


class Seam(NamedTuple):
    """A method of `owner` in `module`: its parameters, and the names its code has to read."""

    module: str
    owner: str
    name: str
    wrap: Callable[[Callable[..., Any], LockArchive], Callable[..., Any]]
    parameters: str
    reads: str = ""
    may_take_more: bool = False
    defined_in: str = ""

    def __str__(self) -> str:
        return f"{self.owner}.{self.name}"

    @property
    def home(self) -> str:
        """The module whose code the method is."""
        return self.defined_in or self.module

    def is_ours(self) -> bool:
        """Whether the method is replaced already."""
        owner = getattr(sys.modules.get(self.module), self.owner, None)
        return getattr(getattr(owner, self.name, None), "__module__", None) == __name__

    def find_owner(self) -> type:
        """The class; raises KeyError or AttributeError where it is not loaded."""
        found: type = getattr(sys.modules[self.module], self.owner)
        return found


_CACHE = "poetry.utils.cache"
_RESPONSES = "cachecontrol.caches.file_cache"
SEAMS = (
    Seam(_CACHE, "FileCache", "put", _put, "self key value minutes", "_path"),
    Seam(_CACHE, "FileCache", "forget", _forget, "self key"),
    Seam(_CACHE, "FileCache", "_get_payload", _get_payload, "self key"),
    Seam(_CACHE, "FileCache", "flush", _flush, "self", "rmtree path"),
    Seam(_RESPONSES, "_FileCacheMixin", "_write", _write_response, "self path data"),
    Seam(
        "cachecontrol.controller",
        "CacheController",
        "_cache_set",
        _store_response,
        "self cache_url request response body expires_time",
        "cache set set_body",
    ),
    Seam(
        _CACHE,
        "ArtifactCache",
        "get_cached_archive_for_link",
        _get_archive,
        "self link strict env download_func",
        "get_cache_directory_for_link",
    ),
    Seam(
        "poetry.installation.chef",
        "Chef",
        "_prepare",
        _prepare,
        "self directory destination",
        may_take_more=True,
    ),
    Seam(
        "poetry.toml.file",
        "TOMLFile",
        "write",
        _write_toml,
        "self data",
        "_path",
        defined_in="tomlkit.toml_file",
    ),
    Seam(
        "poetry.packages.locker",
        "Locker",
        "_write_lock_data",
        _write_lock_data,
        "self data",
        "lock _lock_data",
    ),
)
