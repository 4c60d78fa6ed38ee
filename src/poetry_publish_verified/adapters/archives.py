"""Reads wheels and sdists: each once, to its end, in pieces, and never unpacked to disk."""

import gzip
import hashlib
import os
import re
import tarfile
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import IO

from packaging.metadata import parse_email

from poetry_publish_verified.core.contents import ArchiveMember, Contents, algorithms
from poetry_publish_verified.core.distribution import Kind
from poetry_publish_verified.core.receipt import START
from poetry_publish_verified.core.verification import OwnMetadata
from poetry_publish_verified.sanitize import printable

_CHUNK = 1024 * 1024
# Inflating and hashing leave other threads their turn; for a small file none is worth its start.
_LARGE = 16 * 1024 * 1024
_THREADS = min(os.cpu_count() or 1, 4)
# Metadata is a page of text with a README in it; more is an accident or an attack.
_MAX_METADATA = 16 * 1024 * 1024
# A RECORD has a line for each file: this is room for half a million.
_MAX_RECORD = 64 * 1024 * 1024
# Nobody publishes so much on purpose; reading stops there.
_MOST_UNPACKED = 10 * 1024**3
_MOST_FOLD = 200
_LEAST_UNPACKED = 256 * 1024 * 1024


class InvalidArchiveError(ValueError):
    """An archive that lacks something required."""


class BareError(InvalidArchiveError):
    """An sdist without metadata that is whole otherwise."""


class BombError(ValueError):
    """An archive that unpacks to absurdly much."""


class StoppedError(Exception):
    """The caller has lost interest."""


class _Budget:
    """Counts unpacked bytes against a limit by the archive's own size, and checks for a stop."""

    def __init__(self, path: Path, stopped: Callable[[], bool] = lambda: False) -> None:
        self._stopped = stopped
        self._counting = Lock()
        self._most = min(_MOST_UNPACKED, max(_LEAST_UNPACKED, _MOST_FOLD * path.stat().st_size))
        self.used = 0

    def take(self, chunk: bytes) -> bytes:
        if self._stopped():
            raise StoppedError
        with self._counting:
            self.used += len(chunk)
        if self.used > self._most:
            raise BombError(f"it unpacks to more than {self._most // 1024**2} MiB")
        return chunk


def wheel(path: Path, stopped: Callable[[], bool] = lambda: False) -> tuple[bytes, Contents]:
    """A wheel's METADATA and contents. Raises whatever zipfile raises for a broken one."""
    budget = _Budget(path, stopped)
    with zipfile.ZipFile(path) as archive:
        metadata = _of_zip(archive, r"[^/]*\.dist-info/METADATA", _MAX_METADATA)
        if metadata is None:
            raise InvalidArchiveError("it has no METADATA")
        record = _of_zip(archive, r"[^/]*\.dist-info/RECORD", _MAX_RECORD)
        members = tuple(_zipped(archive, budget, algorithms(record)))
        about = _of_zip(archive, r"[^/]*\.dist-info/WHEEL", _MAX_METADATA)
    return metadata, Contents(members, budget.used, record, about)


def own_metadata(path: Path, kind: Kind) -> OwnMetadata:
    """What an archive says of itself, read to its end; `kind` is what its file name says."""
    try:
        content, _ = wheel(path) if kind == "wheel" else sdist(path)
        found, _ = parse_email(content)
    except Exception as error:  # noqa: BLE001 - broken archives raise whatever they like
        flaw = f"it is not a valid {kind} ({printable(str(error), 200)})"
        return OwnMetadata(flaw=flaw, bare=isinstance(error, BareError))
    sha256 = hashlib.sha256(content).hexdigest()
    return OwnMetadata(found.get("name", ""), found.get("version", ""), sha256=sha256)


def _zipped(
    archive: zipfile.ZipFile, budget: _Budget, hashed_by: Iterable[str] = ("sha256",)
) -> Iterator[ArchiveMember]:
    """Each file, read to the end, where zipfile compares the checksum; large ones side by side."""
    infos = [info for info in archive.infolist() if not info.is_dir()]
    read = partial(_hashed, hashed_by=hashed_by, take=budget.take)
    with ExitStack() as streams, ThreadPoolExecutor(_THREADS) as threads:
        # zipfile lets threads read, but not open or close.
        large = {
            info: threads.submit(read, info.filename, streams.enter_context(archive.open(info)))
            for info in infos
            if info.file_size >= _LARGE
        }
        for info in infos:
            if info in large:
                yield large[info].result()
            else:
                with archive.open(info) as stream:
                    yield read(info.filename, stream)


