"""Every attribute of Poetry's that is replaced while a command runs, so that its files stay whole.

What is not as it was read stays stock and keeps its races; the others are replaced. Nothing is
imported for this: all of these modules are loaded whenever a command runs. Where a stock method
has to write elsewhere, it is called on a copy of its object that answers another path, so that
the content stays stock's. Read in Poetry 2.0 to 2.5, cachecontrol 0.14, tomlkit 0.13 to 0.15.

`FileCache.put`, `forget`, `_get_payload`
    Truncate in place, or check and then open or unlink. Now a file gets its name when it is
    complete, and one that another process has removed is a miss.
`FileCache.flush`
    What `cache clear` calls: deletes in place, and fails where others write or delete. Now the
    directory is moved aside first, out of `repositories`, where `cache list` would name it.
`_FileCacheMixin._write` of cachecontrol
    Fails where another process clears the cache between its steps. Now it is retried.
`CacheController._cache_set` of cachecontrol
    Writes metadata before the body: a reader in between, or after a kill, takes the page for
    empty. Now the body comes first.
`ArtifactCache.get_cached_archive_for_link`
    Two processes download one archive twice, one that fails removes what the other has finished,
    and only the owner can read the file. Now each archive has a lock, the download a private
    directory, and the file the umask's mode.
`Chef._prepare`
    Builds wheels where others look for them. Now it builds in a private directory.
`TOMLFile.write` (tomlkit's, set on Poetry's subclass), `Locker._write_lock_data`
    Truncate config.toml, auth.toml, envs.toml, pyproject.toml and poetry.lock in place. Now a new
    file replaces the old one.
`TOMLFile.read`, `PyProjectTOML.data` (poetry-core's), `Locker.is_fresh`, `_get_lock_data`
    sshfs cuts what another host has just replaced. Now the file is asked for its length first.
"""

# Poetry's private names are what this file is for.
# ruff: noqa: SLF001
import copy
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from poetry_publish_verified.guard import atomic_files
from poetry_publish_verified.guard.locks.fresh_view import is_listed, see_whole
from poetry_publish_verified.guard.seams.replacement import Seam, replaced

ArchiveLock = Callable[[Path, Path], AbstractContextManager[bool]]


@contextmanager
def atomic_storage(lock_archive: ArchiveLock) -> Iterator[list[str]]:
    """Replace the attributes listed above; yields those left as stock, in a few words each.

    `lock_archive(cache, archive)` is around each download. Commands that call commands come here
    again: what is replaced stays so until the first ends.
    """
    if any(seam.is_replaced() for seam in SEAMS):
        yield []
        return
    with replaced(SEAMS, lock_archive) as left:
        yield left


def _stand_in(original: Any, **attributes: Any) -> Any:
    made = copy.copy(original)
    vars(made).update(attributes)
    return made


def _put(
    stock: Any, _: object, cache: Any, key: str, value: Any, minutes: int | None = None
) -> None:
    def write(place: Path) -> None:
        stock(_stand_in(cache, _path=lambda _: place), key, value, minutes)

    atomic_files.put(cache._path(key), write)


def _forget(stock: Any, _: object, cache: Any, key: str) -> None:
    with suppress(FileNotFoundError):
        stock(cache, key)


def _get_payload(stock: Any, _: object, cache: Any, key: str) -> Any:
    try:
        return stock(cache, key)
    except FileNotFoundError:
        return None


def _flush(stock: Any, _: object, cache: Any) -> None:
    trash = cache.path.parent
    # `cache clear` has read it, to find what to flush.
    with suppress(AttributeError, KeyError):
        config = sys.modules["poetry.config.config"].Config.create()
        listed = config.repository_cache_directory
        if cache.path == listed or listed in cache.path.parents:
            trash = listed.parent
    atomic_files.flush(cache.path, trash, lambda: stock(cache))


def _write_response(stock: Any, _: object, cache: Any, path: str, data: bytes) -> None:
    atomic_files.write_unless_cleared(lambda: stock(cache, path, data))


def _store_response(stock: Any, _: object, controller: Any, *args: Any, **kwargs: Any) -> None:
    later: list[tuple[Any, Any]] = []
    cache = _stand_in(controller.cache, set=lambda *args, **kwargs: later.append((args, kwargs)))
    stock(_stand_in(controller, cache=cache), *args, **kwargs)
    for metadata, options in later:
        controller.cache.set(*metadata, **options)


def _get_archive(
    stock: Any,
    lock: ArchiveLock,
    cache: Any,
    link: Any,
    *,
    download_func: Any = None,
    **kwargs: Any,
) -> Any:
    if download_func is None:
        return stock(cache, link, **kwargs)
    failed: list[BaseException] = []

    def download(url: str, archive: Path) -> None:
        # Stock unlinks whatever it sees fail, no matter who finished it.
        try:
            with lock(cache._cache_dir, archive):
                if not is_listed(archive):
                    atomic_files.fetch(archive, lambda private: download_func(url, private))
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    archive = stock(cache, link, download_func=download, **kwargs)
    # Poetry may have found it by name, but then looks for it in the listing.
    if not failed and not is_listed(archive):
        download(link.url, archive)
    if failed:
        raise failed[0]
    return archive


def _prepare(
    stock: Any, _: object, chef: Any, directory: Path, destination: Path, **kwargs: Any
) -> Path:
    return atomic_files.build(
        destination, lambda private: stock(chef, directory, private, **kwargs)
    )


def _read_toml(stock: Any, _: object, file: Any) -> Any:
    see_whole(file.path)
    return stock(file)


def _read_project(stock: Any, _: object, project: Any) -> Any:
    # It is asked for many times, and read once.
    if project._data is None:
        see_whole(project.path)
    return stock(project)


def _read_lock(stock: Any, _: object, locker: Any) -> Any:
    see_whole(locker.lock)
    return stock(locker)


def _write_toml(stock: Any, _: object, file: Any, data: Any) -> None:
    path = Path(file._path)
    atomic_files.rewrite(path, lambda place: stock(_stand_in(file, _path=place), data))


def _write_lock_data(stock: Any, _: object, locker: Any, data: Any) -> None:
    # TOMLFile writes a new one.
    if not locker.lock.exists():
        stock(locker, data)
        return

    def write(place: Path) -> None:
        if place != locker.lock:
            # For its line endings.
            shutil.copyfile(locker.lock, place)
        stock(_stand_in(locker, _lock=place), data)

    atomic_files.rewrite(locker.lock, write)
    locker._lock_data = None


_CACHE = "poetry.utils.cache"
_ARCHIVE = "get_cached_archive_for_link"
_RESPONSES = ("cachecontrol.caches.file_cache", "_FileCacheMixin", "_write")
_CONTROLLER = ("cachecontrol.controller", "CacheController", "_cache_set")
_CHEF = ("poetry.installation.chef", "Chef", "_prepare")
_TOML = ("poetry.toml.file", "TOMLFile")
_PROJECT = ("poetry.core.pyproject.toml", "PyProjectTOML", "data")
_LOCKER = ("poetry.packages.locker", "Locker")
SEAMS = (
    Seam(_CACHE, "FileCache", "put", _put, "self key value minutes", "_path"),
    Seam(_CACHE, "FileCache", "forget", _forget, "self key"),
    Seam(_CACHE, "FileCache", "_get_payload", _get_payload, "self key"),
    Seam(_CACHE, "FileCache", "flush", _flush, "self", "rmtree path"),
    Seam(*_RESPONSES, _write_response, "self path data"),
    Seam(
        *_CONTROLLER,
        _store_response,
        parameters="self cache_url request response body expires_time",
        uses="cache set set_body",
    ),
    Seam(
        *(_CACHE, "ArtifactCache", _ARCHIVE),
        _get_archive,
        parameters="self link strict env download_func",
        uses="get_cache_directory_for_link",
    ),
    Seam(*_CHEF, _prepare, "self directory destination", may_take_more=True),
    Seam(*_TOML, "read", _read_toml, "self", "path"),
    Seam(*_TOML, "write", _write_toml, "self data", "_path", defined_in="tomlkit.toml_file"),
    Seam(*_PROJECT, _read_project, "self", "_data path"),
    Seam(*_LOCKER, "is_fresh", _read_lock, "self", "lock"),
    Seam(*_LOCKER, "_get_lock_data", _read_lock, "self", "lock"),
    Seam(*_LOCKER, "_write_lock_data", _write_lock_data, "self data", "lock _lock_data"),
)