def _of_zip(archive: zipfile.ZipFile, pattern: str, limit: int) -> bytes | None:
    for info in archive.infolist():
        if re.fullmatch(pattern, info.filename):
            with archive.open(info) as stream:
                return _at_most(stream, limit, PurePosixPath(info.filename).name)
    return None


def _at_most(stream: IO[bytes], limit: int, name: str) -> bytes:
    # The size that the archive states need not be true.
    content = stream.read(limit + 1)
    if len(content) > limit:
        raise InvalidArchiveError(f"its {name} is larger than {limit // 1024**2} MiB")
    return content


def _hashed(
    name: str,
    stream: IO[bytes],
    hashed_by: Iterable[str] = ("sha256",),
    take: Callable[[bytes], bytes] = bytes,
) -> ArchiveMember:
    digests = {algorithm: hashlib.new(algorithm) for algorithm in hashed_by}
    size, start = 0, b""
    while chunk := take(stream.read(_CHUNK)):
        start = start or chunk[:START]
        size += len(chunk)
        for digest in digests.values():
            digest.update(chunk)
    sums = {key: digest.hexdigest() for key, digest in digests.items()}
    return ArchiveMember(name, size, sums, start=start)


class _Inflated:
    """A .tar.gz's tar, read forwards; small pieces only, and no more than the budget."""

    def __init__(self, stream: gzip.GzipFile, budget: _Budget) -> None:
        self._stream = stream
        self._budget = budget

    def read(self, size: int) -> bytes:
        if size > _MAX_METADATA:
            raise InvalidArchiveError("a header in it is larger than 16 MiB")
        return self._budget.take(self._stream.read(size))

    def tell(self) -> int:
        return self._budget.used

    def seek(self, position: int) -> int:
        if position < self.tell():
            raise tarfile.ReadError("its headers overlap")
        while (left := position - self.tell()) and self.read(min(left, _CHUNK)):
            pass
        return self.tell()


def sdist(path: Path, stopped: Callable[[], bool] = lambda: False) -> tuple[bytes, Contents]:
    """An sdist's PKG-INFO and contents. Raises whatever tarfile and gzip raise for a broken one."""
    budget = _Budget(path, stopped)
    if path.suffix == ".zip":  # before PEP 625
        with zipfile.ZipFile(path) as zipped:
            metadata = _of_zip(zipped, r"(\./)?[^/]+/PKG-INFO", _MAX_METADATA)
            members = list(_zipped(zipped, budget))
        return _found(metadata), Contents(tuple(members), budget.used)
    metadata, members = None, []
    with gzip.open(path) as stream:
        inflated = _Inflated(stream, budget)
        with _tar(inflated) as archive:
            for info in archive:
                if info.isdir():
                    continue
                if info.issparse():
                    # Its holes would be read as zeros without end.
                    raise InvalidArchiveError(f"{info.name} in it is a sparse file")
                content = archive.extractfile(info) if info.isreg() else None
                if metadata is None and PurePosixPath(info.name).parts[1:] == ("PKG-INFO",):
                    if content is None:
                        raise InvalidArchiveError("its PKG-INFO is not a file")
                    metadata = _at_most(content, _MAX_METADATA, "PKG-INFO")
                    content = BytesIO(metadata)
                if content is not None:
                    members.append(_hashed(info.name, content))
                    continue
                target = info.linkname if info.issym() or info.islnk() else None
                members.append(ArchiveMember(info.name, 0, target=target, hard=info.islnk()))
        # To the end, which tarfile does not do: only there gzip detects damage.
        while inflated.read(_CHUNK):
            pass
    return _found(metadata), Contents(tuple(members), budget.used)


def _found(pkg_info: bytes | None) -> bytes:
    if pkg_info is None:
        raise BareError("it has no PKG-INFO")
    return pkg_info


def contents_of(
    path: Path, names: Collection[str], limit: int
) -> Iterator[tuple[str, bytes | None]]:
    """Name and content of some regular files of an archive; None for more than `limit` bytes."""
    budget = _Budget(path)
    if path.suffix in {".whl", ".zip"}:
        with zipfile.ZipFile(path) as zipped:
            for name in names:
                with zipped.open(name) as member:
                    content = budget.take(member.read(limit + 1))
                yield name, content if len(content) <= limit else None
        return
    with gzip.open(path) as inflated, _tar(_Inflated(inflated, budget)) as tarred:
        for info in tarred:
            stream = tarred.extractfile(info) if info.name in names and info.isreg() else None
            if stream is not None:
                content = stream.read(limit + 1)
                yield info.name, content if len(content) <= limit else None


def _tar(stream: _Inflated) -> tarfile.TarFile:
    return tarfile.open(fileobj=stream, mode="r:")  # type: ignore[call-overload,no-any-return]
